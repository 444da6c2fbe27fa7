"""Runs the application: the only file that knows uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from typing import TYPE_CHECKING, Literal, NamedTuple

import structlog
import uvicorn

from api.app import create_app
from api.settings import load_settings
from api.tls import Renewal
from shopfloor.runtime import lifecycle, logs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi import FastAPI

    from api.settings import Settings

GRACE_SECONDS = 4
"""How long requests in work may take after a stop; streams are ended at once."""

ORPHAN_SECONDS = 1.0
"""How often a worker looks whether who started it is still there."""

log = structlog.get_logger(__name__)


class LiveViewEndedError(Exception):
    """The live view ended by itself: the process ends too, so that whatever looks after it starts it again."""


class Worker(NamedTuple):
    """One process of an API that has several.

    Attributes:
        number: from 0; the first one does what is to be done once.
        listening: file descriptor of the socket that all of them share.
        ready: file descriptor that hears when this one serves.
    """

    number: int
    listening: int
    ready: int


def run(
    config: Path, *, tls_cert: Path | None = None, tls_key: Path | None = None, worker: Worker | None = None
) -> int:
    """Serve until told to stop.

    Args:
        config: the settings file.
        tls_cert: takes the place of the file's.
        tls_key: takes the place of the file's.
        worker: which of several processes this is, None for the only one.

    Returns:
        Exit code: 0 after an orderly stop.

    Raises:
        ExpectedError: something is not as it must be; the sentence says what to do.
    """
    logs.configure(program="api")
    settings = load_settings(config, tls_cert=tls_cert, tls_key=tls_key)
    app = create_app(settings, worker=worker.number if worker is not None else None)
    return lifecycle.run(lambda stop: serve(app, settings, stop, worker))


async def serve(app: FastAPI, settings: Settings, stop: asyncio.Event, worker: Worker | None = None) -> None:
    """Serve an application until `stop` is set.

    Raises:
        LiveViewEndedError: the live view ended by itself.
    """
    server = Server(app, settings, worker)
    sockets = [socket.socket(fileno=worker.listening)] if worker is not None else None
    serving = asyncio.create_task(server.serve(sockets), name="api.serve")
    waiting = [asyncio.create_task(event.wait()) for event in (stop, app.state.failed)]
    if worker is not None:
        waiting.append(asyncio.create_task(_orphaned()))
    await asyncio.wait([serving, *waiting], return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    if not serving.done():
        app.state.services.live.streams.close()
        server.should_exit = True
    await serving
    if app.state.failed.is_set():
        raise LiveViewEndedError


async def _orphaned() -> Literal[True]:
    """Return when the process that started this one is gone: nobody would stop it."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 - nobody tells a process that its parent died
        await asyncio.sleep(ORPHAN_SECONDS)
    return True


class Server(uvicorn.Server):
    """A uvicorn that leaves signals to the program, and says when and where it serves.

    Attributes:
        address: where it serves, empty until it does.
    """

    def __init__(self, app: FastAPI, settings: Settings, worker: Worker | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.bind,
                port=settings.port,
                ssl_certfile=settings.tls_cert,
                ssl_keyfile=settings.tls_key,
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
                lifespan="on",
                ws="none",
            ),
        )
        self.address = ""
        self._first_link: str = app.state.first_link
        self._worker = worker
        self._tls = (settings.tls_cert, settings.tls_key) if settings.tls_cert and settings.tls_key else None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the program."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, and say so."""
        if self.config.ssl is not None and self._tls is not None:
            Renewal(self.config.ssl, *self._tls)
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            scheme = "https" if self.config.ssl_certfile else "http"
            self.address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
            log.info("api.ready", url=self.address, port=port)
            if self._worker is not None:
                os.write(self._worker.ready, b"1")
                os.close(self._worker.ready)
            if self._first_link:
                sys.stderr.write(
                    "\nThere is no administrator yet. Open this link once to become it:\n"
                    f"{self.address}{self._first_link}\n"
                    "It expires in a week; the next start makes another one.\n\n"
                )
                sys.stderr.flush()
