"""A server of simulated machines that has faults: on command, or as a scenario says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

from simulators.faults import OF_VALUES, Fault, FaultError, FaultyClock, FaultySource
from simulators.opcua_server import MachineServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from simulators.tree import Source

log = structlog.get_logger(__name__)

_WATCHED_EVERY_SECONDS = 0.1


class FaultyServer:
    """Serves machines like a `MachineServer`, at one address, over as many lives as its faults ask for.

    Args:
        name: of the server.
        sources: what it serves.
        folder: where key and certificate are kept.
        clock: the right time, integer nanoseconds UTC.
        faults: to come by themselves, counted from when the first client watches.
        options: of `MachineServer`.

    Attributes:
        sources: what it serves, spoiled where a fault says so.
    """

    def __init__(
        self,
        name: str,
        sources: Sequence[Source],
        folder: Path,
        clock: Callable[[], int],
        faults: Sequence[Fault] = (),
        **options: Any,
    ) -> None:
        self.clock = FaultyClock(clock)
        self._name = name
        self._folder = folder
        self._options = options
        self.sources = [FaultySource(each, self.clock) for each in sources]
        self._faults = sorted(faults, key=lambda fault: fault.at)
        self._lives = 0
        self._server = self._next_life()
        self._works: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Future[None] | None = None

    @property
    def endpoint(self) -> str:
        """Where clients find it."""
        return self._server.endpoint

    @property
    def certificate(self) -> Path:
        """The certificate that it has now."""
        return self._server.certificate

    @property
    def watched_items(self) -> int:
        """How many items clients watch."""
        return self._server.watched_items

    async def start(self) -> None:
        """Listen, begin to serve, and let the faults come.

        Raises:
            OSError: when the port is taken.
        """
        self._ended = asyncio.get_running_loop().create_future()
        await self._server.start()
        self._options["port"] = self._server.port
        if self._faults:
            self._begin(self._play())

    async def stop(self) -> None:
        """Stop serving; faults under way end."""
        for work in self._works:
            work.cancel()
        await asyncio.gather(*self._works, return_exceptions=True)
        await self._server.stop()

    async def wait(self) -> None:
        """Wait until serving or a fault fails.

        Raises:
            Exception: what made it fail.
        """
        while self._ended is not None and not self._ended.done():
            serving = asyncio.ensure_future(self._server.wait())
            await asyncio.wait({serving, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done() and not serving.cancelled() and serving.exception():
                await serving
            serving.cancel()
            await asyncio.sleep(_WATCHED_EVERY_SECONDS)
        if self._ended is not None:
            await self._ended

    async def inject(self, fault: Fault) -> None:
        """Let a fault happen now; returns when it is under way, or over where the server has to be started again.

        Raises:
            FaultError: when no machine of the server has the signal.
        """
        log.warning("fault.begins", kind=fault.kind, signal=fault.signal, machine=fault.machine, seconds=fault.lasts)
        if fault.kind in OF_VALUES:
            self._spoil(fault)
        elif fault.kind in {"clock_step", "clock_drift"}:
            self.clock.inject(fault)
        elif fault.kind in {"restart", "certificate"}:
            await self._restart(fault)
        elif fault.kind == "lost_session":
            await self._server.lose_sessions()
        elif fault.kind == "half_open":
            for connection in self._server.connections():
                _fall_silent(connection)
        elif fault.kind == "slow":
            self._begin(self._answer_late(fault))
        else:
            await self._vanish(fault)

    def _spoil(self, fault: Fault) -> None:
        named = [each for each in self.sources if fault.machine in {"", each.identity.id}]
        having = [each for each in named if any(one.signal == fault.signal for one in each.variables)]
        if not having:
            raise FaultError(f"no machine {fault.machine} of this server serves the signal {fault.signal!r}")
        for each in having:
            each.inject(fault)

    async def _restart(self, fault: Fault) -> None:
        await self._server.stop()
        await asyncio.sleep(fault.lasts)
        if fault.kind == "certificate":
            for path in (self._server.certificate, self._server.certificate.with_suffix(".pem")):
                path.unlink()
        self._server = self._next_life()
        await self._server.start()

    async def _vanish(self, fault: Fault) -> None:
        try:
            await self._server.vanish(fault.machine, fault.signal)
        except KeyError as error:
            raise FaultError(f"no machine {fault.machine} of this server serves the signal {error}") from error
        if fault.lasts:
            self._begin(self._come_back(fault, self._server))

    async def _come_back(self, fault: Fault, server: MachineServer) -> None:
        await asyncio.sleep(fault.lasts)
        await server.come_back(fault.machine, fault.signal)

    async def _answer_late(self, fault: Fault) -> None:
        """Hold back the answers on all connections, also those that are made meanwhile."""
        end = asyncio.get_running_loop().time() + (fault.lasts or float("inf"))
        slowed: set[Any] = set()
        try:
            while asyncio.get_running_loop().time() < end:
                for connection in set(self._server.connections()) - slowed:
                    _hold_back(connection, fault.seconds)
                    slowed.add(connection)
                await asyncio.sleep(_WATCHED_EVERY_SECONDS)
        finally:
            for connection in slowed:
                del connection._process_one_msg  # noqa: SLF001  # what `_hold_back` put over it

    async def _play(self) -> None:
        while not self._server.watched_items:  # noqa: ASYNC110  # nobody tells when a client comes
            await asyncio.sleep(_WATCHED_EVERY_SECONDS)
        begun = asyncio.get_running_loop().time()
        for fault in self._faults:
            await asyncio.sleep(max(0.0, begun + fault.at - asyncio.get_running_loop().time()))
            await self.inject(fault)

    def _next_life(self) -> MachineServer:
        life, self._lives = self._lives, self._lives + 1
        return MachineServer(self._name, self.sources, self._folder, self.clock, generation=life, **self._options)

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work, name=f"simulator.{self._name}.fault")
        self._works.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._works.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and self._ended is not None and not self._ended.done():
            self._ended.set_exception(error)


def _fall_silent(connection: Any) -> None:
    """Let nothing through a connection any more, in either direction, and leave it open."""
    connection.data_received = lambda _data: None
    connection.processor._transport = _Nowhere()  # noqa: SLF001  # asyncua has no other place to cut it


class _Nowhere:
    """A transport that takes everything and sends nothing."""

    def write(self, _data: bytes) -> None:
        """Drop it."""

    def close(self) -> None:
        """Stay open."""


def _hold_back(connection: Any, seconds: float) -> None:
    process = connection._process_one_msg  # noqa: SLF001  # asyncua has no other place to slow it

    async def late(header: Any, body: Any) -> Any:
        await asyncio.sleep(seconds)
        return await process(header, body)

    connection._process_one_msg = late  # noqa: SLF001
