"""Serving simulated machines: the demonstration's, or a recording. The process behind `officina simulate`."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog

from shopfloor.runtime import clock
from simulators import workshop
from simulators.live import LiveSource
from simulators.mazak import Mazak
from simulators.opcua_server import MachineServer
from simulators.replay import Pace, Replay
from simulators.tree import Identity

if TYPE_CHECKING:
    from collections.abc import Sequence

log = structlog.get_logger(__name__)

REPLAY_REPORT_SECONDS = 10.0


class SiteFile(msgspec.Struct, forbid_unknown_fields=True):
    """What one simulator process serves.

    Attributes:
        started: first start of the demonstration; the machines' lives depend on it.
        folder: where keys and certificates are kept, one folder for each machine.
        ports: port of each machine, by its identifier.
    """

    started: int
    folder: Path
    ports: dict[str, int]


def live_servers(site: SiteFile, *, allow_none: bool = False) -> list[MachineServer]:
    """Make a server for each machine of a site."""
    places = [place for place in workshop.PLACES if place.identity.id in site.ports]
    return [
        MachineServer(
            place.identity.id,
            [LiveSource(workshop.machine(place, site.started), place.identity)],
            site.folder / place.identity.id,
            clock.now,
            port=site.ports[place.identity.id],
            allow_none=allow_none,
        )
        for place in places
    ]


async def serve(servers: Sequence[MachineServer], stop: asyncio.Event) -> None:
    """Serve until stopped; writes one line for each server when it is ready, then `ready`."""
    async with contextlib.AsyncExitStack() as stack:
        for server in servers:
            stack.push_async_callback(server.stop)
            await server.start()
            sys.stdout.write(f"{server.endpoint}  certificate {server.certificate}\n")
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        failures = [asyncio.create_task(server.wait()) for server in servers]
        stopping = asyncio.create_task(stop.wait())
        done, rest = await asyncio.wait({*failures, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        for task in done:
            task.result()


def replay_server(
    paths: Sequence[Path], folder: Path, *, pace: Pace, port: int, allow_none: bool, machine: str
) -> tuple[MachineServer, Replay]:
    """Make the server of a recording of a Mazak Integrex, as `time|item|value` lines."""
    identity = Identity(machine, "Integrex", "Mazak", "Integrex 100-IV", "recorded", "NIST", 2004)
    source = Replay(paths, Mazak, identity, pace)
    server = MachineServer(machine, [source], folder, clock.now, port=port, allow_none=allow_none, tick_seconds=0.1)
    return server, source


async def report(source: Replay, stop: asyncio.Event) -> None:
    """Log how far a replay is, and its bad lines, until it is stopped."""
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), REPLAY_REPORT_SECONDS)
        tally = source.tally
        log.info(
            "replay.progress",
            lines=tally.lines,
            served=tally.served,
            bad=tally.bad,
            unmapped=tally.unmapped,
            lag_seconds=round(source.lag_seconds(clock.now()), 1),
        )
