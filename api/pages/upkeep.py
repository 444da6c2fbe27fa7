"""The routes of the maintenance plan and of work orders: what is due, what is to be done, what was."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, time
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse

from api.access.tokens import new_id
from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.errors import NotYoursError
from api.maintenance import alerts_records, orders_records, photos_records, rulebook
from api.maintenance.alarms import ActionRefusedError
from api.maintenance.orders_records import OPEN
from api.maintenance.rules import Service
from api.pages.alert_rows import counted
from api.pages.files import PhotoId, refusal
from api.pages.page import Form, Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.times import full_day, local, moment
from api.pages.words import mark
from api.records.files import FileSizeError, FileTypeError
from shopfloor.periods import DAY, from_datetime, parse_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from api.deps import Services
    from api.machines.park import Machine
    from api.maintenance.tables import Spare, WorkOrder

PARTS_MAX = 50
MINUTES_MAX = 100_000
_STATES: Mapping[str, str] = {
    "open": mark("Open"),
    "in_progress": mark("In progress"),
    "closed": mark("Closed"),
    "cancelled": mark("Cancelled"),
}
_TABS = (("open", mark("To do")), ("closed", mark("Done")), ("cancelled", mark("Cancelled")))
_DONE: Mapping[str, str] = {
    "open": mark("The work order is open."),
    "save": mark("Saved."),
    "start": mark("In progress."),
    "close": mark("Closed: the counter starts anew at the time of the work, and the alert is closed."),
    "cancel": mark("Cancelled."),
    "lock-out": mark("The machine is locked out: nobody can book it, and who had booked it is told."),
    "give-back": mark("The machine is given back."),
    "photo": mark("The photo is kept."),
    "photo-gone": mark("The photo is removed."),
}
_DEEDS = frozenset({"start", "close", "cancel", "lock-out", "give-back"})
_REFUSED = mark("This cannot be done to the work order as it stands: look at its state below.")
_LOCKED = mark("The machine is locked out: give it back first, and write what was checked.")
_AHEAD = mark("The work lies ahead: close the order when it is done.")
_TIME = mark("Write day and time of the work.")
_MINUTES = mark("Write whole minutes, as 90.")
_CHECK = mark("Write what was checked.")
_WHY = mark("Write why: members read it.")
_TITLE = mark("Write what is to be done.")
_MACHINE = mark("Choose a machine.")
_PHOTO = mark("Take a photo, or choose one.")

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
OrderNumber = Annotated[int, Path(ge=1, le=2**31 - 1)]


class Planned(NamedTuple):
    """A service of the plan, as the page shows it."""

    machine: str
    name: str
    site: str
    rule: str
    title: str
    every: str
    used: str
    percent: str
    left: str
    due: str
    by: str
    last: str
    is_due: bool
    order: int | None


@router.get("/plan")
async def plan_page(page: PageDep, found: ServicesDep) -> Response:
    """What is due, machine by machine, the next first."""

    def ask(session: Any) -> tuple[list[dict[str, Any]], dict[tuple[str, str], int], rulebook.Rulebook]:
        orders = orders_records.listed(session, page.scope, state="open", machine=None)
        opened = {(row.machine, row.rule): row.number for row in orders if row.rule}
        return orders_records.plan(session, page.scope), opened, rulebook.read(session)

    entries, opened, book = await _read(found, ask)
    names = {machine.id: machine for machine in found.live.park.visible(page.scope)}
    shown = [planned(page, each, book, names[each["machine"]], opened) for each in entries if each["machine"] in names]
    return page.show("upkeep/plan.html", rows=shown)


@router.get("/work-orders")
async def orders_page(page: PageDep, found: ServicesDep) -> Response:
    """Work orders, the newest first, and the form for another."""
    return await _orders(page, found, {}, {})


@router.post("/work-orders")
async def open_order(page: PageDep, found: ServicesDep) -> Response:
    """Open a work order: from an alert, from the plan, or by itself."""
    form = await page.form()
    values: dict[str, Any] = {
        "machine": form.text("machine", 63), "title": form.text("title", 200), "text": form.text("text", 4_000),
        "incident": form.text("alert", 16) or None, "rule": form.text("rule", 80),
        "assignee": form.text("assignee", 120), "due": _instant(page, form.text("due", 10), "18:00"),
    }  # fmt: skip
    errors = {} if values["title"] else {"title": page.say(_TITLE)}
    if values["machine"] not in {machine.id for machine in found.live.park.visible(page.scope)}:
        errors["machine"] = page.say(_MACHINE)
    if errors:
        return await _orders(page, found, values, errors)

    def change(session: Any) -> int:
        return orders_records.open_order(session, page.scope, page.actor, values, now=page.now).number

    try:
        number = await _write(found, change)
    except ActionRefusedError:
        return await _orders(page, found, values, {"all": page.say(_REFUSED)})
    return page.go(f"/work-orders/{number}?done=open")


@router.get("/work-orders/{order_number}")
async def order_page(page: PageDep, found: ServicesDep, order_number: OrderNumber) -> Response:
    """One work order."""
    return await _order(page, found, order_number, {}, {})


@router.post("/work-orders/{order_number}")
async def save_order(page: PageDep, found: ServicesDep, order_number: OrderNumber) -> Response:
    """Change what is to be done, by whom and until when."""
    return await _do(page, found, order_number, "save")


@router.post("/work-orders/{order_number}/photos")
async def add_photo(page: PageDep, found: ServicesDep, order_number: OrderNumber) -> Response:
    """Keep a photo that was taken or chosen."""
    _, sent = await page.upload("photo")
    if sent is None:
        return await _order(page, found, order_number, {}, {"photo": page.say(_PHOTO)})

    def change(session: Any) -> None:
        row = orders_records.one(session, page.scope, order_number)
        new = sent.name or page.say("Photo"), sent.content
        photos_records.add(session, page.actor, row, new, photo_id=new_id(), now=page.now)

    try:
        await _write(found, change)
    except (FileTypeError, FileSizeError) as error:
        return await _order(page, found, order_number, {}, {"photo": refusal(page, error, "photo")})
    return page.go(f"/work-orders/{order_number}?done=photo#photos")


@router.post("/work-orders/{order_number}/photos/{photo_id}/remove")
async def remove_photo(page: PageDep, found: ServicesDep, order_number: OrderNumber, photo_id: PhotoId) -> Response:
    """Remove a photo of an open work order."""

    def change(session: Any) -> None:
        row = orders_records.one(session, page.scope, order_number)
        photos_records.remove(session, page.actor, row, photo_id, now=page.now)

    try:
        await _write(found, change)
    except ActionRefusedError:
        return await _order(page, found, order_number, {}, {"all": page.say(_REFUSED)})
    return page.go(f"/work-orders/{order_number}?done=photo-gone#photos")


@router.post("/work-orders/{order_number}/{deed}")
async def do_order(
    page: PageDep, found: ServicesDep, order_number: OrderNumber, deed: Annotated[str, Path(max_length=12)]
) -> Response:
    """Begin, close or cancel a work order, lock its machine out, or give it back."""
    if deed not in _DEEDS:
        raise NotYoursError
    return await _do(page, found, order_number, deed)


async def _do(page: Page, found: Services, number: int, deed: str) -> Response:
    form = await page.form()
    errors: dict[str, str] = {}
    wanted = _wanted(page, form, deed, errors)

    def change(session: Any) -> None:
        row = orders_records.one(session, page.scope, number)
        if deed == "lock-out":
            orders_records.lock_out(session, page.actor, row, wanted["reason"], now=page.now)
        elif deed == "give-back":
            orders_records.give_back(session, page.actor, row, wanted["check"], now=page.now)
        elif deed == "close":
            done = orders_records.Done(
                wanted["done"], wanted["text"], wanted["minutes"],
                _parts(form, orders_records.spares(session, row.machine)), page.caller.name,
            )  # fmt: skip
            orders_records.close(session, page.actor, page.scope, row, done, now=page.now)
        else:
            orders_records.change(session, page.actor, row, wanted, now=page.now)

    if not errors:
        try:
            await _write(found, change)
        except ActionRefusedError:
            errors["all"] = page.say(_REFUSED)
    if errors:
        typed = {name: form.text(name, 4_000) for name in form.values}
        return await _order(page, found, number, typed, errors)
    return page.go(f"/work-orders/{number}?done={deed}")


def _wanted(page: Page, form: Form, deed: str, errors: dict[str, str]) -> dict[str, Any]:
    """Return what a form wants; what is wrong with it goes to `errors`, field by field."""

    def text(name: str, longest: int, mend: str) -> str:
        found = form.text(name, longest)
        if not found:
            errors[name] = page.say(mend)
        return found

    if deed == "start":
        return {"state": "in_progress", "assignee": page.caller.name}
    if deed == "cancel":
        return {"state": "cancelled"}
    if deed == "lock-out":
        return {"reason": text("reason", 200, _WHY)}
    if deed == "give-back":
        return {"check": text("check", 4_000, _CHECK)}
    if deed == "save":
        due = _instant(page, form.text("due", 10), "18:00")
        return {"title": text("title", 200, _TITLE), "assignee": form.text("assignee", 120), "due": due}
    return _report(page, form, errors)


def _report(page: Page, form: Form, errors: dict[str, str]) -> dict[str, Any]:
    """Return what a form says of work that was done; what is wrong with it goes to `errors`."""
    done = _instant(page, form.text("day", 10), form.text("time", 5))
    if done is None:
        errors["day"] = page.say(_TIME)
    elif done > page.now:
        errors["day"] = page.say(_AHEAD)
    minutes = form.text("minutes", 6) or "0"
    if not (minutes.isdecimal() and minutes.isascii() and int(minutes) <= MINUTES_MAX):
        errors["minutes"] = page.say(_MINUTES)
    return {"done": done, "text": form.text("report", 4_000), "minutes": 0 if "minutes" in errors else int(minutes)}


def _parts(form: Form, spares: Sequence[Spare]) -> list[dict[str, Any]]:
    """Return the parts of a form, one on each line as `2 Filter`; one that is kept in stock goes down there."""
    stock = {spare.name.casefold(): spare.id for spare in spares}
    found: list[dict[str, Any]] = []
    for line in form.text("parts", 4_000).splitlines()[:PARTS_MAX]:
        first, _, rest = line.strip().partition(" ")
        is_counted = first.isdecimal() and first.isascii() and bool(rest.strip()) and 0 < int(first) <= 10_000  # noqa: PLR2004 - as the API
        name = (rest if is_counted else line).strip()[:120]
        if name:
            spare = stock.get(name.casefold())
            kept = {"spare": spare} if spare is not None else {}
            found.append({"name": name, "quantity": int(first) if is_counted else 1} | kept)
    return found


async def _orders(page: Page, found: Services, typed: Mapping[str, Any], errors: Mapping[str, str]) -> Response:
    tab = page.asked("tab") if page.asked("tab") in dict(_TABS) else "open"

    def ask(session: Any) -> list[WorkOrder]:
        return orders_records.listed(session, page.scope, state=None, machine=None)

    every = await _read(found, ask)
    machines = sorted(found.live.park.visible(page.scope), key=lambda machine: machine.name)
    names = {machine.id: machine.name for machine in machines}
    return page.show(
        "upkeep/orders.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        tab=tab,
        tabs=[(name, page.say(word), sum(_tab(row) == name for row in every)) for name, word in _TABS],
        rows=[_line(page, row, names.get(row.machine, row.machine)) for row in every if _tab(row) == tab],
        machines=[
            ("", page.say("Choose")),
            *((machine.id, f"{machine.name}, {machine.place}") for machine in machines),
        ],
        typed=typed,
        errors=errors,
    )


async def _order(
    page: Page, found: Services, number: int, typed: Mapping[str, str], errors: Mapping[str, str]
) -> Response:
    def ask(session: Any) -> tuple[WorkOrder, list[Spare], str, list[dict[str, Any]]]:
        row = orders_records.one(session, page.scope, number)
        title = ""
        if row.incident:
            seen = alerts_records.one(session, page.scope, row.incident)
            title = alerts_records.title_of(seen.rule, seen.row, page.say.language)
        spares = orders_records.spares(session, row.machine)
        photos = photos_records.listed(session, number)
        session.expunge_all()
        return row, spares, title, photos

    row, spares, alert, photos = await _read(found, ask)
    machine = found.live.park.get(page.scope, row.machine)
    here = local(page.now, page.zone)
    return page.show(
        "upkeep/order.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        it=_line(page, row, machine.name),
        row=row,
        alert=alert,
        machine=machine,
        is_open=row.state in OPEN,
        is_locked=row.lock_out is not None and row.released is None,
        released=_when(page, row.released),
        due=local(row.due, page.zone).date().isoformat() if row.due else "",
        spares=spares,
        photos=[(each["id"], each["name"], _when(page, parse_instant(each["added"]))) for each in photos],
        typed=typed,
        errors=errors,
        today=here.date().isoformat(),
        clock=f"{here:%H:%M}",
        done=page.say(_DONE[page.asked("done")]) if page.asked("done") in _DONE and not errors else "",
        locked_note=page.say(_LOCKED),
    )


def _line(page: Page, row: WorkOrder, name: str) -> dict[str, Any]:
    """Return a work order as lists show it."""
    return {
        "number": row.number,
        "machine": name,
        "title": row.title,
        "state": page.say(_STATES[row.state]),
        "assignee": row.assignee,
        "opened": _when(page, row.opened),
        "due": full_day(local(row.due, page.zone).date(), page.say) if row.due else "",
        "is_late": bool(row.due and row.due < page.now and row.state in OPEN),
        "done": _when(page, row.done),
        "is_locked": row.lock_out is not None and row.released is None,
    }


def planned(
    page: Page,
    each: Mapping[str, Any],
    book: rulebook.Rulebook,
    machine: Machine,
    opened: Mapping[tuple[str, str], int],
) -> Planned:
    """Return a service of the plan as pages show it."""
    rule = next((rule for rule in book.every(each["machine"]) if rule.id == each["rule"]), None)
    how = rule.how if rule is not None and isinstance(rule.how, Service) else Service()
    say, unit = page.say, str(each["unit"])
    every = [say("every %(n)s", n=counted(how.interval, unit, say))] if how.interval else []
    if how.interval_days:
        every.append(say.plural("every %(n)s day", "every %(n)s days", int(how.interval_days)))
    left = each["left"]
    over = left is not None and left < 0
    shown = "" if left is None else counted(abs(left), unit, say)
    due = full_day(local(each["due"], page.zone).date(), say) if each["due"] else say("no estimate")
    title = (rule.title_it if say.language == "it" else "") or rule.title if rule is not None else str(each["rule"])
    return Planned(
        machine=each["machine"],
        name=machine.name,
        site=machine.place,
        rule=each["rule"],
        title=title,
        every=say(" or ").join(every),
        used=counted(each["used"], unit, say) if how.interval else "",
        percent=f"{min(100.0, 100 * each['used'] / how.interval):.1f}" if how.interval else "0",
        left=say("%(n)s over", n=shown) if over else shown,
        due=due,
        by=say("by the counter") if each["by"] == "counter" else say("by the calendar"),
        last=full_day(local(each["since"], page.zone).date(), say) if each["since"] else "",
        is_due=bool(over or (each["due"] and each["due"] - page.now <= how.lead_days * DAY)),
        order=opened.get((each["machine"], each["rule"])),
    )


def _tab(row: WorkOrder) -> str:
    return "open" if row.state in OPEN else row.state


def _when(page: Page, stamp: int | None) -> str:
    return moment(stamp, local(page.now, page.zone).date(), page.zone, page.say) if stamp else ""


def _instant(page: Page, day: str, at: str) -> int | None:
    """Return a civil day and time as an instant, None for none."""
    try:
        return from_datetime(datetime.combine(date.fromisoformat(day), time.fromisoformat(at), page.zone))
    except ValueError:
        return None


async def _read(found: Services, ask: Callable[[Any], Any]) -> Any:
    def run() -> Any:
        with found.records.reading() as session:
            return ask(session)

    return await asyncio.to_thread(run)


async def _write(found: Services, change: Callable[[Any], Any]) -> Any:
    def run() -> Any:
        with found.records.writing() as session:
            return change(session)

    return await asyncio.to_thread(run)
