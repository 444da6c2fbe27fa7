"""Locks free bookings and tell their owners, feeds and views show each caller its own, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from api.access.scope import Role, Scope
from api.access.tables import Grant, Person
from api.audit.service import CONSOLE, Actor
from api.billing.pricelist import Entry
from api.billing.service import put_entry
from api.bookings import calendars, feeds, lock_outs, prices, reading, service, views
from api.bookings.facts import Outcome, stage
from api.bookings.rules import BookingConflictError, Reason, RefusedBookingError, Rules
from api.bookings.service import Clerk, Wish
from api.bookings.views import Occupancy, Search, Status
from api.records.database import Records, open_records
from api.records.rules import InvalidRecordError
from api.records.service import UnknownRecordError, put
from api.records.tables import Member
from api.usage.tables import UsageDay
from shopfloor.periods import DAY, HOUR, INSTANT_MAX, Period, parse_instant, subtract, to_datetime
from tests.services.records import firm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROME = ZoneInfo("Europe/Rome")
NOW = parse_instant("2026-11-17T09:05:00Z")
NINE = parse_instant("2026-11-19T09:00:00Z")
WEEK = Period(NINE - DAY, NINE + 6 * DAY)
MARA = Actor("person:mara")
STAFF = Scope(Role.MAINTENANCE)
FIRM_A, FIRM_B = Scope(Role.MEMBER, "firm-a"), Scope(Role.MEMBER, "firm-b")


@pytest.fixture
def records(records_address: str) -> Iterator[Records]:
    opened = open_records(records_address)
    with opened.writing() as session:
        for number, name in enumerate(("firm-a", "firm-b"), 1):
            put(session, CONSOLE, "members", firm(name, number), now=NOW)
        for site in ("nord", "sud"):
            put(session, CONSOLE, "sites", {"id": site, "name": site}, now=NOW)
            put(session, CONSOLE, "edges", {"id": site, "site_id": site}, now=NOW)
        for machine, site in (("mill-1", "nord"), ("mill-2", "nord"), ("mill-3", "sud"), ("lathe-1", "sud")):
            values = {"id": machine, "name": machine, "kind": machine[:-2], "site_id": site, "agent_id": site}
            put(session, CONSOLE, "machines", values | {"signals": []}, now=NOW)
        session.add(Person(id="mara", email="mara@example.it", name="Mara", created=NOW))
        session.flush()
        for name, role, member in (("1", "maintenance", None), ("2", "member", "firm-a"), ("3", "member", "firm-b")):
            session.add(Grant(id=name, person_id="mara", role=role, member_id=member, every_site=True))
    yield opened
    opened.close()


def book(records: Records, scope: Scope, hours: float, length: float = 2, machine: str = "mill-1") -> str:
    clerk = Clerk(MARA, scope, Rules(), ROME, NOW)
    wish = Wish(machine, "", int(NINE + hours * HOUR), int(NINE + (hours + length) * HOUR), "Lotto 7")
    with records.writing() as session:
        return service.book(session, clerk, wish)[0].id


def lock(records: Records, start: float, end: float | None = None, *, now: int = NOW) -> str:
    period = Period(int(NINE + start * HOUR), INSTANT_MAX if end is None else int(NINE + end * HOUR))
    with records.writing() as session:
        return lock_outs.lock_out(session, MARA, "mill-1", period, "Mandrino", now=now).id


def noticed(records: Records, scope: Scope) -> list[Any]:
    with records.reading() as session:
        return lock_outs.notices(session, scope)


def test_a_lock_frees_bookings_and_tells_their_owners_what_else_is_free(records: Records) -> None:
    whole, running, untouched = book(records, FIRM_A, 4), book(records, FIRM_B, 0), book(records, FIRM_B, -4)
    book(records, FIRM_B, 4, machine="mill-2")

    lock(records, 1)

    with records.reading() as session:
        stages = {each.id: stage(each, now=NOW) for each in reading.histories(session, [whole, running, untouched])}
        evidence = reading.bookings_of(session, "mill-1", WEEK)
    assert stages == {whole: Outcome.FREED, running: Outcome.FREED, untouched: Outcome.AHEAD}
    assert [(each.period, each.is_given_up) for each in evidence] == [
        (Period(NINE - 4 * HOUR, NINE - 2 * HOUR), False),
        (Period(NINE, NINE + HOUR), False),
    ]
    [notice] = noticed(records, FIRM_A)
    assert (notice.kind, notice.reason, notice.starts, notice.proposals) == (
        "freed",
        "Mandrino",
        NINE + 4 * HOUR,
        ["mill-3"],
    )
    [other] = noticed(records, FIRM_B)
    assert (other.starts, other.ends, other.proposals) == (NINE + HOUR, NINE + 2 * HOUR, ["mill-2", "mill-3"])
    with pytest.raises(BookingConflictError) as refused:
        book(records, FIRM_A, 8)
    assert refused.value.reason is Reason.LOCKED


def test_a_lock_that_is_released_tells_who_could_have_its_time_again(records: Records) -> None:
    book(records, FIRM_A, 4)
    locked = lock(records, 1)

    with records.writing() as session:
        lock_outs.release(session, MARA, locked, now=int(NINE + 2 * HOUR))
        lock_outs.release(session, MARA, locked, now=int(NINE + 3 * HOUR))
        with pytest.raises(UnknownRecordError):
            lock_outs.release(session, MARA, "none", now=NOW)

    kinds = [(each.kind, each.proposals) for each in noticed(records, FIRM_A)]
    assert kinds == [("released", ["mill-1"]), ("freed", ["mill-2", "mill-3"])]
    book(records, FIRM_B, 4)


def test_a_lock_that_is_released_before_it_begins_never_was(records: Records) -> None:
    locked = lock(records, 1)
    with records.writing() as session:
        lock_outs.release(session, MARA, locked, now=NOW)

    book(records, FIRM_A, 1)
    with records.reading() as session:
        assert views.locks(session, STAFF, WEEK) == []


def test_a_lock_begins_now_at_the_earliest_and_is_not_over(records: Records) -> None:
    book(records, FIRM_A, 0, 6)
    lock(records, -2, 4, now=NINE + HOUR)

    with records.reading() as session:
        [kept] = reading.held_on(session, "mill-1", WEEK)
    assert (kept.starts, kept.ends) == (NINE, NINE + HOUR)
    with pytest.raises(RefusedBookingError, match="is not over"):
        lock(records, -2, -1, now=NINE)
    with records.writing() as session, pytest.raises(RefusedBookingError, match="there is no machine"):
        lock_outs.lock_out(session, MARA, "none", WEEK, "x", now=NOW)


def test_the_days_that_a_booking_or_a_lock_touches_are_built_again(records: Records) -> None:
    day = to_datetime(NINE).date()

    def is_stale(act: Callable[[], object]) -> bool:
        with records.writing() as session:
            values = {"built": 0, "until": 0, "last_utc_day": 0, "policy": "", "texts": [], "work": b""}
            session.merge(UsageDay(machine_id="mill-1", day=day, is_stale=False, has_doubts=False, **values))
        act()
        with records.reading() as session:
            return session.get_one(UsageDay, ("mill-1", day)).is_stale

    made: list[str] = []
    assert is_stale(lambda: made.append(book(records, FIRM_A, 0)))
    assert not is_stale(lambda: book(records, FIRM_A, 4, machine="mill-2"))
    assert is_stale(lambda: move(records, made[0], "mill-3"))
    assert is_stale(lambda: lock(records, 1, 2))


def move(records: Records, booking: str, machine: str) -> None:
    with records.writing() as session:
        service.change(session, Clerk(MARA, FIRM_A, Rules(), ROME, NOW), booking, machine=machine)


def test_a_notice_is_listed_until_its_owner_notes_it(records: Records) -> None:
    book(records, FIRM_A, 4)
    lock(records, 1)
    [notice] = noticed(records, FIRM_A)
    assert [each.id for each in noticed(records, STAFF)] == [notice.id]
    assert noticed(records, FIRM_B) == []

    with records.writing() as session:
        with pytest.raises(UnknownRecordError):
            lock_outs.note_read(session, MARA, FIRM_B, notice.id, now=NOW)
        lock_outs.note_read(session, MARA, FIRM_A, notice.id, now=NOW)
    assert noticed(records, FIRM_A) == []


def test_who_sees_a_booking_is_decided_by_whose_it_is(records: Records) -> None:
    mine, theirs = book(records, FIRM_A, 0), book(records, FIRM_B, 2)

    def seen(scope: Scope) -> list[tuple[str | None, str | None, Status, str | None]]:
        with records.reading() as session:
            return [
                (each.id, each.member, each.status, each.note) for each in views.visible(session, scope, WEEK, now=NOW)
            ]

    busy = (None, None, Status.BUSY, None)
    assert seen(FIRM_A) == [(mine, "firm-a", Status.AHEAD, "Lotto 7"), busy]
    assert seen(FIRM_B) == [busy, (theirs, "firm-b", Status.AHEAD, "Lotto 7")]
    assert [each[1] for each in seen(STAFF)] == ["firm-a", "firm-b"]
    assert seen(Scope(Role.KIOSK)) == [busy, busy]
    assert seen(Scope(Role.OPERATOR, None, frozenset({"sud"}))) == []


def test_what_was_given_up_is_listed_for_its_owner_who_asks_for_it(records: Records) -> None:
    mine = book(records, FIRM_A, 0)
    with records.writing() as session:
        service.cancel(session, Clerk(MARA, FIRM_A, Rules(), ROME, NOW), mine)
    for scope, shown in ((FIRM_A, [(mine, Status.CANCELLED, NINE)]), (FIRM_B, [])):
        with records.reading() as session:
            assert views.visible(session, scope, WEEK, now=NOW) == []
            found = views.visible(session, scope, WEEK, now=NOW, given_up=True)
        assert [(each.id, each.status, each.period.start) for each in found] == shown


def test_free_hours_of_like_machines_cover_all_that_is_open_and_not_taken(records: Records) -> None:
    book(records, FIRM_A, 0)
    book(records, FIRM_B, 4, machine="mill-3")
    lock(records, 6)
    window = Period(NINE - HOUR, NINE + 10 * HOUR)
    with records.reading() as session:
        found = views.search(session, FIRM_B, Search(window, 60, like="mill-1"), Rules(), now=NOW)
        taken = views.taken_by_machine(session, ["mill-1", "mill-2", "mill-3"], window)
        here = views.search(session, FIRM_B, Search(window, 60, kind="MILL", site="nord"), Rules(), now=NOW)
        with pytest.raises(RefusedBookingError, match="there is no machine"):
            views.search(session, FIRM_B, Search(window, 60, like="none"), Rules(), now=NOW)
        with pytest.raises(RefusedBookingError, match="31 days"):
            views.search(session, FIRM_B, Search(Period(NOW, NOW + 40 * DAY), 60), Rules(), now=NOW)
    for machine in ("mill-1", "mill-2", "mill-3"):
        free = [each.free.period for each in found if each.place.id == machine]
        assert free == [each for each in subtract(window, taken[machine]) if each.end - each.start >= HOUR]
    assert {each.place.id for each in here} == {"mill-1", "mill-2"}
    assert [each.free.slot for each in found] == sorted(each.free.slot for each in found)


def test_a_live_page_knows_how_long_a_machine_is_free_or_taken(records: Records) -> None:
    book(records, FIRM_A, 0)
    book(records, FIRM_A, 2, 1)
    book(records, FIRM_B, 3)

    def occupancy(scope: Scope, hours: float) -> Occupancy:
        with records.reading() as session:
            return views.occupancy(session, scope, ["mill-1"], now=int(NINE + hours * HOUR))["mill-1"]

    assert occupancy(FIRM_A, -1) == Occupancy(is_free=True, until=NINE)
    assert occupancy(FIRM_A, 1) == Occupancy(is_free=False, until=NINE + 3 * HOUR, is_own=True)
    assert occupancy(FIRM_B, 1) == Occupancy(is_free=False, until=NINE + 3 * HOUR)
    assert occupancy(FIRM_A, 5) == Occupancy(is_free=True, until=None)
    lock(records, 6, 8)
    assert occupancy(FIRM_A, 7) == Occupancy(is_free=False, until=NINE + 8 * HOUR, is_locked=True)


def feed_of(records: Records, scope: Scope, machine: str | None) -> tuple[str, feeds.Feed]:
    with records.writing() as session:
        feed, token = feeds.add_feed(session, MARA, scope, machine, now=NOW)
    with records.reading() as session:
        return feed.id, feeds.by_token(session, token, now=NOW)


def test_an_address_shows_what_its_owner_sees_until_it_is_revoked(records: Records) -> None:
    mine = book(records, FIRM_A, 0)
    book(records, FIRM_B, 2)
    book(records, FIRM_A, 4, machine="mill-2")

    _, machine = feed_of(records, FIRM_A, "mill-1")
    _, member = feed_of(records, FIRM_A, None)
    _, staff = feed_of(records, STAFF, "mill-1")

    assert [(each.member, each.note) for each in machine.events] == [("firm-a", "Lotto 7"), ("", "")]
    assert [each.machine for each in member.events] == ["mill-1", "mill-2"]
    assert [each.member for each in staff.events] == ["firm-a", "firm-b"]
    with records.writing() as session:
        service.cancel(session, Clerk(MARA, FIRM_A, Rules(), ROME, NOW + HOUR), mine)
        feed, token = feeds.add_feed(session, MARA, FIRM_A, None, now=NOW)
    with records.reading() as session:
        gone = next(each for each in feeds.by_token(session, token, now=NOW).events if each.id == mine)
    assert (gone.is_over, gone.sequence, gone.period) == (True, 1, Period(NINE, NINE + 2 * HOUR))
    with records.writing() as session:
        with pytest.raises(UnknownRecordError):
            feeds.revoke_feed(session, MARA, FIRM_B, feed.id, now=NOW)
        feeds.revoke_feed(session, MARA, FIRM_A, feed.id, now=NOW)
    with records.reading() as session:
        for wrong in (token, "", "x" * 300):
            with pytest.raises(UnknownRecordError):
                feeds.by_token(session, wrong, now=NOW)


def test_an_address_is_made_for_what_its_owner_may_see_and_there_are_not_too_many(records: Records) -> None:
    with records.writing() as session:
        for scope, machine in (
            (FIRM_A, "none"),
            (Scope(Role.KIOSK), None),
            (Scope(Role.MEMBER, "firm-a", frozenset({"sud"})), "mill-1"),
        ):
            with pytest.raises(UnknownRecordError):
                feeds.add_feed(session, MARA, scope, machine, now=NOW)
        for _ in range(feeds.FEEDS_MAX):
            feeds.add_feed(session, MARA, FIRM_A, None, now=NOW)
        with pytest.raises(feeds.TooManyFeedsError, match="revoke"):
            feeds.add_feed(session, MARA, FIRM_A, None, now=NOW)
        feeds.add_feed(session, MARA, FIRM_B, None, now=NOW)
        assert len(feeds.feeds(session, FIRM_B)) == 1
        assert len(feeds.feeds(session, Scope(Role.ADMINISTRATOR))) == feeds.FEEDS_MAX + 1


def calendar(**more: Any) -> dict[str, Any]:
    hours = [{"weekday": 3, "starts_minute": 480, "ends_minute": 1020}]
    return {"name": "Casa", "zone": "Europe/Rome", "hours": hours, "days": [], "machines": ["mill-1"]} | more


def test_a_calendar_opens_its_machines_and_is_kept_as_it_was_given(records: Records) -> None:
    administrator = Scope(Role.ADMINISTRATOR)
    closed = {"day": "2026-11-19", "kind": "closed", "name": "Inventario"}
    with records.writing() as session:
        assert calendars.put_calendar(session, MARA, administrator, "house", calendar(), now=NOW)
        assert not calendars.put_calendar(session, MARA, administrator, "house", calendar(days=[closed]), now=NOW)
    with records.reading() as session:
        assert calendars.calendar(session, administrator, "house") == calendar(id="house", days=[closed])
        assert calendars.calendars(session, Scope(Role.MEMBER, "firm-a", frozenset({"sud"})))[0]["machines"] == []
    with pytest.raises(RefusedBookingError, match="is closed then"):
        book(records, FIRM_A, 0)
    with records.writing() as session:
        calendars.remove_calendar(session, MARA, administrator, "house", now=NOW)
        with pytest.raises(UnknownRecordError):
            calendars.calendar(session, administrator, "house")
    book(records, FIRM_A, 0)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"zone": "Europe/Roma"}, "zone"),
        ({"hours": [{"weekday": 0, "starts_minute": 60, "ends_minute": 60}]}, "hours"),
        ({"hours": [{"weekday": 0, "starts_minute": start, "ends_minute": 700} for start in (60, 120)]}, "hours"),
        ({"days": [{"day": "2026-02-30", "kind": "closed", "name": ""}]}, "days"),
        ({"days": [{"day": "2026-02-20", "kind": "closed", "name": ""}] * 2}, "days"),
        ({"machines": ["none"]}, "machines"),
        ({"machines": ["mill-1", "mill-1"]}, "machines"),
        ({"machines": ["mill-2"]}, "machines"),
    ],
)
def test_a_calendar_that_cannot_be_kept_is_refused_by_field(records: Records, more: dict[str, Any], field: str) -> None:
    administrator = Scope(Role.ADMINISTRATOR)
    with records.writing() as session:
        calendars.put_calendar(session, MARA, administrator, "other", calendar(machines=["mill-2"]), now=NOW)
        with pytest.raises(InvalidRecordError) as refused:
            calendars.put_calendar(session, MARA, administrator, "house", calendar(**more), now=NOW)
    assert [each.field for each in refused.value.problems] == [field]


def test_an_estimate_goes_by_the_price_list_and_the_group_of_the_member(records: Records) -> None:
    text = 'name = "mills"\n{}[[versions]]\nfrom = 2026-01-01\ntime = {{ processing = {} }}\nbooked_unused = 6.00\n'
    period = Period(NINE, NINE + 2 * HOUR)

    def amounts(member: str | None) -> tuple[str, str] | None:
        with records.reading() as session:
            found = prices.estimator(session, member, ROME)("mill-1", period)
        return None if found is None else (str(found.processing), str(found.unused))

    assert amounts("firm-a") is None
    with records.writing() as session:
        put(session, CONSOLE, "members", firm("firm-b", 2, group_name="founders"), now=NOW)
        for entry in (
            text.format("", "36.00"),
            text.format('groups = ["founders"]\n', "30.00").replace("mills", "old"),
        ):
            put_entry(session, CONSOLE, ROME, Entry("", "tariffs", entry), now=NOW)
    assert amounts("firm-a") == ("72.00", "12.00")
    assert amounts("firm-b") == ("60.00", "12.00")
    assert amounts(None) is None


@pytest.mark.parametrize("change", ["person", "role", "firm"])
def test_an_address_shows_nothing_once_its_maker_may_see_nothing(records: Records, change: str) -> None:
    with records.writing() as session:
        _, member = feeds.add_feed(session, MARA, FIRM_A, None, now=NOW)
        _, other = feeds.add_feed(session, MARA, FIRM_B, "mill-1", now=NOW)
        if change == "person":
            session.get_one(Person, "mara").is_active = False
        elif change == "role":
            session.delete(session.get_one(Grant, "2"))
        else:
            session.get_one(Member, "firm-a").active_to = to_datetime(NOW).date()
    with records.reading() as session:
        with pytest.raises(UnknownRecordError):
            feeds.by_token(session, member, now=NOW)
        if change != "person":
            assert feeds.by_token(session, other, now=NOW).events == []


def test_staff_of_one_site_neither_see_nor_revoke_addresses_of_another(records: Records) -> None:
    north, south = (Scope(Role.OPERATOR, None, frozenset({each})) for each in ("nord", "sud"))
    with records.writing() as session:
        made, _ = feeds.add_feed(session, MARA, STAFF, "mill-1", now=NOW)
        assert ([each.id for each in feeds.feeds(session, north)], feeds.feeds(session, south)) == ([made.id], [])
        with pytest.raises(UnknownRecordError):
            feeds.revoke_feed(session, MARA, south, made.id, now=NOW)
