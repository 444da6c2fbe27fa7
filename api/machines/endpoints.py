"""The routes of machines: each turns a request into one question."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.deps import NowDep, ScopeDep, ServicesDep  # noqa: TC001 - read when routes are made
from api.machines.schemas import MachineList, MachineNow, SignalList, StateList  # noqa: TC001 - read when routes are made
from api.machines.service import PAGE_MAX, STRETCHES_PAGE_MAX, period_of

router = APIRouter(prefix="/api/v1/machines", tags=["machines"])

MachineId = Annotated[str, Path(max_length=63, description="Identifier of the machine.")]
From = Annotated[
    str | None, Query(alias="from", max_length=40, description="RFC 3339; by default 8 hours before `to`.")
]
To = Annotated[str | None, Query(alias="to", max_length=40, description="RFC 3339, not included; by default now.")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before.")]


@router.get("")
async def list_machines(
    found: ServicesDep,
    scope: ScopeDep,
    now: NowDep,
    *,
    site: Annotated[str | None, Query(max_length=120)] = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
) -> MachineList:
    """Every machine that the caller may see, as it is now, by id."""
    return found.machines.overview(scope, site=site, after=cursor, limit=limit, now=now)


@router.get("/{machine_id}")
async def get_machine(found: ServicesDep, scope: ScopeDep, now: NowDep, machine_id: MachineId) -> MachineNow:
    """One machine as it is now."""
    return found.machines.one(scope, machine_id, now=now)


@router.get("/{machine_id}/states")
async def get_states(
    found: ServicesDep,
    scope: ScopeDep,
    now: NowDep,
    machine_id: MachineId,
    *,
    start: From = None,
    end: To = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=STRETCHES_PAGE_MAX)] = STRETCHES_PAGE_MAX,
) -> StateList:
    """The states of a machine that tile a period, and the seconds of each."""
    period = period_of(start, end, now=now)
    return await found.machines.states(scope, machine_id, period, after=cursor, limit=limit, now=now)


@router.get("/{machine_id}/signals")
async def get_signals(
    found: ServicesDep,
    scope: ScopeDep,
    now: NowDep,
    machine_id: MachineId,
    *,
    start: From = None,
    end: To = None,
    names: Annotated[str | None, Query(max_length=4000, description="Comma-separated; by default all.")] = None,
    resolution: Annotated[int | None, Query(ge=1, le=86_400, description="Seconds of a step.")] = None,
) -> SignalList:
    """Signals of a machine: raw where the period is short, gauges reduced to steps elsewhere."""
    period = period_of(start, end, now=now)
    chosen = None if names is None else [name for name in names.split(",") if name]
    return await found.machines.signals(scope, machine_id, chosen, period, resolution=resolution)
