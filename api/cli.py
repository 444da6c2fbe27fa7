"""`officina api`: serve, make keys, look at the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.access.scope import Role

Config = Annotated[Path, typer.Argument(help="The API's settings, a TOML file.", exists=True, dir_okay=False)]
app = typer.Typer(help="Serve HTTP: machines, live stream, pages.")
key_app = typer.Typer(no_args_is_help=True, help="API keys: who may ask.")
app.add_typer(key_app, name="key")


@app.callback(invoke_without_command=True)
def api(
    context: typer.Context,
    *,
    config: Annotated[
        Path | None, typer.Option(help="The API's settings, a TOML file.", exists=True, dir_okay=False)
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate chain; needed on any address but this machine's own.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key.")] = None,
) -> None:
    """Serve until told to stop."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        raise typer.BadParameter("name the settings file: officina api --config FILE", param_hint="--config")
    from api.server import run

    raise typer.Exit(run(config, tls_cert=tls_cert, tls_key=tls_key))


@app.command("registry")
def registry(config: Config) -> None:
    """Check the machines file, and show what each publisher may publish."""
    from api.machines.park import read_park
    from api.settings import load_settings

    park = read_park(load_settings(config).machines_file)
    for publisher, entry in sorted(park.registries().items()):
        typer.echo(publisher)
        for machine in entry.machines:
            typer.echo(f"  {machine.machine}\t{len(machine.signals)} signals")
    typer.echo(f"{len(park)} machines; the running API publishes them within seconds.", err=True)


@key_app.command("add")
def add_key(
    config: Config,
    role: Annotated[Role, typer.Option(help="What the holder may do.")],
    *,
    member: Annotated[str | None, typer.Option(help="The firm that a member speaks for.")] = None,
    site: Annotated[list[str] | None, typer.Option(help="Bind the key to a site; may be given again.")] = None,
    name: Annotated[str, typer.Option(help="Who or what holds it.")] = "",
) -> None:
    """Make a key and show it, this once."""
    from api.access.keys import add_key as keep
    from api.access.keys import make_key
    from api.settings import load_settings
    from shopfloor.runtime import clock

    settings = load_settings(config)
    try:
        token, key = make_key(role=role, now=clock.now(), name=name, member=member, sites=site or ())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    keep(settings.keys_file, key)
    typer.echo(token)
    typer.echo("Write it down: it is kept as a hash and cannot be shown again.", err=True)
