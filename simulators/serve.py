"""Serving simulated machines: the demonstration's, or a recording. The process behind `officina simulate`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog

from shopfloor.runtime import clock
from simulators import workshop
from simulators.faulty_server import FaultyServer
from simulators.live import LiveSource
from simulators.opcua_server import MachineServer
from simulators.replay import Pace, Replay

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from simulators.faults import Fault
    from simulators.recordings import Recording
    from simulators.tree import Source

log = structlog.get_logger(__name__)

REPLAY_REPORT_SECONDS = 10.0
WATCHED_STEADY_SECONDS = 1.0
"""A client that has asked for no more items for so long has asked for all it wants."""


AnyServer: TypeAlias = "MachineServer | FaultyServer"


def live_server(site: workshop.SiteFile, *, allow_none: bool = False, faults: Sequence[Fault] = ()) -> AnyServer:
    """Make the server of a site, as a gateway that speaks for all its machines, with faults to come if any."""
    places = [place for place in workshop.PLACES if place.identity.id in site.machines]
    sources = [LiveSource(workshop.machine(place, site.started), place.identity, site.edition) for place in places]
    return _server(site.name, sources, site.folder, faults, port=site.port, allow_none=allow_none)


def _server(name: str, sources: Sequence[Source], folder: Path, faults: Sequence[Fault], **options: Any) -> AnyServer:
    if faults:
        return FaultyServer(name, sources, folder, clock.now, faults, **options)
    return MachineServer(name, sources, folder, clock.now, **options)


async def serve(server: AnyServer, stop: asyncio.Event) -> None:
    """Serve until stopped; writes the address and the certificate when it is ready, then `ready`."""
    gc.disable()  # a server makes some ten thousand objects that stay: looking for garbage among them takes seconds
    await server.start()
    gc.freeze()
    gc.enable()
    sys.stdout.write(f"{server.endpoint}  certificate {server.certificate}\nready\n")
    sys.stdout.flush()
    serving = asyncio.create_task(server.wait())
    stopping = asyncio.create_task(stop.wait())
    done, rest = await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await server.stop()
    for task in done:
        task.result()


def replay_server(
    paths: Sequence[Path],
    folder: Path,
    *,
    recording: Recording,
    pace: Pace,
    port: int,
    allow_none: bool,
    machine: str,
    faults: Sequence[Fault] = (),
) -> tuple[AnyServer, Replay]:
    """Make the server of a recording, under this identifier.

    It is held until `begin_when_watched` lets it play.
    """
    source = Replay(paths, recording, recording.identity._replace(id=machine), pace, held=True)
    server = _server(machine, [source], folder, faults, port=port, allow_none=allow_none, tick_seconds=0.1)
    return server, source


async def begin_when_watched(server: AnyServer, source: Replay, seconds_max: float = math.inf) -> None:
    """Let a recording begin once a client watches it, so that the client misses nothing.

    Args:
        server: where clients come.
        source: what it serves.
        seconds_max: begin after this time in any case.
    """
    deadline = clock.monotonic_seconds() + seconds_max
    before = 0
    while clock.monotonic_seconds() < deadline:
        items = server.watched_items
        if items and items == before:
            break
        before = items
        await asyncio.sleep(WATCHED_STEADY_SECONDS)
    source.begin(clock.now())
    log.info("replay.begins", watched_items=server.watched_items)


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
