"""Records for tests: machines, firms and keys, kept by the same functions that the API uses."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from api.access import people
from api.access.scope import Role
from api.audit.service import CONSOLE
from api.bookings.facts import Change, Kind
from api.bookings.service import keep
from api.bookings.tables import Booking
from api.records.database import Records, connect, open_records
from api.records.identifiers import partita_iva_problem
from api.records.service import put
from api.records.tables import Calendar
from shopfloor.periods import DAY, HOUR, Period
from shopfloor.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FIRMS = ("firm-a", "firm-b")
BOOKINGS = {"booking-a": ("mill-1", "firm-a"), "booking-b": ("mill-1", "firm-b"), "booking-s": ("lathe-1", "firm-b")}
"""Bookings that `add_bookings` makes: of which machine, for whom."""
CALENDAR = "house"
Holder = tuple[Role, str | None, "tuple[str, ...] | None"]


@cache
def _without_rows() -> bytes:
    """Return the file of a database of today's version: made once, since every migration takes its time."""
    with TemporaryDirectory() as folder:
        file = f"{folder}/records.db"
        open_records(f"sqlite://{file}").close()
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")  # what one in memory can be made of, too
        return Path(file).read_bytes()


def new_records(folder: Path) -> str:
    """Make a database of today's version without rows in a folder that has none, and return its address."""
    file = folder / "records.db"
    if not file.exists():
        file.touch(0o600)
        file.write_bytes(_without_rows())
    return f"sqlite://{file}"


def records_in_memory() -> Records:
    """Open a database of today's version without rows that is nowhere but in memory."""
    records = connect("sqlite://:memory:")
    with records.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.deserialize(_without_rows())
    return records


def partita_iva(number: int) -> str:
    """Return an invented partita IVA with the right check digit."""
    start = f"{number:07d}036"
    return next(each for digit in range(10) if partita_iva_problem(each := f"{start}{digit}") is None)


def firm(name: str, number: int, **more: Any) -> dict[str, Any]:
    """Return a firm that may be kept."""
    return {
        "id": name,
        "legal_name": "Officina Rossi S.r.l.",  # the same for all: names tell firms apart for nobody
        "partita_iva": partita_iva(number),
        "sdi_code": "ABC1234",
        "active_from": date(2020, 1, 1),
    } | more


def fill(
    address: str, *, sites: Mapping[str, str], machines: Iterable[Mapping[str, Any]], holders: Mapping[str, Holder]
) -> dict[str, str]:
    """Keep sites, machines with their agents, two firms, and an API key for each holder.

    Returns:
        The tokens by holder.
    """
    records = open_records(address)
    now = clock.now()
    try:
        with records.writing() as session:
            for number, name in enumerate(FIRMS, 1):
                put(session, CONSOLE, "members", firm(name, number), now=now)
            for site, name in sites.items():
                put(session, CONSOLE, "sites", {"id": site, "name": name}, now=now)
            for machine in machines:
                agent = {"id": machine["agent_id"], "site_id": machine["site_id"]}
                put(session, CONSOLE, "edges", agent, now=now)
                put(session, CONSOLE, "machines", {"signals": [], **machine}, now=now)
            tokens: dict[str, str] = {}
            for name, (role, member, bound) in holders.items():
                wanted = people.Wanted(role, member, bound)
                tokens[name], _ = people.add_key(session, CONSOLE, name, wanted, writes=True, days=None, now=now)
        return tokens
    finally:
        records.close()


def add_bookings(address: str) -> None:
    """Keep some bookings of the next days, and a calendar without machines."""
    records = open_records(address)
    now = clock.now()
    start = (now // DAY + 2) * DAY
    try:
        with records.writing() as session:
            session.add(Calendar(id=CALENDAR, name="Casa"))
            for number, (name, (machine, member)) in enumerate(BOOKINGS.items()):
                row = Booking(id=name, member_id=member, note="Lotto 7", number=-1)
                period = Period(start + 2 * number * HOUR, start + (2 * number + 1) * HOUR)
                keep(session, CONSOLE, row, Change(now, Kind.MADE, machine, period, start - DAY))
    finally:
        records.close()
