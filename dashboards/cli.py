"""`officina dashboards`: render boards as files, compare them with a running Grafana, push them there."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dashboards.panels import Json
    from dashboards.publish import Change, Grafana
    from dashboards.settings import Settings

Config = Annotated[
    Path, typer.Option("--config", "-c", help="The boards' settings, a TOML file.", exists=True, dir_okay=False)
]
DEFAULT = Path("dashboards.toml")
DIFFERS = 1
app = typer.Typer(no_args_is_help=True, help="Boards of the staff for Grafana: render, push, diff.")


@app.command()
def render(
    folder: Annotated[Path, typer.Argument(help="Where the files are written to.")], config: Config = DEFAULT
) -> None:
    """Write boards, data sources and providers as files that Grafana reads at its start."""
    from dashboards.provisioning import files
    from dashboards.settings import load_settings

    settings = load_settings(config)
    sources = _sources(settings, f"$__file{{{settings.provisioning.secret_file}}}")
    wanted = files(_boards(settings), sources, folder=settings.provisioning.folder)
    for old in set((folder / "boards").glob("officina-*.json")) - {folder / path for path in wanted}:
        old.unlink()
        typer.echo(f"removed  {old}")
    for path, text in wanted.items():
        file = folder / path
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        typer.echo(f"written  {file}")


@app.command()
def diff(config: Config = DEFAULT) -> None:
    """Show what a push would change; exits with 1 when there is something."""
    from dashboards.publish import compare
    from dashboards.settings import load_settings

    settings = load_settings(config)
    with _opened(settings) as grafana:
        changes = compare(
            grafana,
            _boards(settings),
            _sources(settings, settings.store.secret()),
            viewers_are_staff=bool(settings.grafana and settings.grafana.viewers_are_staff),
        )
    for change in changes:
        _tell(change)
    typer.echo(f"{len(changes)} to change." if changes else "Nothing to change.", err=True)
    raise typer.Exit(DIFFERS if changes else 0)


@app.command()
def push(
    config: Config = DEFAULT,
    *,
    renew_secrets: Annotated[
        bool, typer.Option("--renew-secrets", help="Send the store's token again, after it was changed.")
    ] = False,
) -> None:
    """Make a running Grafana show the boards; what is there already is left alone."""
    from dashboards.publish import compare, health
    from dashboards.settings import load_settings

    settings = load_settings(config)
    sources = _sources(settings, settings.store.secret())
    with _opened(settings) as grafana:
        changes = compare(
            grafana,
            _boards(settings),
            sources,
            viewers_are_staff=bool(settings.grafana and settings.grafana.viewers_are_staff),
            renew_secrets=renew_secrets,
        )
        for change in changes:
            change.apply()
            _tell(change)
        for trouble in health(grafana, sources):
            typer.echo(f"Warning: {trouble}", err=True)
    typer.echo(f"{len(changes)} changed." if changes else "Nothing to change.", err=True)


def _tell(change: Change) -> None:
    typer.echo(f"{change.verb:<8} {change.what}")
    for line in change.differences:
        typer.echo(f"           {line}")


@contextmanager
def _opened(settings: Settings) -> Iterator[Grafana]:
    from dashboards.publish import Grafana, check
    from shopfloor.settings import SettingsError

    if settings.grafana is None:
        raise SettingsError("the settings name no Grafana: add [grafana] with its url and token_file")
    grafana = Grafana(settings.grafana)
    try:
        for warning in check(grafana):
            typer.echo(f"Warning: {warning}", err=True)
        yield grafana
    finally:
        grafana.close()


def _boards(settings: Settings) -> list[Json]:
    from dashboards.boards import Style, boards

    style = Style(settings.language, settings.theme, settings.time_zone)
    return boards(style, metrics=settings.metrics is not None)


def _sources(settings: Settings, secret: str) -> Sequence[Json]:
    from dashboards.provisioning import StoreLogin, metrics_source, store_source

    store = settings.store
    sources = [store_source(store.url, store.database, StoreLogin(store.version, store.username, secret))]
    return [*sources, metrics_source(settings.metrics.url)] if settings.metrics is not None else sources
