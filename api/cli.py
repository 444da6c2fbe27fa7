"""`officina api`: serve, make keys, look at the registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.access.scope import Role
from shopfloor.wire.rights import Kind

if TYPE_CHECKING:
    from api.edges.service import Edges

Config = Annotated[Path, typer.Argument(help="The API's settings, a TOML file.", exists=True, dir_okay=False)]
app = typer.Typer(help="Serve HTTP: machines, live stream, pages.")
key_app = typer.Typer(no_args_is_help=True, help="API keys: who may ask.")
app.add_typer(key_app, name="key")
login_app = typer.Typer(no_args_is_help=True, help="Logins of the broker: who may speak and hear there.")
app.add_typer(login_app, name="login")


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
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer, behind one port.")] = 1,
    worker: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Serve until told to stop."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        raise typer.BadParameter("name the settings file: officina api --config FILE", param_hint="--config")
    from api.server import Worker, run

    if tls:
        from api.certificate import own_certificate
        from shopfloor.runtime import clock

        tls_cert, tls_key = own_certificate(config.parent, now=clock.now())
    if workers > 1:
        from api import workers as group

        certificate = ["--tls-cert", str(tls_cert), "--tls-key", str(tls_key)] if tls_cert and tls_key else []
        arguments = ["--config", str(config), *certificate]
        raise typer.Exit(group.run(config, arguments, workers=workers, tls_cert=tls_cert, tls_key=tls_key))
    one = Worker(*(int(part) for part in worker.split(","))) if worker else None
    raise typer.Exit(run(config, tls_cert=tls_cert, tls_key=tls_key, worker=one))


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


@login_app.command("invite")
def invite_edge(config: Config, name: Annotated[str, typer.Argument(help="The agent's id.")]) -> None:
    """Make a one-time code for an edge agent and show it, this once."""
    from api.audit.service import CONSOLE
    from api.edges.service import UnknownEdgeError
    from shopfloor.errors import ExpectedError
    from shopfloor.periods import format_instant
    from shopfloor.runtime import clock

    try:
        invitation = _edges(config).invite(CONSOLE, name, now=clock.now())
    except UnknownEdgeError as error:
        raise ExpectedError(f"there is no agent {name!r} in the records: add it at /api/v1/edges first") from error
    typer.echo(invitation.code)
    typer.echo(
        f"Until {format_instant(invitation.expires)}, on its machine: officina edge enroll URL {invitation.code}",
        err=True,
    )


@login_app.command("add")
def add_login(
    config: Config,
    name: Annotated[str, typer.Argument(help="User name; the PublisherId of a publisher.")],
    kind: Annotated[Kind, typer.Option(help="What it is; its rights follow from that.")],
    *,
    password_file: Annotated[
        Path | None, typer.Option(help="Where the new password is written to, for its owner alone; else it is shown.")
    ] = None,
) -> None:
    """Give a login to a program or publisher, with a new password; an edge agent is better invited."""
    from api.audit.service import CONSOLE
    from shopfloor.broker_files import make_password
    from shopfloor.runtime import clock
    from shopfloor.settings import write_secret

    password = make_password()
    edges = _edges(config)
    edges.check_name(name, kind)
    if password_file is not None:
        write_secret(password_file, password)
    else:
        typer.echo(password)
        typer.echo("Write it down: it is kept as a hash and cannot be shown again.", err=True)
    edges.add_login(CONSOLE, name, kind, password, now=clock.now())


@login_app.command("remove")
def remove_login(config: Config, name: Annotated[str, typer.Argument(help="User name.")]) -> None:
    """Take a login away; its connections end."""
    from api.audit.service import CONSOLE
    from api.edges.service import UnknownEdgeError
    from shopfloor.errors import ExpectedError
    from shopfloor.runtime import clock

    try:
        _edges(config).remove_login(CONSOLE, name, now=clock.now())
    except UnknownEdgeError as error:
        raise ExpectedError(f"there is no login {name!r}: see `officina api login list`") from error


@login_app.command("list")
def list_logins(config: Config) -> None:
    """Show every login, what it is, and since when it holds its password."""
    from shopfloor.periods import format_instant

    for kept in _edges(config).logins():
        typer.echo(f"{kept.login.principal.name}\t{kept.login.principal.kind}\t{format_instant(kept.since)}")


def _edges(config: Path) -> Edges:
    from api.edges.service import Edges
    from api.edges.store import EdgeStore
    from api.records.database import open_records
    from api.settings import load_settings
    from shopfloor.runtime import logs
    from shopfloor.settings import SettingsError

    logs.configure(program="api")

    settings = load_settings(config)
    if settings.edges is None:
        raise SettingsError(
            f"{config} has no section [edges]: it says where the broker's files are, see docs/brokers.md"
        )
    return Edges(settings.edges, EdgeStore(open_records(settings.records)))
