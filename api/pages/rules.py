"""The rules page: every rule in words with its source, tried over the past before it is changed."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from urllib.parse import quote

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse

from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.maintenance import alerts_records, orders_records, rulebook, trial
from api.maintenance.alarms import ActionRefusedError
from api.maintenance.rules import Limit, RuleError
from api.pages.alert_rows import PRIORITIES, priority, words_of_rule
from api.pages.figures import number, unit
from api.pages.page import Form, Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.strips import Tick, strip
from api.pages.times import duration, local, moment
from api.pages.words import mark
from api.records.service import UnknownRecordError
from shopfloor.periods import DAY, Period, parse_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from api.deps import Services
    from api.maintenance.rules import Rule

DAYS = (7, 30, 90)
"""How far back a rule can be tried on the page."""
EPISODES_SHOWN = 50
_NUMBER = mark("Write a number, as 75 or 2,8.")
_NOT_TRIED = mark("Nothing is stored of this machine in that time, or the rule judges nothing that it says.")
_SOURCE = mark("Write whose word the limit is, as the maker's manual.")
_MACHINE = mark("Choose a machine.")
_SITES = mark("A rule for all machines is changed by who sees all sites: choose a machine.")
_SAVED = mark("Saved as a new version: it holds within seconds.")

router = APIRouter(prefix="/rules", include_in_schema=False, default_response_class=HTMLResponse)
RuleId = Annotated[str, Path(max_length=80)]


class Episode(NamedTuple):
    """An alarm that the rule would have raised: its place in the drawing, and its row."""

    x: str
    width: str
    since: str
    length: str
    value: str
    href: str


class Sent(NamedTuple):
    """What a form asks of a rule.

    Attributes:
        page: the request.
        found: the services.
        rule: which rule.
        form: what was typed.
        errors: what is wrong with it, field by field; whoever looks adds to it.
    """

    page: Page
    found: Services
    rule: str
    form: Form
    errors: dict[str, str]

    @property
    def machine(self) -> str:
        """For which machine, empty for all."""
        return self.form.text("machine", 63)

    @property
    def source(self) -> str:
        """Whose word the limits are."""
        return self.form.text("source", 200)


class Tried(NamedTuple):
    """What came of trying a rule."""

    total: int
    per_month: str
    messages: int
    episodes: list[Episode]
    ticks: list[Tick]
    known: list[tuple[int, str]]


@router.get("")
async def rules_page(page: PageDep, found: ServicesDep) -> Response:
    """Every rule as it holds for all machines."""

    def ask(session: Any) -> tuple[rulebook.Rulebook, dict[str, int]]:
        book, seen = rulebook.read(session), alerts_records.places(session, page.scope)
        differing = [rules for name, rules in book.own.items() if name in seen]
        own = {rule.id: sum(rule.id in rules for rules in differing) for rule in book.common}
        return book, own

    book, own = await _read(found, ask)
    rows = [
        {
            "id": rule.id,
            "title": title_of(rule, page),
            "words": words_of_rule(rule, page.say),
            "source": rule.source,
            "mark": priority(rule, rule.severity),
            "priority": page.say(PRIORITIES[priority(rule, rule.severity)]),
            "enabled": rule.enabled,
            "own": own[rule.id],
        }
        for rule in book.common
    ]
    return page.show("rules/list.html", rows=rows)


@router.get("/{rule_id}")
async def rule_page(page: PageDep, found: ServicesDep, rule_id: RuleId) -> Response:
    """One rule: in words, with its source and versions, and the form that tries it."""
    return await _show(page, found, rule_id, page.asked("machine", 63))


@router.post("/{rule_id}")
async def use_rule(page: PageDep, found: ServicesDep, rule_id: RuleId) -> Response:
    """Try a rule over the past, keep its new numbers, or switch it on or off."""
    form = await page.form()
    errors: dict[str, str] = {}
    sent, deed = Sent(page, found, rule_id, form, errors), form.text("deed", 10)
    values = await _values(sent)
    tried = None
    if deed == "try":
        tried = await _try(sent, values)
    else:
        change = {"enabled": deed == "on"} if deed in {"on", "off"} else values
        if deed == "save" and not sent.source:
            errors["source"] = page.say(_SOURCE)
        if not errors and await _save(sent, change):
            return page.go(f"/rules/{rule_id}?machine={quote(sent.machine)}&done=yes")
    typed = {name: form.text(name, 200) for name in form.values}
    return await _show(page, found, rule_id, sent.machine, typed=typed, errors=errors, tried=tried)


def title_of(rule: Rule, page: Page) -> str:
    """Return what a rule is called in the reader's language."""
    return (rule.title_it if page.say.language == "it" else "") or rule.title


async def _values(sent: Sent) -> dict[str, Any]:
    """Return the limits that a form gives; nothing for a rule that has none."""
    rule = await _rule(sent.page, sent.found, sent.rule, sent.machine)
    if not isinstance(rule.how, Limit):
        return {}
    limit: dict[str, float] = {}
    for name, typed in (("high", "upper"), ("low", "lower")):
        text = sent.form.text(typed, 20).replace(",", ".")
        if not text:
            continue
        try:
            limit[name] = float(text)
        except ValueError:
            sent.errors[typed] = sent.page.say(_NUMBER)
    return {"limit": limit} if limit else {}


async def _rule(page: Page, found: Services, rule_id: str, machine: str) -> Rule:
    def ask(session: Any) -> Rule:
        if machine:
            orders_records.machine_of(session, page.scope, machine)
        rule = next((each for each in rulebook.read(session).every(machine) if each.id == rule_id), None)
        if rule is None:
            raise UnknownRecordError(rule_id)
        return rule

    rule: Rule = await _read(found, ask)
    return rule


async def _try(sent: Sent, values: Mapping[str, Any]) -> Tried | None:
    """Try a rule; None where it could not be tried."""
    page, found, machine, errors = sent.page, sent.found, sent.machine, sent.errors
    asked = sent.form.text("days", 3)
    days = int(asked) if asked in {str(each) for each in DAYS} else DAYS[0]
    if not machine:
        errors["machine"] = page.say(_MACHINE)
    if errors:
        return None
    period = Period(page.now - days * DAY, page.now)
    wanted = trial.Trial(sent.rule, machine, period, values or None)
    try:
        told = await asyncio.to_thread(trial.run_trial, found.records, found.store, page.scope, wanted)
    except ActionRefusedError:
        errors["all"] = page.say(_NOT_TRIED)
        return None
    except RuleError as error:
        errors["all"] = str(error)
        return None
    return Tried(
        total=told["count"],
        per_month=number(told["incidents_per_month"], page.say, decimals=1),
        messages=told["messages"],
        episodes=[_episode(page, machine, each, period) for each in told["episodes"][:EPISODES_SHOWN]],
        ticks=strip([], period, page.zone, page.say).ticks,
        known=[
            (each["work_order"], duration(each["lead_seconds"] * 10**9, page.say))
            for each in told["known"]
            if each["lead_seconds"] is not None
        ],
    )


def _episode(page: Page, machine: str, each: Mapping[str, Any], period: Period) -> Episode:
    since = parse_instant(each["since"])
    until = parse_instant(each["returned"]) if each["returned"] else period.end
    length = period.end - period.start
    here = local(since, page.zone)
    value = each["evidence"].get("value")
    kind = unit(str(each["evidence"].get("unit", "")))
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Episode(
        x=f"{min(99.4, max(0.0, (since - period.start) / length * 100)):.2f}%",
        width=f"{max(0.6, (until - max(since, period.start)) / length * 100):.2f}%",
        since=moment(since, local(page.now, page.zone).date(), page.zone, page.say),
        length=duration(until - since, page.say),
        value=f"{number(value, page.say)} {kind}".strip() if is_number else "",
        href=f"/machines/{machine}/history?day={here.date().isoformat()}",
    )


async def _save(sent: Sent, change: Mapping[str, Any]) -> bool:
    """Keep a change as a new version; what was changed before stays. False where it cannot be."""
    page, found, machine, errors = sent.page, sent.found, sent.machine, sent.errors
    if not machine and page.scope.sites is not None:
        errors["machine"] = page.say(_SITES)
        return False

    def write() -> None:
        with found.records.writing() as session:
            if machine:
                orders_records.machine_of(session, page.scope, machine)
            past = rulebook.history(session, sent.rule)
            before = next((each for each in past if each.machine == machine), None)
            values = {**((before.values or {}) if before is not None else {}), **change}
            wanted = rulebook.Wanted(machine, values, sent.source or (before.source if before is not None else ""))
            rulebook.change(session, page.actor, sent.rule, wanted, now=page.now)

    try:
        await asyncio.to_thread(write)
    except RuleError as error:
        errors["all"] = str(error)
        return False
    return True


async def _show(
    page: Page,
    found: Services,
    rule_id: str,
    machine: str,
    *,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    tried: Tried | None = None,
) -> Response:
    rule = await _rule(page, found, rule_id, machine)
    today = local(page.now, page.zone).date()

    def ask(session: Any) -> list[tuple[int, str, str, str]]:
        seen = {"", *alerts_records.places(session, page.scope)}
        return [
            (row.version, row.machine, moment(row.at, today, page.zone, page.say), row.source)
            for row in rulebook.history(session, rule_id)
            if row.machine in seen
        ]

    machines = sorted(found.live.park.visible(page.scope), key=lambda each: each.name)
    names = {each.id: each.name for each in machines}
    versions = await _read(found, ask)
    return page.show(
        "rules/rule.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        rule=rule,
        title=title_of(rule, page),
        rule_words=words_of_rule(rule, page.say),
        delay=duration(int(rule.on_delay_seconds * 10**9), page.say) if rule.on_delay_seconds else "",
        advice=(rule.advice_it if page.say.language == "it" else "") or rule.advice,
        is_limit=isinstance(rule.how, Limit),
        limits={name: _plain(getattr(rule.how, name, None)) for name in ("high", "low")},
        unit=unit(rule.unit),
        machine=machine,
        machines=[("", page.say("all machines")), *((each.id, f"{each.name}, {each.place}") for each in machines)],
        versions=[(version, names.get(of, of), at, source) for version, of, at, source in versions],
        spans=[(str(each), page.say.plural("%(n)s day", "%(n)s days", each)) for each in DAYS],
        typed=typed or {},
        errors=errors or {},
        tried=tried,
        done=page.say(_SAVED) if page.asked("done") and not errors else "",
    )


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


async def _read(found: Services, ask: Callable[[Any], Any]) -> Any:
    def run() -> Any:
        with found.records.reading() as session:
            return ask(session)

    return await asyncio.to_thread(run)
