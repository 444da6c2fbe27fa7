"""Stops of a machine, each with the reason that a person gave for it. Pure.

A reason is kept with an instant inside the stop that it is about, never with the stop: where later data show the stop
longer, shorter or cut in two, each reason stays with the piece that its instant lies in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shopfloor.periods import MINUTE, Period
from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shopfloor.states import Stretch

STOPPED = frozenset({State.IDLE, State.INTERRUPTED})
"""States in which a machine is on and stands still without anybody having said why."""
SHORTEST = 5 * MINUTE
"""A shorter stop asks for no reason, in nanoseconds: a part is changed, a measure taken."""


class Tag(NamedTuple):
    """A reason that somebody gave.

    Attributes:
        at: an instant inside the stop.
        reason: identifier of the reason.
        entered: when it was said; of several inside one stop the newest holds.
    """

    at: int
    reason: str
    entered: int


class Stop(NamedTuple):
    """A while in which a machine stood still.

    Attributes:
        period: from when to when; to the present while it lasts.
        state: in which it began, or `interrupted` where it was that at any time.
        reason: that somebody gave, None for none.
        is_now: it lasts.
    """

    period: Period
    state: State
    reason: str | None
    is_now: bool


def stops(stretches: Iterable[Stretch], tags: Iterable[Tag], *, now: int) -> list[Stop]:
    """Return the stops of a time that are long enough to have a reason, the newest first.

    Args:
        stretches: states of the machine, in order.
        tags: what people said, in any order.
        now: the present; a stop that reaches it lasts.
    """
    said = sorted(tags, key=lambda each: each.entered)
    found: list[Stop] = []
    for period, state in _joined(stretches):
        if period.end - period.start < SHORTEST:
            continue
        reason = next((each.reason for each in reversed(said) if each.at in period), None)
        found.append(Stop(period, state, reason, period.end >= now))
    return found[::-1]


def _joined(stretches: Iterable[Stretch]) -> list[tuple[Period, State]]:
    """Take stretches together in which the machine stood still without a break."""
    found: list[tuple[Period, State]] = []
    for each in stretches:
        if each.state not in STOPPED:
            continue
        if found and found[-1][0].end == each.period.start:
            before, state = found[-1]
            worse = State.INTERRUPTED if State.INTERRUPTED in {state, each.state} else state
            found[-1] = (Period(before.start, each.period.end), worse)
        else:
            found.append((each.period, each.state))
    return found
