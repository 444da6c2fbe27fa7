"""Who asks about bookings, when, by which rules: what routes and pages of bookings are given."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from api.access.scope import Role
from api.bookings.service import DESK, Clerk

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.access.scope import Scope
    from api.audit.service import Actor
    from api.deps import Services


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
