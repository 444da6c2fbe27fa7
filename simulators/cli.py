"""`officina simulate`: machines that stand in for hardware, or a recorded log of a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulators.tree import Edition

if TYPE_CHECKING:
    from simulators.faults import Fault
    from simulators.recordings import Recording
    from simulators.replay import Replay
    from simulators.serve import AnyServer

WAIT_SECONDS_MAX = 60.0
"""How long a recording waits for its first client before it begins to play."""
app = typer.Typer(help="Machines that stand in for hardware.", add_completion=False)


@app.command()
def simulate(
    replay: Annotated[
        list[Path] | None,
        typer.Option(help="A recorded log, `time|item|value` lines, gzipped or not; may be given again, in order."),
    ] = None,
    *,
    speed: Annotated[float, typer.Option(min=0.001, max=1000, help="Seconds of the recording in a second.")] = 1.0,
    moved_to_now: Annotated[bool, typer.Option(help="Shift the recording so that it begins now.")] = False,
    folder: Annotated[Path, typer.Option(help="Where keys and certificates are made.")] = Path("var/simulate"),
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one.")] = 0,
    allow_none: Annotated[bool, typer.Option(help="Offer an endpoint without security too.")] = False,
    recording: Annotated[
        str, typer.Option(help="Whose recording it is: integrex, hurco, okuma or cnc-mill.")
    ] = "integrex",
    machine: Annotated[str, typer.Option(help="Identifier of the replayed machine, else that of the recording.")] = "",
    fault: Annotated[
        list[str] | None, typer.Option(help="A fault, `KIND at=SECONDS for=SECONDS …`; may be given again.")
    ] = None,
    scenario: Annotated[
        Path | None, typer.Option(help="A file of faults; docs/simulated-faults.md says what it holds.")
    ] = None,
    into: Annotated[
        str, typer.Option(help="Write the recording into the telemetry store at this address, and end; no server.")
    ] = "",
    edition: Annotated[
        Edition,
        typer.Option(
            help="What the machines speak: MachineTool 1.02 or 1.00, 1.02 with the jobs of OPC 40001-3 alone, or "
            "OPC 40502 alone."
        ),
    ] = "1.02",
    site: Annotated[Path | None, typer.Option(hidden=True)] = None,
    node_map: Annotated[bool, typer.Option(help="Print the node map of these machines, and end.")] = False,
) -> None:
    """Serve a mill and a lathe over OPC UA, or replay a recording of a real machine through the same server.

    A recording begins when a client has subscribed, after a minute at the latest.
    """
    from shopfloor.runtime import lifecycle, logs
    from simulators.replay import Pace
    from simulators.serve import replay_server

    logs.configure(program="simulate")
    if node_map:
        typer.echo(_node_map(recording if replay else ""))
        return
    if replay and into:
        typer.echo(_load(into, _existing(replay), _known(recording), machine or recording))
        return
    faults = _faults(fault or [], scenario)
    if replay:
        pace = Pace(speed=speed, moved_to_now=moved_to_now)
        name = machine or recording
        played = replay_server(
            _existing(replay), folder / name,
            recording=_known(recording), pace=pace, port=port, allow_none=allow_none, machine=name,
            faults=faults,
        )  # fmt: skip
        program = _replay(*played)
    else:
        program = _live(site, folder, port, faults, edition=edition, allow_none=allow_none)
    raise typer.Exit(lifecycle.run(program))


def _node_map(recording: str) -> str:
    from simulators import workshop
    from simulators.tree import machine_variables

    return workshop.node_map(_known(recording).variables if recording else machine_variables(("x", "y", "z", "c")))


def _load(address: str, paths: list[Path], recording: Recording, machine: str) -> str:
    from contextlib import closing

    from shopfloor.runtime import clock
    from shopfloor.stores.open import open_store
    from simulators.recorded import load

    with closing(open_store(address)) as store:
        loaded = load(store, recording, paths, machine, now=clock.now())
    return (
        f"{machine}: {loaded.tally.lines} lines, {loaded.tally.bad} bad, {loaded.tally.unmapped} unmapped; "
        f"{loaded.samples} samples, {loaded.proofs} proofs of watching, {loaded.holes} holes"
    )


def _known(recording: str) -> Recording:
    from shopfloor.errors import ExpectedError
    from simulators.recordings import RECORDINGS

    if recording not in RECORDINGS:
        raise ExpectedError(f"--recording is {recording!r}: give one of {', '.join(RECORDINGS)}")
    return RECORDINGS[recording]


def _faults(lines: list[str], scenario: Path | None) -> list[Fault]:
    from simulators.faults import parse_fault, read_scenario

    return [*map(parse_fault, lines), *(read_scenario(scenario) if scenario is not None else ())]


def _existing(paths: list[Path]) -> list[Path]:
    from shopfloor.errors import ExpectedError

    for path in paths:
        if not path.is_file():
            raise ExpectedError(f"there is no recording {path}")
    return paths


def _live(
    site: Path | None, folder: Path, port: int, faults: list[Fault], *, edition: Edition, allow_none: bool
) -> Callable[[asyncio.Event], Awaitable[None]]:
    from shopfloor.errors import ExpectedError
    from shopfloor.runtime import clock
    from simulators.serve import live_server, serve
    from simulators.workshop import SiteFile

    if site is not None:
        import msgspec

        wanted = msgspec.json.decode(site.read_bytes(), type=SiteFile, dec_hook=lambda kind, value: kind(value))
    else:
        wanted = SiteFile(clock.now(), "workshop", ["mc-1", "tn-1"], folder, port, edition)

    async def program(stop: asyncio.Event) -> None:
        try:
            await serve(live_server(wanted, allow_none=allow_none, faults=faults), stop)
        except OSError as error:
            raise ExpectedError(f"{error.strerror or error}: give another port with --port") from error

    return program


def _replay(server: AnyServer, source: Replay) -> Callable[[asyncio.Event], Awaitable[None]]:
    from shopfloor.errors import ExpectedError
    from simulators.serve import begin_when_watched, report, serve

    async def program(stop: asyncio.Event) -> None:
        beginning = asyncio.create_task(begin_when_watched(server, source, WAIT_SECONDS_MAX), name="replay.begin")
        reporting = asyncio.create_task(report(source, stop), name="replay.report")
        try:
            await serve(server, stop)
        except OSError as error:
            raise ExpectedError(f"{error.strerror or error}: give another port with --port") from error
        finally:
            beginning.cancel()
            reporting.cancel()

    return program
