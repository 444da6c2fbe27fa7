from __future__ import annotations

import pytest

from api.usage.counters import Reading
from api.usage.intervals import Counters, Interval, Known, tile
from api.usage.policy import Policy
from api.usage.segments import Quality, Source
from shopfloor.periods import SECOND, Period
from shopfloor.samples import Sample
from shopfloor.states import State, Stretch

DEFAULT = Policy()
ESTIMATING = Policy(estimate_gaps=True)


def stretch(start: float, end: float, state: State) -> Stretch:
    return Stretch(Period(int(start * SECOND), int(end * SECOND)), state)


def reading(second: float, seconds: float) -> Reading:
    return Reading(int(second * SECOND), int(seconds * 1000))


def shown(intervals: list[Interval]) -> list[tuple[int, int, State, Quality]]:
    return [(i.period.start // SECOND, i.period.end // SECOND, i.state, i.quality) for i in intervals]


def test_boundaries_are_cut_to_their_second_and_what_is_shorter_disappears() -> None:
    stretches = [stretch(0, 9.9, State.IDLE), stretch(9.9, 9.95, State.SETUP), stretch(9.95, 20, State.PROCESSING)]

    assert shown(tile(stretches, Known(), DEFAULT)) == [
        (0, 9, State.IDLE, Quality.MEASURED),
        (9, 20, State.PROCESSING, Quality.MEASURED),
    ]


def test_an_interval_names_the_samples_in_force_at_its_start_and_those_within_it() -> None:
    samples = [
        Sample("m", "item_state", 0, 3),
        Sample("m", "program_state", -5, 1, source=7),
        Sample("m", "program_state", 12 * SECOND, 1),
    ]
    found = tile([stretch(0, 10, State.PROCESSING), stretch(10, 20, State.PROCESSING)], Known(samples), DEFAULT)

    assert found[0].sources == (Source("item_state", 0), Source("program_state", -5))
    assert found[1].sources == (
        Source("item_state", 0),
        Source("program_state", -5),
        Source("program_state", 12 * SECOND),
    )
    assert found[0].is_clock_doubtful


@pytest.mark.parametrize(
    ("powered", "state", "quality"),
    [
        ([reading(0, 100), reading(100, 159)], State.OFF, Quality.INFERRED),
        ([reading(0, 100), reading(100, 160)], State.UNKNOWN, Quality.UNKNOWN),
        ([reading(0, 100), reading(40, 101)], State.UNREACHABLE, Quality.UNKNOWN),
        ([reading(60, 100), reading(100, 101)], State.UNKNOWN, Quality.UNKNOWN),
        ([reading(0, 90_000), reading(100, 500)], State.UNKNOWN, Quality.UNKNOWN),
    ],
)
def test_an_unreachable_machine_was_off_when_it_returns_hardly_older(
    powered: list[Reading], state: State, quality: Quality
) -> None:
    stretches = [stretch(0, 10, State.IDLE), stretch(10, 90, State.UNREACHABLE), stretch(90, 100, State.IDLE)]

    found = tile(stretches, Known(counters=Counters(powered)), DEFAULT)

    assert (found[1].state, found[1].quality) == (state, quality)


@pytest.mark.parametrize(
    ("known", "state"),
    [
        (Known(), State.OFF),
        (Known(traces=[Period(20 * SECOND, 30 * SECOND)]), State.UNKNOWN),
        (Known(traces=[Period(0, 5 * SECOND)]), State.OFF),
        (Known(counters=Counters(parts=[Reading(0, 4), Reading(95 * SECOND, 5)])), State.UNKNOWN),
        (Known(counters=Counters(parts=[Reading(0, 4), Reading(95 * SECOND, 4)])), State.OFF),
        (Known(counters=Counters(parts=[Reading(0, 4), Reading(50 * SECOND, 4)])), State.UNKNOWN),
    ],
)
def test_without_a_counter_of_powered_time_traces_of_use_tell_whether_it_was_off(known: Known, state: State) -> None:
    stretches = [stretch(0, 10, State.IDLE), stretch(10, 90, State.UNREACHABLE), stretch(90, 100, State.IDLE)]

    assert tile(stretches, known, DEFAULT)[1].state is state


def test_a_machine_that_has_not_returned_stays_unreachable() -> None:
    for stretches in (
        [stretch(0, 90, State.UNREACHABLE)],
        [stretch(0, 9, State.IDLE), stretch(9, 90, State.UNREACHABLE)],
    ):
        assert tile(stretches, Known(), DEFAULT)[-1].state is State.UNREACHABLE


def gap(*, ran: float | None = 600, on: float | None = 1200, policy: Policy = ESTIMATING) -> list[Interval]:
    """A gap from 1000 to 2800 s, with readings at its ends."""
    operating = [] if ran is None else [reading(1000, 50), reading(2800, 50 + ran)]
    powered = [] if on is None else [reading(1000, 70), reading(2800, 70 + on)]
    stretches = [stretch(0, 1000, State.IDLE), stretch(1000, 2800, State.UNKNOWN), stretch(2800, 3600, State.IDLE)]
    return tile(stretches, Known(counters=Counters(powered, operating)), policy)


def test_a_gap_is_filled_from_counters_evenly_over_its_quarters_and_flagged() -> None:
    found = [each for each in gap() if each.quality is Quality.ESTIMATED]
    sums = {state: sum(each.period.seconds for each in found if each.state is state) for state in State}
    first = [each for each in found if each.period.end <= 1800 * SECOND]

    assert (sums[State.PROCESSING], sums[State.IDLE], sums[State.OFF]) == (600, 600, 600)
    assert [each.period.seconds for each in first] == [266, 267, 267]
    assert found[0].sources[0] == Source("operation_seconds", 1000 * SECOND)


@pytest.mark.parametrize(
    ("ran", "on", "policy"),
    [
        (600, 1200, DEFAULT),
        (600, 1200, Policy(estimate_gaps=True, estimate_seconds_max=1799)),
        (None, 1200, ESTIMATING),
        (600, None, ESTIMATING),
        (600, 500, ESTIMATING),
        (600, 1801, ESTIMATING),
    ],
)
def test_a_gap_stays_unknown_when_it_may_not_be_estimated_or_counters_contradict(
    ran: float | None, on: float | None, policy: Policy
) -> None:
    assert gap(ran=ran, on=on, policy=policy)[1][1:3] == (State.UNKNOWN, Quality.UNKNOWN)


def test_what_is_known_between_the_readings_is_not_counted_twice() -> None:
    stretches = [
        stretch(0, 400, State.OFF),
        stretch(400, 500, State.PROCESSING),
        stretch(500, 600, State.UNKNOWN),
        stretch(600, 700, State.IDLE),
    ]
    counters = Counters([reading(300, 0), reading(650, 250)], cutting=[reading(300, 0), reading(650, 140)])

    found = tile(stretches, Known(counters=counters), ESTIMATING)

    assert shown(found)[2:4] == [
        (500, 540, State.PROCESSING, Quality.ESTIMATED),
        (540, 600, State.IDLE, Quality.ESTIMATED),
    ]


def test_two_gaps_between_two_readings_stay_unknown() -> None:
    stretches = [
        stretch(0, 100, State.UNKNOWN),
        stretch(100, 200, State.IDLE),
        stretch(200, 300, State.UNKNOWN),
    ]
    counters = Counters([reading(0, 0), reading(300, 300)], [reading(0, 0), reading(300, 100)])

    assert [each.state for each in tile(stretches, Known(counters=counters), ESTIMATING)] == [
        State.UNKNOWN, State.IDLE, State.UNKNOWN,
    ]  # fmt: skip
