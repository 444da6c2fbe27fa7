"""A mail server and a webhook receiver as processes: `python -m tests.services.receivers KIND PORT FILE`.

A test kills them. Each writes the key of what it takes to a file before it answers, and is slow over the first of some
keys. It waits for its port, so that the next one stands by before the one before is killed.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import zlib
from contextlib import suppress
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

TIMEOUT_SECONDS = 0.5


class Book:
    """Keys that were taken, one a line, in a file that outlives the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def keys(self) -> list[str]:
        return self._path.read_text().splitlines() if self._path.exists() else []

    def take(self, key: str, *, once: bool) -> float:
        """Write a key down and return how many seconds the answer is to wait."""
        with self._lock:
            is_known = key in self.keys()
            if not (once and is_known):
                with self._path.open("a") as file:
                    file.write(f"{key}\n")
                    file.flush()
                    os.fsync(file.fileno())
        return 0.0 if is_known or zlib.crc32(key.encode()) % 4 else 2 * TIMEOUT_SECONDS


async def _serve_mail(port: int, book: Book) -> None:
    class Handler:
        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
            key = str(message_from_bytes(envelope.content)["Idempotency-Key"])
            await asyncio.sleep(book.take(key, once=False))
            return "250 kept"

    loop = asyncio.get_running_loop()
    while True:
        with suppress(OSError):
            server = await loop.create_server(lambda: SMTP(Handler()), "127.0.0.1", port)
            await server.serve_forever()
        await asyncio.sleep(0.01)


def _serve_hook(port: int, book: Book) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(book.take(self.headers["Idempotency-Key"], once=True))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    while True:
        with suppress(OSError):
            ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
        time.sleep(0.01)


def main(kind: str, port: int, file: str) -> None:
    """Be one of them."""
    if kind == "mail":
        asyncio.run(_serve_mail(port, Book(Path(file))))
    else:
        _serve_hook(port, Book(Path(file)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
