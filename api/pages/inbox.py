"""The routes of the inbox and of an alert's own page: what needs somebody, why, and what is done about it."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, time, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse

from api.access.permissions import Rule, allows
from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.maintenance import alerts_records, settings_records, wording
from api.maintenance.alarms import SHELVED_DAYS_MAX, ActionRefusedError
from api.maintenance.outbox import Status
from api.maintenance.outbox_records import RecordsOutbox
from api.pages import alert_rows as rows
from api.pages.evidence import SPANS, draw
from api.pages.page import Form, Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.times import duration, local, moment, since
from api.pages.words import mark, word_of
from shopfloor.periods import DAY, from_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from api.deps import Services
    from api.maintenance.alerts_records import Seen
    from api.maintenance.outbox import Delivery

LISTED_MAX = 100
"""Most alerts of a tab that the page lists; open ones are all counted."""
SIDE_MAX = 8
SIMILAR_MAX = 8
_DONE: Mapping[str, str] = {
    "take": mark("You have it: nobody else is called."),
    "shelve": mark("Put aside: it comes back by itself."),
    "unshelve": mark("It is back among the new ones."),
    "assign": mark("Assigned."),
    "comment": mark("Noted."),
    "close": mark("Closed: it must be normal once before it comes again."),
    "order": mark("The work order is open."),
}
_DEEDS: Mapping[str, str] = {
    "take": mark("%(by)s has taken it"),
    "shelve": mark("%(by)s put it aside until %(until)s"),
    "unshelve": mark("%(by)s took it back"),
    "assign": mark("%(by)s assigned it to %(to)s"),
    "comment": mark("%(by)s noted"),
    "close": mark("%(by)s closed it"),
}
_WHAT: Mapping[str, str] = {
    "raised": mark("Alarm"),
    "again": mark("Alarm again"),
    "returned": mark("Back to normal"),
    "closed": mark("Alarm closed"),
}
_SENT: Mapping[str, str] = {
    str(Status.QUEUED): mark("on its way"),
    str(Status.SENT): mark("accepted by the channel"),
    str(Status.UNKNOWN): mark("the channel did not answer: it may have arrived"),
    str(Status.DEAD): mark("not delivered"),
    str(Status.CANCELLED): mark("not sent: somebody had it"),
}
_REFUSED = mark("It cannot be done any more: somebody was faster, or the alert is over. This is how it stands now.")
_WRITE_WHY = mark("Write why, so that the next one knows.")
_LEAVE_NAME = mark("Write to whom.")
_NO_DATE = mark("Choose a day that lies ahead, at most 90 days.")

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
AlertId = Annotated[str, Path(max_length=16)]


class Event(NamedTuple):
    """A line of an alert's course."""

    at: int
    when: str
    text: str
    small: str


@router.get("/inbox")
async def inbox_page(page: PageDep, found: ServicesDep) -> Response:
    """What needs somebody, live."""
    return page.show("inbox/page.html", **await _inbox(page, found), message="")


@router.get("/fragments/inbox")
async def inbox_fragment(page: PageDep, found: ServicesDep) -> Response:
    """The part of the inbox that changes by itself."""
    return page.show("inbox/fragment.html", **await _inbox(page, found))


@router.post("/inbox")
async def take_many(page: PageDep, found: ServicesDep) -> Response:
    """Take charge of every alert that was ticked; those that somebody was faster with stay with them."""
    form = await page.form()
    chosen = form.many("alert")[:LISTED_MAX]
    if not chosen:
        return page.go("/inbox")
    refused = 0
    for alert in chosen:
        try:
            await _handle(page, found, alert[:16], alerts_records.Wish("take", form.text("note", 4_000)))
        except ActionRefusedError:
            refused += 1
    if not refused:
        return page.go("/inbox?tab=taken")
    values = await _inbox(page, found)
    return page.show("inbox/page.html", HTTPStatus.CONFLICT, **values, message=page.say(_REFUSED))


@router.get("/alerts/{alert_id}")
async def alert_page(page: PageDep, found: ServicesDep, alert_id: AlertId) -> Response:
    """One alert: what, since when, on what evidence, by which rule, and what people did."""
    return await _alert(page, found, alert_id, {}, {})


@router.post("/alerts/{alert_id}")
async def act(page: PageDep, found: ServicesDep, alert_id: AlertId) -> Response:
    """Take charge, shelve, assign, comment, or say that the cause has been dealt with."""
    form = await page.form()
    wish, errors = _wish(page, form)
    if not errors:
        try:
            await _handle(page, found, alert_id, wish)
        except ActionRefusedError:
            errors = {"all": page.say(_REFUSED)}
    if errors:
        return await _alert(page, found, alert_id, {"note": wish.note, "to": wish.to}, errors)
    return page.go(f"/alerts/{alert_id}?done={wish.kind}")


def teller_of(page: Page, found: Services) -> rows.Teller:
    """Return what texts about alerts are made with."""
    places = {machine.id: machine.place for machine in found.live.park.visible(page.scope)}
    return rows.Teller(page.now, page.zone, page.say, places)


def cares(page: Page) -> bool:
    """Tell whether the reader looks after machines."""
    return allows(Rule.CARE, page.scope.role)


async def _inbox(page: Page, found: Services) -> dict[str, Any]:
    tab = page.asked("tab") if page.asked("tab") in rows.TABS else "new"

    def ask() -> tuple[dict[str, list[Seen]], Seen | None]:
        with found.records.reading() as session:
            opened = alerts_records.listed(session, page.scope, state="open", machine=None)
            sorted_out: dict[str, list[Seen]] = {name: [] for name in rows.TABS}
            for each in opened:
                sorted_out[rows.tab_of(each, page.now)].append(each)
            for name in ("closed", "past"):
                sorted_out[name] = alerts_records.listed(session, page.scope, state=name, machine=None)
            return sorted_out, next(iter(sorted_out["closed"]), None)

    by_tab, last = await asyncio.to_thread(ask)
    teller = teller_of(page, found)
    shown = by_tab[tab] if tab in {"closed", "past"} else sorted(by_tab[tab], key=lambda each: each.row.since)
    listed = [rows.row_of(each, teller) for each in shown[:LISTED_MAX]]
    return {
        "tab": tab,
        "tabs": [(name, page.say(word), len(by_tab[name])) for name, word in rows.TABS.items()],
        "count": len(by_tab["new"]),
        "groups": rows.groups(listed, page.say),
        "more": max(0, len(shown) - LISTED_MAX),
        "taken": [rows.row_of(each, teller) for each in by_tab["taken"][:SIDE_MAX]],
        "shelved": [rows.row_of(each, teller) for each in by_tab["shelved"][:SIDE_MAX]],
        "last": _last(page, teller, last),
        "may_act": cares(page),
        "is_member": not page.scope.sees_work,
        "clock": f"{local(page.now, page.zone):%H:%M:%S}",
    }


def _last(page: Page, teller: rows.Teller, seen: Seen | None) -> str:
    """Say when there was last something, so that an empty inbox can be trusted."""
    if seen is None:
        return page.say("There has been none since the watching began.")
    at = moment(seen.row.closed, local(page.now, page.zone).date(), page.zone, page.say)
    shown = rows.row_of(seen, teller)
    return page.say("The last one, closed %(when)s: %(name)s, %(title)s.", when=at, name=shown.name, title=shown.title)


def _wish(page: Page, form: Form) -> tuple[alerts_records.Wish, dict[str, str]]:
    """Return what a form wants, and what is wrong with it."""
    kind, _, length = form.text("deed", 20).partition(":")
    note, to = form.text("note", 4_000), form.text("to", 200)
    until, errors = 0, {}
    if kind not in _DEEDS:
        kind, errors = "comment", {"all": page.say(_REFUSED)}
    if kind in {"shelve", "comment"} and not note:
        errors["note"] = page.say(_WRITE_WHY)
    if kind == "assign" and not to:
        errors["to"] = page.say(_LEAVE_NAME)
    if kind == "shelve" and length not in {"hour", "shift"}:
        until, length = _morning(page, form.text("until", 10)), ""
        if not page.now < until <= page.now + SHELVED_DAYS_MAX * DAY:
            errors["until"] = page.say(_NO_DATE)
    return alerts_records.Wish(kind, note, length or None, until, to), errors


def _morning(page: Page, text: str) -> int:
    """Return six in the morning of a day, 0 for no day."""
    try:
        return from_datetime(datetime.combine(date.fromisoformat(text), time(6), page.zone))
    except ValueError:
        return 0


async def _handle(page: Page, found: Services, alert: str, wish: alerts_records.Wish) -> None:
    def change() -> None:
        with found.records.writing() as session:
            alerts_records.handle(session, page.caller, page.actor, alert, wish, zone=page.zone, now=page.now)

    await asyncio.to_thread(change)


async def _alert(
    page: Page, found: Services, alert: str, typed: Mapping[str, str], errors: Mapping[str, str]
) -> Response:
    is_staff = page.scope.sees_work
    teller = teller_of(page, found)

    def ask() -> tuple[Seen, list[Event], list[dict[str, Any]], list[tuple[int, str]]]:
        with found.records.reading() as session:
            seen = alerts_records.one(session, page.scope, alert)
            sent = RecordsOutbox(found.records).of_incident(alert) if is_staff else []
            course = _course(page, session, seen, sent)
            return (
                seen,
                course,
                _similar(page, session, seen, teller),
                alerts_records.orders_of(session, alert) if is_staff else [],
            )

    seen, course, similar, orders = await asyncio.to_thread(ask)
    asked = page.asked("hours")
    hours = int(asked) if asked in {str(each) for each in SPANS} else rows.stretch(seen, page.now, SPANS)
    it = rows.row_of(seen, teller)
    rule = seen.rule
    advice = rows.evidence_of(seen).get("advice") or _advice(page, seen)
    return page.show(
        "alert/page.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        it=it,
        priority=page.say(rows.PRIORITIES[it.priority]),
        machine=seen.place.machine,
        since=since(seen.row.since, page.now, page.zone, page.say),
        life=_life(page, seen, it),
        drawing=await draw(page, found, seen, hours),
        hours=hours,
        spans=[(6, page.say("6 hours")), (24, page.say("24 hours")), (720, page.say("30 days"))],
        rule=rule,
        rule_words=rows.words_of_rule(rule, page.say) if rule is not None else "",
        delay=duration(int(rule.on_delay_seconds * 1_000_000_000), page.say) if rule and rule.on_delay_seconds else "",
        advice=str(advice or ""),
        similar=similar,
        course=course,
        orders=orders,
        context=_context(page, found, seen),
        typed=typed,
        errors=errors,
        done=page.say(_DONE[page.asked("done")]) if page.asked("done") in _DONE and not errors else "",
        may_act=cares(page) and not seen.row.closed and seen.row.withdrawn is None,
        may_note=cares(page),
        is_shelved=bool(it.until),
        is_taken=bool(seen.held.taken_by),
        tomorrow=(local(page.now, page.zone).date() + timedelta(days=1)).isoformat(),
    )


def _advice(page: Page, seen: Seen) -> str:
    if seen.rule is None:
        return ""
    return (seen.rule.advice_it if page.say.language == "it" else "") or seen.rule.advice


def _life(page: Page, seen: Seen, it: rows.AlertRow) -> str:
    """Say where an alert stands: since when, whose it is, or how it ended."""
    row, say = seen.row, page.say
    today = local(page.now, page.zone).date()
    if row.withdrawn is not None:
        return say("Later data have taken this alert back: it is shown for the record.")
    if row.closed:
        return say("Closed %(when)s.", when=moment(row.closed, today, page.zone, say))
    if it.until:
        return say("Shelved until %(when)s: %(why)s", when=it.until, why=seen.held.shelved_reason or say("maintenance"))
    if seen.held.taken_by:
        return say("Taken by %(name)s.", name=rows.named(seen.held.taken_by, say))
    if seen.held.assigned_to:
        return say("Assigned to %(name)s, who has not answered yet.", name=rows.named(seen.held.assigned_to, say))
    return say("Nobody has it yet.")


def _context(page: Page, found: Services, seen: Seen) -> list[tuple[str, str, str]]:
    """Return what the machine is doing now: name, mark, value."""
    if seen.place.machine is None:
        return []
    machine = found.live.park.get(page.scope, seen.place.machine)
    present = found.live.present(machine, now=page.now)
    shown = [(page.say("State"), str(present.state), page.say(word_of(present.state, is_attended=machine.is_attended)))]
    if page.scope.sees_work:
        for name, title in (("program", page.say("Program")), ("job", page.say("Job"))):
            sample = present.values.get(name)
            if sample is not None and sample.value not in (None, ""):
                shown.append((title, "", str(sample.value)))
    return shown


def _course(page: Page, session: Any, seen: Seen, sent: Sequence[Delivery]) -> list[Event]:
    """Return what happened with an alert, in order."""
    today = local(page.now, page.zone).date()

    def event(at: int, text: str, small: str = "") -> Event:
        return Event(at, moment(at, today, page.zone, page.say), text, small)

    say = page.say
    begun = [event(seen.row.since, say("The condition begins"))]
    for each in seen.row.alarms:
        rule = seen.rule if seen.rule is not None and seen.rule.id == each[2] else None
        title = wording.title_of(rule, each[2], each[3], each[7], say.language)
        begun.append(event(int(each[0]), say(_WHAT.get(str(each[4]), _WHAT["raised"])), title))
    for deed in alerts_records.deeds_of(session, page.scope, seen.row.id):
        until = moment(deed.until, today, page.zone, say) if deed.until else ""
        text = (
            say(_DEEDS[deed.kind], by=rows.named(deed.by_name, say), until=until, to=rows.named(deed.assignee, say))
            if deed.kind in _DEEDS
            else ""
        )
        begun.append(event(deed.at, text or deed.kind, deed.note))
    channels = settings_records.names(session)
    for delivery in sent:
        at = delivery.attempts[-1].at if delivery.attempts else delivery.due
        to = say("Message through %(channel)s", channel=channels.get(delivery.channel, delivery.channel))
        begun.append(event(at, to, say(_SENT[str(delivery.status)])))
    return sorted(begun, key=lambda each: each.at)


def _similar(page: Page, session: Any, seen: Seen, teller: rows.Teller) -> list[dict[str, Any]]:
    """Return the cases before this one: of the same machine by the same rule."""
    if seen.place.machine is None:
        return []
    every = alerts_records.listed(session, page.scope, state="all", machine=seen.place.machine)
    cases = [
        each
        for each in every
        if each.row.rule == seen.row.rule and each.row.id != seen.row.id and each.row.withdrawn is None
    ]
    found: list[dict[str, Any]] = []
    for each in cases[:SIMILAR_MAX]:
        deeds = alerts_records.deeds_of(session, page.scope, each.row.id)
        closing = next((deed for deed in reversed(deeds) if deed.kind == "close"), None)
        it = rows.row_of(each, teller)
        cause = closing.note if closing is not None else ""
        by = rows.named(closing.by_name, page.say) if closing is not None else ""
        found.append({"id": it.id, "when": it.since, "age": it.age, "value": it.value, "cause": cause, "by": by})
    return found
