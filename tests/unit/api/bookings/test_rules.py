from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.bookings.civil import (
    DoubtfulTimeError,
    MissingTimeError,
    Which,
    instant_of,
    is_doubtful,
    wall_time,
)
from api.bookings.opening import Opening
from api.bookings.rules import Reason, RefusedBookingError, Rules, check_open, check_period
from shopfloor.periods import DAY, HOUR, MINUTE, SECOND, Period, parse_instant, subtract

ROME = ZoneInfo("Europe/Rome")
NOW = parse_instant("2026-11-17T09:05:00Z")
TEN = parse_instant("2026-11-17T10:00:00Z")
RULES = Rules()


def test_a_time_in_the_hour_that_is_skipped_is_refused_with_the_times_beside_it() -> None:
    with pytest.raises(MissingTimeError, match="write 01:30 or 03:30") as refused:
        instant_of(datetime(2026, 3, 29, 2, 30), ROME, Which.FIRST)

    assert (refused.value.before, refused.value.after) == (datetime(2026, 3, 29, 1, 30), datetime(2026, 3, 29, 3, 30))


def test_a_time_that_exists_twice_is_asked_about() -> None:
    wall = datetime(2026, 10, 25, 2, 30)
    with pytest.raises(DoubtfulTimeError, match="exists twice") as doubtful:
        instant_of(wall, ROME)

    first, second = doubtful.value.first, doubtful.value.second
    assert (first, second) == (parse_instant("2026-10-25T00:30:00Z"), parse_instant("2026-10-25T01:30:00Z"))
    assert instant_of(wall, ROME, Which.FIRST) == first
    assert instant_of(wall, ROME, Which.SECOND) == second
    assert is_doubtful(first, ROME)
    assert not is_doubtful(first - 2 * HOUR, ROME)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2 * 365 * 24 * 4).map(lambda quarter: TEN + quarter * 15 * MINUTE), st.sampled_from(Which))
def test_every_instant_comes_back_from_what_its_wall_clock_shows(instant: int, which: Which) -> None:
    wall = wall_time(instant, ROME)
    found = {instant_of(wall, ROME, each) for each in Which}

    assert instant in found
    assert len(found) == 1 + is_doubtful(instant, ROME)
    assert wall_time(instant_of(wall, ROME, which), ROME).replace(fold=0) == wall.replace(fold=0)


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (TEN, TEN, Reason.EMPTY),
        (TEN + HOUR, TEN, Reason.EMPTY),
        (TEN + MINUTE, TEN + HOUR, Reason.STEP),
        (TEN, TEN + HOUR + SECOND, Reason.STEP),
        (TEN, TEN + 73 * HOUR, Reason.LONG),
        (TEN - 2 * HOUR, TEN - HOUR, Reason.PAST),
        (TEN - 75 * MINUTE, TEN, Reason.PAST),
        (TEN + 181 * DAY, TEN + 181 * DAY + HOUR, Reason.AHEAD),
    ],
)
def test_a_booking_that_breaks_a_rule_is_refused_by_its_name(start: int, end: int, reason: Reason) -> None:
    with pytest.raises(RefusedBookingError, match=r"choose|book") as refused:
        check_period(start, end, RULES, now=NOW)

    assert refused.value.reason is reason


def test_a_short_booking_and_one_without_lead_time_are_refused() -> None:
    with pytest.raises(RefusedBookingError, match="60 minutes or more"):
        check_period(TEN, TEN + 45 * MINUTE, Rules(length_minutes_min=60), now=NOW)
    with pytest.raises(RefusedBookingError) as refused:
        check_period(TEN, TEN + HOUR, Rules(lead_minutes_min=120), now=NOW)
    assert refused.value.reason is Reason.LEAD
    assert check_period(TEN, TEN + HOUR, Rules(lead_minutes_min=120), now=NOW, is_staff=True)


def test_the_quarter_hour_that_is_running_may_be_booked() -> None:
    nine = TEN - HOUR

    assert check_period(nine, TEN, RULES, now=NOW) == Period(nine, TEN)


def test_a_booking_that_has_begun_may_end_otherwise_but_not_in_the_past() -> None:
    begun = TEN - 3 * HOUR

    assert check_period(begun, TEN, RULES, now=NOW, has_begun=True)
    with pytest.raises(RefusedBookingError, match="is over"):
        check_period(begun, begun + HOUR, RULES, now=NOW, has_begun=True)


def test_a_booking_can_be_given_up_free_until_the_notice_begins_or_its_grace_ends() -> None:
    far = NOW + 3 * DAY

    assert RULES.binds(far, now=NOW) == far - DAY
    assert RULES.binds(NOW + 2 * HOUR, now=NOW) == NOW + 15 * MINUTE
    assert RULES.binds(NOW + 5 * MINUTE, now=NOW) == NOW + 5 * MINUTE
    assert RULES.binds(NOW - 5 * MINUTE, now=NOW) == NOW


WEEK = {day: [(8 * 60, 12 * 60), (13 * 60, 24 * 60)] for day in range(5)}
HOUSE = Opening(ROME, WEEK, {date(2026, 12, 8): "holiday", date(2026, 11, 21): "worked"})


def at(text: str) -> int:
    return instant_of(datetime.fromisoformat(text), ROME, Which.FIRST)


@pytest.mark.parametrize(
    ("start", "end", "is_open"),
    [
        ("2026-11-17T08:00", "2026-11-17T12:00", True),
        ("2026-11-17T07:45", "2026-11-17T12:00", False),
        ("2026-11-17T11:00", "2026-11-17T14:00", False),
        ("2026-11-17T22:00", "2026-11-18T00:00", True),
        ("2026-11-22T10:00", "2026-11-22T11:00", False),
        ("2026-12-08T10:00", "2026-12-08T11:00", False),
        ("2026-11-21T10:00", "2026-11-21T11:00", True),
    ],
)
def test_a_machine_is_booked_in_its_opening_hours_alone(start: str, end: str, *, is_open: bool) -> None:
    period = Period(at(start), at(end))
    if is_open:
        check_open(period, HOUSE.around(period))
        return
    with pytest.raises(RefusedBookingError) as refused:
        check_open(period, HOUSE.around(period))
    assert refused.value.reason is Reason.CLOSED


def test_hours_that_touch_at_midnight_are_one() -> None:
    always = Opening(ROME, {day: [(0, 1440)] for day in range(7)}, {})
    span = Period(at("2026-03-27T05:00"), at("2026-10-27T05:00"))

    assert always.periods(span) == [span]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 3), ("2026-10-25", 5), ("2026-11-15", 4)])
def test_opening_hours_are_those_that_the_wall_clock_shows(day: str, hours: int) -> None:
    nights = Opening(ROME, {6: [(60, 5 * 60)]}, {})
    midnight = at(f"{day}T00:00")

    [found] = nights.periods(Period(midnight, midnight + DAY))

    assert found.end - found.start == hours * HOUR
    assert wall_time(found.start, ROME).hour == 1
    assert wall_time(found.end, ROME).hour == 5


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 400), st.integers(1, 4), st.lists(st.integers(0, 1440), min_size=2, max_size=6, unique=True))
def test_open_and_closed_hours_are_what_a_clock_says_that_is_read_every_quarter(
    first: int, days: int, bounds: list[int]
) -> None:
    bounds = sorted(bound - bound % 15 for bound in bounds)
    spans = [(start, end) for start, end in zip(bounds[::2], bounds[1::2], strict=False) if start < end]
    opening = Opening(ROME, dict.fromkeys(range(7), spans), {})
    start = at(str(datetime(2026, 2, 1) + timedelta(days=first)))
    within = Period(start, start + days * DAY)
    found = opening.periods(within)

    for quarter in range(within.start, within.end, 15 * MINUTE):
        wall = wall_time(quarter, ROME)
        is_open = any(begin <= wall.hour * 60 + wall.minute < end for begin, end in spans)
        assert is_open == any(quarter in each for each in found)
    assert list(subtract(within, found)) == list(subtract(within, sorted(found, reverse=True)))
