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


@app.command("enroll")
def enroll(
    url: Annotated[str, typer.Argument(help="Address of the API: https://host.")],
    code: Annotated[str, typer.Argument(help="The one-time code that the administrator was shown.")],
    *,
    config: Annotated[Path, typer.Option(help="The agent's configuration; made when it is not there.")] = Path(
        "edge.toml"
    ),
    ca: Annotated[Path | None, typer.Option(help="Authority of the API's certificate, PEM.", exists=True)] = None,
) -> None:
    """Get the agent's login at the broker for a one-time code, and write it into the configuration."""
    from edge_agent.enroll import enroll as ask

    enrolled = ask(url, code, config, ca=ca)
    typer.echo(
        f"{enrolled.publisher} is enrolled at the broker {enrolled.host}:{enrolled.port}; {config} names it, and the "
        f"password is in password-{enrolled.publisher} beside it. Start it (again): officina edge run {config}"
    )


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
