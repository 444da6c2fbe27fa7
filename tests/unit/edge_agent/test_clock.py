from __future__ import annotations

import pytest

from edge_agent.clock import OffsetEstimate, Trust
from shopfloor.periods import HOUR, SECOND

NOW = 1_800_000_000 * SECOND
HALF = SECOND // 2


def compare(estimate: OffsetEstimate, at: int, offset: int, trip: int = SECOND // 100, stale: int = 0) -> bool:
    return estimate.compare(at, at + trip // 2 + offset - stale, at + trip)


def test_before_any_comparison_the_offset_is_zero_and_unknown() -> None:
    estimate = OffsetEstimate()
    assert (estimate.offset, estimate.known) == (0, False)


def test_half_of_the_round_trip_is_taken_off() -> None:
    estimate = OffsetEstimate()
    compare(estimate, NOW, 30 * SECOND, trip=SECOND)
    assert estimate.offset == 30 * SECOND


def test_the_comparison_with_the_shortest_way_back_counts() -> None:
    estimate = OffsetEstimate()
    estimate.compare(NOW, NOW + 30 * SECOND, NOW + SECOND)
    compare(estimate, NOW + 2 * SECOND, 30 * SECOND, trip=2)
    assert abs(estimate.offset - 30 * SECOND) <= 2


def test_a_server_that_renews_its_time_once_a_second_is_known_better_with_every_comparison() -> None:
    estimate = OffsetEstimate()
    for number, stale in enumerate((9, 4, 7, 1, 8)):
        compare(estimate, NOW + number * SECOND, 5 * SECOND, trip=2, stale=stale * SECOND // 10)
    assert abs(estimate.offset - 5 * SECOND) <= SECOND // 10 + 2


def test_what_lies_further_back_than_the_window_no_longer_counts() -> None:
    estimate = OffsetEstimate()
    compare(estimate, NOW, SECOND)
    compare(estimate, NOW + 301 * SECOND, HALF)
    assert abs(estimate.offset - HALF) < SECOND // 100


def test_a_step_forward_and_a_step_back_are_noticed() -> None:
    estimate = OffsetEstimate()
    assert not compare(estimate, NOW - SECOND, 0)
    assert not compare(estimate, NOW, 0)
    assert compare(estimate, NOW + SECOND, 10 * SECOND)
    assert abs(estimate.offset - 10 * SECOND) < SECOND // 100
    assert compare(estimate, NOW + 2 * SECOND, 0)
    assert abs(estimate.offset) < SECOND // 100


@pytest.mark.parametrize("late_seconds", [1, 5, 30])
def test_a_current_time_that_is_renewed_late_is_no_step(late_seconds: int) -> None:
    estimate = OffsetEstimate()
    compare(estimate, NOW - SECOND, 0)
    compare(estimate, NOW, 0)
    looks = range(1, 10 * late_seconds)
    tenth = SECOND // 10
    assert not any(compare(estimate, NOW + look * tenth, 0, stale=look * tenth) for look in looks), "still the same"
    assert not compare(estimate, NOW + late_seconds * SECOND, 0), "renewed at last"
    assert abs(estimate.offset) < SECOND // 100


def test_a_first_current_time_that_was_old_is_corrected_without_a_step() -> None:
    estimate = OffsetEstimate()
    compare(estimate, NOW, 0, stale=8 * SECOND)
    assert not compare(estimate, NOW + SECOND, 0)
    assert abs(estimate.offset) < SECOND // 100


def test_a_renewal_bounds_the_offset_by_when_the_one_before_was_read() -> None:
    estimate = OffsetEstimate()
    compare(estimate, NOW, 0, stale=SECOND // 2)
    compare(estimate, NOW + SECOND // 10, 0)
    assert 0 <= estimate.offset_max <= SECOND // 5


def test_a_step_back_is_noticed_once_the_time_is_renewed() -> None:
    estimate = OffsetEstimate()
    for number in range(3):
        compare(estimate, NOW + number * SECOND, 0)
    stepped = NOW + 3 * SECOND
    assert compare(estimate, stepped, -HOUR)
    assert abs(estimate.offset + HOUR) < SECOND // 100


def test_drift_is_no_step() -> None:
    estimate = OffsetEstimate()
    compare(estimate, NOW, 0)
    assert not any(compare(estimate, NOW + minute * 60 * SECOND, minute * SECOND // 100) for minute in range(1, 60))


def test_a_clock_within_the_limit_is_trusted() -> None:
    assert Trust(60).judge(59 * SECOND)
    assert Trust(60).judge(-60 * SECOND)
    assert not Trust(60).judge(61 * SECOND)


def test_trust_that_was_lost_returns_only_well_within_the_limit() -> None:
    trust = Trust(60)
    trust.judge(61 * SECOND)
    assert not trust.judge(58 * SECOND)
    assert trust.judge(53 * SECOND)
    assert trust.judge(58 * SECOND)


def test_a_replay_is_trusted_whatever_its_clock_says() -> None:
    assert Trust(None).judge(-(10**9) * SECOND)
