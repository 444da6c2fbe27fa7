"""The routes of evidence: who used a machine, as people say it."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query

from api.access.scope import Role
from api.deps import NowDep, ScopeDep, ServicesDep  # noqa: TC001 - read when routes are made
from api.machines.endpoints import From, To  # noqa: TC001 - read when routes are made
from api.machines.paging import page
from api.machines.service import period_of
from api.records.endpoints import Cursor, Limit, MachineId, Writer, WriterDep  # noqa: TC001 - read when routes are made  # noqa: TC001 - read when routes are made
from api.usage import service
from api.usage.evidence import JobRule, RuleKind
from api.usage.schemas import (
    BadgeIn,
    BadgeList,
    BadgeOut,
    CheckInIn,
    CheckInList,
    CheckInOut,
    CorrectionIn,
    CorrectionList,
    CorrectionOut,
    DecisionIn,
    JobRuleIn,
    JobRuleList,
    JobRuleOut,
    MaintenanceEnd,
    MaintenanceIn,
    MaintenanceList,
    MaintenanceOut,
    PayerNow,
)
from api.usage.segments import name_of_payer
from shopfloor.periods import Period, format_instant, parse_instant

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.usage.tables import BadgeOwner, CheckIn, CorrectionRequest, MaintenanceTime, MemberRule

router = APIRouter(prefix="/api/v1", tags=["usage"])

RuleId = Annotated[str, Path(max_length=16, description="Identifier of the rule.")]
CorrectionId = Annotated[str, Path(max_length=16, description="Identifier of the correction.")]
TimeId = Annotated[str, Path(max_length=16, description="Identifier of the while.")]
OfMachine = Annotated[str | None, Query(alias="machine", max_length=63, description="Only of this machine.")]


async def write(writer: Writer, change: Callable[[Any], Any]) -> Any:
    """Change records in a transaction of its own."""

    def run() -> Any:
        with writer.found.records.writing() as session:
            return change(session)

    return await asyncio.to_thread(run)


def _instant(text: str | None, now: int) -> int:
    return now if text is None else parse_instant(text)


@router.get("/check-ins", response_model=CheckInList)
async def list_check_ins(
    found: ServicesDep,
    scope: ScopeDep,
    now: NowDep,
    *,
    machine: OfMachine = None,
    start: From = None,
    end: To = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Any:
    """Check-ins and check-outs of a period, the oldest first; a member sees its own."""
    period = period_of(start, end, now=now)
    rows = await asyncio.to_thread(service.check_ins, found.records, scope, machine, period)
    items, following = page(rows, lambda row: f"{row.at:020d}{row.id}", after=cursor, limit=limit)
    return {"items": [_check_in(row) for row in items], "next_cursor": following}


@router.post("/check-ins", status_code=HTTPStatus.CREATED, response_model=CheckInOut)
async def add_check_in(writer: WriterDep, scope: ScopeDep, said: CheckInIn) -> Any:
    """Say who uses a machine from now on, or that nobody does any more."""
    presence = service.Presence(said.machine, _instant(said.at, writer.now), said.payer, said.out)
    row = await write(writer, lambda session: service.check_in(session, writer.actor, scope, presence, now=writer.now))
    return _check_in(row)


def _check_in(row: CheckIn) -> dict[str, Any]:
    return {
        "id": row.id,
        "machine": row.machine_id,
        "payer": row.payer,
        "out": row.is_out,
        "at": format_instant(row.at),
        "by": row.by,
        "entered": format_instant(row.entered),
    }


@router.get("/machines/{machine_id}/payer", response_model=PayerNow)
async def get_payer(found: ServicesDep, scope: ScopeDep, now: NowDep, machine_id: MachineId) -> Any:
    """Who pays for a machine now; a member is told when it is its own firm."""
    machine = found.live.park.get(scope, machine_id)
    segment = await asyncio.to_thread(found.usage.last_segment, machine.id, now=now)
    is_shown = segment is not None and (scope.role is not Role.MEMBER or segment.payer == scope.member)
    if segment is None or not is_shown:
        return {"machine": machine.id, "payer": None, "claim": None, "since": None}
    return {
        "machine": machine.id,
        "payer": name_of_payer(segment.payer),
        "claim": segment.claim,
        "since": format_instant(segment.period.start),
    }


@router.get("/job-rules", response_model=JobRuleList)
async def list_rules(found: ServicesDep, *, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """Which member a job or order id means."""
    rows = await asyncio.to_thread(service.rules, found.records)
    items, following = page(rows, lambda row: row.id, after=cursor, limit=limit)
    return {"items": [_rule(row) for row in items], "next_cursor": following}


@router.post("/job-rules", status_code=HTTPStatus.CREATED, response_model=JobRuleOut)
async def add_rule(writer: WriterDep, rule: JobRuleIn) -> Any:
    """Add a rule; what it maps is attributed again, and closed months get adjustments."""
    wanted = JobRule(RuleKind(rule.kind), rule.text, rule.member)
    return _rule(await write(writer, lambda session: service.add_rule(session, writer.actor, wanted, now=writer.now)))


@router.delete("/job-rules/{rule_id}", status_code=HTTPStatus.NO_CONTENT)
async def remove_rule(writer: WriterDep, rule_id: RuleId) -> None:
    """Remove a rule."""
    await write(writer, lambda session: service.remove_rule(session, writer.actor, rule_id, now=writer.now))


def _rule(row: MemberRule) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "text": row.text,
        "member": row.member_id,
        "added": format_instant(row.added),
    }


@router.get("/badges", response_model=BadgeList)
async def list_badges(found: ServicesDep, *, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """Whose each badge is, and since when."""
    rows = await asyncio.to_thread(service.badges, found.records)
    items, following = page(rows, lambda row: f"{row.badge}\n{row.since:020d}", after=cursor, limit=limit)
    return {"items": [_badge(row) for row in items], "next_cursor": following}


@router.post("/badges", status_code=HTTPStatus.CREATED, response_model=BadgeOut)
async def give_badge(writer: WriterDep, given: BadgeIn) -> Any:
    """Say whose a badge is from an instant on; `nobody` for one that is lost."""
    since = _instant(given.since, writer.now)
    row = await write(
        writer,
        lambda session: service.give_badge(session, writer.actor, given.badge, given.payer, since, now=writer.now),
    )
    return _badge(row)


def _badge(row: BadgeOwner) -> dict[str, Any]:
    return {"badge": row.badge, "payer": row.payer, "since": format_instant(row.since)}


@router.get("/corrections", response_model=CorrectionList)
async def list_corrections(
    found: ServicesDep,
    scope: ScopeDep,
    *,
    only_open: Annotated[bool, Query(alias="open", description="Only those that nobody has decided.")] = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Any:
    """Requests to charge a period otherwise; a member sees those of its firm."""
    rows = await asyncio.to_thread(service.corrections, found.records, scope, only_open=only_open)
    items, following = page(sorted(rows, key=lambda row: row.id), lambda row: row.id, after=cursor, limit=limit)
    return {"items": [_correction(row) for row in items], "next_cursor": following}


@router.post("/corrections", status_code=HTTPStatus.CREATED, response_model=CorrectionOut)
async def ask_correction(writer: WriterDep, scope: ScopeDep, asked: CorrectionIn) -> Any:
    """Ask that a period is charged otherwise; another person decides, and what was recorded is kept."""
    start, end = parse_instant(asked.start), parse_instant(asked.end)
    wish = service.Wish(asked.machine, Period(start, max(start, end)), asked.payer, asked.state, asked.reason)
    row = await write(
        writer, lambda session: service.ask_correction(session, writer.actor, scope, wish, now=writer.now)
    )
    return _correction(row)


@router.post("/corrections/{correction_id}/decision", response_model=CorrectionOut)
async def decide_correction(writer: WriterDep, correction_id: CorrectionId, decision: DecisionIn) -> Any:
    """Approve or refuse a correction that somebody else asked for."""
    row = await write(
        writer,
        lambda session: service.decide_correction(
            session, writer.actor, correction_id, decision.reason, approve=decision.approve, now=writer.now
        ),
    )
    return _correction(row)


def _correction(row: CorrectionRequest) -> dict[str, Any]:
    return {
        "id": row.id,
        "machine": row.machine_id,
        "from": format_instant(row.starts),
        "to": format_instant(row.ends),
        "payer": row.payer,
        "state": row.state,
        "reason": row.reason,
        "member": row.member_id,
        "requested_by": row.requested_by,
        "requested": format_instant(row.requested),
        "approved": row.is_approved,
        "decided_by": row.decided_by,
        "decided": None if row.decided is None else format_instant(row.decided),
        "decision_reason": row.decision_reason,
    }


@router.get("/maintenance-times", response_model=MaintenanceList)
async def list_maintenance(
    found: ServicesDep,
    scope: ScopeDep,
    now: NowDep,
    *,
    start: From = None,
    end: To = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Any:
    """Whiles of a period in which maintenance, or an interruption, is the consortium's."""
    period = period_of(start, end, now=now)
    rows = await asyncio.to_thread(service.maintenance_times, found.records, scope, period)
    items, following = page(rows, lambda row: f"{row.starts:020d}{row.id}", after=cursor, limit=limit)
    return {"items": [_maintenance(row) for row in items], "next_cursor": following}


@router.post("/maintenance-times", status_code=HTTPStatus.CREATED, response_model=MaintenanceOut)
async def add_maintenance(writer: WriterDep, scope: ScopeDep, said: MaintenanceIn) -> Any:
    """Say that maintenance, or an interruption, is the consortium's from an instant on."""
    values = {
        "machine_id": said.machine,
        "starts": parse_instant(said.start),
        "ends": None if said.end is None else parse_instant(said.end),
        "cause": said.cause,
        "note": said.note,
    }
    row = await write(
        writer, lambda session: service.add_maintenance(session, writer.actor, scope, values, now=writer.now)
    )
    return _maintenance(row)


@router.post("/maintenance-times/{time_id}/end", response_model=MaintenanceOut)
async def end_maintenance(writer: WriterDep, scope: ScopeDep, time_id: TimeId, said: MaintenanceEnd) -> Any:
    """Say when a while that goes on has ended."""
    ends = parse_instant(said.end)
    row = await write(
        writer, lambda session: service.end_maintenance(session, writer.actor, scope, time_id, ends, now=writer.now)
    )
    return _maintenance(row)


def _maintenance(row: MaintenanceTime) -> dict[str, Any]:
    return {
        "id": row.id,
        "machine": row.machine_id,
        "from": format_instant(row.starts),
        "to": None if row.ends is None else format_instant(row.ends),
        "cause": row.cause,
        "note": row.note,
        "by": row.by,
    }
