"""`officina backup`: records, telemetry and keys into one folder, while everything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def backup(
    config: Annotated[Path, typer.Argument(help="The API's settings, a TOML file.", exists=True, dir_okay=False)],
    folder: Annotated[Path, typer.Argument(help="A new folder for this backup.")],
    *,
    installation: Annotated[
        Path | None, typer.Option(help="The folder of `officina init`: secrets and certificates are taken along.")
    ] = None,
) -> None:
    """Take records, telemetry and keys, consistent, while everything runs."""
    from contextlib import closing

    from api.backup.service import backup as take
    from api.records.database import RecordsUnavailableError, open_records
    from api.settings import load_settings
    from shopfloor.errors import ExpectedError
    from shopfloor.runtime import clock
    from shopfloor.stores.open import open_store
    from shopfloor.stores.port import StoreUnavailableError

    settings = load_settings(config)
    try:
        with closing(open_records(settings.records)) as records, closing(open_store(settings.store)) as store:
            made = take(folder, records, store, installation=installation, clock=clock.now)
    except (RecordsUnavailableError, StoreUnavailableError) as error:
        raise ExpectedError(f"{error}; {folder} is no whole backup, remove it") from error
    typer.echo(
        f"{sum(made.rows.values())} rows of {len(made.rows)} tables, {sum(made.samples.values())} samples of "
        f"{len(made.samples)} machines, as of {made.made}"
    )
    if installation is None:
        typer.echo("Secrets and certificates are not in it: --installation FOLDER takes them along.", err=True)
