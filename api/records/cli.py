"""`officina records`: the database of members, machines and people."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Argument(help="The API's settings, a TOML file.", exists=True, dir_okay=False)]
app = typer.Typer(no_args_is_help=True, help="The database of members, machines and people.")
person_app = typer.Typer(no_args_is_help=True, help="What is known of a person: export it, or erase it.")
app.add_typer(person_app, name="person")
EXIT_PROBLEMS = 1


class Sheet(StrEnum):
    """What can be read in and written out."""

    MEMBERS = "members"
    MACHINES = "machines"


@app.command("upgrade")
def upgrade(config: Config) -> None:
    """Bring the database to the version of this program. Make a backup first."""
    from api.records import database
    from api.settings import load_settings

    records = database.connect(load_settings(config).records)
    before = database.version_of(records)
    database.upgrade(records)
    typer.echo(f"from {before.found or 'empty'} to {database.version_of(records).found}")


@app.command("export")
def export(config: Config, what: Annotated[Sheet, typer.Argument(help="What to write.")]) -> None:
    """Write members or machines as CSV to standard output."""
    from api.access.scope import Role, Scope
    from api.records import database, sheets
    from api.settings import load_settings

    records = database.open_records(load_settings(config).records)
    typer.echo(sheets.write(records, Scope(Role.ADMINISTRATOR), what.value), nl=False)


@app.command("import")
def read_in(
    config: Config,
    what: Annotated[Sheet, typer.Argument(help="What the file holds.")],
    file: Annotated[Path, typer.Argument(help="The CSV file.", exists=True, dir_okay=False)],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List every problem, and write nothing.")] = False,
) -> None:
    """Read members or machines in from CSV: every line, or none when one is wrong."""
    from api.audit.service import CONSOLE
    from api.records import database, sheets
    from api.settings import load_settings
    from shopfloor.runtime import clock

    records = database.open_records(load_settings(config).records)
    outcome = sheets.read_in(records, CONSOLE, what.value, file.read_bytes(), now=clock.now(), dry_run=dry_run)
    for each in outcome.problems:
        typer.echo(f"{file}:{each.line}: {each.field + ': ' if each.field else ''}{each.detail}", err=True)
    if outcome.problems:
        typer.echo(f"{len(outcome.problems)} problems; nothing was written", err=True)
        raise typer.Exit(EXIT_PROBLEMS)
    would = "would be " if dry_run else ""
    typer.echo(f"{outcome.added} {would}added, {outcome.changed} {would}changed, {outcome.same} as they were")


@person_app.command("export")
def export_person(config: Config, email: Annotated[str, typer.Argument(help="Whose data.")]) -> None:
    """Write all that is known of a person to standard output, as JSON."""
    import json

    from api.access import personal
    from api.audit.service import CONSOLE, record
    from api.records import database
    from api.records.service import UnknownRecordError
    from api.settings import load_settings
    from shopfloor.errors import ExpectedError
    from shopfloor.runtime import clock

    with database.open_records(load_settings(config).records).writing() as session:
        try:
            person = personal.find(session, email)
        except UnknownRecordError as error:
            raise ExpectedError(f"nobody signs in as {email}: see /api/v1/users for who does") from error
        found = personal.export(session, person)
        record(session, CONSOLE, "export personal data", f"users/{person.id}", now=clock.now())
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False, default=str))


@person_app.command("erase")
def erase_person(
    config: Config,
    email: Annotated[str, typer.Argument(help="Whose data.")],
    *,
    sure: Annotated[bool, typer.Option("--sure", help="There is no way back.")] = False,
) -> None:
    """Erase what names a person; what was charged, decided and recorded stays as it is, under an identifier."""
    from api.access import people, personal
    from api.audit.service import CONSOLE
    from api.maintenance import personal_records
    from api.records import database
    from api.records.service import UnknownRecordError
    from api.settings import load_settings
    from shopfloor.errors import ExpectedError
    from shopfloor.runtime import clock

    if not sure:
        raise typer.BadParameter("there is no way back: say --sure, after an export if the person wants one")
    with database.open_records(load_settings(config).records).writing() as session:
        try:
            person = personal.find(session, email)
        except UnknownRecordError as error:
            raise ExpectedError(f"nobody signs in as {email}: see /api/v1/users for who does") from error
        personal_records.erase(session, person)  # while the name that it looks for is known
        personal.erase(session, CONSOLE, person, now=clock.now())
        if not people.has_administrator(session):
            raise ExpectedError(f"{email} is the only administrator: make another one first; nothing was erased")
    typer.echo(f"Erased. In what stays, the person is {person.id}.")
