"""`officina doctor`: what keeps an edge agent from working, and what mends it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edge_agent.config import EdgeConfig
    from edge_agent.doctor.finding import Finding

app = typer.Typer(add_completion=False)
FAULTY = 1


@app.command()
def doctor(
    file: Annotated[Path, typer.Argument(help="The agent's configuration, a TOML file.")],
    *,
    json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Look at clock, disk, names, ports, certificates, trust, broker and machines, read-only.

    Exits with 0 when nothing is wrong, 1 when there is a fault, 2 when the configuration cannot be read.
    """
    import asyncio

    import msgspec

    from edge_agent.config import load
    from edge_agent.doctor.finding import Level, text
    from shopfloor.runtime import logs

    logs.configure(program="doctor")
    findings = asyncio.run(_look(file, load(file)))
    typer.echo(msgspec.json.encode([each._asdict() for each in findings]).decode() if json else text(findings))
    faults = sum(each.level is Level.FAULT for each in findings)
    sys.stderr.write(f"{faults} faults, {sum(each.level is Level.WARNING for each in findings)} warnings.\n")
    raise typer.Exit(FAULTY if faults else 0)


async def _look(file: Path, config: EdgeConfig) -> list[Finding]:
    from edge_agent.doctor import broker, host, machines, trusted
    from shopfloor.runtime import clock

    now = clock.now()
    return [
        host.clock(now),
        *host.disk(config),
        *host.reach(config),
        *trusted.certificates(config, file, now),
        *await broker.rights(config),
        *await machines.seen(config, clock.now),
    ]
