"""Which work a member may see, from the kept segments: its own sessions, as far as they are proven."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from api.billing.calendars import day_of
from api.machines.ownership import Running
from api.usage.segments import CONSORTIUM, UNATTRIBUTED
from shopfloor.periods import Period
from shopfloor.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.usage.kept import UsageDays
    from api.usage.segments import Segment


class KeptSessions:
    """The sessions of members, from what the watch keeps.

    Args:
        usage: the kept segments.
    """

    def __init__(self, usage: UsageDays) -> None:
        self._usage = usage
        self._known: dict[str, tuple[int, Running | None]] = {}

    def running(self, machine: str) -> Running | None:
        """Return the session that is going on, as it was at the last refresh."""
        return self._known.get(machine, (0, None))[1]

    def own(self, member: str, machine: str, period: Period) -> Sequence[Period]:
        """Return when a machine worked for a member within a period. Blocks.

        Raises:
            StoreUnavailableError: the store did not answer.
        """
        return self._usage.own_periods(machine, member, period, now=clock.now())

    def refresh(self, *, now: int) -> None:
        """Learn what runs now; only machines whose newest day was built again are looked at. Blocks.

        Raises:
            RecordsUnavailableError: the records do not answer.
        """
        today = day_of(now, self._usage.zone)
        first = today - timedelta(days=1)
        known: dict[str, tuple[int, Running | None]] = {}
        with self._usage.records.reading() as session:
            for machine, (_, built, until) in self._usage.newest_days(session, first).items():
                before = self._known.get(machine)
                if before is not None and before[0] == built:
                    known[machine] = before
                    continue
                segments = self._usage.segments(session, first, today, machine=machine).get(machine, [])
                known[machine] = (built, _running(segments, until))
        self._known = known


def _running(segments: Sequence[Segment], until: int) -> Running | None:
    """Return the run of one member that reaches as far as anything is known."""
    if not segments or segments[-1].period.end != until or segments[-1].payer in {CONSORTIUM, UNATTRIBUTED}:
        return None
    start = until
    for segment in reversed(segments):
        if segment.payer != segments[-1].payer or segment.period.end != start:
            break
        start = segment.period.start
    return Running(segments[-1].payer, Period(start, until))
