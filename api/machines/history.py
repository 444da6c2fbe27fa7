"""Stretches of states: put together and added up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopfloor.states import State, Stretch

if TYPE_CHECKING:
    from collections.abc import Iterable


def join(before: list[Stretch], after: list[Stretch]) -> list[Stretch]:
    """Put stretches behind others that they adjoin; neighbours of one state become one."""
    if before and after and before[-1].state is after[0].state:
        first = Stretch(type(after[0].period)(before[-1].period.start, after[0].period.end), after[0].state)
        return [*before[:-1], first, *after[1:]]
    return [*before, *after]


def totals(stretches: Iterable[Stretch]) -> dict[State, int]:
    """Add up whole seconds by state; they add to the seconds of the tiled period."""
    seconds: dict[State, int] = {}
    for stretch in stretches:
        seconds[stretch.state] = seconds.get(stretch.state, 0) + stretch.period.seconds
    return seconds
