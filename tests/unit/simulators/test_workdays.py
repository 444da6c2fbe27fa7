from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from simulators.workdays import EARLY, SATURDAY, SECOND, Calendar, italian_holidays

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = 3600 * SECOND


def test_a_civil_day_has_23_24_or_25_hours() -> None:
    calendar = Calendar()

    hours = [
        (calendar.bounds(day).end - calendar.bounds(day).start) // HOUR
        for day in (date(2026, 3, 29), date(2026, 6, 1), date(2026, 10, 25))
    ]

    assert hours == [23, 24, 25]


def test_an_instant_belongs_to_the_civil_day_of_the_zone_not_of_utc(instant: Callable[..., int]) -> None:
    calendar = Calendar()

    assert calendar.day_of(instant(2026, 6, 1, 21, 59, 59)) == date(2026, 6, 1)
    assert calendar.day_of(instant(2026, 6, 1, 22)) == date(2026, 6, 2)


def test_easter_monday_and_the_fixed_holidays_are_closed() -> None:
    calendar = Calendar()

    assert {date(2026, 4, 6), date(2027, 3, 29), date(2025, 4, 21)} <= (
        italian_holidays(2025) | italian_holidays(2026) | italian_holidays(2027)
    )
    assert calendar.shifts_on(date(2026, 4, 6)) == ()
    assert calendar.shifts_on(date(2026, 12, 8)) == ()


def test_nobody_works_on_sunday_or_in_a_closure_and_saturday_has_its_own_shift() -> None:
    calendar = Calendar(closures=((date(2026, 8, 10), date(2026, 8, 21)),))

    assert calendar.shifts_on(date(2026, 9, 6)) == ()
    assert calendar.shifts_on(date(2026, 8, 12)) == ()
    assert calendar.shifts_on(date(2026, 9, 5)) == (SATURDAY,)


def test_a_pause_splits_a_shift_in_two(instant: Callable[..., int]) -> None:
    spans = Calendar().spans(date(2026, 6, 1), EARLY)

    assert [(each.start, each.end) for each in spans] == [
        (instant(2026, 6, 1, 4), instant(2026, 6, 1, 9, 30)),
        (instant(2026, 6, 1, 10), instant(2026, 6, 1, 12)),
    ]
