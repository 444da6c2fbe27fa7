"""The routes of the audit trail."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from api.access.schemas import AuditList
from api.audit import service
from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.machines.paging import InvalidCursorError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shopfloor.hashed_log import Entry

router = APIRouter(prefix="/api/v1", tags=["audit"])
NUMBER_DIGITS_MAX = 18


@router.get("/audit", response_model=AuditList)
async def list_entries(
    found: ServicesDep,
    *,
    subject: Annotated[str | None, Query(max_length=160, description="Only what is about this: `members/x`.")] = None,
    cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> Any:
    """Who did what, the newest first."""
    if cursor is not None and not (cursor.isdecimal() and cursor.isascii() and len(cursor) <= NUMBER_DIGITS_MAX):
        raise InvalidCursorError(f"{cursor[:40]!r} is no cursor of this list")
    if subject is not None and "\0" in subject:
        return {"items": [], "next_cursor": None}
    before = None if cursor is None else int(cursor)
    rows = await asyncio.to_thread(service.page, found.records, before=before, limit=limit, subject=subject)
    items = [_shown(entry, document) for entry, document in rows]
    return {"items": items, "next_cursor": str(rows[-1][0].number) if len(rows) == limit else None}


def _shown(entry: Entry, document: dict[str, Any]) -> dict[str, Any]:
    return {
        "number": entry.number,
        "digest": entry.digest,
        "address": document.get("from", ""),
        "before": document.get("before"),
        "after": document.get("after"),
    } | {name: document[name] for name in ("at", "who", "what", "subject")}


@router.get("/audit.jsonl", response_class=StreamingResponse)
async def export_entries(found: ServicesDep) -> StreamingResponse:
    """The whole trail, a line for each entry: number, body as it is chained, digest."""

    def lines() -> Iterator[str]:
        for entry in service.stream(found.records):
            yield json.dumps(entry._asdict(), ensure_ascii=False) + "\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")
