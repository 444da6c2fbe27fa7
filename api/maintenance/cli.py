"""`officina rules`: what is watched, and what a rule would have said over the past."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shopfloor.errors import ExpectedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.maintenance.backtest import Result
    from api.maintenance.rules import Rule
    from shopfloor.samples import Sample

app = typer.Typer(no_args_is_help=True, help="What is watched, and what a rule would have said over the past.")
RulesFile = Annotated[
    Path | None, typer.Option("--rules", help="Your own rules, a TOML file; they change and add to those shipped.")
]
_DAY_SECONDS = 86_400


@app.command("list")
def list_rules(
    rules: RulesFile = None,
    kind: Annotated[
        str, typer.Option(help="Kind of machine, for example mill; empty for rules that are for all.")
    ] = "",
) -> None:
    """List the rules with their limits' sources."""
    from api.maintenance.rules import for_kind

    for rule in for_kind(_rules(rules), kind):
        typer.echo(
            f"{rule.id}@{rule.version}  {type(rule.how).__name__.lower()}  {rule.signal or '-'}  {rule.severity}"
        )
        typer.echo(f"    {rule.title}. Source: {rule.source}.")


@app.command("test")
def try_rule(
    rule: Annotated[str, typer.Argument(help="The rule's id, or `all`.")],
    source: Annotated[list[str], typer.Argument(help="A store's address, or the files of a recording.")],
    *,
    rules: RulesFile = None,
    classes: Annotated[Path | None, typer.Option(help="Your own class map of the controls' alarms.")] = None,
    machine: Annotated[str, typer.Option(help="The machine in the store.")] = "machine",
    kind: Annotated[str, typer.Option(help="Kind of machine.")] = "",
    maker: Annotated[str, typer.Option(help="Maker of the control, for its alarms.")] = "",
    signal: Annotated[list[str] | None, typer.Option(help="What a table's value is, or an added signal.")] = None,
    start: Annotated[str, typer.Option("--from", help="RFC 3339; the beginning of the span in the store.")] = "",
    end: Annotated[str, typer.Option("--to", help="RFC 3339; its end.")] = "",
    service: Annotated[
        list[str] | None, typer.Option(help="A known failure or service, RFC 3339; again for more.")
    ] = None,
) -> None:
    """Show what a rule would have said: each episode, how many a month, how long before what is known.

    The rule does not have to be enabled. It is judged by the code that judges live.
    """
    from api.maintenance.backtest import run
    from api.maintenance.catalogue import read_classes, shipped_classes
    from api.maintenance.fold import MachineFold
    from shopfloor.periods import parse_instant

    chosen = _chosen(_rules(rules), rule, kind)
    known = read_classes(classes) if classes else shipped_classes()
    if "://" in source[0] or source[0].startswith("sqlite:"):
        samples = _stored(source[0], machine, chosen, tuple(signal or ()), (start, end))
    else:
        from api.maintenance.recordings import read_recording

        samples = read_recording([Path(each) for each in source], machine, (signal or [""])[0])
    result = run(MachineFold(machine, chosen, known, maker), samples)
    _show(result, [parse_instant(each) for each in service or ()])


def _rules(path: Path | None) -> tuple[Rule, ...]:
    from api.maintenance.catalogue import read_rules, shipped_rules

    return read_rules(path) if path else shipped_rules()


def _chosen(rules: Sequence[Rule], name: str, kind: str) -> Sequence[Rule]:
    from api.maintenance.rules import for_kind

    if name == "all":
        return for_kind(rules, kind)
    chosen = [rule for rule in rules if rule.id == name]
    if not chosen:
        raise ExpectedError(f"there is no rule {name!r}; `officina rules list` names them: "
                            f"{', '.join(rule.id for rule in rules)}")  # fmt: skip
    return chosen


def _stored(
    address: str, machine: str, rules: Sequence[Rule], more: tuple[str, ...], span: tuple[str, str]
) -> Sequence[Sample]:
    from api.maintenance.stored import read_stored, signals_of
    from shopfloor.periods import Period, parse_instant
    from shopfloor.stores.open import open_store

    start, end = span
    if not start or not end:
        raise ExpectedError("say which span of the store: --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z")
    period = Period(parse_instant(start), parse_instant(end))
    store = open_store(address)
    try:
        samples = list(read_stored(store, machine, signals_of(rules, more), period))
    finally:
        store.close()
    if not samples:
        raise ExpectedError(f"{address} holds nothing of {machine} between {start} and {end}")
    return samples


def _show(result: Result, known: Sequence[int]) -> None:
    from shopfloor.periods import SECOND, format_instant

    typer.echo(f"{format_instant(result.period.start)} to {format_instant(result.period.end)}")
    for each in result.episodes:
        until = format_instant(each.returned) if each.returned else "still active"
        figures = ", ".join(f"{key} {value}" for key, value in each.change.evidence.items() if value not in {"", None})
        typer.echo(f"  {format_instant(each.raised)} to {until}  {each.rule} {each.subject}  [{figures}]")
    days = max((result.period.end - result.period.start) / SECOND / _DAY_SECONDS, 0.001)
    typer.echo(f"{len(result.episodes)} episodes, {len(result.incidents)} incidents ({result.per_month:.2f} a month), "
               f"{len(result.messages)} messages in {days:.1f} days")  # fmt: skip
    for instant in known:
        before = [each for each in result.episodes if instant - 7 * _DAY_SECONDS * SECOND <= each.raised <= instant]
        lead = (
            f"raised {(instant - before[-1].raised) / SECOND / 3600:.1f} h before"
            if before
            else "nothing within 7 days before"
        )
        typer.echo(f"  {format_instant(instant)}: {lead}")
    for name, service in result.fold.services().items():
        due = service.due(result.fold.position)
        text = format_instant(due.at // SECOND * SECOND) if due.at else "no recent use to forecast from"
        by_counter = format_instant(due.by_counter // SECOND * SECOND) if due.by_counter else "none"
        typer.echo(f"  {name}: {due.used / 3600:.1f} h used since adoption; due {text} by {due.by}; "
                   f"by the counter alone {by_counter}")  # fmt: skip
    if unknown := result.fold.unknown_codes():
        most = sorted(unknown.items(), key=lambda entry: -entry[1])[:10]
        typer.echo(f"  {len(unknown)} codes that the class map does not know: "
                   f"{', '.join(f'{name} ({count})' for name, count in most)}")  # fmt: skip
