"""`officina edge`: read machines over OPC UA and publish what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

File = Annotated[Path, typer.Argument(help="The agent's configuration, a TOML file.")]
app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def edge() -> None:
    """Read machines over OPC UA and publish what they say."""


@app.command("run")
def run(file: File) -> None:
    """Watch the machines of a configuration until told to stop."""
    import asyncio

    from edge_agent.config import load
    from edge_agent.service import Agent
    from shopfloor.runtime import lifecycle, logs

    logs.configure(program="edge")
    config = load(file)

    async def program(stop: asyncio.Event) -> None:
        await Agent(config).run(stop)

    raise typer.Exit(lifecycle.run(program))


@app.command("init")
def init(
    endpoint: Annotated[str, typer.Argument(help="Address of an OPC UA server: opc.tcp://host:port/path.")],
) -> None:
    """Write a configuration to standard output, from what a server shows."""
    import asyncio

    from edge_agent import check as checks
    from shopfloor.runtime import clock, logs

    logs.configure(program="edge")
    typer.echo(asyncio.run(checks.init(endpoint, clock.now)), nl=False)


@app.command("check")
def check(file: File, *, json: Annotated[bool, typer.Option(help="As JSON, for programs.")] = False) -> None:
    """Validate a configuration, connect, and list every signal with its value and every refusal with its reason.

    Exits with 0 when all is well, 1 when something was refused or does not answer, 2 when the file is wrong.
    """
    import asyncio

    from edge_agent import check as checks
    from shopfloor.runtime import clock, logs

    logs.configure(program="edge")
    report = asyncio.run(checks.check(file, clock.now))
    typer.echo(report.json() if json else report.text())
    raise typer.Exit(report.exit_code)


@app.command("meter")
def meter(
    file: Annotated[Path, typer.Argument(help="The meters' configuration, a TOML file.")],
    *,
    check: Annotated[bool, typer.Option("--check", help="Validate the file and read nothing.")] = False,
) -> None:
    """Read Modbus TCP meters of equipment without a control, and publish what they say, until told to stop."""
    import asyncio

    from edge_agent.meter_config import load
    from edge_agent.meter_service import MeterAgent
    from shopfloor.runtime import lifecycle, logs

    logs.configure(program="meter")
    config = load(file)
    if check:
        typer.echo(f"{file}: {len(config.meters)} meters, all right")
        return

    async def program(stop: asyncio.Event) -> None:
        await MeterAgent(config).run(stop)

    raise typer.Exit(lifecycle.run(program))
