"""Parts since midnight: the count of now less the count at the last midnight of civil time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from shopfloor.periods import SECOND, from_datetime, to_datetime
from shopfloor.stores.port import StoreRefusedError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from shopfloor.stores.port import Store

AGAIN_SECONDS = 300
"""How often the count at midnight is asked for again where it is not known."""

log = structlog.get_logger(__name__)


class Today:
    """Knows the count of parts of machines at the last midnight.

    Args:
        store: what they were.
        zone: civil time.
    """

    def __init__(self, store: Store, zone: ZoneInfo) -> None:
        self._store = store
        self._zone = zone
        self._midnight = 0
        self._parts: dict[str, int] = {}
        self._asked: dict[str, int] = {}

    async def learn(self, machines: Sequence[str], *, now: int) -> None:
        """Learn the count at midnight of the machines of which it is not known; a store that is away is asked later."""
        local = to_datetime(now).astimezone(self._zone)
        midnight = from_datetime(local.replace(hour=0, minute=0, second=0, microsecond=0))
        if midnight != self._midnight:
            self._midnight, self._parts, self._asked = midnight, {}, {}
        wanted = [each for each in machines if each not in self._parts and self._may_ask(each, now)]
        if not wanted:
            return
        self._asked |= dict.fromkeys(wanted, now)
        try:
            found = await asyncio.to_thread(self._store.last, wanted, ["parts"], midnight)
        except (StoreUnavailableError, StoreRefusedError) as error:
            log.warning("today.store_unavailable", error=str(error))
            return
        self._parts |= {machine: at.value for (machine, _), at in found.items() if isinstance(at.value, int)}

    def parts(self, machine: str, count: object) -> int | None:
        """Return the parts since midnight from the count of now; None when either is not known."""
        before = self._parts.get(machine)
        return count - before if isinstance(count, int) and before is not None and count >= before else None

    def _may_ask(self, machine: str, now: int) -> bool:
        asked = self._asked.get(machine)
        return asked is None or now - asked > AGAIN_SECONDS * SECOND
