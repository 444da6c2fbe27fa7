"""Sessions: one payer's run on one machine, not cut by state, band, day or month. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from api.usage.segments import CONSORTIUM, UNATTRIBUTED
from shopfloor.periods import Period

if TYPE_CHECKING:
    from collections.abc import Iterable

    from api.usage.segments import Segment


class Session(NamedTuple):
    """One member's run on one machine.

    Attributes:
        machine: which.
        member: who pays.
        segments: adjoining, in order.
    """

    machine: str
    member: str
    segments: tuple[Segment, ...]

    @property
    def period(self) -> Period:
        """From the start of its first segment to the end of its last."""
        return Period(self.segments[0].period.start, self.segments[-1].period.end)


def sessions(segments: Iterable[Segment]) -> list[Session]:
    """Gather the segments of one machine into sessions.

    Args:
        segments: in order; where they do not adjoin, a session ends.

    Returns:
        The sessions of members; time of nobody and of the consortium is in none.
    """
    runs: list[list[Segment]] = []
    for segment in segments:
        last = runs[-1][-1] if runs else None
        if last is not None and last.payer == segment.payer and last.period.end == segment.period.start:
            runs[-1].append(segment)
        else:
            runs.append([segment])
    return [
        Session(run[0].machine, run[0].payer, tuple(run))
        for run in runs
        if run[0].payer not in {UNATTRIBUTED, CONSORTIUM}
    ]
