"""What a month comes to: other prices tried on it, a forecast, and use with money."""

from __future__ import annotations

import math
from calendar import monthrange
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from api.billing import service
from api.billing.calendars import day_of, next_month
from api.billing.money import CENT, ZERO
from api.billing.rating import rate_machine
from api.billing.reports import Report, Works
from api.billing.stating import OF_MACHINES
from api.records.tables import Machine
from api.usage.service import corrections
from shopfloor.periods import SECOND, format_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date
    from decimal import Decimal

    from sqlalchemy.orm import Session

    from api.access.scope import Scope
    from api.billing.ledger import Ledger
    from api.billing.pricelist import Entry
    from api.billing.reports import By, Sum
    from api.billing.statements import Statement

OPEN_DAYS = 62
"""How far back doubts are listed while no month is closed."""
_ONE_DAY = timedelta(days=1)
_ENOUGH_DAYS = 7
"""A range needs so many whole days: any week has five workdays and two days off."""
_SATURDAY = 5


def differences(
    ledger: Ledger, month: str, entries: Sequence[Entry], removed: Iterable[str], *, now: int
) -> list[tuple[str, Decimal, Decimal]]:
    """Return each member's net of a month at the prices that are kept, and at others.

    Args:
        ledger: of the house.
        month: as `2026-10`; a closed one is looked at as it is known today.
        entries: to be added to the price list.
        removed: identifiers of entries to be left out.
        now: the present.

    Raises:
        BadScenarioError: the prices do not fit together.
        UnpricedError: there would be use that no tariff covers.
        StoreUnavailableError: the store did not answer.
    """
    before = {each.member: each.net for each in ledger.preview(month, now=now)}
    with ledger.records.reading() as session:
        ground, _ = ledger.ground(session, month)
        gone = set(removed)
        kept = [each for each in service.entries(session) if each.id not in gone]
        prices = service.read_tried(session, ledger.zone, [*kept, *entries], ground.groups)
        after = {each.member: each.net for each in ledger.preview_with(session, month, prices=prices)}
    members = sorted(before.keys() | after.keys())
    return [(member, before.get(member, ZERO), after.get(member, ZERO)) for member in members]


def forecast(stated: Statement, *, now: int) -> Decimal:
    """Return what an open month comes to when the use of machines goes on as until now; what is fixed stays."""
    passed = min(now, stated.period.end) - stated.period.start
    used = sum((line.amount for line in stated.lines if _is_use(line.basis, line.corrects)), ZERO)
    if passed < SECOND:
        return stated.net
    whole = stated.period.end - stated.period.start
    return (stated.net - used + used * whole / passed).quantize(CENT)


def forecast_range(stated: Statement, *, now: int, today: date) -> tuple[Decimal, Decimal] | None:
    """Return between what an open month may come to: every day to come like a quiet day so far, or like a busy one.

    Args:
        stated: the month as if it ended now.
        now: the present.
        today: the civil day of the present.

    Returns:
        None when the month is not open, while less than a week has passed, and where the forecast is not between the
        two: then few days make the month, and quartiles of days say nothing about them.
    """
    if not stated.period.start <= now < stated.period.end:
        return None
    days = [today.replace(day=each) for each in range(1, monthrange(today.year, today.month)[1] + 1)]
    spent = dict.fromkeys(days, ZERO)
    for line in stated.lines:
        if _is_use(line.basis, line.corrects):
            for part in line.parts:
                if part.day in spent:
                    spent[part.day] += part.amount
    found = _spread(stated.net, spent, today)
    return found if found and found[0] <= forecast(stated, now=now) <= found[1] else None


def _spread(net: Decimal, spent: Mapping[date, Decimal], today: date) -> tuple[Decimal, Decimal] | None:
    """Add to a net the quartiles of the whole days so far, workdays and days off told apart, for the days to come."""
    if len([day for day in spent if day < today]) < _ENOUGH_DAYS:
        return None
    low = high = net
    for off in (False, True):
        same = [day for day in spent if (day.weekday() >= _SATURDAY) == off]
        past = sorted(spent[day] for day in same if day < today)
        quiet, busy = _quartile(past, 1), _quartile(past, 3)
        for day in same:
            if day >= today:  # what today has cost already is in the net
                low += max(ZERO, quiet - spent[day])
                high += max(ZERO, busy - spent[day])
    return low.quantize(CENT), high.quantize(CENT)


def _quartile(values: Sequence[Decimal], quarter: int) -> Decimal:
    whole, rest = divmod((len(values) - 1) * quarter, 4)
    following = values[min(whole + 1, len(values) - 1)]
    return values[whole] + (following - values[whole]) * rest / 4


def _is_use(basis: object, corrects: object) -> bool:
    return basis in OF_MACHINES and corrects is None


def used(
    ledger: Ledger,
    by: Sequence[By],
    days: tuple[date, date],
    *,
    now: int,
    member: str | None = None,
    machine: str | None = None,
    deadline: float = math.inf,
) -> list[tuple[tuple[str, ...], Sum]]:
    """Return use and money by some of what they may be told apart by.

    Args:
        ledger: of the house.
        by: the keys, in order.
        days: first and last civil day.
        now: the present.
        member: only of this member.
        machine: only of this machine.
        deadline: when what is kept has to do, on the clock of `time.monotonic`.

    Raises:
        UnpricedError: there is use that no tariff covers.
        StoreUnavailableError: the store did not answer.
    """
    first, last = days
    usage = ledger.usage
    months = sorted({f"{first + timedelta(days=each):%Y-%m}" for each in range((last - first).days + 1)})
    begin, end = ledger.days(months[0])[0] - _ONE_DAY, ledger.days(months[-1])[1] + _ONE_DAY
    machines = [each for each in usage.machines() if machine in {None, each}]
    usage.refresh(machines, begin, end, now=now, deadline=deadline)
    with ledger.records.reading() as session:
        sites = {row.id: row.site_id for row in session.execute(select(Machine.id, Machine.site_id))}
        report = Report(by, sites, ledger.zone, first, last)
        for each in machines:
            works = Works(usage.work(session, each, first, last))
            time = usage.segments(session, first, last, machine=each, payer=member).get(each, [])
            report.take_time(time, works)
            for month in months:
                ground, _ = ledger.ground(session, month)
                segments = ledger.kept(session, month, each, payer=member)[1]
                lines = rate_machine(each, segments, ground.terms())
                report.take_lines((line for line in lines if member in {None, line.member}), works)
        for month in months:
            lines = ledger.beside(session, month)
            report.take_lines((line for line in lines if member in {None, line.member}), Works(()))
    return report.rows


def open_since(session: Session, ledger: Ledger, now: int) -> tuple[date, date]:
    """Return the first and the last day on which something may still be decided for the next month to be closed."""
    closed, today = service.last_closed(session), day_of(now, ledger.zone)
    return (ledger.days(next_month(closed))[0] if closed else today - OPEN_DAYS * _ONE_DAY), today


def decisions(ledger: Ledger, scope: Scope, *, now: int) -> list[dict[str, Any]]:
    """Return what somebody has to decide before the next month can be closed, the oldest first.

    Returns:
        Rows as the list of decisions shows them, each with a `key` that orders it.
    """
    with ledger.records.reading() as session:
        since, _ = open_since(session, ledger, now)
        found = [
            _doubt(machine, doubt)
            for machine, _, held in service.doubtful_days(session, scope, since)
            for doubt in held
        ]
    for row in corrections(ledger.records, scope, only_open=True):
        start, end = format_instant(row.starts), format_instant(row.ends)
        found.append(
            _decision(
                "correction",
                (start, end),
                [row.reason],
                machine=row.machine_id,
                member=row.member_id,
                row_id=row.id,
            )
        )
    for contest in service.contests(ledger.records, scope, only_open=True):
        start, end = (format_instant(each) for each in ledger.period(contest.month))
        evidence = [contest.reference, contest.reason]
        found.append(_decision("contest", (start, end), evidence, member=contest.member_id, row_id=contest.id))
    return sorted(found, key=lambda row: str(row["key"]))


def _doubt(machine: str, doubt: Sequence[Any]) -> dict[str, Any]:
    start, end, reason, evidence = doubt
    return _decision(reason, (format_instant(start), format_instant(end)), evidence, machine=machine)


def _decision(
    kind: str,
    period: tuple[str, str],
    evidence: Sequence[str],
    *,
    machine: str | None = None,
    member: str | None = None,
    row_id: str | None = None,
) -> dict[str, Any]:
    return {
        "key": f"{period[0]} {kind} {machine} {row_id}",
        "kind": kind,
        "machine": machine,
        "member": member,
        "from": period[0],
        "to": period[1],
        "id": row_id,
        "evidence": list(evidence),
    }
