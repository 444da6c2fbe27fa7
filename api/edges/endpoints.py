"""The routes of edge agents: who speaks for machines, and with which login."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Request, Response

from api.audit.service import record
from api.deps import (
    ActorDep,
    EdgesDep,
    GuardDep,
    NowDep,
    ScopeDep,
    Services,
    ServicesDep,
    client_address,
)
from api.edges.schemas import (
    EdgeFields,
    EdgeList,
    EdgeOut,
    EdgePut,
    EnrolledOut,
    EnrollIn,
    HealthOut,
    InvitationOut,
    ReplyOut,
    RequestIn,
)
from api.edges.store import EdgeStore, take_away
from api.errors import may_add
from api.records import service
from api.records.endpoints import (
    Cursor,
    Limit,
    Writer,
    WriterDep,
    list_records,
    one_record,
    put_record,
)
from api.records.service import UnknownRecordError
from shopfloor.periods import format_instant
from shopfloor.wire import edge

if TYPE_CHECKING:
    from api.access.scope import Scope

router = APIRouter(prefix="/api/v1/edges", tags=["edges"])

EdgeId = Annotated[str, Path(max_length=63, description="PublisherId of the agent.")]


@router.get("", response_model=EdgeList)
async def list_edges(found: ServicesDep, scope: ScopeDep, *, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """Edge agents and other publishers at the caller's sites, and how they stand at the broker."""
    answer = await list_records(found, scope, "edges", cursor, limit)
    return answer | {"items": await asyncio.to_thread(with_state, found, answer["items"])}


@router.post("/enroll")
def enroll(edges: EdgesDep, now: NowDep, request: Request, wanted: EnrollIn) -> EnrolledOut:
    """Give the agent of a one-time code its login at the broker; who has the code needs nothing else."""
    address = client_address(request)
    return EnrolledOut(**edges.enroll(wanted.code, wanted.password, address=address, now=now)._asdict())


@router.get("/{edge_id}", response_model=EdgeOut)
async def get_edge(found: ServicesDep, scope: ScopeDep, edge_id: EdgeId, response: Response) -> Any:
    """One edge agent."""
    values = await one_record(found, scope, "edges", edge_id, response)
    return (await asyncio.to_thread(with_state, found, [values]))[0]


@router.put("/{edge_id}", response_model=EdgeFields, responses=may_add(EdgeFields))
async def put_edge(writer: WriterDep, guard: GuardDep, edge_id: EdgeId, fields: EdgePut, response: Response) -> Any:
    """Add an edge agent, or change it; one that is not active is disconnected, and what it says is refused."""
    values = await put_record(writer, guard, ("edges", edge_id), fields, response)
    await asyncio.to_thread(_tell_broker, writer.found)
    return values


@router.delete("/{edge_id}", status_code=HTTPStatus.NO_CONTENT)
async def remove_edge(writer: WriterDep, guard: GuardDep, edge_id: EdgeId) -> None:
    """Remove an edge agent that nothing refers to, with its login and code: its connection ends."""
    found, actor, now = writer

    def write() -> None:
        with found.records.writing() as session:
            row = service.values_of(service.find(session, "edges", edge_id))
            guard.check(row)
            take_away(session, actor, str(row["id"]), now=now)
            service.remove(session, actor, "edges", edge_id, now=now)

    try:
        await asyncio.to_thread(write)
    except UnknownRecordError:  # it may be gone already, and the broker not know of it yet
        await asyncio.to_thread(_tell_broker, found)
        raise
    await found.changed()
    await asyncio.to_thread(_tell_broker, found)


@router.post("/{edge_id}/code", status_code=HTTPStatus.CREATED)
def invite(edges: EdgesDep, actor: ActorDep, now: NowDep, edge_id: EdgeId) -> InvitationOut:
    """Make a one-time code for an agent; one that waits for it is void, its login holds until the code is used."""
    invitation = edges.invite(actor, edge_id, now=now)
    return InvitationOut(code=invitation.code, expires=format_instant(invitation.expires))


@router.delete("/{edge_id}/login", status_code=HTTPStatus.NO_CONTENT)
def revoke(edges: EdgesDep, actor: ActorDep, now: NowDep, edge_id: EdgeId) -> Response:
    """Take an agent's login and code away: its connection ends."""
    edges.revoke(actor, edge_id, now=now)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/{edge_id}/health", response_model=HealthOut)
async def get_health(found: ServicesDep, scope: ScopeDep, now: NowDep, edge_id: EdgeId) -> Any:
    """How an agent is: its version, what waits in its spool, its clock and certificates, how its machines are read."""
    await asyncio.to_thread(service.one, found.records, scope, "edges", edge_id)
    health = found.live.asking.health(edge_id)
    return {
        "silent": found.live.asking.is_silent(edge_id, now=now),
        "heard": None if health is None else format_instant(health.timestamp),
        "health": None if health is None else msgspec.to_builtins(health),
    }


@router.post("/{edge_id}/requests", response_model=ReplyOut)
async def ask_agent(writer: WriterDep, scope: ScopeDep, edge_id: EdgeId, wanted: RequestIn) -> Any:
    """Ask an agent to look at a server, to look at machines, or to put a configuration in force, without a restart.

    The answer is the agent's own, also when it could not do it; 409 when it is silent.
    """
    reply = await request_of(writer, scope, edge_id, edge.Request("", **wanted.model_dump()))
    answer = msgspec.to_builtins(reply)
    shown = {name: answer.get(name, "") for name in ("error", "code", "configuration")}
    listed = {name: answer.get(name, []) for name in ("problems", "machines", "touched")}
    return shown | listed | {"done": reply.is_done, "at": format_instant(reply.timestamp)}


async def request_of(writer: Writer, scope: Scope, edge_id: str, request: edge.Request) -> edge.Reply:
    """Ask an agent that the caller may see, and put on record what was put in force.

    Raises:
        UnknownRecordError: there is no such agent, or it is not the caller's to see.
        AgentSilentError: it does not answer.
    """
    found, actor, now = writer
    await asyncio.to_thread(service.one, found.records, scope, "edges", edge_id)
    reply = await found.live.asking.ask(edge_id, request, now=now)
    if request.kind == "apply":
        after = {"done": reply.is_done, "error": reply.error, "touched": reply.touched}

        def write() -> None:
            with found.records.writing() as session:
                record(session, actor, "apply configuration", f"edges/{edge_id}", now=now, after=after)

        await asyncio.to_thread(write)
    return reply


def with_state(found: Services, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add to agents how they stand at the broker. Reads the records."""
    store = EdgeStore(found.records)
    since = {kept.login.principal.name: kept.since for kept in store.logins()}
    codes = store.codes()
    return [
        row | {"enrolled": _instant(since.get(row["id"])), "code_expires": _instant(codes.get(row["id"]))}
        for row in rows
    ]


def _tell_broker(found: Services) -> None:
    if found.edges is not None:
        found.edges.write()


def _instant(at: int | None) -> str | None:
    return None if at is None else format_instant(at)
