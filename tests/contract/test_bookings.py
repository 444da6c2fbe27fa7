"""Bookings never overlap, and nothing of what was done with them is lost, on SQLite and on PostgreSQL."""

from __future__ import annotations

import random
import threading
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from api.access.scope import Role, Scope
from api.audit import service as audit
from api.audit.service import CONSOLE, Actor
from api.bookings import reading, service
from api.bookings.civil import WallTimeError, instant_of
from api.bookings.facts import Kind, Outcome, stage
from api.bookings.rules import BookingConflictError, Reason, RefusedBookingError, Rules
from api.bookings.service import Clerk, Wish
from api.bookings.tables import LockOut
from api.records.database import Records, open_records
from api.records.service import UnknownRecordError, put
from api.records.tables import Calendar, CalendarHours, CalendarMachine
from api.usage.evidence import Booking, Evidence
from shopfloor.periods import DAY, HOUR, INSTANT_MAX, MINUTE, Period, parse_instant
from tests.services.records import firm

if TYPE_CHECKING:
    from collections.abc import Iterator

ROME = ZoneInfo("Europe/Rome")
NOW = parse_instant("2026-11-17T09:05:00Z")
NINE = parse_instant("2026-11-19T09:00:00Z")
WEEK = Period(NINE - DAY, NINE + 6 * DAY)
ADA = Actor("person:ada", "203.0.113.5")


@pytest.fixture
def records(records_address: str) -> Iterator[Records]:
    opened = open_records(records_address)
    with opened.writing() as session:
        for number, name in enumerate(("firm-a", "firm-b"), 1):
            put(session, CONSOLE, "members", firm(name, number), now=NOW)
        for site in ("nord", "sud"):
            put(session, CONSOLE, "sites", {"id": site, "name": site}, now=NOW)
            put(session, CONSOLE, "edges", {"id": site, "site_id": site}, now=NOW)
        for machine, site in (("mill-1", "nord"), ("mill-2", "nord"), ("lathe-1", "sud")):
            values = {"id": machine, "name": machine, "kind": machine[:-2], "site_id": site, "agent_id": site}
            put(session, CONSOLE, "machines", values | {"signals": []}, now=NOW)
    yield opened
    opened.close()


def clerk(
    member: str = "", *, now: int = NOW, sites: frozenset[str] | None = None, rules: Rules | None = None
) -> Clerk:
    """A member's person, or the administrator."""
    scope = Scope(Role.MEMBER, member, sites) if member else Scope(Role.ADMINISTRATOR, None, sites)
    return Clerk(ADA, scope, rules or Rules(), ROME, now)


def make(records: Records, wish: Wish, who: Clerk, *, weeks: int = 1) -> list[str]:
    with records.writing() as session:
        return [row.id for row in service.book(session, who, wish, weeks=weeks)]


def slot(hours: float, length: float = 2, machine: str = "mill-1", member: str = "") -> Wish:
    return Wish(machine, member, int(NINE + hours * HOUR), int(NINE + (hours + length) * HOUR))


def evidence_of(records: Records, machine: str = "mill-1") -> list[Booking]:
    with records.reading() as session:
        return reading.bookings_of(session, machine, WEEK)


def test_a_booking_is_kept_with_its_history_and_its_entry_in_the_trail(records: Records) -> None:
    [booking] = make(records, slot(0), clerk("firm-a"))

    assert evidence_of(records) == [Booking(Period(NINE, NINE + 2 * HOUR), "firm-a")]
    with records.reading() as session:
        [history] = reading.histories(session, [booking])
    assert [(each.kind, each.at, each.binds) for each in history.changes] == [(Kind.MADE, NOW, NINE - DAY)]
    [(_, entry)] = audit.page(records, before=None, limit=1)
    assert (entry["what"], entry["subject"], entry["who"]) == ("add", f"bookings/{booking}", "person:ada")


def test_a_machine_that_is_taken_or_locked_is_refused_without_saying_by_whom(records: Records) -> None:
    make(records, slot(0), clerk("firm-a"))
    for hours in (-1, 0, 1):
        with pytest.raises(BookingConflictError, match="2026-11-19T09:00:00Z to 2026-11-19T11:00:00Z") as refused:
            make(records, slot(hours), clerk("firm-b"))
        assert "firm-a" not in str(refused.value)
    make(records, slot(2), clerk("firm-b"))
    make(records, slot(0, machine="mill-2"), clerk("firm-b"))
    with records.writing() as session:
        session.add(LockOut(id="x", machine_id="mill-1", starts=NINE + 5 * HOUR, ends=INSTANT_MAX, reason="Mandrino",
                            created=NOW, who="x"))  # fmt: skip
    with pytest.raises(BookingConflictError, match=r"until it is released \(Mandrino\)"):
        make(records, slot(4), clerk("firm-b"))


def test_a_member_books_for_its_own_firm_alone_and_the_desk_for_any(records: Records) -> None:
    with pytest.raises(RefusedBookingError, match="own firm alone"):
        make(records, slot(0, member="firm-b"), clerk("firm-a"))
    with pytest.raises(RefusedBookingError, match="name the firm"):
        make(records, slot(0), clerk())
    make(records, slot(0, member="firm-b"), clerk())

    assert [each.member for each in evidence_of(records)] == ["firm-b"]


def test_a_machine_of_another_site_does_not_exist(records: Records) -> None:
    with pytest.raises(RefusedBookingError, match="there is no machine"):
        make(records, slot(0, machine="lathe-1"), clerk("firm-a", sites=frozenset({"nord"})))


def test_nobody_changes_or_sees_what_is_anothers(records: Records) -> None:
    [booking] = make(records, slot(0), clerk("firm-a"))
    for who in (clerk("firm-b"), clerk(sites=frozenset({"sud"}))):
        with records.writing() as session:
            with pytest.raises(UnknownRecordError):
                service.cancel(session, who, booking)
            with pytest.raises(UnknownRecordError):
                service.change(session, who, booking, end=NINE + HOUR)


def test_a_booking_moves_and_leaves_its_old_time_to_others(records: Records) -> None:
    [booking] = make(records, slot(0), clerk("firm-a"))
    with records.writing() as session:
        service.change(session, clerk("firm-a"), booking, start=NINE + HOUR, end=NINE + 4 * HOUR, note="Lotto 7")
    make(records, slot(0, 1), clerk("firm-b"))

    assert [(each.member, each.is_given_up) for each in evidence_of(records)] == [("firm-b", False), ("firm-a", False)]
    with records.writing() as session:
        service.change(session, clerk("firm-a"), booking, machine="mill-2")
    assert [each.member for each in evidence_of(records, "mill-2")] == ["firm-a"]


def test_a_booking_that_has_begun_can_only_end_otherwise(records: Records) -> None:
    [booking] = make(records, slot(0, 6), clerk("firm-a"))
    running = clerk("firm-a", now=NINE + HOUR)
    with records.writing() as session:
        with pytest.raises(RefusedBookingError) as refused:
            service.change(session, running, booking, start=NINE + 2 * HOUR)
        assert refused.value.reason is Reason.STARTED
        service.change(session, running, booking, end=NINE + 4 * HOUR)

    assert evidence_of(records) == [
        Booking(Period(NINE, NINE + 4 * HOUR), "firm-a"),
        Booking(Period(NINE + 4 * HOUR, NINE + 6 * HOUR), "firm-a", is_given_up=True),
    ]


def test_what_is_over_stays_as_it_was(records: Records) -> None:
    [booking] = make(records, slot(0), clerk("firm-a"))
    with records.writing() as session:
        for act in (service.cancel, service.change):
            with pytest.raises(RefusedBookingError, match="is over"):
                act(session, clerk("firm-a", now=NINE + 2 * HOUR), booking)


def test_what_is_given_up_late_is_evidence_and_can_be_booked_by_others(records: Records) -> None:
    [booking] = make(records, slot(0, 4), clerk("firm-a"))
    late = NINE - 2 * HOUR
    with records.writing() as session:
        service.cancel(session, clerk("firm-a", now=late), booking)
    with pytest.raises(RefusedBookingError, match="given up"), records.writing() as session:
        service.cancel(session, clerk("firm-a", now=late), booking)
    make(records, slot(1, 1), clerk("firm-b", now=late + MINUTE))

    found = evidence_of(records)
    assert [(each.member, each.is_given_up) for each in found] == [
        ("firm-a", True), ("firm-b", False), ("firm-a", True),
    ]  # fmt: skip
    Evidence(bookings=found).check("mill-1")
    with records.reading() as session:
        [history] = reading.histories(session, [booking])
    assert stage(history, now=NINE) is Outcome.CANCELLED_LATE


def test_weeks_are_booked_at_one_time_of_the_wall_clock_or_not_at_all(records: Records) -> None:
    start = instant_of(datetime(2027, 3, 20, 9), ROME)
    wish = Wish("mill-1", "", start, start + HOUR)

    rows = make(records, wish, clerk("firm-a"), weeks=3)

    with records.reading() as session:
        starts = [each.changes[0].period.start for each in reading.histories(session, rows)]
    assert sorted(starts) == [instant_of(datetime(2027, 3, 20, 9) + timedelta(weeks=week), ROME) for week in range(3)]
    assert sorted(starts)[2] == start + 14 * DAY - HOUR
    with pytest.raises(BookingConflictError):
        make(records, wish._replace(start=start - 7 * DAY, end=start - 7 * DAY + HOUR), clerk("firm-b"), weeks=3)
    make(records, wish._replace(start=start - 7 * DAY, end=start - 7 * DAY + HOUR), clerk("firm-b"))
    with pytest.raises(RefusedBookingError, match="26 weeks at most"):
        make(records, wish, clerk("firm-a"), weeks=27)
    with records.writing() as session:
        first = min(rows, key=lambda row: reading.histories(session, [row])[0].changes[0].period.start)
        assert len(service.cancel(session, clerk("firm-a"), first, following=True)) == 3


def test_a_week_whose_time_does_not_exist_is_refused(records: Records) -> None:
    start = instant_of(datetime(2027, 3, 21, 2, 30), ROME)
    with pytest.raises(WallTimeError, match="2027-03-28 02:30 does not exist"):
        make(records, Wish("mill-1", "", start, start + HOUR), clerk("firm-a"), weeks=3)


def test_the_calendar_of_a_machine_binds_members_and_not_the_desk(records: Records) -> None:
    with records.writing() as session:
        session.add(Calendar(id="house", name="Casa"))
        session.flush()
        session.add(CalendarHours(calendar_id="house", weekday=3, starts_minute=600, ends_minute=720))
        session.add(CalendarMachine(machine_id="mill-1", calendar_id="house"))
    with pytest.raises(RefusedBookingError) as refused:
        make(records, slot(0, 3), clerk("firm-a"))
    assert (refused.value.reason, refused.value.period) == (Reason.CLOSED, Period(NINE, NINE + 2 * HOUR))

    make(records, slot(0, 2), clerk("firm-a"))
    make(records, slot(4, 1, member="firm-a"), clerk())


def test_nobody_books_what_is_not_shared_or_without_being_a_member(records: Records) -> None:
    with records.writing() as session:
        put(session, CONSOLE, "members", firm("firm-a", 1, active_to=date(2026, 11, 20)), now=NOW)
        machine = {"id": "mill-1", "name": "m", "site_id": "nord", "agent_id": "nord", "signals": []}
        put(session, CONSOLE, "machines", machine | {"active_from": date(2026, 11, 19)}, now=NOW)
    make(records, slot(0), clerk("firm-a"))
    with pytest.raises(RefusedBookingError, match="is no member on that day"):
        make(records, slot(24), clerk("firm-a"))
    with pytest.raises(RefusedBookingError, match="not shared"):
        make(records, slot(-24), clerk("firm-b"))


def test_of_two_who_book_at_once_one_gets_the_machine(records: Records) -> None:
    refused: list[Reason] = []
    start = threading.Barrier(2)

    def run(member: str) -> None:
        start.wait()
        for quarter in range(8):
            try:
                make(records, slot(quarter / 4, 1), clerk(member))
            except BookingConflictError as error:
                refused.append(error.reason)

    threads = [threading.Thread(target=run, args=(member,)) for member in ("firm-a", "firm-b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = evidence_of(records)
    Evidence(bookings=found).check("mill-1")
    assert len(found) + len(refused) == 16
    assert found


def test_no_two_bookings_overlap_whatever_is_asked_in_whatever_order(records: Records) -> None:
    chance = random.Random(20261117)
    ids: list[str] = []
    for step in range(120):
        who = clerk(chance.choice(("firm-a", "firm-b")), now=NOW + step * MINUTE)
        hours, length = chance.randrange(0, 40) / 4, chance.randrange(1, 16) / 4
        try:
            with records.writing() as session:
                if not ids or chance.random() < 0.5:
                    ids += [row.id for row in service.book(session, who, slot(hours, length))]
                elif chance.random() < 0.5:
                    service.cancel(session, who, chance.choice(ids))
                else:
                    wish = slot(hours, length, chance.choice(("mill-1", "mill-2")))
                    service.change(
                        session, who, chance.choice(ids), machine=wish.machine, start=wish.start, end=wish.end
                    )
        except (RefusedBookingError, UnknownRecordError):
            continue
    for machine in ("mill-1", "mill-2"):
        found = evidence_of(records, machine)
        Evidence(bookings=found).check(machine)
        with records.reading() as session:
            held = reading.held_on(session, machine, WEEK)
        assert [(row.starts, row.member_id) for row in held] == [
            (each.period.start, each.member) for each in found if not each.is_given_up
        ]
        assert held
