"""What an agent needs of its computer: a clock that is set, room, files that it may use, names that resolve."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edge_agent.doctor.finding import fault, good, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_agent.config import EdgeConfig
    from edge_agent.doctor.finding import Finding

CONNECT_SECONDS = 3.0
RELEASED = 1_760_000_000_000_000_000
"""No computer that runs this program lives before it was written (October 2025)."""
_TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""
_TIMEX_BYTES = 256
_OPCUA_PORT = 4840


def clock(now: int) -> Finding:
    """Look whether the clock is set and kept."""
    mend = "install chrony or enable systemd-timesyncd, and let NTP through the firewall: timedatectl set-ntp true"
    if now < RELEASED:
        return fault("clock", "the clock is years behind", mend)
    state = _clock_state()
    if state == _TIME_ERROR:
        return warning("clock", "nothing keeps the clock right: stamps of machines cannot be judged by it", mend)
    return good("clock", "synchronised" if state >= 0 else "set; whether something keeps it right cannot be seen here")


def _clock_state() -> int:
    """Return what adjtimex(2) says of the kernel's clock without changing it, -1 where it may not be asked."""
    try:
        return int(ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    except (OSError, AttributeError):
        return -1


def disk(config: EdgeConfig) -> Iterator[Finding]:
    """Look whether the spool has the room that it is allowed, and its folder may be written."""
    folder = config.spool.path.parent
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        yield fault(
            "disk",
            f"{folder} may not be written by this user",
            f"chown it to the agent's user, or run this as it: {folder}",
        )
    held = config.spool.path.stat().st_size if config.spool.path.exists() else 0
    wanted = max(0, config.spool.bytes_max - held)
    free = shutil.disk_usage(folder).free
    if free < wanted:
        yield fault(
            "disk",
            f"{_gigabytes(free)} free in {folder}, and the spool may grow by {_gigabytes(wanted)}",
            "make room, or lower bytes_max of [spool]: a full disk evicts gauges first, and says so in holes",
        )
    else:
        yield good("disk", f"{_gigabytes(free)} free in {folder}, enough for the spool's bound")


def reach(config: EdgeConfig) -> Iterator[Finding]:
    """Look whether names resolve and ports answer: the broker's and each machine's."""
    places = {"broker": (config.broker.host, config.broker.port)}
    for server in config.servers:
        parts = urlsplit(server.endpoint)
        places[", ".join(machine.id for machine in server.machines)] = (parts.hostname or "", parts.port or _OPCUA_PORT)
    for name, (host, port) in places.items():
        yield _resolved(name, host) or _answered(name, host, port)


def _resolved(name: str, host: str) -> Finding | None:
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        return fault(
            "DNS",
            f"{name}: the name {host} is not known ({error})",
            "write the address in its place, or mend the DNS server in /etc/resolv.conf",
        )
    return None


def _answered(name: str, host: str, port: int) -> Finding:
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except TimeoutError:
        return fault(
            "ports",
            f"{name}: {host} port {port} does not answer",
            "let it through the firewalls in between, and see that it is switched on",
        )
    except OSError as error:
        return fault(
            "ports",
            f"{name}: {host} port {port} refuses ({error.strerror or error})",
            "start the server there, or correct the port",
        )
    return good("ports", f"{name}: {host} port {port} answers")


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
