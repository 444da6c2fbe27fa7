from __future__ import annotations

import pytest

from edge_agent.refill import GRAIN, NAMES_MAX, Filling, Refill, Remembered, plan
from shopfloor.periods import SECOND, Period
from shopfloor.states import Hole

NOW = 1_760_000_000 * SECOND
PERIOD = Period(NOW, NOW + 60 * SECOND)


def hole(cause: str = "session", *signals: str) -> Hole:
    return Hole("mill-1", PERIOD, signals, cause)


def inner(start: int, end: int) -> Period:
    return Period(start + GRAIN, end - GRAIN)


def test_what_is_asked_for_lies_between_the_last_and_the_first_live_value() -> None:
    found = plan(hole(), {"feed": NOW + SECOND}, {"feed": NOW + 50 * SECOND})
    assert found == Refill("mill-1", PERIOD, {"feed": inner(NOW + SECOND, NOW + 50 * SECOND)})


def test_what_is_asked_for_never_reaches_beyond_the_hole() -> None:
    found = plan(hole(), {"feed": NOW - SECOND}, {"feed": NOW + 70 * SECOND, "parts": NOW + 70 * SECOND})
    assert found is not None
    assert set(found.spans.values()) == {inner(PERIOD.start, PERIOD.end)}


@pytest.mark.parametrize(
    ("before", "first"),
    [(NOW - SECOND, NOW - SECOND), (NOW + 61 * SECOND, NOW + 62 * SECOND), (NOW + SECOND, NOW + SECOND + 2 * GRAIN)],
    ids=["a value that did not change", "a value from after the hole", "no room between them"],
)
def test_nothing_is_asked_for_where_nothing_can_be(before: int, first: int) -> None:
    assert plan(hole(), {"feed": before}, {"feed": first}) is None


def test_a_signal_that_has_not_spoken_since_is_not_asked_for() -> None:
    assert plan(hole(), {"feed": NOW + SECOND}, {}) is None


@pytest.mark.parametrize("cause", ["clock", "bad_status"])
def test_no_history_is_trusted_where_the_server_itself_was_in_doubt(cause: str) -> None:
    assert plan(hole(cause), {}, {"feed": NOW + 50 * SECOND}) is None


def test_an_overflow_is_bounded_by_the_live_values_at_its_ends() -> None:
    found = plan(hole("overflow", "feed"), {"feed": NOW + 59 * SECOND}, {"feed": NOW - 900 * SECOND})
    assert found == Refill("mill-1", PERIOD, {"feed": inner(PERIOD.start, PERIOD.end)})


def test_a_refill_is_read_as_it_was_written() -> None:
    refill = Refill("mill-1", PERIOD, {"feed": inner(PERIOD.start, PERIOD.end)})
    assert Refill.decode("mill-1", PERIOD, refill.encode()) == refill


def test_records_of_many_signals_name_each_of_them() -> None:
    names = [f"signal_{number:03}.double" for number in range(2 * NAMES_MAX + 1)]
    records = [Hole.decode("mill-1", text) for text in Refill("mill-1", PERIOD, {}).records(names)]
    assert [len(each.signals) for each in records] == [NAMES_MAX, NAMES_MAX, 1]
    assert [name for each in records for name in each.signals] == names


def test_values_on_and_beyond_the_bounds_and_without_a_time_are_left_out() -> None:
    filling = Filling("mill-1", "feed", Period(NOW, NOW + 10))
    stamps = [NOW - 1, NOW, None, NOW + 1, NOW + 9, NOW + 10, NOW + 11]
    found = filling.samples(Remembered(stamp, 1.0, 0) for stamp in stamps)
    assert [sample.stamp - NOW for sample in found] == [1, 9]


def test_values_of_one_time_are_kept_apart_and_a_page_that_begins_anew_doubles_none() -> None:
    filling = Filling("mill-1", "feed", Period(NOW, NOW + SECOND))
    first = list(filling.samples(Remembered(NOW + 100, float(each), 0) for each in range(3)))
    filling.again()
    second = list(filling.samples(Remembered(NOW + 100, float(each), 0) for each in range(4)))
    assert [(each.stamp - NOW, each.value) for each in first] == [(100, 0.0), (101, 1.0), (102, 2.0)]
    assert [(each.stamp - NOW, each.value) for each in second] == [(103, 3.0)]


def test_flags_of_the_delivery_are_no_quality() -> None:
    (sample,) = Filling("mill-1", "feed", PERIOD).samples([Remembered(NOW + 5, None, 0x8031_0480)])
    assert sample.status == 0x8031_0000
