"""`officina billing`: what use costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(no_args_is_help=True, help="What use costs: rate a scenario.")


@app.callback()
def billing() -> None:
    """What use costs."""


@app.command("rate")
def rate(
    scenario: Annotated[Path, typer.Argument(help="A scenario file, TOML; docs/scenario.md describes it.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Everything down to the samples, for a program.")] = False,
    documents: Annotated[
        Path | None, typer.Option(help="A folder for each statement as PDF, XLSX, CSV and FatturaPA.", file_okay=False)
    ] = None,
    language: Annotated[Literal["it", "en"], typer.Option(help="Of the documents.")] = "it",
) -> None:
    """Rate a self-contained scenario, with no server running."""
    from api.billing.scenarios.papers import save
    from api.billing.scenarios.reader import load
    from api.billing.scenarios.report import to_json, to_text

    loaded = load(scenario)
    if documents is not None:
        for reason in save(loaded, documents, language):
            typer.echo(f"No invoice: {reason}.", err=True)
    if as_json:
        typer.echo(json.dumps(to_json(loaded), ensure_ascii=False, indent=2, sort_keys=True))
    else:
        typer.echo(to_text(loaded), nl=False)
