"""The routes of what people set: their channels and hours, the chain, planned windows."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path

from api.deps import CallerDep, NowDep, ScopeDep, ServicesDep  # noqa: TC001 - read when routes are made
from api.errors import NotYoursError
from api.machines.paging import page
from api.maintenance import settings_records, show
from api.maintenance.endpoints import read, write
from api.maintenance.schemas import (
    ChannelFields,
    ChannelList,
    ChannelPost,
    DutyFields,
    EscalationFields,
    EscalationShown,
    WindowFields,
    WindowList,
    WindowPost,
)
from api.records.endpoints import Cursor, Limit, WriterDep  # noqa: TC001 - read when routes are made
from shopfloor.periods import parse_instant

if TYPE_CHECKING:
    from api.access.scope import Caller
    from api.maintenance.tables import ChannelRow

router = APIRouter(prefix="/api/v1", tags=["maintenance"])

ChannelId = Annotated[str, Path(max_length=16, description="Identifier of the channel.")]
WindowId = Annotated[int, Path(ge=1, le=2**31 - 1, description="Identifier of the window.")]


def _person(caller: Caller) -> str:
    """Return the person that asks; a key is nobody, and has no channels."""
    kind, _, person = caller.id.partition(":")
    if kind != "person":
        raise NotYoursError
    return person


def _channel(session: Any, row: ChannelRow) -> dict[str, Any]:
    status, words = settings_records.test_of(session, row.id)
    return {"id": row.id, "name": row.name, "service": settings_records.service_of(row),
            "drops_repeats": row.drops_repeats, "test": status, "test_words": words}  # fmt: skip


@router.get("/me/channels", response_model=ChannelList)
async def list_channels(found: ServicesDep, caller: CallerDep, *, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """Where the caller is told, and how the last test of each fared; addresses are never shown."""
    person = _person(caller)

    def ask(session: Any) -> Any:
        rows = settings_records.channels_of(session, person)
        chosen, following = page(rows, lambda row: f"{row.name}/{row.id}", after=cursor, limit=limit)
        return {"items": [_channel(session, each) for each in chosen], "next_cursor": following}

    return await read(found, ask)


@router.post("/me/channels", response_model=ChannelFields, status_code=HTTPStatus.CREATED)
async def add_channel(writer: WriterDep, caller: CallerDep, fields: ChannelPost) -> Any:
    """Add a channel: e-mail, webhook, Telegram, ntfy and the rest, in apprise's form."""
    person, values = _person(caller), fields.model_dump()

    def change(session: Any) -> Any:
        row = settings_records.add_channel(session, writer.actor, person, values, now=writer.now)
        return _channel(session, row)

    return await write(writer, change)


@router.delete("/me/channels/{channel_id}", status_code=HTTPStatus.NO_CONTENT)
async def remove_channel(writer: WriterDep, caller: CallerDep, channel_id: ChannelId) -> None:
    """Remove a channel."""
    person = _person(caller)

    def change(session: Any) -> None:
        row = settings_records.channel_of(session, person, channel_id)
        settings_records.remove_channel(session, writer.actor, row, now=writer.now)

    await write(writer, change)


@router.post("/me/channels/{channel_id}/test", response_model=ChannelFields, status_code=HTTPStatus.ACCEPTED)
async def test_channel(writer: WriterDep, caller: CallerDep, channel_id: ChannelId) -> Any:
    """Send a test; how it fared is in the list within seconds, with the channel's own words."""
    person = _person(caller)

    def change(session: Any) -> Any:
        row = settings_records.channel_of(session, person, channel_id)
        settings_records.test_channel(session, row, now=writer.now)
        return _channel(session, row)

    return await write(writer, change)


@router.get("/me/duty", response_model=DutyFields)
async def get_duty(found: ServicesDep, caller: CallerDep) -> Any:
    """When, and of what, the caller is told."""
    person = _person(caller)

    def ask(session: Any) -> Any:
        row = settings_records.duty_of(session, person)
        return {"least": row.least, "shifts": row.shifts, "quiet": row.quiet, "on_call": row.on_call}

    return await read(found, ask)


@router.put("/me/duty", response_model=DutyFields)
async def put_duty(writer: WriterDep, caller: CallerDep, fields: DutyFields) -> Any:
    """Set shifts, quiet hours, and when grave alerts reach the caller all the same."""
    person, values = _person(caller), fields.model_dump()
    await write(
        writer, lambda session: settings_records.set_duty(session, writer.actor, person, values, now=writer.now)
    )
    return values


@router.get("/maintenance/escalation", response_model=EscalationShown)
async def get_escalation(found: ServicesDep) -> Any:
    """Who is told in which order while nobody answers, and how the dead-man's ping fared."""
    return await read(found, _escalation)


@router.put("/maintenance/escalation", response_model=EscalationShown)
async def put_escalation(writer: WriterDep, fields: EscalationFields) -> Any:
    """Set the chain, and the address that hears that Officina is alive."""
    values = fields.model_dump()

    def change(session: Any) -> Any:
        settings_records.set_escalation(session, writer.actor, values, now=writer.now)
        session.flush()
        return _escalation(session)

    return await write(writer, change)


def _escalation(session: Any) -> dict[str, Any]:
    row = settings_records.escalation(session)
    return {"steps": row.steps, "step_minutes": row.step_minutes, "pings": bool(row.ping),
            "ping_minutes": row.ping_minutes, "pinged": show.instant(row.pinged),
            "ping_answer": row.ping_answer}  # fmt: skip


@router.get("/maintenance/windows", response_model=WindowList)
async def list_windows(
    found: ServicesDep, scope: ScopeDep, now: NowDep, *, cursor: Cursor = None, limit: Limit = 100
) -> Any:
    """Planned windows that are not over."""
    rows = await read(found, lambda session: settings_records.windows(session, scope, now=now))
    chosen, following = page(rows, lambda row: f"{row.start:020d}/{row.id:012d}", after=cursor, limit=limit)
    return {"items": [show.window(each) for each in chosen], "next_cursor": following}


@router.post("/maintenance/windows", response_model=WindowFields, status_code=HTTPStatus.CREATED)
async def add_window(writer: WriterDep, scope: ScopeDep, fields: WindowPost) -> Any:
    """Plan a time in which alarms are on record and wake nobody; what still stands at its end is said."""
    values = fields.model_dump() | {"start": parse_instant(fields.start), "end": parse_instant(fields.end)}

    def change(session: Any) -> Any:
        return show.window(settings_records.add_window(session, scope, writer.actor, values, now=writer.now))

    return await write(writer, change)


@router.delete("/maintenance/windows/{window_id}", status_code=HTTPStatus.NO_CONTENT)
async def remove_window(writer: WriterDep, scope: ScopeDep, window_id: WindowId) -> None:
    """Take a planned window back; one that has begun ends now, and what still stands of it is said."""
    await write(
        writer,
        lambda session: settings_records.remove_window(session, scope, writer.actor, window_id, now=writer.now),
    )
