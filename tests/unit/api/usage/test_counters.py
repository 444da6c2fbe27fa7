from __future__ import annotations

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from api.usage.counters import Change, CounterRule, Reading, Register, advances
from shopfloor.periods import SECOND, Period

RULE = CounterRule(step_back_max=3, per_second_max=10, tolerance=2, rollover_at=1000)


def changes(*values: int, rule: CounterRule = RULE) -> list[tuple[int, Change]]:
    readings = [Reading(number * 10 * SECOND, value) for number, value in enumerate(values)]
    return [(each.amount, each.change) for each in advances(readings, rule)]


def test_differences_are_measured() -> None:
    assert changes(5, 5, 12) == [(0, Change.MEASURED), (7, Change.MEASURED)]


def test_a_small_step_back_counts_nothing_and_is_not_counted_again() -> None:
    assert changes(50, 47, 49, 55) == [(0, Change.STEP_BACK), (0, Change.STEP_BACK), (5, Change.MEASURED)]


def test_after_a_reset_it_counts_from_nought_when_that_can_be() -> None:
    assert changes(500, 40) == [(40, Change.RESET)]
    assert changes(700, 500) == [(0, Change.RESET)]


def test_a_rollover_counts_on() -> None:
    assert changes(990, 7) == [(17, Change.ROLLOVER)]
    assert changes(990, 7, rule=CounterRule(3, 10, 2)) == [(7, Change.RESET)]


def test_a_jump_that_no_machine_can_make_counts_nothing() -> None:
    assert changes(0, 102, 205) == [(102, Change.MEASURED), (0, Change.IMPLAUSIBLE)]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 100)), min_size=2))
def test_order_and_repetition_of_readings_change_nothing(pairs: list[tuple[int, int]]) -> None:
    readings = [Reading(stamp * SECOND, value) for stamp, value in pairs]

    assert advances([*reversed(readings), *readings], RULE) == advances(readings, RULE)
    assert all(each.amount >= 0 for each in advances(readings, RULE))


@given(st.lists(st.integers(0, 100), min_size=2, max_size=30), st.data())
def test_parts_of_a_register_add_up_to_the_difference_of_its_readings(steps: list[int], data: st.DataObject) -> None:
    readings = [Reading(number * 10 * SECOND, value) for number, value in enumerate(accumulate(steps))]
    register = Register(readings, CounterRule(step_back_max=3, per_second_max=10, tolerance=2))
    cuts = sorted({0, len(readings) - 1, *data.draw(st.lists(st.integers(0, len(readings) - 1)))})

    parts = [register.across(Period(a * 10 * SECOND, b * 10 * SECOND)) for a, b in pairwise(cuts)]

    assert None not in parts
    amounts = [part[1] for part in parts if part is not None]
    assert sum(amounts) == readings[-1].value - readings[0].value
    assert all(0 <= amount <= 10 * part[0].seconds + 2 for part in parts if part is not None for amount in (part[1],))


@given(st.lists(st.tuples(st.integers(1, 60), st.booleans(), st.booleans()), min_size=2, max_size=30), st.data())
def test_a_machine_never_cut_longer_than_it_was_on_nor_was_on_longer_than_time_passed(
    spans: list[tuple[int, bool, bool]], data: st.DataObject
) -> None:
    clocks = CounterRule(step_back_max=3000, per_second_max=1000, tolerance=2000)
    ends = list(accumulate(seconds for seconds, _, _ in spans))
    on = accumulate((seconds * is_on for seconds, is_on, _ in spans), initial=0)
    cut = accumulate((seconds * (is_on and cuts) for seconds, is_on, cuts in spans), initial=0)
    stamps = [0, *(each * SECOND for each in ends)]
    powered, cutting = (
        Register([Reading(stamp, value * 1000) for stamp, value in zip(stamps, values, strict=True)], clocks)
        for values in (on, cut)
    )
    first, last = sorted(data.draw(st.sets(st.integers(0, len(spans)), min_size=2, max_size=2)))

    period = Period(stamps[first], stamps[last])
    was_on, did_cut = powered.across(period), cutting.across(period)

    assert was_on is not None
    assert did_cut is not None
    assert 0 <= did_cut[1] <= was_on[1] <= period.seconds * 1000


def test_a_register_answers_between_the_readings_around_a_period() -> None:
    register = Register([Reading(0, 0), Reading(10 * SECOND, 5), Reading(20 * SECOND, 9)], RULE)

    assert register.across(Period(3 * SECOND, 12 * SECOND)) == (Period(0, 20 * SECOND), 9)
    assert register.across(Period(-1, SECOND)) is None
    assert register.across(Period(SECOND, 21 * SECOND)) is None
    assert register.reaches(20 * SECOND)
    assert not register.reaches(21 * SECOND)
    assert not Register([], RULE).reaches(0)
