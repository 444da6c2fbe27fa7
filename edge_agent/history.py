"""Fills holes from the history that servers keep: slowly, in bounded pages, and never in the way of live data."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import structlog

from edge_agent.nodemap import Refused
from edge_agent.opcua_client import NoAnswerError, RefusedError, status_name
from edge_agent.refill import Filling, Remembered, plan
from shopfloor.periods import Period

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_agent.history_data import HistoryPage
    from edge_agent.notifications import NodeIdentity
    from edge_agent.opcua_client import Session
    from edge_agent.ports import Recorder
    from edge_agent.refill import Refill
    from edge_agent.watched import Item, WatchedMachine
    from shopfloor.states import Hole

SETTLE_SECONDS = 5.0
"""How long the first values of a new session may take; also how often holes are looked for."""
REQUEST_SECONDS = 0.5
"""At most one question about history is asked in so long, of all machines of a server together."""
PAGE_VALUES = 1_000
"""Most values that one answer may carry."""
PAGES_MAX = 1_000
"""Most pages of one signal of one hole; what lies behind them stays unfilled."""

log = structlog.get_logger(__name__)


class UnfilledError(Exception):
    """The history of a signal could not be read to its end."""


def note(machine: WatchedMachine, hole: Hole) -> None:
    """Remember a hole until the first values after it are known. Only a trusted clock can place history."""
    if machine.trust.trusted:
        machine.missed.append(hole)


def settle(machine: WatchedMachine, recorder: Recorder) -> None:
    """Decide what of the noted holes to fill, now that the session's first values are known, and make that durable."""
    missed, machine.missed = machine.missed, []
    first = {
        item.signal: item.first for item in machine.items.values() if item.first is not None and item.not_before is None
    }
    for hole in missed:
        refill = plan(hole, machine.before, first)
        if refill is not None:
            recorder.want_refill(refill)


async def fill(session: Session, recorder: Recorder, machines: Callable[[], Sequence[WatchedMachine]]) -> None:
    """Read the history of holes over one session, for ever.

    Args:
        session: with the server.
        recorder: knows the holes, and keeps what is read.
        machines: returns those of the server that are watched now.
    """
    filler = _Filler(session, recorder)
    while True:
        await asyncio.sleep(SETTLE_SECONDS)
        for machine in list(machines()):
            if machine.subscription is None:
                continue
            settle(machine, recorder)
            if machine.trust.trusted:
                for refill in recorder.refills(machine.id):
                    try:
                        await filler.fill(machine, refill)
                    except RefusedError as error:
                        log.warning("history.refused", machine=machine.id, reason=str(error))
                        break


class _Filler:
    def __init__(self, session: Session, recorder: Recorder) -> None:
        self._session = session
        self._recorder = recorder
        self._remembered: dict[NodeIdentity, bool] = {}
        self._asked_at = -REQUEST_SECONDS

    async def _turn(self) -> None:
        """Wait until the server may be asked again."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._asked_at + REQUEST_SECONDS - loop.time())
        self._asked_at = loop.time()

    async def fill(self, machine: WatchedMachine, refill: Refill) -> None:
        """Fill one hole as far as the server remembers, and record what was filled."""
        items = [machine.items[signal] for signal in refill.spans if signal in machine.items]
        filled: list[str] = []
        total = 0
        for item in await self._that_remember(items):
            try:
                total += await self._read(item, refill.spans[item.signal])
            except UnfilledError as error:
                log.warning("history.unfilled", machine=machine.id, signal=item.signal, reason=str(error))
            else:
                filled.append(item.signal)
        await _until(lambda: self._recorder.refilled(refill, filled))
        machine.health.filled += total
        if filled:
            log.info("history.filled", machine=machine.id, period=str(refill.period), signals=filled, samples=total)

    async def _that_remember(self, items: Sequence[Item]) -> list[Item]:
        """Return the items whose nodes the server keeps a history of."""
        unknown = [item.found.node for item in items if item.found.node not in self._remembered]
        if unknown:
            await self._turn()
            kept = await self._session.remembered(unknown)
            self._remembered.update((node, node in kept) for node in unknown)
        return [item for item in items if self._remembered[item.found.node]]

    async def _read(self, item: Item, span: Period) -> int:
        """Read one signal's history page by page and keep it. Returns how many samples there were.

        Raises:
            UnfilledError: when it was not read to its end.
        """
        filling, total, point = Filling(item.machine.id, item.signal, span), 0, b""
        try:
            for _ in range(PAGES_MAX):
                page = await self._page(item, _rest(span, filling, point), point)
                point = page.point
                before = filling.reached
                samples = list(filling.samples(self._converted(item, page)))
                if samples:
                    await _until(partial(self._recorder.history, item.machine.id, samples))
                total += len(samples)
                # A server that cuts without a continuation point is asked again from where it stopped.
                if not point and len(page.values) < PAGE_VALUES:
                    return total
                if filling.reached == before:
                    raise UnfilledError("the server goes on without going forward")
                if not point:
                    filling.again()
            raise UnfilledError(f"there is more than {PAGES_MAX} pages of it")
        finally:
            if point:
                await self._release(item, span, point)

    async def _page(self, item: Item, span: Period, point: bytes) -> HistoryPage:
        await _until(lambda: self._recorder.has_room_for_history)
        await self._turn()
        try:
            page = await self._session.history(item.found.node, span, PAGE_VALUES, point)
        except RefusedError as error:
            raise UnfilledError(str(error)) from error
        if page.status >> 31:
            raise UnfilledError(status_name(page.status))
        return page

    def _converted(self, item: Item, page: HistoryPage) -> list[Remembered]:
        found: list[Remembered] = []
        for raw, status, source in page.values:
            value = None if status >> 31 else item.convert(raw)
            if isinstance(value, Refused):
                found.append(Remembered(source, None, value.status))
            else:
                found.append(Remembered(source, value, status))
        return found

    async def _release(self, item: Item, span: Period, point: bytes) -> None:
        """Let the server forget where it was; a session that has ended has done so already."""
        await self._turn()
        try:
            await self._session.history(item.found.node, span, PAGE_VALUES, point, release=True)
        except (NoAnswerError, RefusedError):
            log.debug("history.point_not_released", machine=item.machine.id, signal=item.signal)


async def _until(done: Callable[[], bool]) -> None:
    """Try until the spool has taken it."""
    while not done():  # noqa: ASYNC110 - the disk gives no event
        await asyncio.sleep(SETTLE_SECONDS)


def _rest(span: Period, filling: Filling, point: bytes) -> Period:
    """Return what is still to be asked for: with a continuation point the server knows by itself."""
    return span if point else Period(filling.reached, span.end)
