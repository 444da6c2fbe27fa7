"""The monitored items of one session: which handle is whose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from edge_agent.nodemap import Converter
from edge_agent.opcua_client import status_name
from edge_agent.opcua_items import ItemRequest
from edge_agent.watched import Item

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge_agent.opcua_client import Session
    from edge_agent.opcua_items import ItemResult
    from edge_agent.resolve import FoundSignal, Walker
    from edge_agent.watched import WatchedMachine

log = structlog.get_logger(__name__)

_FILTER_REFUSED = {0x8043_0000, 0x8044_0000, 0x8045_0000, 0x808E_0000}
"""BadMonitoredItemFilterInvalid, BadMonitoredItemFilterUnsupported, BadFilterNotAllowed, BadDeadbandFilterInvalid."""


class ItemBook:
    """Keeps the items of all machines of one server.

    Attributes:
        by_handle: items by the number that the server's changes name them by.
    """

    def __init__(self) -> None:
        self.by_handle: dict[int, Item] = {}
        self._handles = 0

    def handle(self) -> int:
        """Return a number that no item had before."""
        self._handles += 1
        return self._handles

    def add(self, walker: Walker, machine: WatchedMachine, found: FoundSignal, not_before: int | None = None) -> Item:
        """Note that a signal should be watched."""
        convert = Converter(found.wish, found.candidate, walker.table)
        item = Item(machine, found, convert, self.handle(), not_before)
        machine.items[item.signal] = item
        self.by_handle[item.handle] = item
        return item

    async def create(self, session: Session, machine: WatchedMachine, items: Sequence[Item]) -> None:
        """Create monitored items; a filter that the server refuses is left out."""
        if machine.subscription is None or not items:
            return
        results = await session.create_items(machine.subscription, [_request(item) for item in items])
        again = [item for item, result in zip(items, results, strict=True) if result.status in _FILTER_REFUSED]
        if again:
            plain = [_request(item)._replace(deadband=0.0, repeats=False) for item in again]
            second = dict(zip((item.handle for item in again), await session.create_items(machine.subscription, plain),
                              strict=True))  # fmt: skip
            results = [second.get(item.handle, result) for item, result in zip(items, results, strict=True)]
        for item, result in zip(items, results, strict=True):
            _created(item, result)
        machine.count()

    async def drop(self, session: Session, machine: WatchedMachine, items: Iterable[Item]) -> None:
        """Watch these items no more."""
        dropped = list(items)
        for item in dropped:
            self.by_handle.pop(item.handle, None)
            machine.items.pop(item.signal, None)
        ended = [item.server_item for item in dropped if item.server_item is not None]
        if ended and machine.subscription is not None:
            await session.delete_items(machine.subscription, ended)

    def forget(self, machine: WatchedMachine) -> None:
        """Forget the items of one machine: its subscription has ended."""
        self.by_handle = {handle: item for handle, item in self.by_handle.items() if item.machine is not machine}

    def clear(self) -> None:
        """Forget every item: the session has ended."""
        self.by_handle.clear()


def _created(item: Item, result: ItemResult) -> None:
    item.server_item = result.item
    item.gone = result.item is None
    if result.item is None:
        reason = f"{item.found.candidate.text}: the server refuses to watch it: {status_name(result.status)}"
        item.machine.health.refused[item.signal] = reason
        log.warning("source.item_refused", machine=item.machine.id, signal=item.signal, reason=reason)
    else:
        item.machine.health.refused.pop(item.signal, None)


def _request(item: Item) -> ItemRequest:
    wish, config = item.found.wish, item.machine.config
    return ItemRequest(item.found.node, item.handle, wish.sampling_milliseconds, config.queue_size, wish.deadband,
                       config.repeats)  # fmt: skip
