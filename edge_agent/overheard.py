"""Looks once at what a machine tells beside its signals: jobs, alarms, tools, lifetimes and prognoses.

It listens as the agent does, for a moment: subscribes, has the conditions repeated, and ends the subscription again.
"""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING

from edge_agent.alarms import SIGNALS as ALARMS
from edge_agent.inventory import Inventory
from edge_agent.listen import Listener, learn_types
from edge_agent.watched import WatchedMachine

if TYPE_CHECKING:
    from edge_agent.config import MachineConfig
    from edge_agent.opcua_client import Session
    from edge_agent.resolve import FoundMachine, Walker
    from shopfloor.samples import Reading

LISTEN_SECONDS = 5.0
"""How long a server may take to tell its lists and to repeat its conditions."""


async def overhear(
    walker: Walker, config: MachineConfig, found: FoundMachine, endpoint: str, now: int
) -> tuple[dict[str, Reading], dict[str, str]]:
    """Look at what a machine tells beside its signals.

    Args:
        walker: of an open session.
        config: of the machine.
        found: its node.
        endpoint: of its server.
        now: the present on the machine's clock.

    Returns:
        The last reading of each signal that is told so, and reason by what is refused.
    """
    machine = WatchedMachine(config, endpoint, None)
    machine.node = found.node
    inventory = Inventory(found.node, machine.lists)
    await inventory.find(walker)
    listed, _ = await inventory.read(walker.session, now)
    handles = count(1)
    listener = Listener(machine, lambda: next(handles), lambda: None)
    readings = listener.told(listed, now)
    machine.subscription = await walker.session.subscribe(config.publishing_milliseconds)
    try:
        machine.alarms.begin()
        await listener.begin(walker, await learn_types(walker))
        try:
            async with asyncio.timeout(LISTEN_SECONDS):
                await _listen(walker.session, machine, listener, readings, now)
        except TimeoutError:
            pass  # what was told by now is all there is to show
        if not machine.alarms.is_complete and listener.heard_events:
            readings += listener.complete(now, now)
    finally:
        await walker.session.unsubscribe(machine.subscription)
    told = {each.signal: each for each in readings}
    return {name: each for name, each in told.items() if name not in _silent(listener)}, machine.health.refused


async def _listen(
    session: Session, machine: WatchedMachine, listener: Listener, readings: list[Reading], now: int
) -> None:
    """Take in what is published until the lists are told and the conditions repeated."""
    acknowledged: list[tuple[int, int]] = []
    while listener.waits_for_lists or listener.waits_for_conditions:
        published = await session.publish(acknowledged)
        if machine.subscription is None or published.subscription != machine.subscription.id:
            continue
        acknowledged = [(published.subscription, published.sequence)] if published.carries else []
        for change in published.changes:
            readings += listener.changed(change, now)
        for event in published.events:
            readings += listener.heard(event, now, now)


def _silent(listener: Listener) -> frozenset[str]:
    """Return the signals of alarms where no event was to be heard: nothing is known of them."""
    return frozenset() if listener.heard_events else frozenset(ALARMS)
