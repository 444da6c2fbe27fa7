"""A TCP proxy that misbehaves on command: cuts, goes deaf and dumb as a half-open connection does, or is slow."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHUNK_BYTES = 65_536


class Proxy:
    """Passes bytes between its own port and a target's, until told otherwise.

    Args:
        target: port on the loopback interface.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.passed_bytes = 0
        self.delay_seconds = 0.0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()

    async def start(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Close every connection and refuse new ones, until `start`."""
        if self._server is not None:
            self._server.close()
        self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    def freeze(self) -> None:
        """Let connections stay open and pass nothing, as when the other end has lost its power."""
        self._open.clear()

    def thaw(self) -> None:
        """Pass again, with what has waited."""
        self._open.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        finally:
            self._writers -= ends
            for end in ends:
                end.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                await self._open.wait()
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                self.passed_bytes += len(chunk)
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
        proxy.thaw()
        await proxy.cut()
