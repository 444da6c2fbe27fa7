"""Which machines of a server are watched, and how that changes while the session with it goes on.

A machine that stays as it is keeps its subscription and its unbroken observation, whatever happens to the others.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from edge_agent.opcua_client import RefusedError
from edge_agent.resolve import Walker
from shopfloor.runtime import lifecycle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from edge_agent.config import MachineConfig, ServerConfig
    from edge_agent.opcua_client import Session
    from edge_agent.watched import WatchedMachine

log = structlog.get_logger(__name__)


class Arrangement:
    """The machines of one server.

    Args:
        server: which one, and its machines.
        make: makes what is watched of a machine; told whether a change of the configuration brought it.
        begin: finds a machine and subscribes to its signals.
        end: takes in that a machine is no longer watched.
        works: what has to run for a machine as long as its session lasts; none of it returns by itself.
        is_change: whether the first machines come from a change of the configuration, not from a start of the agent.

    Attributes:
        server: as it is wanted now.
        machines: those that are watched.
        lock: held by whoever begins or repairs the watching of machines.
        ended: subscriptions that were deleted, of which answers may still be on their way.
    """

    def __init__(
        self,
        server: ServerConfig,
        *,
        make: Callable[[MachineConfig, bool], WatchedMachine],
        begin: Callable[[Session, Walker, WatchedMachine], Awaitable[None]],
        end: Callable[[WatchedMachine], None],
        works: Callable[[Session, WatchedMachine], Sequence[Coroutine[object, object, None]]],
        is_change: bool,
    ) -> None:
        self.server = server
        self.machines = [make(each, is_change) for each in server.machines]
        self.lock = asyncio.Lock()
        self.ended: set[int] = set()
        self._make, self._begin, self._end, self._works = make, begin, end, works
        self._changed = asyncio.Event()
        self._tasks: dict[WatchedMachine, list[asyncio.Task[None]]] = {}

    def change(self, server: ServerConfig) -> None:
        """Want other machines of the same server."""
        self.server = server
        self._changed.set()

    def adopt(self) -> list[WatchedMachine]:
        """Take in what is wanted, while there is no session. Returns the machines that are new."""
        before = self.machines
        kept = {each.id: each for each in before if each.config in self.server.machines}
        for machine in before:
            if machine.id not in kept:
                self._end(machine)
        self.machines = [kept.get(each.id) or self._make(each, True) for each in self.server.machines]  # noqa: FBT003
        return [each for each in self.machines if each not in before]

    async def run(self, session: Session) -> None:
        """Run the works of each machine, and follow changes, until something fails.

        Raises:
            NoAnswerError: the session broke.
            RefusedError: the server does not answer as it should.
        """
        changed = asyncio.create_task(self._changed.wait())
        try:
            for machine in self.machines:
                self._attend(session, machine)
            while True:
                running = [task for tasks in self._tasks.values() for task in tasks]
                done, _ = await asyncio.wait([changed, *running], return_when=asyncio.FIRST_COMPLETED)
                for task in done - {changed}:
                    task.result()
                if changed in done:
                    self._changed.clear()
                    changed = asyncio.create_task(self._changed.wait())
                    await self._rearrange(session)
        finally:
            changed.cancel()
            await lifecycle.end([task for tasks in self._tasks.values() for task in tasks])
            self._tasks.clear()

    async def try_begin(self, session: Session, walker: Walker, machine: WatchedMachine) -> None:
        """Begin to watch a machine; what the server refuses for it does not end the session of the others."""
        machine.health.security = f"{session.peer.policy}/{session.peer.mode}" if session.peer else "none"
        machine.health.certificate_expires = session.peer.expires if session.peer else None
        try:
            await self._begin(session, walker, machine)
        except RefusedError as error:
            log.warning("source.machine_refused", machine=machine.id, reason=str(error))
            subscription = machine.subscription
            self._end(machine)
            machine.health.reason = str(error)
            if subscription is not None:
                self.ended.add(subscription.id)
                await session.unsubscribe(subscription)

    async def _rearrange(self, session: Session) -> None:
        """Take in what is wanted over an open session."""
        async with self.lock:
            leaving = [each for each in self.machines if each.config not in self.server.machines]
            subscriptions = [each.subscription for each in leaving if each.subscription is not None]
            for machine in leaving:
                await lifecycle.end(self._tasks.pop(machine, []))
            self.ended |= {each.id for each in subscriptions}
            new = self.adopt()
            for subscription in subscriptions:
                await session.unsubscribe(subscription)
            walker = Walker(session, await session.namespaces())
            for machine in new:
                await self.try_begin(session, walker, machine)
                self._attend(session, machine)

    def _attend(self, session: Session, machine: WatchedMachine) -> None:
        self._tasks[machine] = [asyncio.create_task(work) for work in self._works(session, machine)]


async def until_one_ends(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait until one of these tasks ends, raise what it raised, and end the rest.

    A TaskGroup would do, but until Python 3.13 it forgets a cancellation that comes together with a failure.
    """
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await lifecycle.end(tasks)
