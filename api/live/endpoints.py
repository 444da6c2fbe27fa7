"""The live stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.sse import EventSourceResponse
from msgspec import structs

from api.deps import CallerDep, NowDep, ServicesDep  # noqa: TC001 - read when routes are made
from api.live.schemas import PutAsideList
from api.machines.service import NAMES_MAX, InvalidQueryError
from shopfloor.periods import format_instant
from shopfloor.signals import UnknownSignalError, find

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from api.live.service import Live
    from api.live.streams import Stream

router = APIRouter(prefix="/api/v1", tags=["live"])


class LiveResponse(EventSourceResponse):
    """Sends a stream, and gives its place back however it ends."""

    def __init__(self, live: Live, stream: Stream) -> None:
        super().__init__(stream.frames(live.snapshot), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._live = live
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the reader or the server ends it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._live.streams.release(self._stream)


@router.get("/live", response_class=Response, responses={200: {"content": {"text/event-stream": {}}}})
async def follow(
    found: ServicesDep,
    caller: CallerDep,
    *,
    names: Annotated[
        str | None,
        Query(max_length=4000, description="Comma-separated signals; empty for none, left out for all."),
    ] = None,
    last_event_id: Annotated[
        str | None,
        Header(description="Accepted; every stream begins with a snapshot, which holds all that was missed."),
    ] = None,
) -> Response:
    """Machines as they change, as server-sent events: `snapshot` first, then `machine`, and `heartbeat` in silence."""
    del last_event_id
    stream = found.live.streams.open(caller, _names(names))
    return LiveResponse(found.live, stream)


@router.get("/quarantine", response_model=PutAsideList)
async def quarantine(found: ServicesDep, now: NowDep) -> Any:
    """What collectors could not store and hold with its reason, what came last first."""
    held = found.live.put_aside(now=now)
    return {
        "items": [
            structs.asdict(each) | {"first": format_instant(each.first), "last": format_instant(each.last)}
            for each in held
        ]
    }


def _names(text: str | None) -> frozenset[str] | None:
    if text is None:
        return None
    names = frozenset(name for name in text.split(",") if name)
    if len(names) > NAMES_MAX:
        raise InvalidQueryError(f"{len(names)} names were asked for: {NAMES_MAX} are allowed")
    for name in names:
        try:
            find(name)
        except UnknownSignalError as error:
            raise InvalidQueryError(str(error.args[0])) from error
    return names
