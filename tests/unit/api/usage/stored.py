"""A store and records with what a machine said, for tests that go from samples to money."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

from api.access.scope import Role, Scope
from api.audit.service import CONSOLE, Actor
from api.records.database import open_records
from api.records.service import put
from api.usage import service
from api.usage.evidence import JobRule, RuleKind
from api.usage.kept import UsageDays
from api.usage.policy import Policy
from shopfloor.periods import HOUR, SECOND, Period, parse_instant
from shopfloor.samples import Sample, slices
from shopfloor.stores.sqlite import SqliteStore
from tests.services.records import firm, records_in_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from api.records.database import Records

OFF, IDLE, RUNS = 0, 2, 3
STAFF = Scope(Role.ADMINISTRATOR)
FIRMS = ("alfa", "beta", "gamma")


def at(text: str) -> int:
    """An instant as 2026-10-13T08:00, in UTC."""
    return parse_instant(f"{text}:00Z")


def states(machine: str, *changes: tuple[str, int]) -> list[Sample]:
    """The item state from each instant on."""
    return [Sample(machine, "item_state", at(when), value) for when, value in changes]


def watched(machine: str, start: str, end: str) -> list[Sample]:
    """Proofs that a machine was observed."""
    first, last = at(start), at(end)
    return [
        Sample(machine, "observed", min(stamp, last), first)
        for stamp in range(first + HOUR // 4, last + HOUR // 4, HOUR // 4)
    ]


def said(machine: str, signal: str, *changes: tuple[str, str | int | float]) -> list[Sample]:
    """A signal from each instant on."""
    return [Sample(machine, signal, at(when), value) for when, value in changes]


class House:
    """Records and a store, and the kept days made of them."""

    def __init__(self, records: Records, store: SqliteStore) -> None:
        self.records, self.store = records, store
        self.usage = UsageDays(records, store, Policy())

    def tell(self, samples: Sequence[Sample], *, now: str) -> None:
        """Store samples as a collector does."""
        self.store.write(slices(samples), now=at(now))

    def check_in(self, machine: str, when: str, payer: str | None, *, out: bool = False, now: str) -> None:
        presence = service.Presence(machine, at(when), payer, out)
        with self.records.writing() as session:
            service.check_in(session, CONSOLE, STAFF, presence, now=at(now))

    def correct(self, machine: str, start: str, end: str, payer: str, *, now: str) -> None:
        """Ask for a correction as one person and approve it as another."""
        wish = service.Wish(machine, Period(at(start), at(end)), payer, None, "the wrong badge was read")
        with self.records.writing() as session:
            row = service.ask_correction(session, Actor("person:anna"), STAFF, wish, now=at(now))
            service.decide_correction(session, Actor("person:bruno"), row.id, "", approve=True, now=at(now))

    def digests(self) -> dict[tuple[str, str], list[str]]:
        """The digests of all current segments, by machine and day."""
        from api.usage.tables import UsagePart

        found: dict[tuple[str, str], list[str]] = {}
        with self.records.reading() as session:
            for row in session.query(UsagePart).filter(UsagePart.is_current):
                found.setdefault((row.machine_id, str(row.day)), []).append(row.digest)
        return {key: sorted(digests) for key, digests in found.items()}


@contextmanager
def house(
    machines: Sequence[str] = ("mill-1",), *, rules: bool = True, address: str = "", telemetry: str = ":memory:"
) -> Iterator[House]:
    """Records of three firms and some machines, and an empty store."""
    records, store = open_records(address) if address else records_in_memory(), SqliteStore(telemetry)
    now = at("2026-09-01T00:00")
    with records.writing() as session:
        put(session, CONSOLE, "sites", {"id": "nord", "name": "Nord"}, now=now)
        put(session, CONSOLE, "edges", {"id": "edge", "site_id": "nord"}, now=now)
        for number, name in enumerate(FIRMS, 1):
            put(session, CONSOLE, "members", firm(name, number), now=now)
            if rules:
                rule = JobRule(RuleKind.PREFIX, f"{name[:1].upper()}-", name)
                service.add_rule(session, CONSOLE, rule, now=now)
        for name in machines:
            values = {"id": name, "name": name, "site_id": "nord", "agent_id": "edge", "signals": []}
            put(session, CONSOLE, "machines", values, now=now)
    try:
        yield House(records, store)
    finally:
        store.close()
        records.close()


def shuffled(samples: Sequence[Sample], seed: int) -> list[list[Sample]]:
    """The same samples in another order, in batches, some of them twice."""
    dice = random.Random(seed)
    order = [*samples, *dice.sample(list(samples), len(samples) // 5)]
    dice.shuffle(order)
    size = max(1, len(order) // 7)
    return [order[start : start + size] for start in range(0, len(order), size)]


def workday(machine: str, day: str, members: Sequence[str], *, watts_hours: float = 0.0) -> list[Sample]:
    """A machine that is on from 6 to 18 UTC, and makes two jobs after one another."""
    hours = {"on": f"{day}T06:00", "first": f"{day}T06:20", "pause": f"{day}T10:00", "second": f"{day}T10:31"}
    changes = [(hours["on"], IDLE), (hours["first"], RUNS), (hours["pause"], IDLE), (hours["second"], RUNS)]
    jobs = [(hours["on"], f"{members[0]}-1"), (hours["pause"], f"{members[1]}-2"), (f"{day}T18:00", "")]
    found = [
        *states(machine, (f"{day}T00:00", OFF), *changes, (f"{day}T18:00", OFF)),
        *said(machine, "job", *jobs),
    ]
    first = at(f"{day}T06:00")
    for number in range(73):
        found.append(Sample(machine, "energy_watt_hours", first + number * 600 * SECOND, watts_hours + 500.0 * number))
        found.append(Sample(machine, "power_on_seconds", first + number * 600 * SECOND, 600.0 * number))
    return found
