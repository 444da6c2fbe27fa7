"""What counters advanced by, put onto the segments in which it happened. Pure.

Energy is spread evenly over the time between two readings; none of it falls on time in which the machine was off,
unless it was off all the time. Parts and cycles are counted when they are finished: in the second before the reading.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from api.usage.intervals import QUARTER
from api.usage.segments import Meter, Metered, Quality, Segment
from shopfloor.periods import SECOND, Period
from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from api.usage.counters import Advance

_AT_REST = frozenset({State.OFF, State.UNREACHABLE})
_DOUBTFUL = frozenset({Quality.UNKNOWN, Quality.ESTIMATED})


def place(segments: Sequence[Segment], meter: Meter, steps: Iterable[Advance]) -> list[Segment]:
    """Put the advances of a counter onto segments.

    Shares are counted from the start of each step and cut at quarter hours, so that they add exactly, and no cut of a
    segment changes any.

    Args:
        segments: adjoining, in order.
        meter: which counter.
        steps: in order; where they reach beyond the segments, that part is left out.

    Returns:
        The same segments with what was counted in them. A step that touches a gap is not `placed`: its total is
        measured, its place in time is not.
    """
    added: dict[int, list[Metered]] = {}
    first = 0
    for step in steps:
        period = _seconds_of(step.period, meter)
        while first < len(segments) and segments[first].period.end <= period.start:
            first += 1
        last = first
        while last < len(segments) and segments[last].period.start < period.end:
            last += 1
        if step.amount:
            for index, metered in _spread(segments, range(first, last), meter, period, step.amount):
                added.setdefault(index, []).append(metered)
    return [
        segment._replace(metered=_merge((*segment.metered, *added[index]))) if index in added else segment
        for index, segment in enumerate(segments)
    ]


def _seconds_of(period: Period, meter: Meter) -> Period:
    """Return the whole seconds that a step falls on, one at least."""
    if meter is Meter.ENERGY:
        start, end = period.start // SECOND * SECOND, period.end // SECOND * SECOND
        return Period(start, max(end, start + SECOND))
    finished = (period.end - 1) // SECOND * SECOND
    return Period(finished, finished + SECOND)


def _spread(
    segments: Sequence[Segment], touched: range, meter: Meter, step: Period, amount: int
) -> Iterator[tuple[int, Metered]]:
    parts = [(index, part) for index in touched if (part := segments[index].period.clip(step)) is not None]
    covered = sum(part.seconds for _, part in parts)
    at_rest = sum(part.seconds for index, part in parts if segments[index].state in _AT_REST)
    counts_rest = at_rest == step.seconds
    placed = all(segments[index].quality not in _DOUBTFUL for index, _ in parts) and covered == step.seconds
    total = step.seconds if counts_rest else step.seconds - at_rest
    passed = (parts[0][1].start - step.start) // SECOND if parts else 0
    done = amount * passed // total
    for index, part in parts:
        if segments[index].state in _AT_REST and not counts_rest:
            continue
        for piece in _quarters(part):
            passed += piece.seconds
            share = amount * passed // total - done
            done += share
            if share:
                yield index, Metered(meter, piece, share, placed)


def _quarters(period: Period) -> Iterator[Period]:
    at = period.start
    while at < period.end:
        end = min((at // QUARTER + 1) * QUARTER, period.end)
        yield Period(at, end)
        at = end


def _merge(metered: Iterable[Metered]) -> tuple[Metered, ...]:
    """Join the amounts of one meter in one quarter hour."""
    ordered = sorted(metered, key=lambda each: (each.meter, each.period, each.placed))
    joined: list[Metered] = []
    for (meter, _, placed), group in groupby(
        ordered, key=lambda each: (each.meter, each.period.start // QUARTER, each.placed)
    ):
        found = list(group)
        period = Period(found[0].period.start, max(each.period.end for each in found))
        joined.append(Metered(meter, period, sum(each.amount for each in found), placed))
    return tuple(joined)
