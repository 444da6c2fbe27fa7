"""Stops of a machine, and the reasons that people give for them."""

from __future__ import annotations

from api.floor.stops import SHORTEST, Tag, stops
from shopfloor.periods import HOUR, MINUTE, Period
from shopfloor.states import State, Stretch

NOON = 1_000 * HOUR


def at(minute: int, until: int, state: State) -> Stretch:
    return Stretch(Period(NOON + minute * MINUTE, NOON + until * MINUTE), state)


DAY = (
    at(0, 60, State.PROCESSING),
    at(60, 70, State.IDLE),
    at(70, 75, State.INTERRUPTED),
    at(75, 120, State.PROCESSING),
    at(120, 124, State.IDLE),
    at(124, 180, State.PROCESSING),
    at(180, 240, State.IDLE),
)


def test_a_stop_is_one_though_the_machine_idles_and_is_interrupted_in_it() -> None:
    [_, before] = stops(DAY, [], now=NOON + 240 * MINUTE)

    assert before.period == Period(NOON + 60 * MINUTE, NOON + 75 * MINUTE)
    assert (before.state, before.reason, before.is_now) == (State.INTERRUPTED, None, False)


def test_a_short_stop_asks_for_no_reason() -> None:
    assert all(each.period.end - each.period.start >= SHORTEST for each in stops(DAY, [], now=NOON + 240 * MINUTE))


def test_the_newest_stop_comes_first_and_lasts() -> None:
    newest, _ = stops(DAY, [], now=NOON + 240 * MINUTE)

    assert newest.is_now
    assert newest.period.start == NOON + 180 * MINUTE


def test_a_reason_stays_with_the_stop_that_its_instant_lies_in_and_the_newest_holds() -> None:
    told = [
        Tag(NOON + 60 * MINUTE, "tool", 2),
        Tag(NOON + 65 * MINUTE, "material", 3),
        Tag(NOON + 60 * MINUTE, "break", 1),
        Tag(NOON + 90 * MINUTE, "fault", 4),
    ]

    newest, before = stops(DAY, told, now=NOON + 240 * MINUTE)

    assert before.reason == "material"
    assert newest.reason is None
