"""The routes of alerts and rules."""

from __future__ import annotations

import asyncio
import html
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query, Request, Response

from api.access.scope import Role
from api.access.service import shared_secret
from api.audit.service import Actor
from api.deps import CallerDep, NowDep, ScopeDep, ServicesDep, client_address
from api.machines.paging import page
from api.maintenance import alerts_records, links, orders_records, rulebook, settings_records, show, trial
from api.maintenance.alarms import ActionRefusedError
from api.maintenance.outbox_records import RecordsOutbox
from api.maintenance.schemas import (
    ActionPost,
    AlertList,
    AlertWhole,
    Backtest,
    BacktestPost,
    RuleFields,
    RuleList,
    RulePut,
    RuleWhole,
)
from api.records.endpoints import Cursor, Limit, Writer, WriterDep  # noqa: TC001 - read when routes are made
from api.records.service import UnknownRecordError
from shopfloor.periods import INSTANT_MAX, Period, parse_instant

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.access.scope import Scope
    from api.deps import Services

router = APIRouter(tags=["maintenance"])

AlertId = Annotated[str, Path(max_length=16, description="Identifier of the alert.")]
RuleId = Annotated[str, Path(max_length=80, description="Identifier of the rule.")]
OfMachine = Annotated[str | None, Query(alias="machine", max_length=63, description="Only of this machine.")]
AlertState = Annotated[
    Literal["open", "closed", "past", "all"],
    Query(description="`past`: known too late to be sent; `all`: also what later data have taken back."),
]


async def read(found: Services, ask: Callable[[Any], Any]) -> Any:
    """Ask the records in a transaction of its own."""

    def run() -> Any:
        with found.records.reading() as session:
            return ask(session)

    return await asyncio.to_thread(run)


async def write(writer: Writer, change: Callable[[Any], Any]) -> Any:
    """Change the records in a transaction of its own."""

    def run() -> Any:
        with writer.found.records.writing() as session:
            return change(session)

    return await asyncio.to_thread(run)


@router.get("/api/v1/alerts", response_model=AlertList)
async def list_alerts(
    found: ServicesDep,
    scope: ScopeDep,
    *,
    state: AlertState = "open",
    machine: OfMachine = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Any:
    """What has happened to machines and agents, the newest first."""

    def ask(session: Any) -> Any:
        seen = alerts_records.listed(session, scope, state=state, machine=machine)
        chosen, following = page(
            seen, lambda each: f"{INSTANT_MAX - each.row.since:020d}{each.row.id}", after=cursor, limit=limit
        )
        items = [_shown(scope, show.alert(each)) for each in chosen]
        return {"items": items, "next_cursor": following}

    return await read(found, ask)


def _shown(scope: Scope, alert: dict[str, Any]) -> dict[str, Any]:
    return show.to_firm(alert) if scope.role is Role.MEMBER else alert


@router.get("/api/v1/alerts/{alert_id}", response_model=AlertWhole)
async def get_alert(found: ServicesDep, scope: ScopeDep, alert_id: AlertId) -> Any:
    """An alert with its alarms, what people did, and every message that was sent."""
    return await read(found, lambda session: _whole(found, session, scope, alert_id))


def _whole(found: Services, session: Any, scope: Scope, alert_id: str) -> dict[str, Any]:
    seen = alerts_records.one(session, scope, alert_id)
    names = settings_records.names(session)
    whole = show.alert(seen) | {
        "alarms": show.alarms(seen),
        "deeds": [show.deed(each) for each in alerts_records.deeds_of(session, scope, alert_id)],
        "deliveries": [show.delivery(each, names) for each in RecordsOutbox(found.records).of_incident(alert_id)],
        "work_orders": [number for number, _ in alerts_records.orders_of(session, alert_id)],
    }
    return _shown(scope, whole)


@router.post("/api/v1/alerts/{alert_id}/actions", response_model=AlertWhole)
async def act_on_alert(writer: WriterDep, caller: CallerDep, alert_id: AlertId, action: ActionPost) -> Any:
    """Take charge, shelve, assign, comment, or say that the cause has been dealt with."""
    found, actor, now = writer
    zone = ZoneInfo(found.settings.time_zone)
    wish = alerts_records.Wish(
        action.kind, action.note, action.shelve_for, parse_instant(action.until) if action.until else 0, action.to
    )

    def change(session: Any) -> None:
        alerts_records.handle(session, caller, actor, alert_id, wish, zone=zone, now=now)

    await write(writer, change)
    return await read(found, lambda session: _whole(found, session, caller.scope, alert_id))


@router.get("/api/v1/rules", response_model=RuleList)
async def list_rules(
    found: ServicesDep, scope: ScopeDep, *, machine: OfMachine = None, cursor: Cursor = None, limit: Limit = 100
) -> Any:
    """Every rule as it holds, for all machines or for one."""

    def ask(session: Any) -> Any:
        if machine is not None:
            orders_records.machine_of(session, scope, machine)
        return rulebook.read(session).every(machine or "")

    rules = await read(found, ask)
    chosen, following = page(sorted(rules, key=lambda rule: rule.id), lambda rule: rule.id, after=cursor, limit=limit)
    return {"items": [show.rule(each) for each in chosen], "next_cursor": following}


@router.get("/api/v1/rules/{rule_id}", response_model=RuleWhole)
async def get_rule(found: ServicesDep, scope: ScopeDep, rule_id: RuleId) -> Any:
    """A rule with its versions, and how it holds for machines that differ, of those that the caller may see."""

    def ask(session: Any) -> Any:
        book = rulebook.read(session)
        rule = next((each for each in book.common if each.id == rule_id), None)
        if rule is None:
            raise UnknownRecordError(rule_id)
        seen = {"", *alerts_records.places(session, scope)}
        own = {name: show.rule(rules[rule_id]) for name, rules in book.own.items() if rule_id in rules and name in seen}
        changes = [show.rule_change(each) for each in rulebook.history(session, rule_id) if each.machine in seen]
        return show.rule(rule) | {"changes": changes, "machines": own}

    return await read(found, ask)


@router.put("/api/v1/rules/{rule_id}", response_model=RuleFields)
async def put_rule(writer: WriterDep, scope: ScopeDep, rule_id: RuleId, fields: RulePut) -> Any:
    """Change a rule's numbers, or switch it on or off: a new version, which holds within seconds."""
    _, actor, now = writer

    def change(session: Any) -> Any:
        if rule_id not in {each.id for each in rulebook.read(session).common}:
            raise UnknownRecordError(rule_id)
        if fields.machine is not None:
            orders_records.machine_of(session, scope, fields.machine)
        elif scope.sites is not None:
            raise ActionRefusedError("a rule for all machines is changed by who sees all sites: name a machine")
        wanted = rulebook.Wanted(fields.machine or "", fields.values, fields.source)
        return rulebook.change(session, actor, rule_id, wanted, now=now)

    return show.rule(await write(writer, change))


@router.post("/api/v1/rules/{rule_id}/backtest", response_model=Backtest)
async def backtest_rule(found: ServicesDep, scope: ScopeDep, rule_id: RuleId, fields: BacktestPost) -> Any:
    """What a rule would have said over a stored span, by the code that judges live."""
    period = Period(parse_instant(fields.start), max(parse_instant(fields.start), parse_instant(fields.end)))
    wanted = trial.Trial(rule_id, fields.machine, period, fields.values)
    return await asyncio.to_thread(trial.run_trial, found.records, found.store, scope, wanted)


_TAP = """<!doctype html><html lang="it"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Officina</title>
<link rel="stylesheet" href="/static/tokens.css"><link rel="stylesheet" href="/static/officina.css"></head>
<body><main class="sheet notice"><h1>{title}</h1><p>{detail}</p>{form}<p><a href="/">Officina</a></p></main></body>
</html>"""
_BUTTONS = {"mine": "Me ne occupo io · I take it", "snooze": "Non ora: fra un'ora · Not now: in an hour"}


@router.get("/tap/{link}", include_in_schema=False)
async def look_at_link(found: ServicesDep, now: NowDep, link: Annotated[str, Path(max_length=2_000)]) -> Response:
    """The page of a one-tap link: programs that look at mails follow it, so that only its button counts."""
    deed = links.read(link, shared_secret(found.records, "links"), now).deed
    form = f'<form method="post"><button>{html.escape(_BUTTONS[deed])}</button></form>'
    return Response(_TAP.format(title="Officina", detail="", form=form), media_type="text/html; charset=utf-8")


@router.post("/tap/{link}", include_in_schema=False)
async def use_link(
    request: Request, found: ServicesDep, now: NowDep, link: Annotated[str, Path(max_length=2_000)]
) -> Response:
    """Do what a one-tap link says, once."""
    known = links.read(link, shared_secret(found.records, "links"), now)
    actor = Actor(f"person:{known.person}", client_address(request))

    def change() -> None:
        with found.records.writing() as session:
            alerts_records.tap(session, actor, known, now=now)

    await asyncio.to_thread(change)
    body = _TAP.format(title="Fatto · Done", detail=html.escape(_BUTTONS[known.deed]), form="")
    return Response(body, HTTPStatus.OK, media_type="text/html; charset=utf-8")
