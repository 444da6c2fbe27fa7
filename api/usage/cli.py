"""`officina usage`: what machines did, month by month, read from the telemetry store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from api.usage.report import Month
    from shopfloor.periods import Period
    from shopfloor.samples import Sample
    from shopfloor.states import Stretch
    from shopfloor.stores.port import Store

COUNTER_SAMPLES_MAX = 5_000_000
"""Most counter samples of one machine and month that a report is made from."""
app = typer.Typer(no_args_is_help=True, help="Usage of machines, from the telemetry store.")


@app.callback()
def usage() -> None:
    """Say what machines did, from what the telemetry store holds."""


@app.command()
def report(
    store: Annotated[str, typer.Option(help="Address of the telemetry store, as in the collector's settings.")],
    *,
    machine: Annotated[list[str] | None, typer.Option(help="A machine; may be given again. Else all.")] = None,
    since: Annotated[str, typer.Option("--from", help="First day, 2017-01-31. Else the first with data.")] = "",
    until: Annotated[str, typer.Option("--to", help="Day after the last. Else the one after the last with data.")] = "",
    zone: Annotated[str, typer.Option(help="Whose months they are.")] = "Europe/Rome",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Tell the share of each state by machine and month, and how many decisions a person has to take."""
    from contextlib import closing

    from api.usage.report import render
    from shopfloor.stores.open import open_store

    with closing(open_store(store)) as opened:
        found = [month for each in _spans(opened, machine, since, until, zone) for month in _months(opened, *each)]
    typer.echo(_json(found) if as_json else render(found), nl=False)


def _spans(
    store: Store, machines: list[str] | None, since: str, until: str, zone: str
) -> list[tuple[str, Period, str]]:
    """Return each machine with the period to report on."""
    from shopfloor.errors import ExpectedError
    from shopfloor.periods import DAY, Period

    days: dict[str, list[int]] = {}
    for arrival in store.arrivals(0):
        days.setdefault(arrival.machine, []).append(arrival.day)
    missing = sorted(set(machines or ()) - set(days))
    if missing or not days:
        raise ExpectedError(f"the store holds nothing of {', '.join(missing) or 'any machine'}")
    spans = []
    for name in sorted(machines or days):
        start = _midnight(since, zone) if since else min(days[name]) * DAY
        end = _midnight(until, zone) if until else (max(days[name]) + 1) * DAY
        if start >= end:
            raise ExpectedError(f"{name}: the first day has to lie before the last")
        spans.append((name, Period(start, end), zone))
    return spans


def _midnight(day: str, zone: str) -> int:
    from datetime import datetime
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from shopfloor.errors import ExpectedError
    from shopfloor.periods import from_datetime

    try:
        return from_datetime(datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)))
    except ZoneInfoNotFoundError as error:
        raise ExpectedError(f"there is no time zone {zone!r}: give one like Europe/Rome") from error
    except ValueError as error:
        raise ExpectedError(f"{day!r} is no day: write 2017-01-31") from error


def _months(store: Store, machine: str, period: Period, zone: str) -> list[Month]:
    from api.machines.history import join
    from api.usage.hidden import COUNTERS
    from api.usage.report import TRACES, months, report

    stretches: list[Stretch] = []
    signals = (*COUNTERS, *TRACES)
    said: list[Sample] = list(store.last([machine], signals, period.start).values())
    for _, span in months(period, zone):
        stretches = join(stretches, _states(store, machine, span, period.end))
        said += store.read([machine], signals, span, limit=COUNTER_SAMPLES_MAX)
    return report(machine, stretches, said, period, zone)


def _states(store: Store, machine: str, span: Period, now: int) -> list[Stretch]:
    """Read the states of a span, in halves where it holds more than one reading may."""
    from api.machines.history import join
    from api.machines.past import TooMuchDataError, read_states
    from shopfloor.periods import Period

    try:
        return read_states(store, machine, span, now=now)
    except TooMuchDataError:
        middle = (span.start + span.end) // 2
        halves = Period(span.start, middle), Period(middle, span.end)
        return join(*(_states(store, machine, half, now) for half in halves))


def _json(found: list[Month]) -> str:
    import json

    rows = [
        {
            "machine": month.machine,
            "month": month.month,
            "seconds": {state.value: seconds for state, seconds in sorted(month.seconds.items())},
            "inferred_off_seconds": month.inferred_off_seconds,
            "gaps": month.gaps,
            "hiding_gaps": month.hiding_gaps,
            "questions": month.questions,
        }
        for month in found
    ]
    return json.dumps(rows, indent=2) + "\n"
