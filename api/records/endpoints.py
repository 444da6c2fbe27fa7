"""The routes of records: consortium, members, sites and machines."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import APIRouter, Body, Depends, Path, Query, Response

from api.audit.service import Actor  # noqa: TC001 - read when routes are made
from api.deps import (
    ActorDep,
    GuardDep,
    NowDep,
    ScopeDep,
    Services,
    ServicesDep,
    tagged,
)
from api.errors import may_add
from api.machines.paging import page
from api.records import service, sheets
from api.records.schemas import (
    ConsortiumFields,
    ImportOutcome,
    MachineFields,
    MachinePut,
    MemberFields,
    MemberList,
    MemberPut,
    SiteFields,
    SiteList,
    SitePut,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

    from api.access.scope import Scope
    from api.records.versions import Guard

PAGE_MAX = 500
router = APIRouter(prefix="/api/v1")

MemberId = Annotated[str, Path(max_length=63, description="Code of the firm.")]
SiteId = Annotated[str, Path(max_length=63, description="Identifier of the site.")]
MachineId = Annotated[str, Path(max_length=63, description="Identifier of the machine.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
DryRun = Annotated[bool, Query(description="Find every problem, and write nothing.")]
Sheet = Annotated[bytes, Body(media_type="text/csv", description="UTF-8 or Windows-1252; comma, semicolon or tab.")]


async def list_records(found: Services, scope: Scope, kind: str, cursor: str | None, limit: int) -> dict[str, Any]:
    """Return a page of the records that a caller may see."""
    rows = await asyncio.to_thread(service.visible, found.records, scope, kind)
    items, following = page(rows, lambda row: str(row.id), after=cursor, limit=limit)
    return {"items": [service.values_of(row) for row in items], "next_cursor": following}


async def one_record(found: Services, scope: Scope, kind: str, row_id: str, response: Response) -> dict[str, Any]:
    """Return a record that a caller may see, with its version."""
    row = await asyncio.to_thread(service.one, found.records, scope, kind, row_id)
    return tagged(service.values_of(row), response)


class Writer(NamedTuple):
    """Who changes records, and when."""

    found: Services
    actor: Actor
    now: int


def writer_of(found: ServicesDep, actor: ActorDep, now: NowDep) -> Writer:
    """Return who changes records with this request."""
    return Writer(found, actor, now)


WriterDep = Annotated[Writer, Depends(writer_of)]


async def put_record(
    writer: Writer, guard: Guard, record: tuple[str, str], fields: BaseModel, response: Response
) -> dict[str, Any]:
    """Keep a record, by its kind and id; the answer is 201 when there was none."""
    found, actor, now = writer
    kind, row_id = record
    values = fields.model_dump() | {"id": row_id}

    def write() -> tuple[str, dict[str, Any]]:
        with found.records.writing() as session:
            action = service.put(session, actor, kind, values, now=now, guard=guard)
            session.flush()
            session.expire_all()  # what is answered is what is kept
            return action, service.values_of(service.find(session, kind, row_id))

    return await _written(found, await asyncio.to_thread(write), response)


async def _written(found: Services, done: tuple[str, dict[str, Any]], response: Response) -> dict[str, Any]:
    action, values = done
    if action == "add":
        response.status_code = HTTPStatus.CREATED
    await found.changed()
    return tagged(values, response)


async def remove_record(writer: Writer, guard: Guard, kind: str, row_id: str) -> None:
    """Remove a record."""
    found, actor, now = writer

    def write() -> None:
        with found.records.writing() as session:
            service.remove(session, actor, kind, row_id, now=now, guard=guard)

    await asyncio.to_thread(write)
    await found.changed()


async def read_sheet(writer: Writer, kind: str, data: bytes, *, dry_run: bool) -> sheets.Outcome:
    """Read a table in, every line of it or none.

    Raises:
        SheetError: it is no such table.
    """
    found, actor, now = writer
    outcome = await asyncio.to_thread(sheets.read_in, found.records, actor, kind, data, now=now, dry_run=dry_run)
    await found.changed()
    return outcome


async def _import(writer: Writer, kind: str, data: bytes, *, dry_run: bool) -> Any:
    outcome = await read_sheet(writer, kind, data, dry_run=dry_run)
    return {
        "added": outcome.added,
        "changed": outcome.changed,
        "same": outcome.same,
        "written": not dry_run and not outcome.problems,
        "problems": [each._asdict() for each in outcome.problems],
    }


async def _export(found: Services, scope: Scope, kind: str) -> Response:
    text = await asyncio.to_thread(sheets.write, found.records, scope, kind)
    headers = {"Content-Disposition": f'attachment; filename="{kind}.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/consortium", tags=["consortium"], response_model=ConsortiumFields)
async def get_consortium(found: ServicesDep, response: Response) -> Any:
    """The consortium as issuer of statements."""
    return tagged(await asyncio.to_thread(service.consortium, found.records), response)


@router.put("/consortium", tags=["consortium"], response_model=ConsortiumFields)
async def put_consortium(writer: WriterDep, guard: GuardDep, fields: ConsortiumFields, response: Response) -> Any:
    """Fill in what the consortium is as issuer."""
    await asyncio.to_thread(write_consortium, writer, guard, fields)
    return tagged(await asyncio.to_thread(service.consortium, writer.found.records), response)


def write_consortium(writer: Writer, guard: Guard, fields: ConsortiumFields) -> None:
    """Keep what the consortium is."""
    found, actor, now = writer
    with found.records.writing() as session:
        service.put_consortium(session, actor, fields.model_dump(), now=now, guard=guard)


@router.get("/members", tags=["members"], response_model=MemberList)
async def list_members(found: ServicesDep, scope: ScopeDep, *, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """Member firms that the caller may see, by code: a member sees its own."""
    return await list_records(found, scope, "members", cursor, limit)


@router.get("/members.csv", tags=["members"], response_class=Response)
async def export_members(found: ServicesDep, scope: ScopeDep) -> Response:
    """Every member firm as CSV, in the columns that can be read in again."""
    return await _export(found, scope, "members")


@router.post("/members.csv", tags=["members"], response_model=ImportOutcome)
async def import_members(writer: WriterDep, data: Sheet, *, dry_run: DryRun = True) -> Any:
    """Read member firms in from CSV: all lines, or none."""
    return await _import(writer, "members", data, dry_run=dry_run)


@router.get("/members/{member_id}", tags=["members"], response_model=MemberFields)
async def get_member(found: ServicesDep, scope: ScopeDep, member_id: MemberId, response: Response) -> Any:
    """One member firm."""
    return await one_record(found, scope, "members", member_id, response)


@router.put("/members/{member_id}", tags=["members"], response_model=MemberFields, responses=may_add(MemberFields))
async def put_member(
    writer: WriterDep, guard: GuardDep, member_id: MemberId, fields: MemberPut, response: Response
) -> Any:
    """Add a member firm, or change it: every field is kept as it is given."""
    return await put_record(writer, guard, ("members", member_id), fields, response)


@router.delete("/members/{member_id}", tags=["members"], status_code=HTTPStatus.NO_CONTENT)
async def remove_member(writer: WriterDep, guard: GuardDep, member_id: MemberId) -> None:
    """Remove a firm that was added by mistake; one that leaves is ended by `active_to`."""
    await remove_record(writer, guard, "members", member_id)


@router.get("/sites", tags=["sites"], response_model=SiteList)
async def list_sites(found: ServicesDep, scope: ScopeDep, *, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """Sites that the caller may see."""
    return await list_records(found, scope, "sites", cursor, limit)


@router.get("/sites/{site_id}", tags=["sites"], response_model=SiteFields)
async def get_site(found: ServicesDep, scope: ScopeDep, site_id: SiteId, response: Response) -> Any:
    """One site."""
    return await one_record(found, scope, "sites", site_id, response)


@router.put("/sites/{site_id}", tags=["sites"], response_model=SiteFields, responses=may_add(SiteFields))
async def put_site(writer: WriterDep, guard: GuardDep, site_id: SiteId, fields: SitePut, response: Response) -> Any:
    """Add a site, or change it."""
    return await put_record(writer, guard, ("sites", site_id), fields, response)


@router.delete("/sites/{site_id}", tags=["sites"], status_code=HTTPStatus.NO_CONTENT)
async def remove_site(writer: WriterDep, guard: GuardDep, site_id: SiteId) -> None:
    """Remove a site that nothing refers to."""
    await remove_record(writer, guard, "sites", site_id)


@router.get("/machines.csv", tags=["machines"], response_class=Response)
async def export_machines(found: ServicesDep, scope: ScopeDep) -> Response:
    """Every machine as CSV, in the columns that can be read in again."""
    return await _export(found, scope, "machines")


@router.post("/machines.csv", tags=["machines"], response_model=ImportOutcome)
async def import_machines(writer: WriterDep, data: Sheet, *, dry_run: DryRun = True) -> Any:
    """Read machines in from CSV: all lines, or none."""
    return await _import(writer, "machines", data, dry_run=dry_run)


@router.get("/machines/{machine_id}/record", tags=["machines"], response_model=MachineFields)
async def get_machine_record(found: ServicesDep, scope: ScopeDep, machine_id: MachineId, response: Response) -> Any:
    """What is kept of a machine: nameplate, agent, contacts."""
    return await one_record(found, scope, "machines", machine_id, response)


@router.put("/machines/{machine_id}", tags=["machines"], response_model=MachineFields, responses=may_add(MachineFields))
async def put_machine(
    writer: WriterDep, guard: GuardDep, machine_id: MachineId, fields: MachinePut, response: Response
) -> Any:
    """Add a machine, or change it: every field is kept as it is given."""
    return await put_record(writer, guard, ("machines", machine_id), fields, response)


@router.delete("/machines/{machine_id}", tags=["machines"], status_code=HTTPStatus.NO_CONTENT)
async def remove_machine(writer: WriterDep, guard: GuardDep, machine_id: MachineId) -> None:
    """Remove a machine that was added by mistake; one that is shared no more is ended by `active_to`."""
    await remove_record(writer, guard, "machines", machine_id)
