from __future__ import annotations

from edge_agent.health import FillRate
from shopfloor.periods import HOUR, MINUTE

START = 10**18


def test_hours_left_are_what_there_is_room_for_at_the_rate_of_the_last_hour() -> None:
    rate = FillRate()
    assert rate.hours_left(START, 0, 1000) is None
    assert rate.hours_left(START + MINUTE // 2, 50, 1000) is None
    assert rate.hours_left(START + HOUR // 2, 50, 1000) == 10.0
    assert rate.hours_left(START + HOUR, 100, -5) == 0.0
    assert rate.hours_left(START + 2 * HOUR, 100, 1000) is None


def test_a_clock_that_is_put_back_begins_the_measurement_anew() -> None:
    rate = FillRate()
    rate.hours_left(START, 0, 1000)
    assert rate.hours_left(START - HOUR, 100, 1000) is None
    assert rate.hours_left(START, 200, 1000) == 10.0
