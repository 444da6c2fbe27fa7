"""The pages of what use costs: a month that goes on, and how it compares with the one before."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from datetime import date, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from api import formats
from api.access.scope import Role
from api.billing import service
from api.billing.calendars import civil_month, day_of, month_of, next_month
from api.billing.documents.document import Document, Issuer
from api.billing.endpoints import put_budget, whose
from api.billing.handing import document_of
from api.billing.money import ZERO
from api.billing.previews import forecast, forecast_range, used
from api.billing.reports import By
from api.billing.schemas import BudgetIn
from api.billing.statements import compose
from api.billing.tariffs import UnpricedError
from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.pages import times
from api.pages.money_rows import NAMES, by_day, curve, money, rules
from api.pages.page import Page, PageDep  # noqa: TC001 - read when routes are made
from api.records.endpoints import WriterDep  # noqa: TC001 - read when routes are made
from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from api.access.scope import Scope
    from api.billing.reports import Sum
    from api.billing.statements import Line, Statement
    from api.billing.tables import Budget, IssuedStatement
    from api.deps import Services
    from api.pages.words import Words

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
LATEST = 3
"""Closed statements beside a month."""
PATIENCE_SECONDS = 3.0
"""How long a page works out what is not kept yet (after an outage or an import) before it shows what there is."""
_MONTH = re.compile(r"2[0-9]{3}-(0[1-9]|1[0-2])", re.ASCII)
_WARN_PERCENT = 80
_COLUMNS = (State.PROCESSING, State.SETUP, State.IDLE)


class Row(NamedTuple):
    """Use of one key: hours by state, energy, parts, money."""

    name: str
    key: str
    hours: list[str]
    energy: str
    parts: str
    net: str


class Told(NamedTuple):
    """A month of one member, and what it is compared with."""

    stated: Statement
    before: list[Line]
    budget: Budget | None
    latest: list[IssuedStatement]
    fates: Mapping[int, service.Fate]
    machines: Mapping[str, str]
    name: str
    contested: int
    left: int


def month_asked(page: Page) -> str:
    """Return the month of an address; the present one where it names none."""
    asked = page.asked("month", 7)
    return asked if _MONTH.fullmatch(asked) else month_of(page.now, page.found.ledger.zone)


def month_before(month: str) -> str:
    """Return the month before one."""
    return f"{(date.fromisoformat(f'{month}-01') - timedelta(days=1)):%Y-%m}"


def stated_of(found: Services, scope: Scope, month: str, member: str, *, since: str, now: int) -> tuple[Statement, int]:
    """Return what a member's open month comes to, and how many days of machines are not worked out yet.

    Args:
        found: services.
        scope: of the caller.
        month: which; where nothing is charged in it, the statement has no lines.
        member: whose.
        since: the first month that is brought up to date.
        now: the present.

    Raises:
        UnknownRecordError: there is no such member, or it is not the caller's to see.
    """
    with found.records.reading() as session:
        service.check_member(session, scope, member)
    ledger = found.ledger
    left = ledger.bring_up(since, month, now=now, deadline=time.monotonic() + PATIENCE_SECONDS)
    with found.records.reading() as session:
        stated = ledger.preview_with(session, month, member=member)
    return stated[0] if stated else compose(member, month, civil_month(month, ledger.zone), ledger.zone.key, ()), left


def draft(stated: Statement, name: str, machines: Mapping[str, str], house: str) -> Document:
    """Return an open month as a document without a number."""
    customer = Issuer(legal_name=name)
    return Document(statement=stated, issuer=Issuer(legal_name=house), customer=customer, machines=machines)


@router.get("/charges")
async def charges_page(page: PageDep, found: ServicesDep) -> Response:
    """What a month has cost so far; for the administrator that of every firm, or of the one that is chosen."""
    member, month = whose(page.scope, page.asked("member", 63) or None), month_asked(page)
    try:
        if member is None:
            return page.show("charges/house.html", **await asyncio.to_thread(_house, page, found, month))
        by = page.asked("by", 8) if page.asked("by", 8) in NAMES else "machine"
        values = await asyncio.to_thread(_month, page, found, month, member)
        table = await asyncio.to_thread(_table, page, found, values["told"], By(by))
    except UnpricedError as error:
        return unpriced(page, error)
    kinds = [(key, page.say(text)) for key, text in NAMES.items()]
    return page.show("charges/month.html", **values, **table, by=by, kinds=kinds, errors={})


def unpriced(page: Page, error: UnpricedError) -> Response:
    """Say that there is use which no tariff covers, and who mends it."""
    title = page.say("This month cannot be calculated yet")
    detail = page.say("There is use that no tariff covers. The consortium adds one to the price list.")
    if page.scope.role is Role.ADMINISTRATOR:
        detail = str(error)
    return page.show("problem.html", HTTPStatus.CONFLICT, title=title, detail=detail)


@router.post("/charges/budget")
async def save_budget(page: PageDep, writer: WriterDep) -> Response:
    """Keep what a member means to spend in a month; an empty amount for no budget."""
    form = await page.form()
    member = whose(page.scope, form.text("member", 63) or None) or ""
    typed = form.text("amount", 20).replace(" ", "").replace("\N{NO-BREAK SPACE}", "")
    amount = typed.replace(".", "").replace(",", ".") if "," in typed else typed
    asked = urlencode({"member": member}) if page.scope.role is Role.ADMINISTRATOR else ""
    try:
        given = BudgetIn.model_validate(
            {"amount": amount or None, "warn_percent": form.text("warn", 3) or _WARN_PERCENT}
        )
    except ValidationError:
        return page.go(f"/charges?{asked}&budget=wrong#budget")
    await put_budget(writer, page.scope, member, given)
    return page.go(f"/charges?{asked}&budget=saved#budget")


def _house(page: Page, found: Services, month: str) -> dict[str, Any]:
    """Read what a month has cost every firm."""
    language = page.look.language
    left = found.ledger.bring_up(month, month, now=page.now, deadline=time.monotonic() + PATIENCE_SECONDS)
    with found.records.reading() as session:
        stated = found.ledger.preview_with(session, month)
        names = service.member_names(session)
        budgets = {each.member: service.budget(session, each.member) for each in stated}
    rows = [
        {
            "member": each.member,
            "name": names.get(each.member, each.member),
            "net": money(each.net, language),
            "tax": money(each.tax, language),
            "total": money(each.total, language),
            "forecast": money(forecast(each, now=page.now), language),
            "reached": _reached(budgets[each.member], each.net),
        }
        for each in sorted(stated, key=lambda each: names.get(each.member, each.member).casefold())
    ]
    sums = {
        name: money(sum((getattr(each, name) for each in stated), ZERO), language) for name in ("net", "tax", "total")
    }
    sums["forecast"] = money(sum((forecast(each, now=page.now) for each in stated), ZERO), language)
    return {"rows": rows, "sums": sums, "left": left, **_months(page, month)}


def _months(page: Page, month: str) -> dict[str, Any]:
    present = month_of(page.now, page.found.ledger.zone)
    return {
        "month": month,
        "month_name": formats.month(month, page.look.language),
        "before": month_before(month),
        "before_name": formats.month(month_before(month), page.look.language),
        "after": next_month(month) if month < present else "",
        "is_present": month == present,
        "at": f"{times.local(page.now, page.zone):%H:%M}",
    }


def _reached(budget: Budget | None, net: Decimal) -> tuple[int, bool] | None:
    if budget is None or not budget.amount:
        return None
    percent = int(net * 100 / budget.amount)
    return percent, percent >= budget.warn_percent


def _told(page: Page, found: Services, month: str, member: str) -> Told:
    ledger = found.ledger
    latest = service.statements(found.records, page.scope, member=member)
    closed = {row.closing: row for row in latest}
    earlier = month_before(month)
    since = month if earlier in closed else earlier
    stated, left = stated_of(found, page.scope, month, member, since=since, now=page.now)
    held = service.contests(found.records, page.scope, only_open=False)
    with found.records.reading() as session:
        if earlier in closed:
            previous = [document_of(session, closed[earlier]).statement]
        else:
            previous = ledger.preview_with(session, earlier, member=member)
        return Told(
            stated,
            [line for each in previous for line in each.lines],
            service.budget(session, member),
            latest[::-1],
            service.fates(session),
            service.machine_names(session),
            service.member_names(session).get(member, member),
            len([each for each in held if (each.month, each.member_id) == (month, member)]),
            left,
        )


def _month(page: Page, found: Services, month: str, member: str) -> dict[str, Any]:
    """Read what a month has cost one firm."""
    language = page.look.language
    told = _told(page, found, month, member)
    stated, budget = told.stated, told.budget
    first, last = found.ledger.days(month)
    today = min(last, max(first, day_of(page.now, found.ledger.zone)))
    present = by_day(stated.lines, last.day)[: today.day]
    past = by_day(told.before, (first - timedelta(days=1)).day)
    same_day = past[min(today.day, len(past)) - 1]
    difference = stated.net - same_day
    percent = difference * 100 / same_day if same_day else None
    expected = forecast(stated, now=page.now)
    between = forecast_range(stated, now=page.now, today=today)
    amount = None if budget is None else budget.amount
    return {
        "told": told,
        "left": told.left,
        "member": member,
        "firm": told.name,
        "is_administrator": page.scope.role is Role.ADMINISTRATOR,
        **_months(page, month),
        "net": money(stated.net, language),
        "tax": money(stated.tax, language),
        "total": money(stated.total, language),
        "until": times.day(today, page.say),
        "forecast": money(expected, language),
        "between": None if between is None else [money(each, language) for each in between],
        "same_day": money(same_day, language),
        "difference": ("+" if difference > 0 else "") + money(difference, language),
        "percent": "" if percent is None else f"{formats.number(percent, language, most=1)}\N{NO-BREAK SPACE}%",
        "budget": None if amount is None else money(amount, language),
        "budget_typed": "" if amount is None else formats.money(amount, language),
        "warn": _WARN_PERCENT if budget is None else budget.warn_percent,
        "reached": _reached(budget, stated.net),
        "will_exceed": amount is not None and expected > amount,
        "curve": curve(present, past, amount, language),
        "rules": rules(draft(stated, told.name, told.machines, page.found.pages.house), language),
        "latest": statement_rows(told.latest[:LATEST], told.fates, page.say),
        "contested": told.contested,
        "said": page.asked("budget", 5),
    }


def statement_rows(
    rows: Sequence[IssuedStatement],
    fates: Mapping[int, service.Fate],
    say: Words,
    names: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Return closed statements as pages list them."""
    found = []
    for row in rows:
        body = json.loads(row.body)
        fate = fates.get(row.number)
        found.append({
            "id": str(row.number),
            "number": body["number"],
            "month": formats.month(row.closing, say.language),
            "issued": times.full_day(date.fromisoformat(body["issued"]), say),
            "net": money(row.net, say.language),
            "total": money(row.total, say.language),
            "is_paid": fate is not None and fate.is_paid,
            "invoices": bool(body["issuer"].get("invoices")),
            "firm": (names or {}).get(row.member_id, row.member_id),
        })  # fmt: skip
    return found


def _table(page: Page, found: Services, told: Told, by: By) -> dict[str, Any]:
    """Read use and money of a month by one key, with hours by state; what is charged beside comes last."""
    language = page.look.language
    first, last = found.ledger.days(told.stated.month)
    last = min(last, max(first, day_of(page.now, found.ledger.zone)))
    kept = -math.inf if told.left else math.inf
    rows = used(
        found.ledger,
        [by, By.STATE, By.MACHINE],
        (first, last),
        now=page.now,
        member=told.stated.member,
        deadline=kept,
    )
    keys: dict[str, dict[str, Sum]] = {}
    for (key, state, machine), total in rows:
        if machine:
            _add(keys.setdefault(key, {}), state, total)
    shown = [_row(_named(page, told, by, key), key, states, page.say) for key, states in sorted(keys.items())]
    covered = sum((total.net for states in keys.values() for total in states.values()), ZERO)
    everything: dict[str, Sum] = {}
    for states in keys.values():
        for state, total in states.items():
            _add(everything, state, total)
    rest = told.stated.net - covered
    foot = _row(page.say("Net so far"), "", everything, page.say)._replace(net=money(told.stated.net, language))
    return {
        "rows": shown,
        "besides": money(rest, language) if rest else "",
        "foot": foot,
        "from_day": first.isoformat(),
        "to_day": (last + timedelta(days=1)).isoformat(),
    }


def _add(sums: dict[str, Sum], name: str, more: Sum) -> None:
    total = sums.setdefault(name, type(more)())
    total.seconds += more.seconds
    total.energy += more.energy
    total.pieces += more.pieces
    total.net += more.net


def _named(page: Page, told: Told, by: By, key: str) -> str:
    if by is By.MACHINE:
        return told.machines.get(key, key)
    if by is By.DAY and key:
        return times.day(date.fromisoformat(key), page.say)
    return key or page.say("Without: nothing was said by the control")


def _row(name: str, key: str, states: Mapping[str, Sum], say: Words) -> Row:
    lasted = [states[each].seconds // 60 if each in states else 0 for each in map(str, _COLUMNS)]
    energy = sum(total.energy for total in states.values())
    parts = sum(total.pieces for total in states.values())
    return Row(
        name,
        key,
        [times.clock(minutes) if minutes else "\N{EN DASH}" for minutes in lasted],
        formats.number(Decimal(energy) / 1_000_000, say.language, least=1, most=1) if energy else "\N{EN DASH}",
        formats.number(parts, say.language) if parts else "\N{EN DASH}",
        money(sum((total.net for total in states.values()), ZERO), say.language),
    )
