"""`officina watch`: what must be done without anybody asking for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Keep what is derived current, judge the rules, send what people must hear.")


@app.callback(invoke_without_command=True)
def watch(
    *,
    config: Annotated[
        Path, typer.Option(help="The API's settings, a TOML file: records and store are the same.", exists=True)
    ],
) -> None:
    """Lead, or stand by while another one leads, until told to stop."""
    from api.records.database import open_records
    from api.settings import load_settings
    from api.watch.jobs import jobs_of
    from api.watch.leader import Leader
    from api.watch.service import Watch
    from shopfloor.runtime import lifecycle, logs
    from shopfloor.stores.open import open_store

    logs.configure(program="watch")
    settings = load_settings(config)
    records = open_records(settings.records)
    store = open_store(settings.store)
    leader = Leader(records)
    try:
        raise typer.Exit(lifecycle.run(Watch(leader, jobs_of(leader, settings, records, store)).run))
    finally:
        store.close()
        records.close()
