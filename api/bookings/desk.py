"""Who asks about bookings, when, by which rules: what routes and pages of bookings are given."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from api.access.scope import Role
from api.billing.calendars import day_of
from api.bookings.facts import Outcome, judged, unused_seconds
from api.bookings.service import DESK, Clerk

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.access.scope import Scope
    from api.audit.service import Actor
    from api.bookings.facts import History
    from api.deps import Services


class Verdict(NamedTuple):
    """What became of a booking.

    Attributes:
        outcome: None while what the machine did in it is not known to the end.
        unused_seconds: charged as booked and unused so far; None while that is not known.
    """

    outcome: Outcome | None
    unused_seconds: int | None


class Desk:
    """One request about bookings.

    Args:
        found: the services of the process.
        actor: as the audit trail has it.
        scope: what the caller may see.
        now: the present.
    """

    def __init__(self, found: Services, actor: Actor, scope: Scope, now: int) -> None:
        self.found, self.actor, self.scope, self.now = found, actor, scope, now

    @property
    def clerk(self) -> Clerk:
        """Who books, by the rules of this house."""
        settings = self.found.settings
        return Clerk(self.actor, self.scope, settings.bookings.rules(), ZoneInfo(settings.time_zone), self.now)

    @property
    def may_book(self) -> bool:
        """Whether the caller books at all."""
        return self.scope.role in {Role.MEMBER, *DESK}

    def verdict(self, session: Any, history: History) -> Verdict:
        """Return what became of a booking, from what is kept of the use of its machine."""
        last = history.changes[-1]
        zone = ZoneInfo(self.found.settings.time_zone)
        held = [each.period for each in history.changes if each.machine == last.machine and each.period]
        days = [day_of(bound, zone) for each in held for bound in (each.start, each.end - 1)]
        if not days:
            return Verdict(judged(history, (), now=self.now), None)
        kept = self.found.usage.segments(session, min(days), max(days), machine=last.machine).get(last.machine, [])
        outcome = judged(history, kept, now=self.now)
        is_known = outcome is not None and outcome not in {Outcome.AHEAD, Outcome.RUNNING}
        return Verdict(outcome, unused_seconds(history, kept) if is_known else None)

    async def reading(self, ask: Callable[[Any], Any]) -> Any:
        """Ask the records."""

        def run() -> Any:
            with self.found.records.reading() as session:
                return ask(session)

        return await asyncio.to_thread(run)

    async def writing(self, act: Callable[[Any], Any]) -> Any:
        """Change the records: all of it, or nothing."""

        def run() -> Any:
            with self.found.records.writing() as session:
                return act(session)

        return await asyncio.to_thread(run)
