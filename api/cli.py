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
    tls: Annotated[
        bool, typer.Option("--tls", help="Speak HTTPS with a certificate that is made and kept beside the settings.")
    ] = False,
) -> None:
    """Serve until told to stop."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        raise typer.BadParameter("name the settings file: officina api --config FILE", param_hint="--config")
    from api.server import run

    if tls:
        from api.certificate import own_certificate
        from shopfloor.runtime import clock

        tls_cert, tls_key = own_certificate(config.parent, now=clock.now())
    raise typer.Exit(run(config, tls_cert=tls_cert, tls_key=tls_key))


@app.command("registry")
def registry(config: Config) -> None:
    """Show what each publisher may publish."""
    from api.records.database import open_records
    from api.records.service import read_park
    from api.settings import load_settings
    from shopfloor.runtime import clock

    park = read_park(open_records(load_settings(config).records), now=clock.now())
    for publisher, entry in sorted(park.registries().items()):
        typer.echo(publisher)
        for machine in entry.machines:
            typer.echo(f"  {machine.machine}\t{len(machine.signals)} signals")
    typer.echo(f"{len(park)} machines; the running API publishes them within seconds.", err=True)


@app.command("link")
def link(config: Config, email: Annotated[str, typer.Argument(help="Whom it is for.")]) -> None:
    """Make a link with which somebody chooses a new password and second factor, once."""
    from sqlalchemy import select

    from api.access import people
    from api.access.tables import Person
    from api.audit.service import CONSOLE
    from api.records.database import open_records
    from api.settings import load_settings
    from shopfloor.runtime import clock

    with open_records(load_settings(config).records).writing() as session:
        person = session.scalars(select(Person).where(Person.email == email.strip().lower())).one_or_none()
        if person is None:
            raise typer.BadParameter(f"nobody signs in as {email}", param_hint="EMAIL")
        made = people.new_link(session, CONSOLE, person, now=clock.now())
    typer.echo(made.path)
    typer.echo("It goes after the address of the pages, and works once.", err=True)


@key_app.command("add")
def add_key(
    config: Config,
    role: Annotated[Role, typer.Option(help="What the holder may do.")],
    *,
    member: Annotated[str | None, typer.Option(help="The firm that a member speaks for.")] = None,
    site: Annotated[list[str] | None, typer.Option(help="Bind the key to a site; may be given again.")] = None,
    name: Annotated[str, typer.Option(help="Who or what holds it.")] = "",
    writes: Annotated[bool, typer.Option("--writes", help="Let it change what its role may change.")] = False,
    days: Annotated[int, typer.Option(min=0, help="It expires after so many days; 0 for never.")] = 365,
) -> None:
    """Make a key and show it, this once."""
    from api.access import people
    from api.audit.service import CONSOLE
    from api.records.database import open_records
    from api.records.rules import InvalidRecordError
    from api.settings import load_settings
    from shopfloor.runtime import clock

    known_as = name or (f"{role} {member}" if member else role.value)
    wanted = people.Wanted(role, member, site or None)
    try:
        with open_records(load_settings(config).records).writing() as session:
            token, _ = people.add_key(
                session, CONSOLE, known_as, wanted, writes=writes, days=days or None, now=clock.now()
            )
    except InvalidRecordError as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo(token)
    typer.echo("Write it down: it is kept as a hash and cannot be shown again.", err=True)
