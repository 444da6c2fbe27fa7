"""The pages that open a month: part, day, session, line, segment, sample; contests; closed statements."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from api import formats
from api.access.scope import Role
from api.billing import service
from api.billing.documents import writing
from api.billing.documents.document import NoInvoiceError
from api.billing.documents.words import what
from api.billing.endpoints import StatementId, add_contest, whose
from api.billing.handing import document_of
from api.billing.ledger import machine_of
from api.billing.schemas import ContestIn
from api.billing.tariffs import UnpricedError
from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.errors import NotYoursError
from api.pages import times
from api.pages.charges import draft, month_asked, stated_of, statement_rows, unpriced
from api.pages.money_rows import money, open_statement, shares, stretches
from api.pages.page import Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.strips import strip
from api.pages.words import mark
from api.records.endpoints import WriterDep  # noqa: TC001 - read when routes are made
from api.records.rules import InvalidRecordError
from api.usage.evidence import REASON_LENGTH_MIN

if TYPE_CHECKING:
    from api.billing.documents.document import Document, Use
    from api.billing.statements import Line
    from api.billing.tables import LineContest
    from api.deps import Services
    from api.usage.segments import Segment

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
EVENTS = {
    "sent": mark("sent"),
    "rejected": mark("rejected by the exchange system"),
    "accepted": mark("accepted by the exchange system"),
    "paid": mark("paid"),
    "unpaid": mark("unpaid again"),
}
"""What became of a statement, in words."""


@router.get("/charges/month")
async def month_page(page: PageDep, found: ServicesDep) -> Response:
    """An open month, from its total down to the second."""
    member, month = whose(page.scope, page.asked("member", 63) or None), month_asked(page)
    if member is None:
        return page.go(f"/charges?month={month}")

    def read() -> dict[str, Any]:
        stated, left = stated_of(found, page.scope, month, member, since=month, now=page.now)
        with found.records.reading() as session:
            document = draft(
                stated,
                service.member_names(session).get(member, member),
                service.machine_names(session),
                page.found.pages.house,
            )
            kept = {"month": month} | ({"member": member} if page.scope.role is Role.ADMINISTRATOR else {})
            values = _opened(page, found, session, document, kept)
            contests = [
                row for row in service.contests(found.records, page.scope, only_open=False) if row.month == month
            ]
            held = [_contest(page, found, session, row) for row in contests if row.member_id == member]
        return values | {"held": held, "kept": urlencode(kept), "said": page.asked("done", 20), "left": left}

    try:
        values = await asyncio.to_thread(read)
    except UnpricedError as error:
        return unpriced(page, error)
    return page.show("charges/opened.html", **values, statement=None, month=month, member=member)


@router.get("/statements")
async def statements_page(page: PageDep, found: ServicesDep) -> Response:
    """Closed statements, the newest first."""
    asked = whose(page.scope, page.asked("member", 63) or None)

    def read() -> dict[str, Any]:
        rows = service.statements(found.records, page.scope, member=asked)[::-1]
        with found.records.reading() as session:
            names, fates = service.member_names(session), service.fates(session)
        return {"rows": statement_rows(rows, fates, page.say, names), "firm": names.get(asked or "", "")}

    values = await asyncio.to_thread(read)
    is_administrator = page.scope.role is Role.ADMINISTRATOR
    return page.show("charges/statements.html", **values, is_administrator=is_administrator)


@router.get("/statements/{statement_id}")
async def statement_page(page: PageDep, found: ServicesDep, statement_id: StatementId) -> Response:
    """A closed statement, from its total down to the second."""

    def read() -> dict[str, Any]:
        with found.records.reading() as session:
            row = service.statement(session, page.scope, statement_id)
            document = document_of(session, row)
            values = _opened(page, found, session, document, {}, closing=row.closing)
            events = service.events(session, row.number)
            fate = service.fates(session, [row.number]).get(row.number)
        return values | {
            "statement": {
                "id": str(row.number),
                "number": document.number,
                "issued": "" if document.day is None else times.full_day(document.day, page.say),
                "due": "" if document.due is None else times.full_day(document.due, page.say),
                "digest": document.digest,
                "chain": document.chain,
                "invoices": _invoices(document),
                "is_paid": fate is not None and fate.is_paid,
                "events": [
                    (times.full_day(each.day, page.say), page.say(EVENTS[each.kind]), each.note) for each in events
                ],
            }
        }

    return page.show(
        "charges/opened.html", **await asyncio.to_thread(read), held=[], left=0, month="", member="", kept="", said=""
    )


def _invoices(document: Document) -> bool:
    try:
        document.issuer.refuse_invoices()
    except NoInvoiceError:
        return False
    return True


def _opened(
    page: Page,
    found: Services,
    session: Any,
    document: Document,
    kept: dict[str, str],
    *,
    closing: str | None = None,
) -> dict[str, Any]:
    """Return a statement as the page shows it, opened as far as the address says."""
    language, stated = page.look.language, document.statement
    asked = {name: page.asked(name, 80) for name in ("part", "day", "session")}
    opened = open_statement(document, asked, kept, page.say)
    segments = _segments(found, session, opened.uses, closing)
    states, window = stretches(opened, segments)
    rates = [
        (writing.tax(row.tax, language), money(row.base, language), money(row.vat, language)) for row in stated.vat
    ]
    machine = next((use.line.machine for use in opened.uses), "")
    day = next((use.part.day for use in opened.uses), None)
    return {
        "firm": document.customer.legal_name,
        "title": formats.month(stated.month, language).capitalize(),
        "rates": rates,
        "net": money(stated.net, language),
        "total": money(stated.total, language),
        "opened": opened,
        "shares": shares(opened, document, segments, page.say),
        "strip": None if window is None else strip(states, window, page.zone, page.say, is_live=False),
        "history": f"/machines/{machine}/history?day={day}" if machine and day else "",
        "versions": [(name, value) for name, value in stated.basis_versions.items() if value],
    }


def _segments(found: Services, session: Any, uses: tuple[Use, ...], closing: str | None) -> dict[int, list[Segment]]:
    """Return what the lines of one session were measured in, by the number of the line."""
    rated: dict[tuple[str, str], list[Line]] = {}
    held: dict[int, list[Segment]] = {}
    for use in uses:
        line = use.line
        if not line.machine:
            continue
        key = (line.month, line.machine)
        if key not in rated:
            rated[key] = found.ledger.rated(session, line.month, line.member, line.machine, closing=closing)
        held[use.number] = [
            segment
            for each in rated[key]
            if each.reference == line.reference
            for part in each.parts
            if (part.day, part.session) == (use.part.day, use.part.session)
            for segment in part.segments
        ]
    return held


# Contests.


@router.get("/charges/contest")
async def contest_page(page: PageDep, found: ServicesDep) -> Response:
    """A line that may be contested."""
    return await _contest_form(page, found, "")


@router.post("/charges/contest")
async def save_contest(page: PageDep, found: ServicesDep, writer: WriterDep) -> Response:
    """Contest a line of an open month, or say why that is not possible."""
    member, month, reference = _line_asked(page)
    form = await page.form()
    reason = form.text("reason")
    try:
        given = ContestIn.model_validate({"member": member, "month": month, "reference": reference, "reason": reason})
        await add_contest(writer, page.scope, given)
    except ValidationError:
        why = page.say("Say in %(n)s characters or more what is wrong.", n=REASON_LENGTH_MIN)
        return await _contest_form(page, found, reason, why)
    except InvalidRecordError as error:
        why = {
            "reference": page.say("This line is contested already."),
            "month": page.say("This month is closed: ask for a correction, which comes with the next statement."),
        }.get(error.problems[0].field, page.say("Say in %(n)s characters or more what is wrong.", n=REASON_LENGTH_MIN))
        return await _contest_form(page, found, reason, why)
    kept = {"month": month} | ({"member": member} if page.scope.role is Role.ADMINISTRATOR else {})
    return page.go(f"/charges/month?{urlencode(kept)}&done=contested#contested")


def _line_asked(page: Page) -> tuple[str, str, str]:
    member = whose(page.scope, page.asked("member", 63) or None) or ""
    return member, month_asked(page), page.asked("reference", 250)


async def _contest_form(page: Page, found: Services, reason: str, why: str = "") -> Response:
    member, month, reference = _line_asked(page)

    def read() -> dict[str, Any]:
        with found.records.reading() as session:
            line = _line(found, session, month, member, reference)
            if line is None:
                raise NotYoursError
            names = service.machine_names(session)
        return {
            "what": what(line, page.look.language),
            "machine": names.get(line.machine, line.machine),
            "month_name": formats.month(month, page.look.language),
            "amount": money(line.amount, page.look.language),
            "quantity": writing.quantity(line.quantity, line.unit, page.look.language),
            "back": urlencode({"month": month, "member": member}),
        }

    errors = {"reason": why} if why else {}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if why else HTTPStatus.OK
    return page.show("charges/contest.html", status, **await asyncio.to_thread(read), reason=reason, errors=errors)


def _line(found: Services, session: Any, month: str, member: str, reference: str) -> Line | None:
    """Return a line of an open month, contested or not; None where there is none, or it cannot be told alone."""
    lines = found.ledger.rated(session, month, member, machine_of(reference))
    beside = [] if lines else [line for line in found.ledger.beside(session, month) if line.member == member]
    return next((line for line in (*lines, *beside) if line.reference == reference), None)


def _contest(page: Page, found: Services, session: Any, row: LineContest) -> dict[str, Any]:
    line = _line(found, session, row.month, row.member_id, row.reference)
    return {
        "what": row.reference if line is None else what(line, page.look.language),
        "machine": "" if line is None else service.machine_names(session).get(line.machine, line.machine),
        "amount": "" if line is None else money(line.amount, page.look.language),
        "reason": row.reason,
        "at": times.full_day(times.local(row.at, page.zone).date(), page.say),
        "is_open": row.decided is None,
        "decision": row.decision,
        "decided": "" if row.decided is None else times.full_day(times.local(row.decided, page.zone).date(), page.say),
    }
