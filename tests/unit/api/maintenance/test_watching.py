"""Maintenance as the watch does it: a real store, real records, killed anywhere, data late and shuffled."""

from __future__ import annotations

import random
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import MetaData, select

from api.access import people
from api.access import personal as access
from api.access.scope import Role
from api.access.tables import Person
from api.audit.service import CONSOLE, Actor
from api.floor import service as floor
from api.maintenance import journal, personal_records, rulebook, settings_records
from api.maintenance.backtest import run
from api.maintenance.catalogue import shipped_classes
from api.maintenance.dispatch import PING, Dispatch
from api.maintenance.fold import MachineFold
from api.maintenance.stored import read_stored, signals_of
from api.maintenance.tables import (
    AlarmChange,
    AttemptRow,
    ChannelRow,
    ConditionRow,
    DeedRow,
    DeliveryRow,
    Duty,
    Escalation,
    IncidentRow,
    ServiceEntry,
    Watched,
)
from api.maintenance.watching import Watching
from api.records.database import Records, open_records
from api.records.service import put
from shopfloor.periods import DAY, HOUR, MINUTE, SECOND, Period
from shopfloor.samples import Sample, slices
from shopfloor.stores.sqlite import SqliteStore
from tests.services.records import new_records
from tests.services.test_delivery import Webhook

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

START = 20_000 * DAY
MACHINES = ("m1", "m2")


class Shop:
    """Two machines of one agent, their store and records, and a watch that can be killed."""

    def __init__(self, folder: Path) -> None:
        self.store = SqliteStore(folder / "store.db")
        self.records: Records = open_records(new_records(folder))
        with self.records.writing() as session:
            put(session, CONSOLE, "sites", {"id": "nord", "name": "Nord"}, now=START)
            put(session, CONSOLE, "edges", {"id": "north-1", "site_id": "nord"}, now=START)
            for name in MACHINES:
                machine = {"id": name, "name": name, "kind": "Fresatrice", "site_id": "nord", "agent_id": "north-1",
                           "maker": "Brenta", "signals": []}  # fmt: skip
                put(session, CONSOLE, "machines", machine, now=START)
            anna = people.Wanted(Role.MAINTENANCE)
            self.anna = people.add_person(session, CONSOLE, "anna@example.it", "Anna", [anna], now=START).id
            session.add(ChannelRow(id="c1", person=self.anna, name="mail", address="json://localhost"))
        self.watching = self.new()

    def new(self) -> Watching:
        """Begin as a process that was just started."""
        return Watching(self.store, self.records, self.records.writing, zone="Europe/Rome")

    def sending(self) -> Dispatch:
        """Begin as a process that was just started, and that sends."""
        send = Dispatch(self.store, self.records, self.records.writing, zone="Europe/Rome",
                        url="https://officina.example", secret=b"x" * 32, inside=("127.0.0.1",))  # fmt: skip
        self.watching = Watching(self.store, self.records, self.records.writing, zone="Europe/Rome", deliver=send)
        return send

    def write(self, samples: Sequence[Sample], now: int) -> None:
        self.store.write(slices(samples), now=now)

    def rounds(self, start: int, end: int, step: int = SECOND) -> None:
        for now in range(start, end, step):
            self.watching.run(now)

    def rows(self, table: type[Any]) -> list[Any]:
        with self.records.reading() as session:
            return list(session.scalars(select(table)))

    def close(self) -> None:
        self.store.close()
        self.records.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    made.close()


def proofs(machine: str, start: int, end: int, since: int = 0) -> list[Sample]:
    return [Sample(machine, "observed", stamp, since or start) for stamp in range(start, end, 20 * SECOND)]


def hot(machine: str, start: int, end: int, value: float = 90.0) -> list[Sample]:
    return [Sample(machine, "spindle_temperature", stamp, value) for stamp in range(start, end, 10 * SECOND)]


def live(
    shop: Shop, samples: Sequence[Sample], until: int, *, late: int = 0, draw: random.Random | None = None
) -> None:
    """Let samples arrive as they are measured, some late; the watch runs beside, and is killed at random."""
    arriving = sorted((each.stamp + (draw.randrange(late) if draw and late else 0), each) for each in samples)
    at = 0
    for now in range(START, until, 7 * SECOND):
        batch = []
        while at < len(arriving) and arriving[at][0] < now:
            batch.append(arriving[at][1])
            at += 1
        if batch:
            shop.write(batch, now)
        if draw is not None and draw.random() < 0.02:
            shop.watching = shop.new()
        shop.watching.run(now)
    shop.rounds(until, until + 7 * MINUTE, 7 * SECOND)  # until everything late was looked for


def told(shop: Shop) -> list[tuple[str, str, str, int]]:
    return sorted(
        (each.name, each.rule, each.what, each.stamp) for each in shop.rows(AlarmChange) if not each.withdrawn
    )


def backtested(shop: Shop, until: int) -> list[tuple[str, str, str, int]]:
    with shop.records.reading() as session:
        rules = rulebook.read(session).of_machine("m1", "Fresatrice")
    found = []
    for name in MACHINES:
        samples = list(read_stored(shop.store, name, signals_of(rules), Period(START, until)))
        result = run(MachineFold(name, rules, shipped_classes(), "Brenta"), samples, until)
        found += [(name, each.rule, str(each.what), each.stamp) for each in result.changes]
    return sorted(each for each in found if each[3] < until)


def day(seed: int) -> list[Sample]:
    """Two hours of two machines that heat up now and then; one falls silent for a while."""
    draw = random.Random(seed)
    samples: list[Sample] = []
    for name in MACHINES:
        gap = START + draw.randrange(20, 60) * MINUTE if name == "m2" else 0
        for stamp in range(START, START + 2 * HOUR, 10 * SECOND):
            if gap and gap <= stamp < gap + 20 * MINUTE:
                continue
            phase = (stamp - START) // MINUTE
            value = 85.0 if (phase // 17 + seed) % 3 == 0 else 40.0 + draw.random()
            samples.append(Sample(name, "spindle_temperature", stamp, value))
            if stamp % (20 * SECOND) == 0:
                samples.append(Sample(name, "observed", stamp, gap + 20 * MINUTE if gap and stamp >= gap else START))
        samples.append(Sample(name, "item_state", START, 3))
    return samples


@pytest.mark.parametrize("late", [pytest.param(0, marks=pytest.mark.long), 20 * MINUTE])
def test_live_with_kills_and_late_data_comes_to_the_same_as_the_backtest(shop: Shop, late: int) -> None:
    until = START + 100 * MINUTE
    live(shop, [each for each in day(1) if each.stamp < until], until, late=late, draw=random.Random(late + 3))
    expected = backtested(shop, until)
    assert len(expected) > 4
    assert [each for each in told(shop) if each[3] < until and each[0] in MACHINES] == expected
    keys = [each.name for each in shop.rows(DeliveryRow)]
    assert len(keys) == len(set(keys))


def test_what_is_grave_is_queued_within_five_seconds_and_said_once(shop: Shop) -> None:
    shop.write([*proofs("m1", START, START + 60 * SECOND), Sample("m1", "spindle_temperature", START, 40.0)], START)
    shop.rounds(START, START + 60 * SECOND)
    fired = 0
    for now in range(START + 60 * SECOND, START + 140 * SECOND, SECOND):
        if now % (10 * SECOND) == 0:
            shop.write([Sample("m1", "spindle_temperature", now, 90.0)], now)
        if now % (20 * SECOND) == 0:
            shop.write([Sample("m1", "observed", now, START)], now)
        shop.watching.run(now)
        if shop.rows(DeliveryRow) and not fired:
            fired = now
    [delivery] = shop.rows(DeliveryRow)
    assert fired - (START + 120 * SECOND) <= 5 * SECOND  # a minute of delay after the first hot sample
    assert delivery.channel == "c1"
    [incident] = shop.rows(IncidentRow)
    assert (incident.rule, incident.name, incident.severity, incident.is_past) == ("spindle-hot", "m1", "high", False)
    assert [(each.rule, each.verdict) for each in shop.rows(ConditionRow) if each.rule == "spindle-hot"] == [
        ("spindle-hot", "normal"), ("spindle-hot", "active")]  # fmt: skip
    shop.watching = shop.new()
    shop.rounds(START + 140 * SECOND, START + 200 * SECOND)
    assert len(shop.rows(DeliveryRow)) == 1
    assert len(shop.rows(AlarmChange)) == 1


def test_the_past_that_is_filled_in_is_shown_and_wakes_nobody(shop: Shop) -> None:
    now = START + 3 * DAY
    shop.write(proofs("m1", now, now + 60 * SECOND), now)
    shop.rounds(now, now + 60 * SECOND, 5 * SECOND)
    shop.write([*proofs("m1", START, START + HOUR), *hot("m1", START, START + 10 * MINUTE),
                Sample("m1", "spindle_temperature", START + 20 * MINUTE, 30.0)], now + MINUTE)  # fmt: skip
    shop.rounds(now + MINUTE, now + 3 * MINUTE, 5 * SECOND)
    [incident] = [each for each in shop.rows(IncidentRow) if each.rule == "spindle-hot"]
    assert incident.is_past
    assert shop.rows(DeliveryRow) == []


def test_history_that_keeps_arriving_is_judged_as_it_comes_without_reading_it_again_and_again(shop: Shop) -> None:
    now, days, reads = START + 30 * DAY, 20, 0
    for name in MACHINES:
        shop.write(proofs(name, now, now + MINUTE), now)
    shop.rounds(now, now + 20 * SECOND, 5 * SECOND)
    ask = shop.store.read

    def counted(machines: Sequence[str], signals: Sequence[str], period: Period, *, limit: int) -> list[Sample]:
        nonlocal reads
        found = ask(machines, signals, period, limit=limit)
        reads += sum(sample.signal == "spindle_temperature" for sample in found)
        return found

    shop.store.read = counted  # type: ignore[method-assign]
    written: list[Sample] = []
    for number in range(days):
        begin, now = START + number * DAY, now + 10 * SECOND
        samples = hot("m1", begin, begin + 10 * MINUTE, 90.0 if number % 6 == 2 else 40.0)
        samples.append(Sample("m1", "spindle_temperature", begin + 5 * HOUR, 40.0))
        shop.write([*proofs("m1", begin, begin + 6 * HOUR)[:: 3 * 60], *samples], now)
        written += samples
        shop.rounds(now, now + 10 * SECOND, 5 * SECOND)
        if number == days // 2:
            early = [each for each in shop.rows(IncidentRow) if each.rule == "spindle-hot"]
            assert len(early) == 2
    shop.rounds(now, now + MINUTE, 5 * SECOND)
    hot_days = [each for each in shop.rows(IncidentRow) if each.rule == "spindle-hot" and each.withdrawn is None]
    assert [each.is_past for each in hot_days] == [True] * 3
    assert shop.rows(DeliveryRow) == []
    assert reads <= 3 * len(written)
    shop.store.read = ask  # type: ignore[method-assign]
    assert [each for each in told(shop) if each[0] == "m1" and each[1] == "spindle-hot"] == [
        each for each in backtested(shop, now) if each[0] == "m1" and each[1] == "spindle-hot"
    ]


def test_a_lost_edge_is_one_incident_and_its_machines_are_hidden(shop: Shop) -> None:
    for name in MACHINES:
        shop.write(proofs(name, START, START + 10 * MINUTE), START)
    shop.rounds(START + 10 * MINUTE, START + 25 * MINUTE, 7 * SECOND)
    [incident] = shop.rows(IncidentRow)
    assert (incident.name, incident.rule, incident.hides) == ("edge/north-1", "edge-silent", ["m1", "m2"])
    back = START + 26 * MINUTE  # the agent watched all the time: what it kept says so
    for name in MACHINES:
        shop.write([Sample(name, "observed", back, START)], back)
    shop.rounds(back, back + MINUTE, 5 * SECOND)
    assert shop.rows(IncidentRow)[0].withdrawn is not None


def test_taking_an_incident_reaches_its_alarm_and_ends_the_reminders(shop: Shop) -> None:
    shop.write([*proofs("m1", START, START + 5 * MINUTE), *hot("m1", START, START + 5 * MINUTE)], START)
    shop.rounds(START + MINUTE, START + 5 * MINUTE, 5 * SECOND)
    [incident] = shop.rows(IncidentRow)
    at = START + 5 * MINUTE
    with shop.records.writing() as session:
        session.add(DeedRow(incident=incident.id, name="m1", at=at, entered=at, kind="take", by="person:x",
                            by_name="Anna", alarms=[["spindle-hot", "spindle_temperature"]]))  # fmt: skip
    shop.rounds(at, at + 20 * SECOND)
    assert [each.what for each in shop.rows(AlarmChange)] == ["raised", "acknowledged"]
    shop.write(proofs("m1", at, at + 2 * DAY, START)[:: 3 * 60], at)
    before = len(shop.rows(DeliveryRow))
    shop.rounds(at + 2 * DAY, at + 2 * DAY + 20 * SECOND, 5 * SECOND)
    assert [each for each in shop.rows(DeliveryRow)[before:] if "spindle-hot" in each.name] == []


def test_who_is_erased_is_named_nowhere_and_no_alarm_comes_again(shop: Shop) -> None:
    shop.write([*proofs("m1", START, START + 5 * MINUTE), *hot("m1", START, START + 5 * MINUTE)], START)
    shop.rounds(START + MINUTE, START + 5 * MINUTE, 5 * SECOND)
    [incident] = shop.rows(IncidentRow)
    actor, taken = Actor(f"person:{shop.anna}"), START + 5 * MINUTE
    alarms = [["spindle-hot", "spindle_temperature"]]
    with shop.records.writing() as session:
        for kind, to in (("take", ""), ("assign", "Anna")):
            session.add(DeedRow(incident=incident.id, name="m1", at=taken, entered=taken, kind=kind, by=actor.id,
                                by_name="Anna", assignee=to, alarms=alarms))  # fmt: skip
        floor.call(session, actor, "Anna", "m1", "oil on the floor", now=taken)
        for row in session.scalars(select(DeliveryRow)):
            session.add(AttemptRow(delivery=row.key, number=1, at=taken, answer="lasting", words="550 Anna is unknown"))
        session.add(Duty(person=shop.anna))
        session.add(Escalation(id=1, steps=[[shop.anna]], step_minutes={}, ping="", ping_minutes=5))
    shop.rounds(taken, taken + MINUTE, 5 * SECOND)
    before = told(shop)
    naming = {table for table, text in dumped(shop) if "Anna" in text}
    assert naming >= {"people", "incident_deeds", "maintenance_calls", "alarm_changes", "delivery_attempts"}

    with shop.records.writing() as session:
        person = session.get_one(Person, shop.anna)
        personal_records.erase(session, person)
        access.erase(session, CONSOLE, person, now=taken + MINUTE)
    later = taken + MINUTE
    shop.write([*proofs("m1", START + 5 * MINUTE, later, START), *hot("m1", taken - MINUTE, taken + SECOND)], later)
    shop.rounds(later, later + MINUTE, 5 * SECOND)

    assert {table for table, text in dumped(shop) if "anna" in text.lower() or "localhost" in text} == set()
    assert [each for each in told(shop) if each in before] == before
    assert shop.rows(Escalation)[0].steps == shop.rows(Duty) == []
    assert {each.by_name for each in shop.rows(DeedRow)} == {each.assignee for each in shop.rows(DeedRow)} - {""}


def dumped(shop: Shop) -> Iterator[tuple[str, str]]:
    """Return every row of every table as text, what is compressed too."""
    with shop.records.reading() as session:
        metadata = MetaData()
        metadata.reflect(session.connection())
        for table in metadata.sorted_tables:
            for row in session.execute(select(table)):
                texts = [zlib.decompress(each).decode() if isinstance(each, bytes) else str(each) for each in row]
                yield str(table.name), " ".join(texts)


def test_a_service_that_is_entered_late_counts_from_its_own_time(shop: Shop) -> None:
    samples = [Sample("m1", "operation_seconds", START + hour * HOUR, 1e6 + hour * 3600.0) for hour in range(30 * 24)]
    now = START + 30 * DAY
    shop.write(samples, now)
    shop.rounds(now, now + MINUTE, 5 * SECOND)
    service = shop.watching.service_of("m1", "service-small")
    assert service is not None
    assert round(service.used / 3600) == 30 * 24 - 1
    with shop.records.writing() as session:
        session.add(ServiceEntry(name="m1", rule="service-small", at=now - 5 * DAY, entered=now, by="person:x"))
    shop.rounds(now + MINUTE, now + 2 * MINUTE, 5 * SECOND)
    service = shop.watching.service_of("m1", "service-small")
    assert service is not None
    assert round(service.used / 3600) == 5 * 24 - 1


def test_the_third_stage_can_be_computed_again_from_the_second(shop: Shop) -> None:
    until = START + HOUR
    live(shop, [each for each in day(2) if each.stamp < until], until)
    before = [(each.id, each.severity, each.closed, each.alarms) for each in shop.rows(IncidentRow)]
    with shop.records.writing() as session:
        journal.gather(session, "edge/north-1", list(MACHINES), START, until + HOUR)
    assert before == [(each.id, each.severity, each.closed, each.alarms) for each in shop.rows(IncidentRow)]
    assert before
    assert {each.name for each in shop.rows(Watched)} == {"m1", "m2", "edge/north-1"}


def test_a_test_of_the_sign_of_life_calls_the_address_once_beside_the_call_that_is_due(shop: Shop) -> None:
    hook = Webhook()
    with shop.records.writing() as session:
        ping = f"json://127.0.0.1:{hook.port}/"
        session.add(Escalation(id=1, steps=[], step_minutes={}, ping=ping, ping_minutes=5))
        session.flush()
        settings_records.test_ping(session, now=START)
    dispatch = shop.sending()
    shop.rounds(START, START + 20 * SECOND, SECOND)
    dispatch.wait()
    with shop.records.reading() as session:
        assert settings_records.test_of(session, PING)[0] == "sent"
    assert [each.name for each in shop.rows(DeliveryRow)] == [key for key in hook.kept if key.startswith("test|ping|")]
    hook.stop()


def test_a_webhook_that_is_down_and_a_watch_that_is_killed_lose_nothing_and_send_nothing_twice(shop: Shop) -> None:
    hook = Webhook()
    with shop.records.writing() as session:
        row = session.get(ChannelRow, "c1")
        assert row is not None
        row.address, row.drops_repeats = f"json://127.0.0.1:{hook.port}/", True
    hook.status = 503
    dispatch = shop.sending()
    shop.write([*proofs("m1", START, START + HOUR), *hot("m1", START, START + 10 * MINUTE)], START)
    shop.rounds(START + MINUTE, START + 4 * MINUTE, 7 * SECOND)
    dispatch.wait()
    [delivery] = shop.rows(DeliveryRow)
    assert delivery.status == "queued"
    hook.status = 204
    dispatch = shop.sending()  # another process takes over
    shop.rounds(START + 4 * MINUTE, START + 8 * MINUTE, 7 * SECOND)
    dispatch.wait()
    assert hook.kept == [delivery.name]
    [sent] = shop.rows(DeliveryRow)
    assert sent.status == "sent"
    hook.stop()
