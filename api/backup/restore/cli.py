"""`officina restore`: a backup into an empty installation, counted and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="The backup.", exists=True, file_okay=False)],
    config: Annotated[
        Path | None, typer.Argument(help="Settings of the API of the empty installation, a TOML file.")
    ] = None,
    *,
    installation: Annotated[
        Path | None, typer.Option(help="A new folder: secrets, certificates and settings are put there, first.")
    ] = None,
    check_only: Annotated[
        bool, typer.Option("--check", help="Compare every file with its digest; change nothing.")
    ] = False,
) -> None:
    """Put keys, records and telemetry back, and compare what is there then with what was taken."""
    from api.audit import service as audit
    from api.backup.service import check, unpack_keys
    from api.backup.service import restore as put_back
    from api.records import database
    from api.settings import load_settings
    from shopfloor.runtime import clock
    from shopfloor.stores.open import open_store

    manifest = check(folder)
    typer.echo(f"The backup of {manifest.made} by Officina {manifest.officina} is whole.")
    if check_only:
        return
    if installation is not None and unpack_keys(folder, installation):
        typer.echo(f"Secrets, certificates and settings are in {installation}.")
    if config is None:
        typer.echo(
            "Name the API's settings to put records and telemetry back: officina restore BACKUP api.toml", err=True
        )
        return
    settings = load_settings(config)
    records, store = database.connect(settings.records), open_store(settings.store)
    try:
        restored = put_back(folder, records, store, clock=clock.now)
        last = audit.check(records)
    finally:
        records.close()
        store.close()
    for name, count in [*restored.rows.items(), *restored.samples.items()]:
        typer.echo(f"{name:<28} {count:>12}  equal")
    typer.echo(f"The audit trail is whole up to entry {last.number}, {last.digest}.", err=True)
