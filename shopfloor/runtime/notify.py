"""Telling who started a service how it fares.

Systemd hears it by sd_notify(3), the protocol of `Type=notify` and `WatchdogSec=`. The health check of a container,
where nothing is served that it could ask, looks at the age of a file (`shopfloor.runtime.probe`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path

READY, ALIVE, STOPPING = "READY=1", "WATCHDOG=1", "STOPPING=1"
_MICROSECONDS = 1_000_000
_PARTS = 3
"""The watchdog hears from a service so many times in its period: one may be late."""
ALIVE_FILE = "OFFICINA_ALIVE_FILE"
"""Variable of the environment that names a file; it is touched for as long as the service works."""
TOUCH_SECONDS = 5.0
"""How often it is touched; a probe finds it too old after several times as long."""


class Notifier:
    """This process's line to who started it; silent where nobody listens.

    What is asked for stands in the environment and is for this process alone: it is taken out there, so that no process
    that this one starts speaks in its name.
    """

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        microseconds = os.environ.pop("WATCHDOG_USEC", "")
        is_mine = os.environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.alive_seconds = int(microseconds) / _MICROSECONDS / _PARTS if microseconds.isdecimal() and is_mine else 0.0
        file = os.environ.pop(ALIVE_FILE, "")
        self._file = Path(file) if file else None
        if self._file is not None:
            self.alive_seconds = min(self.alive_seconds or TOUCH_SECONDS, TOUCH_SECONDS)

    def say(self, state: str) -> None:
        """Send one state; where nobody listens any more, the service goes on all the same."""
        if self._file is not None and state == ALIVE:
            with contextlib.suppress(OSError):
                self._file.touch()
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.connect(address)
            line.send(state.encode())

    async def keep_saying(self) -> None:
        """Say that the service works, and then, from its event loop, that it still does: what hangs says nothing."""
        self.say(READY)
        while self.alive_seconds:
            self.say(ALIVE)
            await asyncio.sleep(self.alive_seconds)
