"""`officina store`: prepare an InfluxDB server, and move what a store holds into another one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False)
ANSWER_SECONDS = 120.0
"""How long a server that is just starting may take."""


@app.callback()
def store() -> None:
    """Prepare an InfluxDB server, and move what a store holds into another one."""


@app.command("init")
def init(
    url: Annotated[str, typer.Argument(help="Address of an InfluxDB 2.x server: http://HOST:8086.")],
    *,
    secrets: Annotated[
        Path, typer.Option(help="Folder with store-admin-password and store-admin-token; tokens are written there.")
    ],
    organisation: Annotated[str, typer.Option(help="Whose the buckets are.")] = "officina",
    database: Annotated[str, typer.Option(help="First part of the buckets' names.")] = "officina",
    gauge_days: Annotated[int, typer.Option(min=0, help="How long raw gauges are kept; 0 for ever.")] = 90,
) -> None:
    """Make organisation, buckets and narrow tokens; safe to repeat."""
    from shopfloor.errors import ExpectedError
    from shopfloor.stores.influx_setup import Wanted, wait_until_it_answers
    from shopfloor.stores.port import StoreUnavailableError

    wanted = Wanted(url, organisation, database, gauge_days)
    try:
        for each in wait_until_it_answers(wanted, secrets, seconds=ANSWER_SECONDS):
            typer.echo(f"{each.verb:<8} {each.what}")
    except StoreUnavailableError as error:
        raise ExpectedError(str(error)) from error


@app.command("copy")
def copy(
    source: Annotated[str, typer.Argument(help="Address of the store that is read.")],
    target: Annotated[str, typer.Argument(help="Address of the store that is written to.")],
    *,
    progress: Annotated[
        Path, typer.Option(help="What was copied already; the same file again goes on where it was.")
    ] = Path("store-copy.progress"),
    all_gauges: Annotated[
        bool, typer.Option("--all-gauges", help="Raw gauges older than 90 days too, where the target keeps them.")
    ] = False,
) -> None:
    """Copy everything by machine and day, read it back and count it; a second run copies what is new."""
    from shopfloor.errors import ExpectedError
    from shopfloor.periods import DAY, INSTANT_MIN
    from shopfloor.runtime import clock
    from shopfloor.stores.copy import copy as copied
    from shopfloor.stores.copy import total
    from shopfloor.stores.influx_server import GAUGE_DAYS
    from shopfloor.stores.open import open_store
    from shopfloor.stores.port import StoreUnavailableError
    from shopfloor.stores.progress import Progress

    since = INSTANT_MIN if all_gauges else clock.now() - GAUGE_DAYS * DAY
    before, after = open_store(source), open_store(target)
    try:
        with Progress(progress, f"{source.partition('?')[0]} to {target.partition('?')[0]}") as kept:
            for day in copied(before, after, done=kept.done, gauges_since=since, clock=clock.now):
                kept.add(day)
            for machine, (samples, minutes, expired) in total(kept.days).items():
                left = f", {expired} expired" if expired else ""
                typer.echo(f"{machine:<24} {samples:>12} samples {minutes:>10} minutes{left}")
            typer.echo(f"{len(kept.days)} days of machines, each read back and found equal.", err=True)
    except StoreUnavailableError as error:
        raise ExpectedError(f"{error}; the same command goes on from where it was") from error
    finally:
        before.close()
        after.close()
