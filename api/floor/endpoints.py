"""The routes of what is said at a machine: why it stands still, who can pay, and calls for maintenance."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.deps import CallerDep, NowDep, ScopeDep, ServicesDep  # noqa: TC001 - read when routes are made
from api.floor import service
from api.floor.schemas import (
    CallIn,
    CallList,
    CallOut,
    PayerList,
    ReasonList,
    ReasonsPut,
    StopList,
    TagIn,
    TagOut,
)
from api.floor.tables import StopList as KeptList
from api.machines.endpoints import From, To  # noqa: TC001 - read when routes are made
from api.machines.paging import page
from api.machines.service import period_of
from api.maintenance.endpoints import read, write
from api.records.endpoints import Cursor, Limit, MachineId, WriterDep  # noqa: TC001 - read when routes are made
from shopfloor.periods import INSTANT_MAX, format_instant, parse_instant

router = APIRouter(prefix="/api/v1", tags=["floor"])

OfMachine = Annotated[str | None, Query(alias="machine", max_length=63, description="Of this machine.")]


@router.get("/stop-reasons", response_model=ReasonList)
async def list_reasons(found: ServicesDep, scope: ScopeDep, *, machine: OfMachine = None) -> Any:
    """The reasons from which a person at a machine chooses; without a machine, those that hold where no list was kept.

    They come in one page: a list has at most 24.
    """
    of = (
        ("", "")
        if machine is None
        else (found.live.park.get(scope, machine).site, found.live.park.get(scope, machine).kind)
    )
    kept = await read(found, lambda session: service.reasons(session, *of))
    return {"items": [each._asdict() for each in kept], "next_cursor": None}


@router.put("/stop-reasons", status_code=HTTPStatus.NO_CONTENT)
async def put_reasons(writer: WriterDep, wanted: ReasonsPut) -> None:
    """Keep the reasons of a site, a kind of machine, both, or all; reasons that were given keep their words."""
    reasons = [each.model_dump() for each in wanted.reasons]
    await write(
        writer,
        lambda session: service.keep_reasons(
            session, writer.actor, KeptList(site=wanted.site or "", kind=wanted.kind, reasons=reasons), now=writer.now
        ),
    )


@router.get("/machines/{machine_id}/stops", response_model=StopList)
async def list_stops(
    found: ServicesDep,
    scope: ScopeDep,
    now: NowDep,
    machine_id: MachineId,
    *,
    start: From = None,
    end: To = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Any:
    """The stops of a period that are long enough to have a reason, with the reason that somebody gave."""
    machine = found.live.park.get(scope, machine_id)
    period = period_of(start, end, now=now)
    stops = await asyncio.to_thread(service.stops_of, found.records, found.machines, machine, period, now=now)
    chosen, following = page(
        stops, lambda each: f"{INSTANT_MAX - each[0].period.start:020d}", after=cursor, limit=limit
    )
    return {
        "items": [
            {
                "from": format_instant(stop.period.start),
                "to": format_instant(stop.period.end),
                "state": stop.state.value,
                "seconds": stop.period.seconds,
                "lasts": stop.is_now,
                "reason": None if reason is None else reason._asdict(),
            }
            for stop, reason in chosen
        ],
        "next_cursor": following,
    }


@router.post("/machines/{machine_id}/stops", status_code=HTTPStatus.CREATED, response_model=TagOut)
async def tag_stop(writer: WriterDep, scope: ScopeDep, machine_id: MachineId, said: TagIn) -> Any:
    """Give the reason of a stop; what was said before is kept, and the newest holds."""
    found, actor, now = writer
    machine, at = found.live.park.get(scope, machine_id), parse_instant(said.at)
    row = await write(writer, lambda session: service.tag(session, actor, machine, at, said.reason, now=now))
    return {
        "machine": row.machine_id,
        "at": format_instant(row.at),
        "reason": row.reason,
        "by": row.by,
        "entered": format_instant(row.entered),
    }


@router.get("/payers", response_model=PayerList)
async def list_payers(found: ServicesDep, now: NowDep, *, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """The firms that somebody can be checked in for, for who works at the machines: their names alone."""
    firms = await read(found, lambda session: service.payers(session, now=now))
    chosen, following = page(sorted(firms), lambda each: each[0], after=cursor, limit=limit)
    return {"items": [{"id": each, "name": name} for each, name in chosen], "next_cursor": following}


@router.get("/machines/{machine_id}/calls", response_model=CallList)
async def list_calls(
    found: ServicesDep,
    scope: ScopeDep,
    now: NowDep,
    machine_id: MachineId,
    *,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Any:
    """Calls for maintenance of the last seven days, and who answered."""
    machine = found.live.park.get(scope, machine_id)
    made = await read(found, lambda session: service.calls(session, machine.id, now=now))
    chosen, following = page(made, lambda each: f"{INSTANT_MAX - each.at:020d}{each.id}", after=cursor, limit=limit)
    return {"items": [_call(each) for each in chosen], "next_cursor": following}


@router.post("/machines/{machine_id}/calls", status_code=HTTPStatus.CREATED, response_model=CallOut)
async def call_maintenance(writer: WriterDep, caller: CallerDep, machine_id: MachineId, said: CallIn) -> Any:
    """Call maintenance: an alert within seconds. A call that is open already is answered as it is."""
    found, actor, now = writer
    machine = found.live.park.get(caller.scope, machine_id)
    return _call(
        await write(writer, lambda session: service.call(session, actor, caller.name, machine.id, said.note, now=now))
    )


@router.delete("/machines/{machine_id}/calls", status_code=HTTPStatus.NO_CONTENT)
async def take_call_back(writer: WriterDep, caller: CallerDep, machine_id: MachineId) -> None:
    """Say that nobody is wanted any more."""
    found, actor, now = writer
    machine = found.live.park.get(caller.scope, machine_id)
    await write(writer, lambda session: service.take_back(session, actor, caller.name, machine.id, now=now))


def _call(one: service.Call) -> dict[str, Any]:
    taken = None if one.taken is None else format_instant(one.taken)
    return one._asdict() | {"at": format_instant(one.at), "taken": taken}
