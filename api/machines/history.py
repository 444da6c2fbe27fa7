"""States of the past and of the present, from the last known values, the changes and what is known of the watching.

One way of deriving them for the history of the store and for the live view, so that both always agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopfloor.signals import DECIDING
from shopfloor.states import State, Stretch, timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shopfloor.periods import Period
    from shopfloor.samples import Sample, Value
    from shopfloor.states import Coverage


def known(last: Mapping[str, Sample], coverage: Coverage, at: int) -> dict[str, Value | None]:
    """Return what is known of the deciding signals at an instant: nothing is carried across a hole.

    Args:
        last: newest sample of each deciding signal before `at`.
        coverage: what is known of the watching since the oldest of them.
        at: the instant.
    """
    facts: dict[str, Value | None] = {signal: sample.value for signal, sample in last.items()}
    for hole in coverage.holes:
        end = hole.period.end
        if end > at or not any(span.start < end < span.end for span in coverage.observed):
            continue
        for signal in hole.signals or DECIDING:
            if signal in facts and last[signal].stamp < end:
                del facts[signal]
    return facts


def tile(
    period: Period, last: Mapping[str, Sample], changes: Iterable[Sample], coverage: Coverage, *, now: int
) -> list[Stretch]:
    """Tile a period with states.

    Args:
        period: what to tile; its part after `now` is left out.
        last: newest sample of each deciding signal before the period.
        changes: samples of the deciding signals within the period, in order of their stamps.
        coverage: what is known of the watching from the oldest of `last` to the end of the period.
        now: the present.
    """
    return timeline(period, known(last, coverage, period.start), changes, coverage, now=now)


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
