"""`officina audit`: who did what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Argument(help="The API's settings, a TOML file.", exists=True, dir_okay=False)]
app = typer.Typer(no_args_is_help=True, help="Who did what: an append-only, chained trail.")


@app.command("verify")
def verify(
    config: Config,
    *,
    known: Annotated[
        str | None, typer.Option(help="NUMBER:DIGEST, as an earlier run printed it: the trail must still hold it.")
    ] = None,
) -> None:
    """Check that no entry was changed, removed or put in; print the newest one, to be noted down elsewhere."""
    from api.audit.service import check
    from api.records.database import open_records
    from api.settings import load_settings

    noted: tuple[int, str] | None = None
    if known is not None:
        number, _, digest = known.partition(":")
        if not (number.isdecimal() and digest):
            raise typer.BadParameter("write NUMBER:DIGEST", param_hint="--known")
        noted = (int(number), digest)
    last = check(open_records(load_settings(config).records), known=noted)
    typer.echo(f"{last.number}:{last.digest}")


@app.command("export")
def export(config: Config) -> None:
    """Write the whole trail to standard output: a line of JSON for each entry."""
    from api.audit.service import stream
    from api.records.database import open_records
    from api.settings import load_settings

    for entry in stream(open_records(load_settings(config).records)):
        typer.echo(json.dumps(entry._asdict(), ensure_ascii=False))
