"""The routes of edge agents."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.deps import EdgesDep, NowDep  # noqa: TC001 - read when routes are made
from api.edges.schemas import (
    EdgeList,
    EdgeOut,
    EnrolledOut,
    EnrollIn,
    InvitationOut,
)
from shopfloor.periods import format_instant

router = APIRouter(prefix="/api/v1/edges", tags=["edges"])

EdgeId = Annotated[str, Path(max_length=63, description="PublisherId of the agent.")]


@router.get("")
def list_edges(edges: EdgesDep) -> EdgeList:
    """Every edge agent that is enrolled, or that a code waits for."""
    return EdgeList(
        items=[
            EdgeOut(id=each.id, enrolled=_instant(each.enrolled), code_expires=_instant(each.code_expires))
            for each in edges.listed()
        ]
    )


@router.post("/enroll")
def enroll(edges: EdgesDep, now: NowDep, request: Request, wanted: EnrollIn) -> EnrolledOut:
    """Give the agent of a one-time code its login at the broker; who has the code needs nothing else."""
    address = request.client.host if request.client else ""
    return EnrolledOut(**edges.enroll(wanted.code, wanted.password, address=address, now=now)._asdict())


@router.post("/{edge_id}/code", status_code=HTTPStatus.CREATED)
def invite(edges: EdgesDep, now: NowDep, edge_id: EdgeId) -> InvitationOut:
    """Make a one-time code for an agent; one that waits for it is void, its login holds until the code is used."""
    invitation = edges.invite(edge_id, now=now)
    return InvitationOut(code=invitation.code, expires=format_instant(invitation.expires))


@router.delete("/{edge_id}/login", status_code=HTTPStatus.NO_CONTENT)
def revoke(edges: EdgesDep, edge_id: EdgeId) -> Response:
    """Take an agent's login and code away: its connection ends."""
    edges.revoke(edge_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _instant(at: int | None) -> str | None:
    return None if at is None else format_instant(at)
