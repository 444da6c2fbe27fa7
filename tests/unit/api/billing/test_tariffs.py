from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from api.billing.calendars import (
    DAY_KINDS,
    BadCalendarError,
    Calendar,
    Holiday,
    Hours,
    civil_day,
    civil_month,
    civil_zone,
    easter,
    month_of,
)
from api.billing.statements import Basis, Tax
from api.billing.tariffs import BadTariffError, Book, Minimum, Price, Tier, Version
from shopfloor.periods import HOUR, Period
from shopfloor.states import State

ROME = ZoneInfo("Europe/Rome")
ALL_DAY = {kind: (Hours(0, "one"),) for kind in DAY_KINDS}
CALENDAR = Calendar("plain", "1", {**ALL_DAY, "mon": (Hours(0, "one"), Hours(60, "two"))})
FLAT = Price(Decimal("1.5"))


def version(**more: Any) -> Version:
    return Version(**{"tariff": "mill", "name": "1", "valid": Period(0, 100), **more})


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"valid": Period(5, 5)}, "no time at all"),
        ({"time": {State.OFF: FLAT}}, "never charged"),
        ({"time": {State.IDLE: Price()}}, "only one of the three"),
        ({"time": {State.IDLE: Price(Decimal(1), {"one": Decimal(1)})}}, "only one of the three"),
        ({"energy": Price(Decimal(-1))}, "0 or more"),
        ({"energy": Price(Decimal("NaN"))}, "0 or more"),
        ({"parts": Price(bands={"one": Decimal(1)})}, "name the calendar"),
        ({"parts": Price(bands={"one": Decimal(1)}), "calendar": CALENDAR}, "the band two"),
        ({"parts": Price(bands={"one": Decimal(1), "two": Decimal(1), "x": Decimal(1)}), "calendar": CALENDAR},
         "has no band 'x'"),
        ({"cycles": Price(tiers=(Tier(5, Decimal(1)),))}, "last tier has no limit"),
        ({"cycles": Price(tiers=(Tier(5, Decimal(1)), Tier(5, Decimal(1)), Tier(None, Decimal(1))))}, "ascend"),
        ({"cycles": Price(tiers=(Tier(None, Decimal(1)), Tier(None, Decimal(1))))}, "ascend"),
        ({"cycles": Price(tiers=(Tier(0, Decimal(1)), Tier(None, Decimal(1))))}, "ascend"),
        ({"cycles": Price(tiers=(Tier(9, Decimal(1)), Tier(None, Decimal(1)))), "session_minimum": Decimal(1)},
         "both tiers and a session minimum"),
        ({"increment_seconds": 0}, "one second or more"),
        ({"free_below_seconds": -1}, "negative"),
        ({"start_up": Decimal("0.001")}, "whole cents"),
        ({"monthly_cap": Decimal(-1)}, "whole cents"),
        ({"monthly_minimum": Minimum(Decimal(9)), "monthly_cap": Decimal(8)}, "above the monthly cap"),
        ({"tax": Tax(Decimal(101))}, "between 0 and 100"),
        ({"tax": Tax(Decimal(22), "N4")}, "forbids the Natura"),
        ({"taxes": {Basis.TIME: Tax(Decimal(0))}}, "needs a Natura"),
    ],
)  # fmt: skip
def test_a_bad_tariff_is_refused_with_the_reason(more: dict[str, Any], why: str) -> None:
    with pytest.raises(BadTariffError, match=why):
        version(**more)


def test_versions_of_one_rank_may_not_overlap() -> None:
    first = version(machines=frozenset({"M1"}))
    second = replace(first, name="2", valid=Period(50, 150))

    with pytest.raises(BadTariffError, match="overlap"):
        Book([first, second])
    with pytest.raises(BadTariffError, match="two tariff versions"):
        Book([first, replace(first, valid=Period(100, 150))])
    Book([first, replace(second, machines=frozenset({"M2"}))])
    Book([first, replace(second, machines=None)])
    Book([first, replace(second, valid=Period(100, 150))])


def test_groups_that_differ_do_not_overlap_and_the_closest_version_is_found() -> None:
    founders = version(groups=frozenset({"founder"}))
    guests = version(name="2", groups=frozenset({"guest"}))
    everybody = version(name="3", valid=Period(0, 200), monthly_minimum=Minimum(Decimal(1), frozenset({"A"})))
    only = version(name="4", valid=Period(10, 20), machines=frozenset({"M1"}), is_provisional=True)
    book = Book([founders, guests, everybody, only])

    found = book.pieces("M1", "founder", Period(0, 250))

    assert [(each, chosen and chosen.name) for each, chosen in found] == [
        (Period(0, 10), "1"), (Period(10, 20), "4"), (Period(20, 100), "1"), (Period(100, 200), "3"),
        (Period(200, 250), None),
    ]  # fmt: skip
    assert book.at("M2", "guest", 15) is guests
    assert list(book.committed("M1")) == ["A"]
    assert list(Book([version(machines=frozenset({"M2"}), monthly_minimum=Minimum(Decimal(1)))]).committed("M1")) == []
    assert book.provisional == {"mill@4"}


def test_interrupted_and_maintenance_cost_as_idle_where_the_tariff_says_nothing() -> None:
    own = version(time={State.IDLE: FLAT, State.MAINTENANCE: Price(Decimal(9))})

    assert own.price(Basis.TIME, State.INTERRUPTED) is FLAT
    assert own.price(Basis.TIME, State.MAINTENANCE) == Price(Decimal(9))
    assert own.price(Basis.TIME, State.SETUP) is None
    assert own.price(Basis.QUOTA) is None


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"mon": ()}, "first band begins at 00:00"),
        ({"tue": (Hours(15, "a"),)}, "first band begins at 00:00"),
        ({"tue": (Hours(0, "a"), Hours(30, "b"), Hours(30, "c"))}, "one after another"),
        ({"tue": (Hours(0, "a"), Hours(1440, "b"))}, "before 24:00"),
        ({"tue": (Hours(0, "a"), Hours(10, "b"))}, "quarter hours"),
        ({"tue": (Hours(0, ""),)}, "no name"),
        ({"someday": (Hours(0, "a"),)}, "someday"),
    ],
)
def test_a_bad_calendar_is_refused_with_the_reason(more: dict[str, Any], why: str) -> None:
    with pytest.raises(BadCalendarError, match=why):
        Calendar("plain", "1", {**ALL_DAY, **more})


def test_civil_days_and_months_know_the_clock_changes() -> None:
    assert [civil_day(date(2026, month, day), ROME).seconds // 3600 for month, day in ((3, 29), (6, 1), (10, 25))] == [
        23, 24, 25,
    ]  # fmt: skip
    assert civil_month("2026-10", ROME).seconds == 31 * 86_400 + 3600
    assert month_of(civil_month("2026-10", ROME).end, ROME) == "2026-11"
    with pytest.raises(BadCalendarError, match="no month"):
        civil_month("October", ROME)
    with pytest.raises(BadCalendarError, match="no time zone"):
        civil_zone("Europe/Roma")


@pytest.mark.parametrize("day", [date(2026, 10, 25), date(2026, 3, 29), date(2026, 6, 1)])
def test_bands_partition_a_day_whatever_the_clock_does(day: date) -> None:
    hours = tuple(Hours(minutes, f"b{minutes % 4}") for minutes in range(0, 1440, 45))
    calendar = Calendar("fine", "1", dict.fromkeys(DAY_KINDS, hours))
    whole = civil_day(day, ROME)

    found = [part for _, part, _ in calendar.cut(whole, ROME)]
    [(_, later, _), *_] = calendar.cut(Period(whole.start + HOUR, whole.start + 2 * HOUR), ROME)

    assert sum(part.end - part.start for part in found) == whole.end - whole.start
    assert all(before.end == after.start for before, after in pairwise(found))
    assert later.start == whole.start + HOUR


def test_holidays_fall_on_fixed_days_move_with_easter_and_may_begin_in_a_year() -> None:
    assert (easter(2026), easter(2027), easter(2038)) == (date(2026, 4, 5), date(2027, 3, 28), date(2038, 4, 25))
    assert Holiday(None, 1).on(2026) == date(2026, 4, 6)
    assert Holiday(10, 4, first_year=2026).on(2025) is None
    assert Holiday(2, 29).on(2025) is None
    assert hash(CALENDAR) == hash(("plain", "1"))
