"""`officina simulate`: machines that stand in for hardware, or a recorded log of a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

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
    machine: Annotated[str, typer.Option(help="Identifier of the replayed machine.")] = "integrex",
    site: Annotated[Path | None, typer.Option(hidden=True)] = None,
    node_map: Annotated[bool, typer.Option(help="Print the node map of these machines, and end.")] = False,
) -> None:
    """Serve a mill and a lathe over OPC UA, or replay a recording of a real machine through the same server.

    A recording begins when a client has subscribed, after a minute at the latest.
    """
    from shopfloor.runtime import lifecycle, logs

    logs.configure(program="simulate")
    if node_map:
        typer.echo(_node_map(is_replay=bool(replay)))
        return
    if replay:
        program = _replay(replay, speed, folder / machine, port, machine, moved=moved_to_now, allow_none=allow_none)
    else:
        program = _live(site, folder, port, allow_none=allow_none)
    raise typer.Exit(lifecycle.run(program))


def _node_map(*, is_replay: bool) -> str:
    from simulators import workshop
    from simulators.mazak import Mazak
    from simulators.tree import machine_variables

    return workshop.node_map(Mazak.variables if is_replay else machine_variables(("x", "y", "z", "c")))


def _live(
    site: Path | None, folder: Path, port: int, *, allow_none: bool
) -> Callable[[asyncio.Event], Awaitable[None]]:
    from shopfloor.errors import ExpectedError
    from shopfloor.runtime import clock
    from simulators.serve import SiteFile, live_server, serve

    if site is not None:
        import msgspec

        wanted = msgspec.json.decode(site.read_bytes(), type=SiteFile, dec_hook=lambda kind, value: kind(value))
    else:
        wanted = SiteFile(clock.now(), "workshop", ["mc-1", "tn-1"], folder, port)

    async def program(stop: asyncio.Event) -> None:
        try:
            await serve(live_server(wanted, allow_none=allow_none), stop)
        except OSError as error:
            raise ExpectedError(f"{error.strerror or error}: give another port with --port") from error

    return program


def _replay(
    paths: list[Path], speed: float, folder: Path, port: int, machine: str, *, moved: bool, allow_none: bool
) -> Callable[[asyncio.Event], Awaitable[None]]:
    from shopfloor.errors import ExpectedError
    from simulators.replay import Pace
    from simulators.serve import begin_when_watched, replay_server, report, serve

    for path in paths:
        if not path.is_file():
            raise ExpectedError(f"there is no recording {path}")
    pace = Pace(speed=speed, moved_to_now=moved)
    server, source = replay_server(paths, folder, pace=pace, port=port, allow_none=allow_none, machine=machine)

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
