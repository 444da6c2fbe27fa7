"""The routes of closing a month: what stands in its way, what it comes to, the closing, and what became of it."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from api.billing import posting, runs, service
from api.billing.calendars import civil_month, day_of, next_month
from api.billing.closing import Hours, Order, Standing, basis, close, stand
from api.billing.runs import Outcome, RunKind
from api.billing.verifying import verify_all
from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.errors import NotYoursError
from api.formats import money
from api.formats import month as month_named
from api.maintenance.outbox import Status
from api.pages import times
from api.pages.deciding import Names, hours
from api.pages.figures import MINUS
from api.pages.page import Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.words import mark
from api.records.rules import InvalidRecordError
from api.records.service import UnknownRecordError
from api.records.tables import Member
from api.usage.evidence import REASON_LENGTH_MIN
from shopfloor.periods import DAY, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from api.billing.runs import Run, Tell, Work
    from api.billing.tables import IssuedStatement, MonthClosing
    from api.deps import Services

router = APIRouter(prefix="/closing", include_in_schema=False, default_response_class=HTMLResponse)
EVENTS = ("sent", "rejected", "accepted", "paid", "unpaid")
NONE = "\N{EN DASH}"
WAIT_SECONDS = 0.3
"""So long a page waits for what it has begun, before it says how far that is."""
LOOK_MINUTES_MAX = 10
"""How old a look at an open month may be; a decision of somebody puts it out of date at once."""

_WHY = mark("Say in ten characters or more why the time without data is accepted.")
_REFUSED = mark("Nothing was closed: something has changed since the page was made. Look at it again.")
_FAILED = mark("It was broken off, and nothing was kept: try again.")
_UNFIT = mark("This does not follow from what became of the statement before.")
_UNPRICED = mark("There is use that no tariff covers: complete the price list first.")


@router.get("")
async def closing_page(page: PageDep, found: ServicesDep) -> Response:
    """The month that is closed next, or one that is closed."""
    return await _shown(page, found, page.asked("month", 7))


@router.post("")
async def close_month(page: PageDep, found: ServicesDep) -> Response:
    """Close the month; one that is closed stays as it is."""
    form = await page.form()
    month, why, machines = form.text("month", 7), form.text("why", 500), form.many("machine")
    if machines and len(why) < REASON_LENGTH_MIN:
        return await _shown(page, found, month, {"why": page.say(_WHY)})
    order = Order(_checked(month), accepted=dict.fromkeys(machines[:1_000], why))

    def work(tell: Tell) -> dict[str, Any]:
        return close(found.ledger, page.actor, order, now=page.now, tell=tell)._asdict()

    await _begin(page, RunKind.CLOSE, month, work)
    return page.go(f"/closing?month={month}&done=closed")


@router.post("/look")
async def look_again(page: PageDep, found: ServicesDep) -> Response:
    """Look anew at what the closing of a month would do."""
    month = _checked((await page.form()).text("month", 7))
    await _look(page, found, month)
    return page.go(f"/closing?month={month}")


@router.post("/events")
async def add_event(page: PageDep, found: ServicesDep) -> Response:
    """Keep what became of a statement."""
    form = await page.form()
    kind, number, month = form.text("kind", 10), form.text("number", 9), form.text("month", 7)
    if kind not in EVENTS:
        raise NotYoursError
    day = day_of(page.now, found.ledger.zone)

    def change() -> None:
        with found.records.writing() as session:
            row = service.statement(session, page.scope, number)
            service.add_event(session, page.actor, row.number, kind, day=day, note=form.text("note", 500), now=page.now)

    try:
        await asyncio.to_thread(change)
    except UnknownRecordError as error:
        raise NotYoursError from error
    except InvalidRecordError:
        return await _shown(page, found, month, {"all": page.say(_UNFIT)})
    return page.go(f"/closing?month={_checked(month)}&done={kind}")


@router.post("/mails")
async def send_mails(page: PageDep, found: ServicesDep) -> Response:
    """Send statements to their firms by e-mail: those of the form, however often they were sent before."""
    form = await page.form()
    month, numbers = _checked(form.text("month", 7)), set(form.many("number")[:1_000])
    if not found.ledger.mails:
        raise NotYoursError

    def change() -> None:
        with found.records.writing() as session:
            rows = [each for each in posting.rows_of(session, month) if str(each.number) in numbers]
            posting.queue(session, page.actor, rows, now=page.now)

    await asyncio.to_thread(change)
    return page.go(f"/closing?month={month}&done=mailed")


@router.post("/verify")
async def verify(page: PageDep, found: ServicesDep) -> Response:
    """Prove all closed months, from the chain down to the store."""
    form = await page.form()
    verdict = await asyncio.to_thread(verify_all, found.ledger, now=page.now)
    return await _shown(page, found, form.text("month", 7), verdict=verdict)


def _checked(month: str) -> str:
    year, _, number = month.partition("-")
    is_month = len(month) == len("2026-10") and year.isdecimal() and number.isdecimal() and month.isascii()
    if not is_month or not 1 <= int(number) <= 12 or not month.startswith("2"):  # noqa: PLR2004 - months of a year
        raise NotYoursError
    return month


async def _shown(
    page: Page, found: Services, month: str, errors: Mapping[str, str] | None = None, verdict: Any = None
) -> Response:
    closed = await asyncio.to_thread(service.closings, found.records)
    ahead = _ahead(page, found, closed[-1][0].month if closed else "")
    month = _checked(month) if month else ahead
    row = next((each for each, _ in closed if each.month == month), None)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    frame = {
        "month": month,
        "title": month_named(month, page.say.language),
        "ahead": (ahead, month_named(ahead, page.say.language)),
        "months": [(each.month, month_named(each.month, page.say.language)) for each, _ in reversed(closed)],
        "errors": errors or {},
        "done": page.asked("done", 10),
        "verdict": verdict,
        "unpriced": "",
    }
    if row is not None:
        values = await asyncio.to_thread(_closed, page, found, row)
        return page.show("closing/closed.html", status, **frame, **values)
    look, closing = await asyncio.to_thread(_current, page, found, month)
    if look is None and not (closing is not None and closing.is_running):
        await _look(page, found, month)
        look, closing = await asyncio.to_thread(_current, page, found, month)
    running = next((each for each in (closing, look) if each is not None and each.is_running), None)
    if running is not None:
        return page.show("closing/waiting.html", **frame, run=running, query=_query(page, month))
    if not errors and page.asked("done", 10) == "closed":
        frame["errors"] = {"all": page.say(_why_not(closing))}
    if look is None or look.outcome is not Outcome.DONE:
        frame["unpriced"] = page.say(_UNPRICED if look is not None and look.outcome is Outcome.UNPRICED else _FAILED)
        return page.show("closing/open.html", status, **frame)
    values = await asyncio.to_thread(_open, page, found, month, look)
    return page.show("closing/open.html", status, **frame, **values)


def _query(page: Page, month: str) -> str:
    """Return what the page is asked with until it has its answer: without an event that was told already."""
    done = page.asked("done", 10)
    return f"month={month}" + ("&done=closed" if done == "closed" else "")


def _why_not(closing: Run | None) -> str:
    """Return why a month that somebody closed is open."""
    return _REFUSED if closing is not None and closing.outcome is Outcome.REFUSED else _FAILED


async def _begin(page: Page, kind: RunKind, month: str, work: Work, since: str = "") -> None:
    records = page.found.records
    await asyncio.to_thread(
        runs.start, records, page.actor, kind, month, work, now=page.now, basis=since, wait_seconds=WAIT_SECONDS
    )


async def _look(page: Page, found: Services, month: str) -> None:
    """Begin to look at what the closing of a month would do, as far as nobody does already."""

    def work(tell: Tell) -> dict[str, Any]:
        return stand(found.ledger, month, now=page.now, tell=tell).to_data()

    def since() -> str:
        with found.records.reading() as session:
            return basis(session)

    await _begin(page, RunKind.LOOK, month, work, await asyncio.to_thread(since))


def _current(page: Page, found: Services, month: str) -> tuple[Run | None, Run | None]:
    """Return the look at a month, None when there is none that holds, and the last closing that was tried."""
    with found.records.reading() as session:
        look = runs.latest(session, month, RunKind.LOOK, now=page.now)
        closing = runs.latest(session, month, RunKind.CLOSE, now=page.now)
        holds = (
            look is not None
            and (look.is_running or look.outcome is not None)
            and look.basis == basis(session)
            and page.now - look.begun < LOOK_MINUTES_MAX * 60 * SECOND
            and (closing is None or closing.begun <= look.begun)
        )
    return look if holds else None, closing


def _ahead(page: Page, found: Services, last: str) -> str:
    """Return the month to be closed next: after the last one, else the one before this."""
    if last:
        return next_month(last)
    today = day_of(page.now, found.ledger.zone)
    return f"{today.replace(day=1) - timedelta(days=1):%Y-%m}"


def _open(page: Page, found: Services, month: str, look: Run) -> dict[str, Any]:
    ledger = found.ledger
    standing = Standing.of_data(look.result)
    period = civil_month(month, ledger.zone)
    before = _nets_before(page, found, month)
    contested = service.contests(found.records, page.scope, only_open=True)
    today = times.local(page.now, page.zone).date()
    until = period.end + ledger.review_days * DAY
    names = Names(page)
    return {
        "is_over": period.end <= page.now,
        "is_reviewed": until <= page.now,
        "review_until": times.moment(until, today, page.zone, page.say),
        "review_days": ledger.review_days,
        "refusal": standing.refusal,
        "is_ready": standing.is_ready,
        "unsent": [
            (names.machine(each), times.moment(stamp, today, page.zone, page.say)) for each, stamp in standing.unsent
        ],
        "looked": times.moment(look.begun, today, page.zone, page.say),
        "doubts": standing.doubts,
        "doubt_hours": hours(standing.doubt_seconds),
        "contests": len(contested),
        "unknown": sum(standing.unknown.values()) and hours(sum(standing.unknown.values())),
        "machines": [_machine(names, each, spent) for each, spent in standing.hours.items()],
        "month_hours": hours(period.seconds),
        "all_machines": [hours(sum(column)) for column in zip(*standing.hours.values(), strict=True)],
        "accepting": [(each, names.machine(each), hours(seconds)) for each, seconds in standing.unknown.items()],
        **_amounts(page, names, standing, before),
    }


def _machine(names: Names, machine: str, spent: Hours) -> dict[str, Any]:
    return {"id": machine, "name": names.machine(machine)} | {
        name: hours(seconds) for name, seconds in spent._asdict().items()
    }


def _nets_before(page: Page, found: Services, month: str) -> dict[str, Decimal]:
    """Return the net of each member in the month before, None where that is not closed."""
    year, number = int(month[:4]), int(month[5:])
    earlier = f"{year - (number == 1):04d}-{number - 1 or 12:02d}"
    return {row.member_id: row.net for row in service.statements(found.records, page.scope, month=earlier)}


def _amounts(page: Page, names: Names, standing: Standing, before: Mapping[str, Decimal]) -> dict[str, Any]:
    rows = [
        {
            "id": each.member,
            "name": names.payer(each.member),
            "hours": hours(each.seconds),
            "net": _money(page, each.net),
            "tax": _money(page, each.tax),
            "total": _money(page, each.total),
            "change": _change(page, each.net, before.get(each.member)),
        }
        for each in standing.amounts
    ]
    stated = standing.amounts
    return {
        "members": sorted(rows, key=lambda row: str(row["name"]).casefold()),
        "has_before": bool(before),
        "sums": {
            "hours": hours(sum(each.seconds for each in stated)),
            "net": _sum(page, (each.net for each in stated)),
            "tax": _sum(page, (each.tax for each in stated)),
            "total": _sum(page, (each.total for each in stated)),
            "change": _change(page, sum((each.net for each in stated), Decimal(0)), sum(before.values(), Decimal(0))),
        },
    }


def _money(page: Page, amount: Decimal) -> str:
    return money(amount, page.say.language).replace("-", MINUS) if amount else NONE


def _sum(page: Page, amounts: Iterable[Decimal]) -> str:
    return _money(page, sum(amounts, Decimal(0)))


def _change(page: Page, net: Decimal, before: Decimal | None) -> str:
    """Write a difference with its sign."""
    difference = net - (before or Decimal(0))
    return ("+" if difference > 0 else "") + _money(page, difference)


def _closed(page: Page, found: Services, row: MonthClosing) -> dict[str, Any]:
    rows = service.statements(found.records, page.scope, month=row.month)
    names = Names(page)
    with found.records.reading() as session:
        fates = service.fates(session, [each.number for each in rows])
        mails = {each.number: posting.mailings(session, each.number) for each in rows}
    today = times.local(page.now, page.zone).date()
    is_invoice = bool(rows) and json.loads(rows[0].body)["issuer"].get("invoices", False)
    stated = [
        _statement(page, names, each, fates.get(each.number)) | _mail(page, found, today, each, mails[each.number])
        for each in rows
    ]
    return {
        "statements": stated,
        "mails": found.ledger.mails,
        "unsent": [each["id"] for each in stated if each["mail"] in {Status.DEAD, Status.UNKNOWN, "never"}],
        "net": _sum(page, (each.net for each in rows)),
        "total": _sum(page, (each.total for each in rows)),
        "unpaid": sum(each.number not in fates or not fates[each.number].is_paid for each in rows),
        "closed": times.moment(row.closed, today, page.zone, page.say),
        "by": names.person(row.by),
        "issued": times.full_day(row.issued, page.say),
        "accepted": [(names.machine(each), why) for each, why in row.accepted.items()],
        "is_invoice": is_invoice,
    }


def _mail(
    page: Page, found: Services, today: date, row: IssuedStatement, mailings: Sequence[posting.Mailing]
) -> dict[str, Any]:
    """Return how the last e-mail with a statement fared: `never`, `nowhere` without an address, or its status."""
    nothing = {"mail": "nowhere", "mail_to": "", "mail_at": "", "mail_words": "", "mail_tried": 0}
    if not mailings:
        with found.records.reading() as session:
            member = session.get(Member, row.member_id)
            return nothing | ({"mail": "never"} if member is not None and member.email else {})
    last = mailings[-1]
    return nothing | {
        "mail": str(last.status),
        "mail_to": last.to,
        "mail_at": times.moment(last.last or last.at, today, page.zone, page.say),
        "mail_words": last.words if last.status is not Status.SENT else "",
        "mail_tried": last.tried,
    }


def _statement(page: Page, names: Names, row: IssuedStatement, fate: service.Fate | None) -> dict[str, Any]:
    exchange = fate.exchange if fate is not None else ""
    return {
        "id": row.number,
        "number": f"{row.sequence}/{row.year}",
        "member": names.payer(row.member_id),
        "net": _money(page, row.net),
        "total": _money(page, row.total),
        "is_paid": fate is not None and fate.is_paid,
        "exchange": exchange,
    }
