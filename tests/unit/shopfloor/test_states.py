from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopfloor.periods import DAY, SECOND, Period, from_datetime, union
from shopfloor.samples import BAD_NO_COMMUNICATION, BAD_OUT_OF_RANGE, Sample, Value
from shopfloor.signals import DECIDING, TEXT_MAX
from shopfloor.states import SILENCE_SECONDS_MAX, Coverage, Hole, State, Stretch, state_of, timeline

MACHINE = "mill-1"
LATER = 10_000 * SECOND
EXECUTING, NOT_EXECUTING, OUT_OF_SERVICE, OFF = 3, 2, 1, 0
DAY_OF_WORK = Period(0, 100)


def said(stamp: int, value: Value | None, signal: str = "item_state") -> Sample:
    return Sample(MACHINE, signal, stamp, value)


def said_before(stamp: int = -1000, **values: Value | None) -> dict[str, Sample]:
    return {signal: said(stamp, value, signal) for signal, value in values.items()}


def hole(start: int, end: int, *signals: str) -> Hole:
    return Hole(MACHINE, Period(start, end), signals, "overflow")


def watched(
    observed: list[Period] | None = None, unreachable: list[Period] | None = None, holes: list[Hole] | None = None
) -> Coverage:
    return Coverage([DAY_OF_WORK] if observed is None else observed, unreachable or [], holes or [])


def tiled(stretches: list[Stretch]) -> list[tuple[int, int, State]]:
    return [(each.period.start, each.period.end, each.state) for each in stretches]


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, State.UNKNOWN),
        ({"item_state": None}, State.UNKNOWN),
        ({"item_state": None, "operation_mode": 3, "program_state": 1}, State.UNKNOWN),
        ({"item_state": OFF, "operation_mode": 1}, State.OFF),
        ({"item_state": OFF, "alarm_blocking": True}, State.OFF),
        ({"item_state": OUT_OF_SERVICE, "operation_mode": 1}, State.OUT_OF_SERVICE),
        ({"item_state": EXECUTING, "operation_mode": 1}, State.MAINTENANCE),
        ({"item_state": EXECUTING, "control_mode": 4}, State.MAINTENANCE),
        ({"item_state": EXECUTING, "operation_mode": 2}, State.SETUP),
        ({"item_state": NOT_EXECUTING, "operation_mode": 2, "alarm_blocking": True}, State.SETUP),
        ({"item_state": NOT_EXECUTING, "control_mode": 2}, State.SETUP),
        ({"item_state": EXECUTING, "operation_mode": 3, "control_mode": 2}, State.PROCESSING),
        ({"item_state": EXECUTING, "operation_mode": 3, "control_mode": 4}, State.PROCESSING),
        ({"item_state": EXECUTING, "alarm_blocking": True}, State.INTERRUPTED),
        ({"item_state": EXECUTING, "program_state": 3}, State.INTERRUPTED),
        ({"item_state": NOT_EXECUTING, "program_state": 4}, State.INTERRUPTED),
        ({"item_state": NOT_EXECUTING, "channel_state": 1}, State.INTERRUPTED),
        ({"item_state": EXECUTING, "alarm_blocking": False}, State.PROCESSING),
        ({"item_state": EXECUTING, "program_state": 2, "channel_state": 2}, State.PROCESSING),
        ({"item_state": NOT_EXECUTING, "program_state": 1, "channel_state": 0}, State.IDLE),
        ({"item_state": NOT_EXECUTING}, State.IDLE),
        ({"item_state": 7}, State.IDLE),
        # Without item state and mode (OPC 40501-1 1.00, CNC only).
        ({"program_state": 1}, State.PROCESSING),
        ({"program_state": 2, "channel_state": 0}, State.IDLE),
        ({"program_state": 0}, State.IDLE),
        ({"channel_state": 0}, State.PROCESSING),
        ({"channel_state": 2}, State.IDLE),
        ({"control_mode": 1}, State.IDLE),
        ({"control_mode": 2, "channel_state": 0}, State.SETUP),
        ({"operation_mode": 3}, State.IDLE),
        ({"program_state": None, "channel_state": None}, State.UNKNOWN),
    ],
)
def test_the_first_match_of_the_table_is_the_state(facts: dict[str, Value | None], state: State) -> None:
    assert state_of(facts) is state


def test_an_alarm_alone_says_nothing_of_the_state() -> None:
    assert state_of({"alarm_blocking": True}) is State.UNKNOWN


facts_or_none = st.dictionaries(
    st.sampled_from(DECIDING), st.none() | st.integers(-1, 5) | st.booleans() | st.text(max_size=3)
)


@given(facts_or_none)
def test_any_facts_have_exactly_one_state_and_none_means_unreachable(facts: dict[str, Value | None]) -> None:
    assert state_of(facts) in set(State) - {State.UNREACHABLE}


def test_changes_cut_an_observed_period() -> None:
    changes = [said(10, EXECUTING), said(30, NOT_EXECUTING)]
    assert tiled(timeline(DAY_OF_WORK, said_before(item_state=OFF), changes, watched(), now=LATER)) == [
        (0, 10, State.OFF),
        (10, 30, State.PROCESSING),
        (30, 100, State.IDLE),
    ]


def test_neighbours_of_one_state_are_one_stretch() -> None:
    changes = [said(10, EXECUTING), said(20, EXECUTING), said(30, 2, "program_state")]
    found = timeline(DAY_OF_WORK, said_before(item_state=EXECUTING), changes, watched(), now=LATER)
    assert tiled(found) == [(0, 100, State.PROCESSING)]


def test_the_last_of_two_values_with_one_stamp_counts() -> None:
    changes = [said(10, EXECUTING), said(10, OFF)]
    found = timeline(DAY_OF_WORK, said_before(item_state=EXECUTING), changes, watched(), now=LATER)
    assert tiled(found) == [(0, 10, State.PROCESSING), (10, 100, State.OFF)]


def test_what_no_proof_covers_is_unknown_whatever_was_said() -> None:
    coverage = watched([Period(10, 20), Period(60, 70)])
    found = timeline(DAY_OF_WORK, said_before(item_state=EXECUTING), [said(40, OFF)], coverage, now=LATER)
    assert tiled(found) == [
        (0, 10, State.UNKNOWN),
        (10, 20, State.PROCESSING),
        (20, 60, State.UNKNOWN),
        (60, 70, State.OFF),
        (70, 100, State.UNKNOWN),
    ]


def test_a_server_that_does_not_answer_its_agent_is_unreachable() -> None:
    coverage = watched([Period(0, 20)], [Period(15, 60)])
    found = timeline(DAY_OF_WORK, said_before(item_state=EXECUTING), [], coverage, now=LATER)
    assert tiled(found) == [(0, 20, State.PROCESSING), (20, 60, State.UNREACHABLE), (60, 100, State.UNKNOWN)]


def test_a_hole_over_unreachable_time_leaves_it_unreachable() -> None:
    coverage = watched([Period(0, 20), Period(60, 100)], [Period(25, 55)], [hole(20, 60)])
    found = timeline(DAY_OF_WORK, said_before(item_state=EXECUTING), [], coverage, now=LATER)
    assert tiled(found) == [
        (0, 20, State.PROCESSING),
        (20, 25, State.UNKNOWN),
        (25, 55, State.UNREACHABLE),
        (55, 60, State.UNKNOWN),
        (60, 100, State.PROCESSING),
    ]


def test_a_hole_inside_of_observation_makes_its_signals_unknown_until_they_speak_again() -> None:
    coverage = watched(holes=[hole(20, 40, "item_state")])
    found = timeline(DAY_OF_WORK, said_before(item_state=EXECUTING), [said(70, EXECUTING)], coverage, now=LATER)
    assert tiled(found) == [(0, 20, State.PROCESSING), (20, 70, State.UNKNOWN), (70, 100, State.PROCESSING)]


def test_a_value_within_a_hole_is_not_carried_beyond_it() -> None:
    coverage = watched(holes=[hole(20, 40)])
    found = timeline(DAY_OF_WORK, said_before(item_state=EXECUTING), [said(30, OFF)], coverage, now=LATER)
    assert tiled(found) == [(0, 20, State.PROCESSING), (20, 100, State.UNKNOWN)]


def test_a_value_at_the_end_of_a_hole_speaks_again() -> None:
    coverage = watched(holes=[hole(20, 40)])
    found = timeline(DAY_OF_WORK, said_before(item_state=EXECUTING), [said(40, OFF)], coverage, now=LATER)
    assert tiled(found) == [(0, 20, State.PROCESSING), (20, 40, State.UNKNOWN), (40, 100, State.OFF)]


def test_a_hole_that_ends_where_observation_begins_forgets_nothing() -> None:
    coverage = watched([Period(0, 20), Period(40, 100)], holes=[hole(20, 40)])
    found = timeline(DAY_OF_WORK, said_before(item_state=EXECUTING), [], coverage, now=LATER)
    assert tiled(found) == [(0, 20, State.PROCESSING), (20, 40, State.UNKNOWN), (40, 100, State.PROCESSING)]


def test_a_signal_that_a_hole_names_leaves_the_state_unknown_whatever_the_others_say() -> None:
    coverage = watched(holes=[hole(20, 40, "operation_mode")])
    last = said_before(item_state=EXECUTING, operation_mode=2)
    changes = [said(50, NOT_EXECUTING), said(70, 3, "operation_mode")]
    found = timeline(DAY_OF_WORK, last, changes, coverage, now=LATER)
    assert tiled(found) == [(0, 20, State.SETUP), (20, 70, State.UNKNOWN), (70, 100, State.IDLE)]


def test_after_a_hole_of_all_signals_each_that_the_machine_has_must_speak_again() -> None:
    coverage = watched(holes=[hole(20, 40)])
    last = said_before(item_state=EXECUTING, alarm_blocking=False)
    changes = [said(50, EXECUTING), said(70, value=False, signal="alarm_blocking")]
    found = timeline(DAY_OF_WORK, last, changes, coverage, now=LATER)
    assert tiled(found) == [(0, 20, State.PROCESSING), (20, 70, State.UNKNOWN), (70, 100, State.PROCESSING)]


def test_a_hole_of_a_signal_that_the_machine_does_not_have_ends_with_its_end() -> None:
    coverage = watched(holes=[hole(20, 40, "channel_state")])
    found = timeline(DAY_OF_WORK, said_before(item_state=EXECUTING), [], coverage, now=LATER)
    assert tiled(found) == [(0, 20, State.PROCESSING), (20, 40, State.UNKNOWN), (40, 100, State.PROCESSING)]


def test_what_a_hole_made_doubtful_is_known_again_when_the_next_observation_starts() -> None:
    coverage = watched([Period(0, 60), Period(80, 100)], holes=[hole(20, 40)])
    found = timeline(DAY_OF_WORK, said_before(item_state=EXECUTING), [], coverage, now=LATER)
    assert tiled(found) == [(0, 20, State.PROCESSING), (20, 80, State.UNKNOWN), (80, 100, State.PROCESSING)]


def test_at_the_start_of_an_observation_the_last_value_holds_though_it_was_said_within_a_hole() -> None:
    coverage = watched([Period(0, 60), Period(80, 100)], holes=[hole(20, 40)])
    found = timeline(DAY_OF_WORK, said_before(item_state=EXECUTING), [said(30, OFF)], coverage, now=LATER)
    assert tiled(found) == [(0, 20, State.PROCESSING), (20, 80, State.UNKNOWN), (80, 100, State.OFF)]


def test_a_hole_before_the_period_counts_when_it_ended_within_the_observation_that_goes_on() -> None:
    last = said_before(30, item_state=EXECUTING)
    period = Period(50, 100)
    within = watched(holes=[hole(20, 40)])
    assert tiled(timeline(period, last, [], within, now=LATER)) == [(50, 100, State.UNKNOWN)]
    earlier = watched([Period(0, 42), Period(45, 100)], holes=[hole(20, 40)])
    assert tiled(timeline(period, last, [], earlier, now=LATER)) == [(50, 100, State.PROCESSING)]
    spoke = said_before(40, item_state=EXECUTING)
    assert tiled(timeline(period, spoke, [], within, now=LATER)) == [(50, 100, State.PROCESSING)]


def test_a_hole_of_signals_that_decide_nothing_changes_nothing() -> None:
    coverage = watched(holes=[hole(20, 40, "power_watts", "program")])
    found = timeline(DAY_OF_WORK, said_before(item_state=EXECUTING), [], coverage, now=LATER)
    assert tiled(found) == [(0, 100, State.PROCESSING)]


def test_nothing_said_before_the_period_or_after_it_leaks_in() -> None:
    period = Period(50, 100)
    changes = [said(40, OFF), said(100, OFF), said(120, OFF)]
    found = timeline(period, {}, changes, watched([Period(0, 200)]), now=LATER)
    assert tiled(found) == [(50, 100, State.UNKNOWN)]
    found = timeline(period, said_before(item_state=EXECUTING), changes, watched([Period(0, 200)]), now=LATER)
    assert tiled(found) == [(50, 100, State.PROCESSING)]


def test_a_period_that_has_not_begun_has_no_states() -> None:
    assert timeline(Period(50, 100), {}, [], watched(), now=50) == []
    assert timeline(Period(50, 100), {}, [], watched(), now=7) == []


def live(silence_seconds: float, unreachable: list[Period] | None = None) -> list[tuple[int, int, State]]:
    now = 1000 * SECOND
    proven = now - round(silence_seconds * SECOND)
    coverage = watched([Period(0, proven)], unreachable)
    return tiled(timeline(Period(0, now + SECOND), said_before(item_state=EXECUTING), [], coverage, now=now))


def test_observation_lasts_until_the_present_while_its_proof_is_at_most_sixty_seconds_old() -> None:
    now = 1000 * SECOND
    assert live(0) == [(0, now, State.PROCESSING)]
    assert live(SILENCE_SECONDS_MAX) == [(0, now, State.PROCESSING)]


def test_after_sixty_seconds_of_silence_all_of_it_is_unknown() -> None:
    now = 1000 * SECOND
    assert live(SILENCE_SECONDS_MAX + 0.001) == [
        (0, now - SILENCE_SECONDS_MAX * SECOND - SECOND // 1000, State.PROCESSING),
        (now - SILENCE_SECONDS_MAX * SECOND - SECOND // 1000, now, State.UNKNOWN),
    ]


def test_a_server_that_is_proven_not_to_answer_ends_the_observation_at_once() -> None:
    now = 1000 * SECOND
    assert live(40, [Period(now - 35 * SECOND, now - 10 * SECOND)]) == [
        (0, now - 35 * SECOND, State.PROCESSING),
        (now - 35 * SECOND, now, State.UNREACHABLE),
    ]


def test_a_proof_from_a_clock_ahead_of_ours_does_not_tile_the_future() -> None:
    coverage = watched([Period(0, 70)])
    assert tiled(timeline(DAY_OF_WORK, said_before(item_state=OFF), [], coverage, now=50)) == [(0, 50, State.OFF)]


near = st.integers(-20, 120)
spans = st.lists(st.tuples(near, near).map(lambda pair: Period(min(pair), max(pair))), max_size=4)
some_holes = st.lists(
    st.builds(
        lambda pair, names: Hole(MACHINE, Period(min(pair), max(pair)), tuple(names), "overflow"),
        st.tuples(near, near),
        st.lists(st.sampled_from([*DECIDING, "power_watts"]), max_size=2, unique=True),
    ),
    max_size=3,
)
values = st.none() | st.integers(0, 4)
some_changes = st.lists(st.builds(Sample, st.just(MACHINE), st.sampled_from(DECIDING), near, values), max_size=12).map(
    lambda items: sorted(items, key=lambda each: each.stamp)
)


def naive_state(instant: int, samples: list[Sample], coverage: Coverage) -> State:
    """Derive the state at one instant from scratch."""
    span = next((span for span in coverage.observed if instant in span), None)
    if span is None:
        return State.UNREACHABLE if any(instant in each for each in coverage.unreachable) else State.UNKNOWN
    last = {sample.signal: sample for sample in samples if sample.stamp <= instant}
    for each in coverage.holes:
        named = set(each.signals or DECIDING) & set(DECIDING)
        if named and instant in each.period:
            return State.UNKNOWN
        if span.start < each.period.end <= instant and any(
            signal in last and last[signal].stamp < each.period.end for signal in named
        ):
            return State.UNKNOWN
    return state_of({signal: sample.value for signal, sample in last.items()})


@settings(max_examples=300)
@given(
    spans.filter(bool).map(lambda found: found[0]),
    st.dictionaries(st.sampled_from(DECIDING), values),
    some_changes,
    spans,
    spans,
    some_holes,
    st.integers(-10, 130) | st.just(LATER),
)
def test_a_timeline_tiles_its_period_and_knows_only_what_is_proven(  # noqa: PLR0917
    period: Period,
    values: dict[str, Value | None],
    changes: list[Sample],
    observed: list[Period],
    unreachable: list[Period],
    holes: list[Hole],
    now: int,
) -> None:
    coverage = Coverage(union(observed), union(unreachable), holes)
    last = said_before(-1000, **values)
    changes = [change for change in changes if change.stamp >= period.start]
    found = timeline(period, last, changes, coverage, now=now)
    expected = period.clip(Period(min(period.start, now), now))
    if expected is None:
        assert found == []
        return
    assert found[0].period.start == expected.start
    assert found[-1].period.end == expected.end
    assert all(stretch.period for stretch in found)
    assert all(one.period.end == other.period.start for one, other in pairwise(found))
    assert all(one.state is not other.state for one, other in pairwise(found))
    if now != LATER:
        return  # near the present a fresh proof reaches until now
    samples = [*last.values(), *changes]
    for stretch in found:
        for instant in range(stretch.period.start, stretch.period.end):
            assert stretch.state is naive_state(instant, samples, coverage)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(DECIDING), values), some_changes, spans, some_holes, st.integers(1, 99))
def test_two_halves_of_a_period_say_what_the_whole_says(
    values: dict[str, Value | None], changes: list[Sample], observed: list[Period], holes: list[Hole], cut: int
) -> None:
    coverage = Coverage(union(observed), [], holes)
    before = said_before(-1000, **values)
    known = before | {sample.signal: sample for sample in changes if 0 <= sample.stamp < cut}

    def state_at(instant: int, stretches: list[Stretch]) -> State:
        return next(each.state for each in stretches if instant in each.period)

    whole = timeline(DAY_OF_WORK, before, changes, coverage, now=LATER)
    halves = [
        *timeline(Period(0, cut), before, changes, coverage, now=LATER),
        *timeline(Period(cut, 100), known, changes, coverage, now=LATER),
    ]
    assert [state_at(instant, whole) for instant in range(100)] == [state_at(instant, halves) for instant in range(100)]


def test_a_hole_survives_being_written_and_read() -> None:
    written = Hole(MACHINE, Period(1, 2 * SECOND), ("item_state", "program"), "evicted")
    assert Hole.decode(MACHINE, written.encode()) == written


def test_a_hole_of_more_signals_than_a_text_can_name_is_one_of_all_signals() -> None:
    names = tuple(f"a_signal_with_a_rather_long_name_of_number_{number}.double" for number in range(200))
    text = Hole(MACHINE, Period(1, 2), names, "evicted").encode()
    assert len(text) <= TEXT_MAX
    assert Hole.decode(MACHINE, text).signals == ()


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", "5", '{"from": 1, "to": 2, "signals": [], "cause": "x"}',
     '{"from": "2026-01-01T00:00:00Z", "to": "2025-01-01T00:00:00Z", "signals": [], "cause": "x"}',
     '{"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "signals": 5, "cause": "x"}'],
)  # fmt: skip
def test_a_text_that_is_no_hole_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no hole"):
        Hole.decode(MACHINE, text)


def test_a_gateway_that_has_lost_its_machine_says_that_the_machine_does_not_answer() -> None:
    lost = [Sample(MACHINE, signal, 40, None, BAD_NO_COMMUNICATION) for signal in ("item_state", "control_mode")]
    hole = Hole(MACHINE, Period(40, 70), ("control_mode", "item_state"), "bad_status")
    coverage = watched([Period(0, 40), Period(70, 100)], holes=[hole])
    before = said_before(item_state=EXECUTING, control_mode=1)

    stretches = timeline(DAY_OF_WORK, before, [*lost, said(70, EXECUTING)], coverage, now=LATER)

    assert tiled(stretches) == [
        (0, 40, State.PROCESSING), (40, 70, State.UNREACHABLE), (70, 100, State.PROCESSING),
    ]  # fmt: skip


@pytest.mark.parametrize(("signals", "cause", "status"), [
    (("item_state",), "bad_status", BAD_NO_COMMUNICATION),
    (("item_state", "control_mode"), "agent_restart", BAD_NO_COMMUNICATION),
    (("item_state", "control_mode"), "bad_status", BAD_OUT_OF_RANGE),
])  # fmt: skip
def test_a_machine_that_still_speaks_or_an_agent_that_was_away_leaves_it_unknown(
    signals: tuple[str, ...], cause: str, status: int
) -> None:
    lost = [Sample(MACHINE, signal, 40, None, status) for signal in signals]
    coverage = watched([Period(0, 40), Period(70, 100)], holes=[Hole(MACHINE, Period(40, 70), signals, cause)])
    before = said_before(item_state=EXECUTING, control_mode=1)

    stretches = timeline(DAY_OF_WORK, before, [*lost, said(70, EXECUTING)], coverage, now=LATER)

    assert stretches[1] == Stretch(Period(40, 70), State.UNKNOWN)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-12-31", 24)])
def test_a_civil_day_is_tiled_with_all_of_its_real_seconds(day: str, hours: int) -> None:
    rome = ZoneInfo("Europe/Rome")
    start = datetime.fromisoformat(day).replace(tzinfo=rome)
    end = (datetime.fromisoformat(day) + timedelta(days=1)).replace(tzinfo=rome)
    span = Period(from_datetime(start), from_datetime(end))
    noon = from_datetime(start.replace(hour=12))
    coverage = Coverage([Period(span.start, noon)], [], [])
    found = timeline(span, said_before(item_state=EXECUTING), [], coverage, now=span.end + DAY)
    assert [stretch.state for stretch in found] == [State.PROCESSING, State.UNKNOWN]
    assert sum(stretch.period.seconds for stretch in found) == hours * 3600
