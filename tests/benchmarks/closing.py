"""A month of a large house: segments built cold, a member's preview, the closing; time, memory, growth."""

from __future__ import annotations

import resource
import tempfile
import time
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from api.audit.service import CONSOLE
from api.billing import service as prices
from api.billing.calendars import civil_zone
from api.billing.closing import Order, close
from api.billing.ledger import Ledger, settled
from api.billing.pricelist import Entry
from api.records.database import open_records
from api.records.service import put, put_consortium
from api.usage import service
from api.usage.evidence import JobRule, RuleKind
from api.usage.kept import UsageDays
from api.usage.policy import Policy
from shopfloor.periods import DAY, HOUR, SECOND, parse_instant
from shopfloor.samples import Slice
from shopfloor.stores.sqlite import SqliteStore
from tests.services.records import firm, partita_iva

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMBERS, MACHINES, CHANGES = 140, 300, 200
"""Of the whole house; state changes of each machine and day."""
JOBS_PER_DAY = 6
MONTH, DAYS = "2026-10", 31
CLOSE_SECONDS_MAX, COLD_SECONDS_MAX, PREVIEW_SECONDS_MAX, BYTES_MAX = 60, 600, 0.5, 1024**3
_START, _NOW = parse_instant("2026-09-30T22:00:00Z"), parse_instant("2026-11-06T00:00:00Z")
_TARIFF = """
name = "all"
[[versions]]
from = 2026-01-01
calendar = "arera"
time = { setup = 18.00, processing = { F1 = 36.50, F2 = 33.00, F3 = 30.00 }, idle = 9.90 }
"""


class Figures(NamedTuple):
    """What was measured, in seconds and bytes."""

    machines: int
    cold: float
    preview: float
    close: float
    resident: int


def _day(number: int, start: int) -> Iterator[Slice]:
    """What one machine says in a day: changes of state, jobs, and that it was observed."""
    machine = f"m-{number:03d}"
    step = DAY // CHANGES
    for change in range(CHANGES):
        values: dict[str, int | str] = {"item_state": (3, 2, 3, 2, 2)[change % 5]}
        if change % 5 == 4:
            values["operation_mode"] = 2
        elif change % 5 == 0:
            values["operation_mode"] = 3
        if change % (CHANGES // JOBS_PER_DAY) == 0:
            member = (number * 7 + start // DAY * 3 + change) % MEMBERS
            values["job"] = f"{member:03d}-{start // DAY}"
        yield Slice(machine, start + change * step + number * SECOND, dict(values))
    for hour in range(24):
        yield Slice(machine, start + (hour + 1) * HOUR, {"observed": _START - HOUR})


def _fill(folder: Path, machines: int) -> tuple[str, str]:
    address, store_address = f"sqlite://{folder / 'records.db'}", str(folder / "store.db")
    with closing(open_records(address)) as records, records.writing() as session:
        values = {"legal_name": "Consorzio", "legal_form": "consorzio", "partita_iva": partita_iva(999)}
        put_consortium(session, CONSOLE, values, now=_START)
        put(session, CONSOLE, "sites", {"id": "site", "name": "Site"}, now=_START)
        put(session, CONSOLE, "edges", {"id": "edge", "site_id": "site"}, now=_START)
        for number in range(MEMBERS):
            put(session, CONSOLE, "members", firm(f"f-{number:03d}", number + 1), now=_START)
            rule = JobRule(RuleKind.PREFIX, f"{number:03d}-", f"f-{number:03d}")
            service.add_rule(session, CONSOLE, rule, now=_START)
        for number in range(machines):
            values = {"id": f"m-{number:03d}", "name": f"M {number}", "site_id": "site", "agent_id": "edge"}
            put(session, CONSOLE, "machines", {**values, "signals": []}, now=_START)
        prices.put_entry(session, CONSOLE, civil_zone("Europe/Rome"), Entry("", "tariffs", _TARIFF), now=_START)
    with closing(SqliteStore(store_address)) as store:
        for number in range(machines):
            for day in range(-1, DAYS + 2):
                store.write(list(_day(number, _START + day * DAY)), now=_NOW - 2 * DAY)
    return address, store_address


def measure(machines: int) -> Figures:
    """Measure one size of the house, in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        address, store_address = _fill(Path(name), machines)
        with closing(open_records(address)) as records, closing(SqliteStore(store_address)) as store:
            usage = UsageDays(records, store, Policy(), settled)
            ledger = Ledger(records, usage)
            names = usage.machines()
            begun = time.perf_counter()
            usage.refresh(names, date(2026, 9, 30), date(2026, 11, 1), now=_NOW)
            cold = time.perf_counter() - begun
            ledger.preview(MONTH, now=_NOW, member="f-000")
            begun = time.perf_counter()
            [stated] = ledger.preview(MONTH, now=_NOW, member="f-000")
            preview = time.perf_counter() - begun
            assert stated.net > 0
            begun = time.perf_counter()
            done = close(ledger, CONSOLE, Order(MONTH, accepted={"*": "the agents began late"}), now=_NOW)
            took = time.perf_counter() - begun
            assert done.statements == MEMBERS
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Figures(machines, cold, preview, took, resident)


def main() -> None:
    """Measure a quarter, a half and the whole of a house, each beside what the whole may take."""
    print(f"closing: {MEMBERS} members, {CHANGES} changes of each machine and day; of {MACHINES} machines the segments "
          f"may take {COLD_SECONDS_MAX} s, a preview {PREVIEW_SECONDS_MAX} s, the closing {CLOSE_SECONDS_MAX} s, all "
          f"{BYTES_MAX / 1024**2:.0f} MB")  # fmt: skip
    for size in (MACHINES // 4, MACHINES // 2, MACHINES):
        figures = measure(size)
        times = f"cold {figures.cold:.1f} s, preview {figures.preview:.3f} s, closing {figures.close:.1f} s"
        print(f"closing: {size} machines: {times}, {figures.resident / 1024**2:.0f} MB", flush=True)
