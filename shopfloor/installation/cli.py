"""`officina init`: make the folder of an installation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

app = typer.Typer(add_completion=False)
OWNER = 10_001
"""User and group of the programs in containers."""


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where secrets, certificates and settings are put.")],
    *,
    host: Annotated[str, typer.Option(help="Name under which browsers and agents reach it; the first time.")] = "",
    house: Annotated[str, typer.Option(help="Name of the consortium, as pages show it.")] = "",
    layout: Annotated[
        Literal["compose", "machine"] | None, typer.Option(help="Containers, or programs of this machine.")
    ] = None,
    language: Annotated[Literal["it", "en"] | None, typer.Option(help="Of pages and boards.")] = None,
    time_zone: Annotated[str, typer.Option(help="Civil time, such as Europe/Rome.")] = "",
    https_port: Annotated[int, typer.Option(help="Of the pages, from outside.")] = 0,
    agents_port: Annotated[int, typer.Option(help="Of the broker, for agents.")] = 0,
    programs_port: Annotated[int, typer.Option(help="Of the broker, for programs.")] = 0,
    api_port: Annotated[int, typer.Option(help="Of the API, behind the server in front.")] = 0,
    metrics_port: Annotated[int, typer.Option(help="Of the first collector's metrics.")] = 0,
    broker: Annotated[str, typer.Option(help="Host of a broker that is there already.")] = "",
    store: Annotated[str, typer.Option(help="Address of a telemetry store that is there already.")] = "",
    records: Annotated[str, typer.Option(help="Address of a database of records that is there already.")] = "",
    owner: Annotated[
        str, typer.Option(help="UID:GID that the programs run as; else whoever runs this, or 10001:10001 for root.")
    ] = "",
) -> None:
    """Make secrets, certificates and settings for every program, and explain each file.

    Safe to repeat: what is there stays, certificates that end soon are renewed.
    """
    from shopfloor.installation.write import stored_plan, write
    from shopfloor.runtime import clock

    chosen: dict[str, Any] = {
        "host": host, "house": house, "layout": layout, "language": language, "time_zone": time_zone,
        "https_port": https_port, "agents_port": agents_port, "programs_port": programs_port, "api_port": api_port,
        "metrics_port": metrics_port, "broker": broker, "store": store, "records": records,
    }  # fmt: skip
    folder = folder.absolute()
    plan = _plan(stored_plan(folder), {name: value for name, value in chosen.items() if value})
    for each in write(folder, plan, owner=_owner(owner), now=clock.now()):
        typer.echo(f"{each.verb:<8} {each.path}")
    typer.echo(f"\n{folder / 'README.md'} explains each file.", err=True)
    if plan.layout == "compose":
        typer.echo(f"Next: docker compose --env-file {folder / '.env'} up --detach", err=True)


def _plan(stored: Any, chosen: dict[str, Any]) -> Any:
    """Return the choices: those of the folder, or those that were typed."""
    import msgspec

    from shopfloor.installation.plan import Plan

    if stored is not None:
        chosen = {**msgspec.structs.asdict(stored), **chosen}
    elif "host" not in chosen:
        raise typer.BadParameter(
            "name the host under which it is reached: --host officina.example.it", param_hint="--host"
        )
    try:
        return msgspec.convert(chosen, Plan)
    except msgspec.ValidationError as error:
        raise typer.BadParameter(str(error)) from error


def _owner(text: str) -> tuple[int, int]:
    if not text:
        return (os.getuid(), os.getgid()) if os.getuid() else (OWNER, OWNER)
    try:
        user, group = (int(part) for part in text.split(":"))
    except ValueError as error:
        raise typer.BadParameter("two numbers: UID:GID", param_hint="--owner") from error
    return user, group
