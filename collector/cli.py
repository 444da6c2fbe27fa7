"""`officina collector`: run one, or look after its quarantine."""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Option("--config", "-c", help="The collector's settings, a TOML file.")]
DEFAULT = Path("collector.toml")
SWITCH_SECONDS = 0.0005
"""How long one thread may keep the interpreter while another waits: the one that receives lets go of it several times
for each message, and would wait the usual 5 ms each time."""
GC_THRESHOLD = 200_000
"""New objects between two looks for cyclic garbage."""
app = typer.Typer(help="From the broker to the store: run it, or look after its quarantine.")
quarantine_app = typer.Typer(no_args_is_help=True, help="What could not be stored, with its reasons.")
app.add_typer(quarantine_app, name="quarantine")


@app.callback(invoke_without_command=True)
def run(context: typer.Context, config: Config = DEFAULT) -> None:
    """Collect until told to stop."""
    if context.invoked_subcommand is not None:
        return
    from collector.config import load_settings
    from collector.metrics import Metrics
    from collector.quarantine import Quarantine
    from collector.service import Collector
    from shopfloor.runtime import clock, lifecycle, logs
    from shopfloor.stores.open import open_store

    logs.configure(program="collector")
    settings = load_settings(config)
    broker = settings.broker.open(now=clock.now())
    quarantine = Quarantine(settings.quarantine)
    store = open_store(settings.store)
    metrics = Metrics()
    if settings.metrics_port:
        from prometheus_client import start_http_server

        start_http_server(settings.metrics_port, settings.metrics_bind, metrics.registry)

    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)  # a batch makes some hundred thousand objects at once, none of them in a cycle

    async def program(stop: asyncio.Event) -> None:
        collector = Collector(
            broker,
            store,
            quarantine,
            metrics,
            shared=settings.shared,
            client_id=settings.name if settings.session == "persistent" else None,
            writers=settings.writers,
        )
        await lifecycle.until_stopped(stop, collector=collector.run())

    code = lifecycle.run(program)
    store.close()
    quarantine.close()
    raise typer.Exit(code)


@quarantine_app.command("list")
def list_entries(config: Config = DEFAULT, after: int = 0, limit: int = 50) -> None:
    """List entries, oldest first: number, time, publisher, samples, reasons."""
    from collector.config import load_settings
    from collector.quarantine import Quarantine
    from shopfloor.periods import format_instant

    quarantine = Quarantine(load_settings(config).quarantine)
    for entry in quarantine.entries(after=after, limit=limit):
        typer.echo(f"{entry.id}\t{format_instant(entry.at)}\t{entry.publisher}\t{entry.samples}\t{entry.reasons}")
    entries, samples, lost = quarantine.counts()
    typer.echo(f"{entries} messages with {samples} samples held; {lost} had to go at the bound.", err=True)


@quarantine_app.command("show")
def show(number: int, config: Config = DEFAULT, *, raw: bool = False) -> None:
    """Show one entry with every reason; --raw writes the payload as it came."""
    from collector.config import load_settings
    from collector.quarantine import Quarantine
    from shopfloor.periods import format_instant

    entry = Quarantine(load_settings(config).quarantine).entry(number)
    if entry is None:
        typer.echo(f"There is no entry {number}: `quarantine list` names those that there are.", err=True)
        raise typer.Exit(1)
    if raw:
        typer.echo(entry.raw, nl=False)
        return
    typer.echo(f"{entry.id} of {format_instant(entry.at)}, on {entry.topic}, {entry.size} bytes\n{entry.details}\n")
    typer.echo(entry.raw[:2000].decode("utf-8", "replace"))


@quarantine_app.command("retry")
def retry(numbers: Annotated[list[int] | None, typer.Argument()] = None, config: Config = DEFAULT) -> None:
    """Mark entries, or all of them, for another try by the running collector."""
    from collector.config import load_settings
    from collector.quarantine import Quarantine

    marked = Quarantine(load_settings(config).quarantine).mark(numbers)
    typer.echo(f"{marked} entries are tried again within seconds, while the collector runs.")
