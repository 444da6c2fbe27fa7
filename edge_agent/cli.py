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
