"""The routes of billing: prices, previews, contests, closings, statements, use with money."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response

from api.access.scope import Role, Scope
from api.billing import closing, posting, service
from api.billing.calendars import day_of, month_of
from api.billing.handing import MEDIA_TYPES, handed
from api.billing.previews import decisions, differences, forecast, forecast_range
from api.billing.pricelist import Entry
from api.billing.schemas import (
    BudgetIn,
    BudgetOut,
    ClosingIn,
    ClosingList,
    ClosingOut,
    ContestDecision,
    ContestIn,
    ContestList,
    ContestOut,
    DecisionList,
    Differences,
    EntryIn,
    EntryList,
    EntryOut,
    EventIn,
    MailIn,
    MailsOut,
    Month,
    PreviewList,
    Reference,
    SegmentList,
    StatementList,
    StatementOut,
    TryIn,
)
from api.billing.statements import to_data
from api.billing.stating import Contested
from api.deps import NowDep, ScopeDep, ServicesDep  # noqa: TC001 - read when routes are made
from api.machines.paging import page
from api.maintenance.alarms import ActionRefusedError
from api.records.endpoints import Cursor, Limit, MemberId, WriterDep  # noqa: TC001 - read when routes are made
from api.records.rules import InvalidRecordError, Problem
from api.records.service import UnknownRecordError
from api.usage.endpoints import write
from shopfloor.periods import format_instant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from api.billing.statements import Statement
    from api.billing.tables import Budget, IssuedStatement, LineContest, MonthClosing, PriceEntry
    from api.deps import Services
    from api.pages.words import Language
    from api.usage.segments import Segment

router = APIRouter(prefix="/api/v1")
CURRENCY = "EUR"
EntryId = Annotated[str, Path(max_length=16, description="Identifier of the entry.")]
StatementId = Annotated[str, Path(max_length=12, description="Identifier of the statement.")]
InLanguage = Annotated[Literal["it", "en"], Query(description="Of what people read.")]
ContestId = Annotated[str, Path(max_length=16, description="Identifier of the contest.")]
OfMonth = Annotated[Month | None, Query(alias="month", description="As 2026-10; the present one, when not given.")]
OfMember = Annotated[str | None, Query(alias="member", max_length=63, description="Only of this member.")]


def whose(scope: Scope, asked: str | None) -> str | None:
    """Return whose money is asked for: a member's is its own, whatever it asks for.

    Raises:
        UnknownRecordError: a member asks for another one's.
    """
    if scope.role is not Role.MEMBER:
        return asked
    if asked not in {None, scope.member}:
        raise UnknownRecordError(asked or "")
    return scope.member


# Prices.


@router.get("/tariffs", tags=["tariffs"], response_model=EntryList)
async def list_entries(found: ServicesDep, *, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """The price list: tariffs, calendars, quotas, shared costs, lent hours, fees, true-ups."""

    def read() -> tuple[list[PriceEntry], str | None]:
        with found.records.reading() as session:
            kept = [service.entry(session, each.id) for each in service.entries(session)]
            return sorted(kept, key=lambda row: row.id), service.last_closed(session)

    rows, closed = await asyncio.to_thread(read)
    items, following = page(rows, lambda row: row.id, after=cursor, limit=limit)
    return {"items": [_entry(row) for row in items], "next_cursor": following, "closed_until": closed}


@router.post("/tariffs", tags=["tariffs"], status_code=HTTPStatus.CREATED, response_model=EntryOut)
async def add_entry(writer: WriterDep, given: EntryIn) -> Any:
    """Add to the price list; what does not fit with the rest is refused, and nothing is kept."""
    zone = writer.found.ledger.zone
    wanted = Entry("", given.kind, given.text)
    row = await write(writer, lambda session: service.put_entry(session, writer.actor, zone, wanted, now=writer.now))
    return _entry(row)


@router.post("/tariffs/try", tags=["tariffs"], response_model=Differences)
async def try_entries(found: ServicesDep, now: NowDep, given: TryIn) -> Any:
    """What other prices would make of a month, by member; nothing is kept."""
    entries = [Entry(f"new{number}", each.kind, each.text) for number, each in enumerate(given.entries)]
    rows = await asyncio.to_thread(differences, found.ledger, given.month, entries, given.removed, now=now)
    return {
        "month": given.month,
        "items": [
            {"member": member, "before": str(before), "after": str(after), "difference": str(after - before),
             "currency": CURRENCY}
            for member, before, after in rows
        ],
    }  # fmt: skip


@router.get("/tariffs/{entry_id}", tags=["tariffs"], response_model=EntryOut)
async def get_entry(found: ServicesDep, entry_id: EntryId) -> Any:
    """One entry of the price list."""

    def read() -> PriceEntry:
        with found.records.reading() as session:
            return service.entry(session, entry_id)

    return _entry(await asyncio.to_thread(read))


@router.put("/tariffs/{entry_id}", tags=["tariffs"], response_model=EntryOut)
async def put_entry(writer: WriterDep, entry_id: EntryId, given: EntryIn) -> Any:
    """Change an entry; what a closed month was charged by can be ended, and not changed."""
    zone = writer.found.ledger.zone
    wanted = Entry(entry_id, given.kind, given.text)
    row = await write(writer, lambda session: service.put_entry(session, writer.actor, zone, wanted, now=writer.now))
    return _entry(row)


@router.delete("/tariffs/{entry_id}", tags=["tariffs"], status_code=HTTPStatus.NO_CONTENT)
async def remove_entry(writer: WriterDep, entry_id: EntryId) -> None:
    """Remove an entry that no closed month was charged by."""
    zone = writer.found.ledger.zone
    await write(writer, lambda session: service.remove_entry(session, writer.actor, zone, entry_id, now=writer.now))


def _entry(row: PriceEntry) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "name": service.name_of(Entry(row.id, row.kind, row.text)),
        "text": row.text,
        "by": row.by,
        "changed": format_instant(row.changed),
    }


# Open months.


@router.get("/previews", tags=["statements"], response_model=PreviewList)
async def list_previews(
    found: ServicesDep,
    scope: ScopeDep,
    now: NowDep,
    *,
    month: OfMonth = None,
    member: OfMember = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Any:
    """A month as if it ended now, with a forecast: a member's own, or the whole house's."""
    wanted = month or month_of(now, found.ledger.zone)
    asked = whose(scope, member)

    def read() -> tuple[list[Statement], dict[str, Budget | None]]:
        stated = found.ledger.preview(wanted, now=now, member=asked)
        with found.records.reading() as session:
            return stated, {each.member: service.budget(session, each.member) for each in stated}

    stated, budgets = await asyncio.to_thread(read)
    items, following = page(stated, lambda each: each.member, after=cursor, limit=limit)
    today = day_of(now, found.ledger.zone)
    return {
        "items": [_preview(each, budgets[each.member], now, today) for each in items],
        "next_cursor": following,
    }


def _preview(stated: Statement, budget: Budget | None, now: int, today: date) -> dict[str, Any]:
    between = forecast_range(stated, now=now, today=today)
    return {
        "month": stated.month,
        "member": stated.member,
        "until": format_instant(max(stated.period.start, min(now, stated.period.end))),
        "currency": stated.currency,
        "net": str(stated.net),
        "tax": str(stated.tax),
        "total": str(stated.total),
        "forecast_net": str(forecast(stated, now=now)),
        "forecast_low": None if between is None else str(between[0]),
        "forecast_high": None if between is None else str(between[1]),
        "budget": None if budget is None else _status(budget, stated.net),
        "statement": to_data(stated),
    }


def _status(budget: Budget, net: Decimal) -> dict[str, Any]:
    reached = int(net * 100 / budget.amount) if budget.amount else 100
    return {
        "amount": str(budget.amount),
        "warn_percent": budget.warn_percent,
        "reached_percent": reached,
        "is_warned": reached >= budget.warn_percent,
    }


@router.get("/previews/segments", tags=["statements"], response_model=SegmentList)
async def list_preview_segments(
    found: ServicesDep,
    scope: ScopeDep,
    now: NowDep,
    *,
    member: OfMember = None,
    month: OfMonth = None,
    reference: Annotated[Reference, Query(description="Of the line.")] = "-",
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Any:
    """What a line of an open month was measured in, down to the samples."""
    wanted, asked = month or month_of(now, found.ledger.zone), whose(scope, member) or ""

    def read() -> list[Segment]:
        with found.records.reading() as session:
            return found.ledger.opened(session, wanted, asked, reference)

    return _segments(await asyncio.to_thread(read), cursor, limit)


def _segments(segments: Sequence[Segment], cursor: str | None, limit: int) -> dict[str, Any]:
    items, following = page(segments, lambda each: f"{each.period.start:020d}", after=cursor, limit=limit)
    return {
        "items": [
            {
                "from": format_instant(each.period.start),
                "to": format_instant(each.period.end),
                "state": each.state,
                "quality": each.quality,
                "claim": each.claim,
                "seconds": each.period.seconds,
                "sources": [[source.signal, format_instant(source.stamp)] for source in each.sources],
            }
            for each in items
        ],
        "next_cursor": following,
    }


# Contests.


@router.get("/contests", tags=["statements"], response_model=ContestList)
async def list_contests(
    found: ServicesDep,
    scope: ScopeDep,
    *,
    only_open: Annotated[bool, Query(alias="open", description="Only those that nobody has decided.")] = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Any:
    """Lines that members contest; a member sees its own."""
    rows = await asyncio.to_thread(service.contests, found.records, scope, only_open=only_open)
    items, following = page(rows, lambda row: row.id, after=cursor, limit=limit)
    return {"items": [_contest(row) for row in items], "next_cursor": following}


@router.post("/contests", tags=["statements"], status_code=HTTPStatus.CREATED, response_model=ContestOut)
async def add_contest(writer: WriterDep, scope: ScopeDep, given: ContestIn) -> Any:
    """Contest a line of a month that is not closed: it stays out of the statement until somebody has decided."""
    whose(scope, given.member)
    stated = await asyncio.to_thread(writer.found.ledger.preview, given.month, now=writer.now, member=given.member)
    if not any(line.reference == given.reference for each in stated for line in each.lines):
        raise InvalidRecordError([Problem("reference", f"{given.month} has no such line of {given.member}")])
    line = Contested(given.month, given.member, given.reference)
    row = await write(
        writer,
        lambda session: service.contest(session, writer.actor, scope, line, given.reason, now=writer.now),
    )
    return _contest(row)


@router.post("/contests/{contest_id}/decision", tags=["statements"], response_model=ContestOut)
async def decide_contest(writer: WriterDep, contest_id: ContestId, decision: ContestDecision) -> Any:
    """Decide on a contest; what was wrong is set right by evidence or a correction before."""
    row = await write(
        writer,
        lambda session: service.decide_contest(session, writer.actor, contest_id, decision.reason, now=writer.now),
    )
    return _contest(row)


def _contest(row: LineContest) -> dict[str, Any]:
    return {
        "id": row.id,
        "member": row.member_id,
        "month": row.month,
        "reference": row.reference,
        "reason": row.reason,
        "by": row.by,
        "at": format_instant(row.at),
        "decision": row.decision,
        "decided_by": row.decided_by,
        "decided": None if row.decided is None else format_instant(row.decided),
    }


# Closings and statements.


@router.get("/closings", tags=["statements"], response_model=ClosingList)
async def list_closings(found: ServicesDep, *, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """Months that are closed, the oldest first."""
    rows = await asyncio.to_thread(service.closings, found.records)
    items, following = page(rows, lambda row: row[0].month, after=cursor, limit=limit)
    return {"items": [_closing(row, count) for row, count in items], "next_cursor": following}


@router.post("/closings", tags=["statements"], status_code=HTTPStatus.CREATED, response_model=ClosingOut)
async def close_month(writer: WriterDep, given: ClosingIn) -> Any:
    """Close a month: its statements get their numbers and never change again. A closed one stays as it is."""
    order = closing.Order(given.month, given.issued, given.accepted)
    await asyncio.to_thread(closing.close, writer.found.ledger, writer.actor, order, now=writer.now)
    rows = await asyncio.to_thread(service.closings, writer.found.records)
    return next(_closing(row, count) for row, count in rows if row.month == given.month)


def _closing(row: MonthClosing, count: int) -> dict[str, Any]:
    return {
        "month": row.month,
        "issued": row.issued,
        "closed": format_instant(row.closed),
        "by": row.by,
        "statements": count,
    }


@router.get("/statements", tags=["statements"], response_model=StatementList)
async def list_statements(
    found: ServicesDep,
    scope: ScopeDep,
    *,
    month: Annotated[Month | None, Query(description="Of the closing, as 2026-10.")] = None,
    member: OfMember = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Any:
    """Closed statements, by number; a member sees its own."""
    asked = whose(scope, member)

    def read() -> tuple[list[IssuedStatement], dict[int, service.Fate]]:
        rows = service.statements(found.records, scope, month=month, member=asked)
        with found.records.reading() as session:
            return rows, service.fates(session)

    rows, fates = await asyncio.to_thread(read)
    items, following = page(rows, lambda row: f"{row.number:09d}", after=cursor, limit=limit)
    return {"items": [_statement(row, fates.get(row.number)) for row in items], "next_cursor": following}


async def _file(found: Services, scope: Scope, statement_id: str, form: str, language: Language) -> Response:
    def read() -> tuple[str, bytes]:
        with found.records.reading() as session:
            return handed(session, service.statement(session, scope, statement_id), form, language)

    name, content = await asyncio.to_thread(read)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=MEDIA_TYPES[form], headers=headers)


@router.get("/statements/{statement_id}.pdf", tags=["statements"], response_class=Response)
async def get_pdf(
    found: ServicesDep, scope: ScopeDep, statement_id: StatementId, *, language: InLanguage = "it"
) -> Response:
    """A closed statement to be read and filed: the same bytes for the same statement."""
    return await _file(found, scope, statement_id, "pdf", language)


@router.get("/statements/{statement_id}.xlsx", tags=["statements"], response_class=Response)
async def get_xlsx(
    found: ServicesDep, scope: ScopeDep, statement_id: StatementId, *, language: InLanguage = "it"
) -> Response:
    """A closed statement as a workbook, with numbers and formulas."""
    return await _file(found, scope, statement_id, "xlsx", language)


@router.get("/statements/{statement_id}.csv", tags=["statements"], response_class=Response)
async def get_csv(
    found: ServicesDep, scope: ScopeDep, statement_id: StatementId, *, language: InLanguage = "it"
) -> Response:
    """A closed statement line by line."""
    return await _file(found, scope, statement_id, "csv", language)


@router.get("/statements/{statement_id}.xml", tags=["statements"], response_class=Response)
async def get_xml(found: ServicesDep, scope: ScopeDep, statement_id: StatementId) -> Response:
    """A closed statement as an electronic invoice (FatturaPA, FPR12), where the consortium invoices."""
    return await _file(found, scope, statement_id, "xml", "it")


@router.get("/statements/{statement_id}", tags=["statements"], response_model=StatementOut)
async def get_statement(found: ServicesDep, scope: ScopeDep, statement_id: StatementId) -> Any:
    """One closed statement, as it is chained, and what became of it."""

    def read() -> dict[str, Any]:
        with found.records.reading() as session:
            row = service.statement(session, scope, statement_id)
            return _whole(session, row)

    return await asyncio.to_thread(read)


@router.get("/statements/{statement_id}/segments", tags=["statements"], response_model=SegmentList)
async def list_statement_segments(
    found: ServicesDep,
    scope: ScopeDep,
    statement_id: StatementId,
    *,
    month: Annotated[Month | None, Query(description="Of the use; that of the statement, when not given.")] = None,
    reference: Annotated[Reference, Query(description="Of the line.")] = "-",
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Any:
    """What a line of a closed statement was measured in, down to the samples."""

    def read() -> list[Segment]:
        with found.records.reading() as session:
            row = service.statement(session, scope, statement_id)
            return found.ledger.opened(session, month or row.closing, row.member_id, reference, closing=row.closing)

    return _segments(await asyncio.to_thread(read), cursor, limit)


@router.post("/statements/{statement_id}/events", tags=["statements"], response_model=StatementOut)
async def add_event(writer: WriterDep, scope: ScopeDep, statement_id: StatementId, given: EventIn) -> Any:
    """Record that a statement was sent, rejected or accepted by the exchange system, paid, or is unpaid again.

    After a rejection it is sent again under its number.
    """
    day = given.day or day_of(writer.now, writer.found.ledger.zone)

    def change(session: Any) -> Any:
        row = service.statement(session, scope, statement_id)
        service.add_event(session, writer.actor, row.number, given.kind, day=day, note=given.note, now=writer.now)
        session.flush()
        return _whole(session, row)

    return await write(writer, change)


@router.post("/statements/mails", tags=["statements"], status_code=HTTPStatus.ACCEPTED, response_model=MailsOut)
async def send_mails(writer: WriterDep, given: MailIn) -> Any:
    """Send the statements of a closed month to their members' offices by e-mail, also when they were sent before."""
    if not writer.found.ledger.mails:
        raise ActionRefusedError("there is no mail server: the API's file names one in [mail]")

    def change(session: Any) -> posting.Queued:
        rows = posting.rows_of(session, given.month, given.member)
        if not rows:
            raise InvalidRecordError([Problem("month", f"{given.month} has no such statement")])
        return posting.queue(session, writer.actor, rows, now=writer.now)

    done = await write(writer, change)
    return {
        "sent": [str(each) for each in done.sent],
        "waiting": [str(each) for each in done.waiting],
        "without": list(done.without),
    }


def _statement(row: IssuedStatement, fate: service.Fate | None) -> dict[str, Any]:
    body = json.loads(row.body)
    return {
        "id": str(row.number),
        "number": body["number"],
        "month": row.closing,
        "member": row.member_id,
        "issued": body["issued"],
        "currency": CURRENCY,
        "net": str(row.net),
        "total": str(row.total),
        "paid": fate is not None and fate.is_paid,
        "exchange": "" if fate is None else fate.exchange,
    }


def _whole(session: Any, row: IssuedStatement) -> dict[str, Any]:
    return _statement(row, service.fates(session, [row.number]).get(row.number)) | {
        "digest": row.digest,
        "body": json.loads(row.body),
        "events": [
            {
                "kind": each.kind,
                "day": each.day,
                "note": each.note,
                "by": each.by,
                "entered": format_instant(each.entered),
            }
            for each in service.events(session, row.number)
        ],
        "mails": [
            each._asdict() | {"at": format_instant(each.at), "last": format_instant(each.last) if each.last else None}
            for each in posting.mailings(session, row.number)
        ],
    }


# Budgets, decisions.


@router.get("/budgets/{member_id}", tags=["statements"], response_model=BudgetOut)
async def get_budget(found: ServicesDep, scope: ScopeDep, member_id: MemberId) -> Any:
    """What a member means to spend in a month."""

    def read() -> Budget | None:
        with found.records.reading() as session:
            service.check_member(session, scope, member_id)
            return service.budget(session, member_id)

    return _budget(member_id, await asyncio.to_thread(read))


@router.put("/budgets/{member_id}", tags=["statements"], response_model=BudgetOut)
async def put_budget(writer: WriterDep, scope: ScopeDep, member_id: MemberId, given: BudgetIn) -> Any:
    """Say what a member means to spend in a month, and when it is to be warned."""

    def change(session: Any) -> Budget | None:
        service.check_member(session, scope, member_id)
        service.put_budget(session, writer.actor, member_id, given.amount, given.warn_percent, now=writer.now)
        session.flush()
        return service.budget(session, member_id)

    return _budget(member_id, await write(writer, change))


def _budget(member: str, row: Budget | None) -> dict[str, Any]:
    return {
        "member": member,
        "amount": None if row is None else str(row.amount.quantize(Decimal("0.01"))),
        "currency": CURRENCY,
        "warn_percent": None if row is None else row.warn_percent,
    }


@router.get("/decisions", tags=["statements"], response_model=DecisionList)
async def list_decisions(
    found: ServicesDep, scope: ScopeDep, now: NowDep, *, cursor: Cursor = None, limit: Limit = 100
) -> Any:
    """What somebody has to decide before the month can be closed: doubtful use, corrections, contests."""
    rows = await asyncio.to_thread(decisions, found.ledger, scope, now=now)
    items, following = page(rows, lambda row: row["key"], after=cursor, limit=limit)
    return {"items": items, "next_cursor": following}
