"""`officina billing`: what use costs; months previewed, closed, verified and taken out."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.billing.ledger import Ledger

app = typer.Typer(no_args_is_help=True, help="What use costs: rate a scenario, preview, close and verify months.")
Config = Annotated[Path, typer.Option(help="The API's settings, a TOML file.", exists=True, dir_okay=False)]
Month = Annotated[str, typer.Argument(help="As 2026-10.")]


@app.callback()
def billing() -> None:
    """What use costs."""


@app.command("rate")
def rate(
    scenario: Annotated[Path, typer.Argument(help="A scenario file, TOML; docs/scenario.md describes it.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Everything down to the samples, for a program.")] = False,
    documents: Annotated[
        Path | None, typer.Option(help="A folder for each statement as PDF, XLSX, CSV and FatturaPA.", file_okay=False)
    ] = None,
    language: Annotated[Literal["it", "en"], typer.Option(help="Of the documents.")] = "it",
) -> None:
    """Rate a self-contained scenario, with no server running."""
    from api.billing.scenarios.papers import save
    from api.billing.scenarios.reader import load
    from api.billing.scenarios.report import to_json, to_text

    loaded = load(scenario)
    if documents is not None:
        for reason in save(loaded, documents, language):
            typer.echo(f"No invoice: {reason}.", err=True)
    if as_json:
        typer.echo(json.dumps(to_json(loaded), ensure_ascii=False, indent=2, sort_keys=True))
    else:
        typer.echo(to_text(loaded), nl=False)


@app.command("preview")
def preview(
    month: Month,
    config: Config,
    *,
    member: Annotated[str | None, typer.Option(help="Only this member's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every line down to days and sessions.")] = False,
) -> None:
    """State an open month as if it ended now; nothing is kept but segments."""
    from api.billing.statements import to_data
    from shopfloor.runtime import clock

    with open_ledger(config) as ledger:
        stated = ledger.preview(month, now=clock.now(), member=member, tell=_tell)
    if as_json:
        typer.echo(json.dumps([to_data(each) for each in stated], ensure_ascii=False, indent=2, sort_keys=True))
        return
    for each in stated:
        typer.echo(f"{each.member:<32} net {each.net:>12} EUR   total {each.total:>12} EUR   {len(each.lines)} lines")


@app.command("close")
def close(
    month: Month,
    config: Config,
    *,
    accept: Annotated[str, typer.Option(help="Why unknown time without evidence of use is accepted.")] = "",
    accept_machine: Annotated[list[str] | None, typer.Option(help="The same of one machine: ID=REASON.")] = None,
    issued: Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Of the statements.")] = None,
) -> None:
    """Close a month: its statements get their numbers and never change again. A closed one stays as it is."""
    from api.audit.service import CONSOLE
    from api.billing import closing
    from shopfloor.runtime import clock

    accepted = {closing.EVERY: accept} if accept else {}
    for each in accept_machine or ():
        machine, _, reason = each.partition("=")
        if not reason:
            raise typer.BadParameter(f"{each!r} is no MACHINE=REASON", param_hint="--accept-machine")
        accepted[machine] = reason
    order = closing.Order(month, None if issued is None else issued.date(), accepted)
    with open_ledger(config) as ledger:
        done = closing.close(ledger, CONSOLE, order, now=clock.now(), tell=_tell)
    state = "is closed" if done.is_new else "was closed before, and stays as it is"
    typer.echo(f"{month} {state}: {done.statements} statements.")


@app.command("send")
def send(
    month: Month,
    config: Config,
    *,
    member: Annotated[str | None, typer.Option(help="Only this member's.")] = None,
) -> None:
    """Send the statements of a closed month to their members by e-mail, again if need be; the watch does it."""
    from api.audit.service import CONSOLE
    from api.billing import posting
    from shopfloor.runtime import clock

    with open_ledger(config) as ledger:
        if not ledger.mails:
            typer.echo(f"{config} names no mail server: give it a section [mail].", err=True)
            raise typer.Exit(1)
        with ledger.records.writing() as session:
            rows = posting.rows_of(session, month, member)
            done = posting.queue(session, CONSOLE, rows, now=clock.now())
    if not rows:
        typer.echo(f"{month} has no such statement.", err=True)
        raise typer.Exit(1)
    typer.echo(f"{len(done.sent)} statements are on their way, {len(done.waiting)} were so already.")
    for each in done.without:
        typer.echo(f"{each} has no e-mail address.", err=True)


@app.command("verify")
def verify(
    config: Config,
    *,
    with_store: Annotated[
        bool, typer.Option("--store/--no-store", help="Also build everything from the store.")
    ] = True,
) -> None:
    """Prove the chain, rate every statement again to the same bytes, and compare with what the store gives today."""
    from api.billing.verifying import verify_all
    from shopfloor.runtime import clock

    with open_ledger(config) as ledger:
        verdict = verify_all(ledger, now=clock.now(), with_store=with_store, tell=_tell)
    for fault in verdict.faults:
        typer.echo(fault)
    number, digest = verdict.newest
    typer.echo(f"{verdict.statements} statements; the newest is {number} {digest}")
    for month, amount in verdict.adjusted.items():
        typer.echo(f"{month}: {amount} EUR adjusted, {verdict.pending.get(month, 0)} EUR to be adjusted")
    if verdict.faults:
        raise typer.Exit(1)
    typer.echo("All of them are what they were." if verdict.statements else "Nothing is closed yet.")


@app.command("export")
def export(
    month: Month,
    config: Config,
    folder: Annotated[Path, typer.Option(help="Where to; made if need be.")],
    *,
    form: Annotated[list[str] | None, typer.Option(help="pdf, xlsx, csv or xml; may be given again. Else pdf.")] = None,
) -> None:
    """Write every statement of a closed month to a folder: as it is chained (JSON), and as documents."""
    from api.access.scope import Role, Scope
    from api.billing import service
    from api.billing.handing import MEDIA_TYPES, handed

    forms = form or ["pdf"]
    unknown = sorted(set(forms) - set(MEDIA_TYPES))
    if unknown:
        raise typer.BadParameter(f"there is no form {unknown[0]!r}: pdf, xlsx, csv, xml", param_hint="--form")

    folder.mkdir(parents=True, exist_ok=True)
    with open_ledger(config) as ledger:
        rows = service.statements(ledger.records, Scope(Role.ADMINISTRATOR), month=month)
        for row in rows:
            (folder / f"{month}-{row.member_id}.json").write_text(row.body + "\n", encoding="utf-8")
            with ledger.records.reading() as session:
                for each in forms:
                    name, content = handed(session, row, each, "it")
                    (folder / name).write_bytes(content)
                    typer.echo(folder / name)
    if not rows:
        typer.echo(f"{month} is not closed.", err=True)
        raise typer.Exit(1)


def _tell(step: str, done: int, of: int) -> None:
    end = "\n" if done == of else ""
    typer.echo(f"\r{step}: {done} of {of} ", nl=False, err=True)
    typer.echo(end, nl=False, err=True)


@contextmanager
def open_ledger(config: Path) -> Iterator[Ledger]:
    """Open the books that the API's settings name.

    Raises:
        ExpectedError: they cannot be opened; the sentence says why.
    """
    from api.billing.ledger import Ledger, settled
    from api.records.database import open_records
    from api.settings import load_settings
    from api.usage.kept import UsageDays
    from shopfloor.runtime import logs
    from shopfloor.stores.open import open_store

    logs.configure(program="billing")
    settings = load_settings(config)
    records = open_records(settings.records)
    store = open_store(settings.store)
    try:
        usage = UsageDays(records, store, settings.policy, settled)
        yield Ledger(records, usage, review_days=settings.review_days, mails=settings.mail is not None)
    finally:
        store.close()
        records.close()
