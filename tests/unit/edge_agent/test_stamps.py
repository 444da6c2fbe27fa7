from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.stamps import Known, stamp
from shopfloor.samples import BAD_NO_COMMUNICATION, Reading, Sample, Value

MACHINE, FEED = "mill-1", "feed"


def reading(value: Value | None, source: int | None = 100, *, status: int = 0, signal: str = FEED) -> Reading:
    return Reading(signal, value, status, source, 200, 300)


def stamped(
    readings: list[Reading], known: dict[str, Known] | None = None, *, trusted: bool = True
) -> list[tuple[int, Value | None]]:
    samples, _ = stamp(MACHINE, readings, known or {}, trusted=trusted)
    return [(sample.stamp, sample.value) for sample in samples]


def test_the_source_time_is_the_stamp_while_the_machines_clock_is_trusted() -> None:
    samples, known = stamp(MACHINE, [reading(1.5)], {}, trusted=True)
    assert samples == [Sample(MACHINE, FEED, 100, 1.5, 0, None)]
    assert known == {FEED: Known(100, 0, 1.5, 0)}


def test_the_time_of_receipt_is_the_stamp_otherwise_with_the_source_time_beside_it() -> None:
    samples, known = stamp(MACHINE, [reading(1.5)], {}, trusted=False)
    assert samples == [Sample(MACHINE, FEED, 300, 1.5, 0, 100)]
    assert known == {FEED: Known(300, 0, 1.5, 0)}


def test_a_value_without_a_source_time_takes_the_servers_then_the_time_of_receipt() -> None:
    assert stamped([reading(1.5, None)]) == [(200, 1.5)]
    assert stamped([Reading(FEED, 1.5, 0, None, None, 300)]) == [(300, 1.5)]
    assert stamped([Reading(FEED, 1.5, 0, 0, 200, 300)]) == [(0, 1.5)]


def test_values_of_one_raw_time_are_kept_apart_by_an_ordinal_in_order_of_arrival() -> None:
    assert stamped([reading(1.0), reading(2.0), reading(1.0)]) == [(100, 1.0), (101, 2.0), (102, 1.0)]
    assert stamped([reading(3.0)], {FEED: Known(100, 2, 1.0, 0)}) == [(103, 3.0)]


def test_a_new_raw_time_begins_without_an_ordinal() -> None:
    assert stamped([reading(1.0), reading(2.0), reading(3.0, 200)]) == [(100, 1.0), (101, 2.0), (200, 3.0)]


def test_an_initial_value_that_is_known_already_is_skipped() -> None:
    known = {FEED: Known(100, 4, 1.5, 0)}
    assert stamp(MACHINE, [reading(1.5)], known, trusted=True) == ([], {})
    assert known == {FEED: Known(100, 4, 1.5, 0)}


def test_the_same_value_of_another_time_or_with_another_quality_is_new() -> None:
    known = {FEED: Known(100, 0, 1.5, 0)}
    assert stamped([reading(1.5, 150)], known) == [(150, 1.5)]
    assert stamped([reading(1.5, status=0x4000_0000)], known) == [(101, 1.5)]
    assert stamped([reading(None, status=BAD_NO_COMMUNICATION)], known) == [(101, None)]


def test_signals_do_not_share_ordinals() -> None:
    assert stamped([reading(1.0), reading(2.0, signal="power_watts"), reading(3.0)]) == [
        (100, 1.0),
        (100, 2.0),
        (101, 3.0),
    ]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3))), st.integers(0, 20))
def test_a_restart_between_two_readings_changes_no_stamp(values: list[tuple[int, int]], cut: int) -> None:
    readings = [reading(float(value), source * 1000) for source, value in values]
    whole, known_of_whole = stamp(MACHINE, readings, {}, trusted=True)
    first, known = stamp(MACHINE, readings[:cut], {}, trusted=True)
    rest, known_of_rest = stamp(MACHINE, readings[cut:], known, trusted=True)
    assert [*first, *rest] == whole
    assert {**known, **known_of_rest} == known_of_whole
