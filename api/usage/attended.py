"""Equipment that says nothing itself: what it did is what people say when they check in and out. Pure.

While somebody is checked in for a firm it is at work for that firm, while somebody is for the consortium it is in
maintenance, and else it is off. All of its time is known, none of it is measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from api.usage.intervals import Interval
from api.usage.segments import CONSORTIUM, Quality, Source
from shopfloor.periods import SECOND, Period
from shopfloor.states import State, Stretch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from api.usage.evidence import Held


class _Part(NamedTuple):
    """A while of one state, and the check-in that it rests on."""

    period: Period
    state: State
    source: Source | None


def stretches(period: Period, held: Iterable[Held]) -> list[Stretch]:
    """Tile a period with what the equipment did.

    Args:
        period: to be tiled.
        held: who was checked in when, as `presences` returns it.
    """
    joined: list[Stretch] = []
    for part in _parts(period, held):
        if joined and joined[-1].state is part.state:
            joined[-1] = Stretch(Period(joined[-1].period.start, part.period.end), part.state)
        else:
            joined.append(Stretch(part.period, part.state))
    return joined


def intervals(period: Period, held: Iterable[Held]) -> list[Interval]:
    """Tile a period with intervals on whole seconds; each boundary is cut to its second.

    Args:
        period: on whole seconds.
        held: who was checked in when, as `presences` returns it.
    """
    found: list[Interval] = []
    for part in _parts(period, held):
        start, end = part.period.start // SECOND * SECOND, part.period.end // SECOND * SECOND
        if start < end:
            sources = () if part.source is None else (part.source,)
            found.append(Interval(Period(start, end), part.state, Quality.DECLARED, sources=sources))
    return found


def _parts(period: Period, held: Iterable[Held]) -> Iterator[_Part]:
    at = period.start
    for each in held:
        inside = each.period.clip(period)
        if inside is None:
            continue
        if at < inside.start:
            yield _Part(Period(at, inside.start), State.OFF, None)
        state = State.MAINTENANCE if each.payer == CONSORTIUM else State.PROCESSING
        yield _Part(inside, state, each.source)
        at = inside.end
    if at < period.end:
        yield _Part(Period(at, period.end), State.OFF, None)
