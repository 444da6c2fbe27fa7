"""Who was checked in at equipment that says nothing itself, read from the records. Calls block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from api.bookings.tables import BookingChange
from api.records.tables import Machine
from api.usage.attended import stretches
from api.usage.evidence import presences
from api.usage.service import badge_of
from api.usage.tables import CheckIn, CorrectionRequest
from shopfloor.periods import SECOND, Period

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from api.records.database import Records
    from api.usage.evidence import Badge, Held
    from api.usage.policy import Policy
    from shopfloor.states import Stretch


class Attending:
    """Reads who was checked in when.

    Args:
        records: where check-ins are kept.
        policy: when a check-in ends by itself.
    """

    def __init__(self, records: Records, policy: Policy) -> None:
        self._records, self._policy = records, policy

    def held(self, machines: Sequence[str], period: Period) -> dict[str, list[Held]]:
        """Return by machine who was checked in at any time of a period, in order."""
        since = period.start - self._policy.badge_seconds_max * SECOND
        wanted = select(CheckIn).where(CheckIn.machine_id.in_(machines), CheckIn.at >= since, CheckIn.at < period.end)
        badges: dict[str, list[Badge]] = {machine: [] for machine in machines}
        with self._records.reading() as session:
            for row in session.scalars(wanted):
                badges[row.machine_id].append(badge_of(row))
        return {
            machine: [each for each in presences(own, (), self._policy) if each.period.overlaps(period)]
            for machine, own in badges.items()
        }

    def states(self, machine: str, period: Period, *, now: int) -> list[Stretch]:
        """Tile a period, as far as it has passed, with what the equipment did."""
        past = period.clip(Period(min(period.start, now), now))
        return [] if past is None else stretches(past, self.held([machine], past)[machine])


def first_said(session: Session) -> dict[str, int]:
    """Return the machines whose use is what people say, each with the first instant of which anything was said."""
    machines = list(session.scalars(select(Machine.id).where(Machine.agent_id.is_(None))))
    if not machines:
        return {}
    found: dict[str, int] = {}
    for column, starts in (
        (CheckIn.machine_id, CheckIn.at),
        (BookingChange.machine_id, BookingChange.starts),
        (CorrectionRequest.machine_id, CorrectionRequest.starts),
    ):
        earliest = select(column, func.min(starts)).where(column.in_(machines)).group_by(column)
        for machine, at in session.execute(earliest):
            found[machine] = min(at, found.get(machine, at))
    return found
