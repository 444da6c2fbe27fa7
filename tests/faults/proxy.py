"""A TCP proxy that misbehaves on command: cuts, goes deaf and dumb as a half-open connection does, or is slow."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHUNK_BYTES = 65_536


class _Wire:
    """The connections from one `start` to the next `cut`."""

    def __init__(self) -> None:
        self.writers: set[asyncio.StreamWriter] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.open = asyncio.Event()
        self.open.set()
        self.is_cut = False


class Proxy:
    """Passes bytes between its own port and a target's, until told otherwise.

    Args:
        target: port on the loopback interface.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.delay_seconds = 0.0
        self._server: asyncio.Server | None = None
        self._wire = _Wire()

    async def start(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Close every connection, lose what is on its way, and refuse new ones until `start`."""
        if self._server is not None:
            self._server.close()
        self._server = None
        wire, self._wire = self._wire, _Wire()
        wire.is_cut = True
        wire.open.set()
        for writer in list(wire.writers):
            writer.transport.abort()
        await asyncio.gather(*wire.tasks, return_exceptions=True)

    def freeze(self) -> None:
        """Let connections stay open and pass nothing, as when the other end has lost its power."""
        self._wire.open.clear()

    def thaw(self) -> None:
        """Pass again, with what has waited."""
        self._wire.open.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire, task = self._wire, asyncio.current_task()
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        ends = {writer, far_writer}
        wire.writers |= ends
        if task is not None:
            wire.tasks.add(task)
        try:
            await asyncio.gather(self._pass(wire, reader, far_writer), self._pass(wire, far_reader, writer))
        finally:
            wire.writers -= ends
            wire.tasks -= {task}
            for end in ends:
                end.close()

    async def _pass(self, wire: _Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                await wire.open.wait()
                if wire.is_cut:
                    break
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                writer.write(chunk)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def proxying(target: int) -> AsyncIterator[Proxy]:
    """Run a proxy to a port of the loopback interface."""
    proxy = Proxy(target)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.cut()
