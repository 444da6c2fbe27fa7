"""Several processes behind one socket: `officina api --workers`. One that ends is started again."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import TYPE_CHECKING

import structlog

from api.settings import load_settings
from shopfloor.errors import ExpectedError
from shopfloor.runtime import lifecycle, logs
from shopfloor.runtime.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BACKLOG = 512
READY_SECONDS = 60.0
"""How long the first process may take to serve before the others are started all the same."""
AGAIN_SECONDS_MIN, AGAIN_SECONDS_MAX = 0.5, 30.0
STOP_SECONDS = 7.0
"""How long processes may take to stop: less than this one's own time to stop."""

log = structlog.get_logger(__name__)


class WorkerRefusedError(ExpectedError):
    """The first process did not start; it has said why."""


def run(config: Path, arguments: Sequence[str], *, workers: int, tls_cert: Path | None, tls_key: Path | None) -> int:
    """Serve with several processes until told to stop.

    Args:
        config: the settings file.
        arguments: of the command line of each process, from `--config` on.
        workers: how many.
        tls_cert: takes the place of the file's.
        tls_key: takes the place of the file's.

    Returns:
        Exit code: 0 after an orderly stop.

    Raises:
        ExpectedError: the settings cannot be used, the port is taken, or the first process did not start.
    """
    logs.configure(program="api")
    settings = load_settings(config, tls_cert=tls_cert, tls_key=tls_key)
    with _listening(settings.bind, settings.port) as listening:
        group = _Group(arguments, workers, listening)
        return lifecycle.run(group.run)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ExpectedError(f"{host} port {port} cannot be used ({error.strerror}): choose another `port`") from error


class _Group:
    """The processes, from the first start to the end."""

    def __init__(self, arguments: Sequence[str], workers: int, listening: socket.socket) -> None:
        self._arguments = arguments
        self._workers = workers
        self._listening = listening.fileno()

    async def run(self, stop: asyncio.Event) -> None:
        """Keep all of them running; the first alone until it serves: it does what is to be done once."""
        is_ready = asyncio.Event()
        eternal = {"worker-0": self._keep(0, is_ready)}
        for number in range(1, self._workers):
            eternal[f"worker-{number}"] = self._keep_after(number, is_ready)
        try:
            await lifecycle.until_stopped(stop, **eternal)
        except* WorkerRefusedError as group:
            raise group.exceptions[0] from None

    async def _keep_after(self, number: int, is_ready: asyncio.Event) -> None:
        await is_ready.wait()
        await self._keep(number, asyncio.Event())

    async def _keep(self, number: int, is_ready: asyncio.Event) -> None:
        backoff = Backoff(AGAIN_SECONDS_MIN, AGAIN_SECONDS_MAX)
        while True:
            code = await self._run_one(number, is_ready, backoff)
            if not is_ready.is_set():
                raise WorkerRefusedError("it did not start; the reason stands above")
            log.error("api.worker_ended", worker=number, code=code)
            await asyncio.sleep(backoff.next_seconds())

    async def _run_one(self, number: int, is_ready: asyncio.Event, backoff: Backoff) -> int:
        hears, says = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "shopfloor", "api", *self._arguments,
                "--worker", f"{number},{self._listening},{says}",
                pass_fds=(self._listening, says), start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(says)
        try:
            if await asyncio.to_thread(_heard, hears):
                is_ready.set()
                backoff.reset()
            return await process.wait()
        finally:
            if process.returncode is None:
                await _end(process)


def _heard(hears: int) -> bool:
    """Wait until the process serves, or ends without having served."""
    with os.fdopen(hears, "rb") as pipe:
        return bool(pipe.read(1))


async def _end(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await asyncio.shield(process.wait())
    except TimeoutError:
        process.kill()
        await process.wait()
