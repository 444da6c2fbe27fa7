"""The watches of all servers of an agent: each a task of its own, begun, changed and ended one by one."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog

from edge_agent.changes import connection
from edge_agent.opcua import ServerWatch
from edge_agent.opcua_client import RefusedError
from shopfloor.runtime import lifecycle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from edge_agent.config import ServerConfig
    from edge_agent.ports import Recorder
    from edge_agent.watched import MachineHealth

WATCH_SECONDS_MIN = 60.0
"""How long a watch lasts at least before a loss on this side ends it: each beginning misses a few seconds itself."""

log = structlog.get_logger(__name__)


class Watches:
    """The watches of an agent.

    Args:
        recorder: is given all that happens.
        clock: the agent's own clock.
        health: is told of each machine's health.
    """

    def __init__(
        self, recorder: Recorder, *, clock: Callable[[], int], health: Callable[[MachineHealth], None]
    ) -> None:
        self._recorder = recorder
        self._clock = clock
        self._health = health
        self._running: dict[tuple[object, ...], _Running] = {}
        self._changed = asyncio.Event()
        self._may_watch = asyncio.Event()
        self._may_watch.set()

    def start(self, servers: Iterable[ServerConfig]) -> None:
        """Begin to watch these servers, when the agent starts."""
        for server in servers:
            self._begin(server, is_change=False)

    async def change(self, servers: Sequence[ServerConfig]) -> None:
        """Watch these servers and no others; a machine that stays as it is, is not touched."""
        wanted = {connection(server): server for server in servers}
        await _end(self._running.pop(key) for key in self._running.keys() - wanted.keys())
        for key, server in wanted.items():
            running = self._running.get(key)
            if running is None:
                self._begin(server, is_change=True)
            elif running.server.machines != server.machines:
                running.change(server)
        self._changed.set()

    async def run(self) -> None:
        """Wait until a watch fails.

        Raises:
            Exception: what made it fail.
        """
        try:
            while True:
                self._changed.clear()
                changed = asyncio.create_task(self._changed.wait())
                tasks = [each.task for each in self._running.values()]
                done, _ = await asyncio.wait([changed, *tasks], return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
                for task in done - {changed}:
                    if not task.cancelled():
                        task.result()
        finally:
            await _end(self._running.values())

    def begin_anew(self, machine: str) -> None:
        """Read every value of a machine's server again, some time from now: samples were lost on this side."""
        for running in self._running.values():
            if any(each.id == machine for each in running.server.machines):
                running.restart.set()

    @contextlib.asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Observe nothing for as long as the context lasts; every session is ended before, and begins anew after."""
        self._may_watch.clear()
        try:
            for running in self._running.values():
                running.restart_now.set()
            await asyncio.gather(*(running.ended.wait() for running in self._running.values()))
            yield
        finally:
            self._may_watch.set()

    async def end_distrusted(self) -> None:
        """End the sessions with servers whose certificates are no longer trusted; they are refused from then on."""
        for running in list(self._running.values()):
            try:
                trusted = await running.watch.is_trusted()
            except RefusedError:
                trusted = False
            if not trusted:
                log.warning("source.distrusted", endpoint=running.server.endpoint)
                running.restart_now.set()

    def _begin(self, server: ServerConfig, *, is_change: bool) -> None:
        def make(server: ServerConfig) -> ServerWatch:
            return ServerWatch(server, self._recorder, clock=self._clock, health=self._health, is_change=is_change)

        self._running[connection(server)] = _Running(server, make, self._may_watch)


class _Running:
    """One watch that runs, and is begun anew where that is asked for."""

    def __init__(
        self, server: ServerConfig, make: Callable[[ServerConfig], ServerWatch], may_watch: asyncio.Event
    ) -> None:
        self.server = server
        self._may_watch = may_watch
        self.restart = asyncio.Event()
        self.restart_now = asyncio.Event()
        self.ended = asyncio.Event()
        self._make = make
        self.watch = make(server)
        self.task = asyncio.create_task(self._run(), name=f"source.{server.endpoint}")
        self.task.add_done_callback(lambda _: self.ended.set())

    def change(self, server: ServerConfig) -> None:
        self.server = server
        self.watch.change(server)

    async def _run(self) -> None:
        """Watch a server; begin anew, with every value read again, some time after samples were lost on this side."""
        while True:
            self.ended.set()
            await self._may_watch.wait()
            self.ended.clear()
            self.restart.clear()
            self.restart_now.clear()
            works = [
                asyncio.create_task(self.watch.run()),
                asyncio.create_task(self._asked()),
                asyncio.create_task(self.restart_now.wait()),
            ]
            try:
                await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
                if works[0].done():
                    works[0].result()
            finally:
                await lifecycle.end(works)
            self.ended.set()
            await asyncio.sleep(1)
            self.watch = self._make(self.server)

    async def _asked(self) -> None:
        await asyncio.gather(self.restart.wait(), asyncio.sleep(WATCH_SECONDS_MIN))


async def _end(running: Iterable[_Running]) -> None:
    await lifecycle.end([each.task for each in running])
