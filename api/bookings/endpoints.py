"""The routes of bookings: calendars, free hours, locks, notices and feeds."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api.bookings import calendars, estimates, feeds, ical, lock_outs, prices, service, views
from api.bookings.desk import Desk
from api.bookings.schemas import (
    BookingDetails,
    BookingList,
    BookingPatch,
    BookingPost,
    CalendarFields,
    CalendarList,
    CalendarPut,
    FeedList,
    FeedPost,
    FreeList,
    LockOutList,
    LockOutOut,
    LockOutPost,
    NewFeedOut,
    NoticeList,
)
from api.bookings.service import Wish
from api.deps import ActorDep, GuardDep, NowDep, ScopeDep, Services, ServicesDep, tagged
from api.errors import may_add
from api.machines.paging import page
from api.maintenance import agenda_records
from api.pages.words import choose_language
from shopfloor.periods import DAY, INSTANT_MAX, Period, format_instant, parse_instant

if TYPE_CHECKING:
    from api.bookings.facts import History
    from api.bookings.tables import BookingFeed, BookingNotice, LockOut
    from api.bookings.views import Found, Seen

PAGE_MAX = 500
LIST_DAYS = 7
"""What a list covers where nobody says how much."""

router = APIRouter(tags=["bookings"])

BookingId = Annotated[str, Path(max_length=63, description="Identifier of the booking.")]
MachineId = Annotated[str, Path(max_length=63, description="Identifier of the machine.")]
From = Annotated[str | None, Query(alias="from", max_length=40, description="RFC 3339; by default now.")]
To = Annotated[str | None, Query(alias="to", max_length=40, description="RFC 3339; by default a week after `from`.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
Named = Annotated[str, Query(max_length=120)]


def desk_of(found: ServicesDep, actor: ActorDep, scope: ScopeDep, now: NowDep) -> Desk:
    """Return who asks with this request."""
    return Desk(found, actor, scope, now)


DeskDep = Annotated[Desk, Depends(desk_of)]


def period_of(start: str | None, end: str | None, *, now: int, days: int) -> Period:
    """Return the period that a list covers.

    Raises:
        InvalidInstantError: a bound is none.
        RefusedBookingError: it is empty or too long.
    """
    first = now if start is None else parse_instant(start)
    last = min(first + LIST_DAYS * DAY, INSTANT_MAX) if end is None else parse_instant(end)
    return views.bounded(Period(first, max(first, last)), days=days)


@router.get("/api/v1/bookings", response_model=BookingList)
async def list_bookings(
    desk: DeskDep,
    *,
    machine: Named = "",
    start: From = None,
    end: To = None,
    given_up: Annotated[bool, Query(description="Also your own that were given up or taken back.")] = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Any:
    """The bookings of a period: your own in full, of other firms that the machine is busy."""
    period = period_of(start, end, now=desk.now, days=views.WINDOW_DAYS_MAX)
    machines = {machine} if machine else None
    rows = await desk.reading(
        lambda session: views.visible(session, desk.scope, period, now=desk.now, machines=machines, given_up=given_up)
    )
    items, following = page(sorted(rows, key=_order), _order, after=cursor, limit=limit)
    return {"items": [_booking(each) for each in items], "next_cursor": following}


@router.post("/api/v1/bookings", status_code=HTTPStatus.CREATED, response_model=BookingList)
async def add_bookings(desk: DeskDep, fields: BookingPost) -> Any:
    """Book a machine, also for several weeks: all of it, or nothing."""
    bounds = parse_instant(fields.start), parse_instant(fields.end)
    wish = Wish(fields.machine, fields.member or "", *bounds, fields.note)

    def act(session: Any) -> list[Seen]:
        rows = service.book(session, desk.clerk, wish, weeks=fields.weeks)
        return [views.details(session, row, now=desk.now)[0] for row in rows]

    return {"items": [_booking(each) for each in await desk.writing(act)], "next_cursor": None}


@router.get("/api/v1/bookings/free", response_model=FreeList)
async def list_free(
    desk: DeskDep,
    *,
    machine: Annotated[str, Query(max_length=63, description="This one, and those that stand in for it.")] = "",
    kind: Named = "",
    site: Named = "",
    minutes: Annotated[int, Query(ge=1, le=10_000, description="How long.")] = 60,
    start: From = None,
    end: To = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Any:
    """Free hours of machines in which a booking of that length fits, the earliest first, with what it would cost."""
    window = period_of(start, end, now=desk.now, days=views.SEARCH_DAYS_MAX)
    wanted = views.Search(window, minutes, machine, kind, site)
    clerk = desk.clerk

    def ask(session: Any) -> tuple[list[tuple[Found, Any]], str | None]:
        found = sorted(views.search(session, desk.scope, wanted, clerk.rules, now=desk.now), key=_free_order)
        items, following = page(found, _free_order, after=cursor, limit=limit)
        price = prices.estimator(session, desk.scope.member, clerk.zone)
        return [(each, price(each.place.id, each.free.slot)) for each in items], following

    rows, following = await desk.reading(ask)
    return {"items": [_free(each, estimate) for each, estimate in rows], "next_cursor": following}


@router.get("/api/v1/bookings/{booking_id}", response_model=BookingDetails)
async def get_booking(desk: DeskDep, booking_id: BookingId) -> Any:
    """One booking, with all that was done with it."""
    return await desk.reading(lambda session: _details(session, desk, service.own(session, desk.scope, booking_id)))


@router.patch("/api/v1/bookings/{booking_id}", response_model=BookingDetails)
async def change_booking(desk: DeskDep, booking_id: BookingId, fields: BookingPatch) -> Any:
    """Move a booking, make it longer or shorter, or change its note."""
    start, end = (None if text is None else parse_instant(text) for text in (fields.start, fields.end))

    def act(session: Any) -> Any:
        row = service.change(
            session, desk.clerk, booking_id, machine=fields.machine, start=start, end=end, note=fields.note
        )
        return _details(session, desk, row)

    return await desk.writing(act)


@router.delete("/api/v1/bookings/{booking_id}", response_model=BookingList)
async def cancel_booking(
    desk: DeskDep,
    booking_id: BookingId,
    *,
    following: Annotated[bool, Query(description="Also those of its series that come after it.")] = False,
) -> Any:
    """Give a booking up; its answer says whether that was too late to be free."""

    def act(session: Any) -> list[Seen]:
        rows = service.cancel(session, desk.clerk, booking_id, following=following)
        return [views.details(session, row, now=desk.now)[0] for row in rows]

    return {"items": [_booking(each) for each in await desk.writing(act)], "next_cursor": None}


@router.get("/api/v1/lock-outs", response_model=LockOutList)
async def list_lock_outs(desk: DeskDep, *, start: From = None, end: To = None) -> Any:
    """Machines that nobody can book for a while."""
    period = period_of(start, end, now=desk.now, days=views.WINDOW_DAYS_MAX)
    rows = await desk.reading(lambda session: views.locks(session, desk.scope, period))
    return {"items": [_lock(each) for each in rows], "next_cursor": None}


@router.post("/api/v1/lock-outs", status_code=HTTPStatus.CREATED, response_model=LockOutOut)
async def add_lock_out(desk: DeskDep, fields: LockOutPost) -> Any:
    """Lock a machine: its bookings are freed, and their owners get a notice with what else is free."""
    start = desk.now if fields.start is None else parse_instant(fields.start)
    end = INSTANT_MAX if fields.end is None else parse_instant(fields.end)
    period = Period(start, max(start, end))

    def act(session: Any) -> LockOut:
        service.machine_of(session, desk.scope, fields.machine)
        return lock_outs.lock_out(session, desk.actor, fields.machine, period, fields.reason, now=desk.now)

    return _lock(await desk.writing(act))


@router.delete("/api/v1/lock-outs/{lock_out_id}", status_code=HTTPStatus.NO_CONTENT)
async def release_lock_out(
    desk: DeskDep, lock_out_id: Annotated[str, Path(max_length=63, description="Identifier of the lock.")]
) -> None:
    """End a lock now; who lost a booking to it that can still be had is told."""

    def act(session: Any) -> None:
        lock_outs.lock_of(session, desk.scope, lock_out_id)
        lock_outs.release(session, desk.actor, lock_out_id, now=desk.now)

    await desk.writing(act)


@router.get("/api/v1/booking-notices", response_model=NoticeList)
async def list_notices(desk: DeskDep) -> Any:
    """What the owners of bookings have to know, and have not noted yet."""
    rows = await desk.reading(lambda session: lock_outs.notices(session, desk.scope))
    return {"items": [_notice(each) for each in rows], "next_cursor": None}


@router.delete("/api/v1/booking-notices/{notice_id}", status_code=HTTPStatus.NO_CONTENT)
async def note_notice(
    desk: DeskDep, notice_id: Annotated[str, Path(max_length=63, description="Identifier of the notice.")]
) -> None:
    """Note that the owner knows: it is listed no more."""
    await desk.writing(lambda session: lock_outs.note_read(session, desk.actor, desk.scope, notice_id, now=desk.now))


@router.get("/api/v1/booking-feeds", response_model=FeedList)
async def list_feeds(desk: DeskDep) -> Any:
    """Open addresses of calendars."""
    rows = await desk.reading(lambda session: feeds.feeds(session, desk.scope))
    return {"items": [_feed(each) for each in rows], "next_cursor": None}


@router.post("/api/v1/booking-feeds", status_code=HTTPStatus.CREATED, response_model=NewFeedOut)
async def add_feed(desk: DeskDep, fields: FeedPost) -> Any:
    """Make an address for a calendar program: who knows it sees the bookings, without a login."""
    row, token = await desk.writing(
        lambda session: feeds.add_feed(session, desk.actor, desk.scope, fields.machine, now=desk.now)
    )
    return _feed(row) | {"path": f"/feeds/{token}"}


@router.delete("/api/v1/booking-feeds/{feed_id}", status_code=HTTPStatus.NO_CONTENT)
async def revoke_feed(
    desk: DeskDep, feed_id: Annotated[str, Path(max_length=63, description="Identifier of the address.")]
) -> None:
    """Let an address show nothing from now on."""
    await desk.writing(lambda session: feeds.revoke_feed(session, desk.actor, desk.scope, feed_id, now=desk.now))


@router.get("/api/v1/machines/{machine_id}/bookings.ics", response_class=Response)
async def get_machine_calendar(desk: DeskDep, request: Request, machine_id: MachineId) -> Response:
    """The bookings of a machine as iCalendar."""
    feed = await desk.reading(lambda session: feeds.of_machine(session, desk.scope, machine_id, now=desk.now))
    return _calendar(desk.found, request, feed)


@router.get("/feeds/{token}", response_class=Response, include_in_schema=False)
async def get_feed(found: ServicesDep, now: NowDep, request: Request, token: str) -> Response:
    """The bookings or the maintenance plan that an unguessable address shows, as iCalendar."""

    def ask() -> feeds.Feed:
        with found.records.reading() as session:
            feed = feeds.by_token(session, token, now=now)
            return feed._replace(due=agenda_records.due(session, feed.plan_of)) if feed.plan_of else feed

    return _calendar(found, request, await asyncio.to_thread(ask))


def _calendar(found: Services, request: Request, feed: feeds.Feed) -> Response:
    language = choose_language(None, request.headers.get("accept-language", ""), found.settings.language)
    text = ical.render(feed, house=found.settings.house, language=language, zone=found.settings.time_zone)
    return Response(text, media_type=ical.MEDIA_TYPE)


@router.get("/api/v1/calendars", response_model=CalendarList)
async def list_calendars(desk: DeskDep, *, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """Opening hours, and the machines that keep to them."""
    rows = await desk.reading(lambda session: calendars.calendars(session, desk.scope))
    items, following = page(rows, lambda each: str(each["id"]), after=cursor, limit=limit)
    return {"items": items, "next_cursor": following}


CalendarId = Annotated[str, Path(max_length=63, description="Identifier of the calendar.")]


@router.get("/api/v1/calendars/{calendar_id}", response_model=CalendarFields)
async def get_calendar(desk: DeskDep, calendar_id: CalendarId, response: Response) -> Any:
    """One calendar."""
    return tagged(await desk.reading(lambda session: calendars.calendar(session, desk.scope, calendar_id)), response)


@router.put("/api/v1/calendars/{calendar_id}", response_model=CalendarFields, responses=may_add(CalendarFields))
async def put_calendar(
    desk: DeskDep, guard: GuardDep, calendar_id: CalendarId, fields: CalendarPut, response: Response
) -> Any:
    """Add a calendar, or change it: every field is kept as it is given. Bookings that are made already stay."""
    values = fields.model_dump()

    def act(session: Any) -> tuple[bool, Any]:
        is_new = calendars.put_calendar(session, desk.actor, desk.scope, calendar_id, values, now=desk.now, guard=guard)
        session.flush()
        return is_new, calendars.calendar(session, desk.scope, calendar_id)

    is_new, kept = await desk.writing(act)
    if is_new:
        response.status_code = HTTPStatus.CREATED
    return tagged(kept, response)


@router.delete("/api/v1/calendars/{calendar_id}", status_code=HTTPStatus.NO_CONTENT)
async def remove_calendar(desk: DeskDep, guard: GuardDep, calendar_id: CalendarId) -> None:
    """Remove a calendar: its machines are open at any time from now on."""

    def act(session: Any) -> None:
        calendars.remove_calendar(session, desk.actor, desk.scope, calendar_id, now=desk.now, guard=guard)

    await desk.writing(act)


def _order(seen: Seen) -> str:
    return f"{seen.period.start:020d} {seen.machine} {seen.id or ''}"


def _free_order(found: Found) -> str:
    return f"{found.free.slot.start:020d} {found.place.id} {found.free.period.start:020d}"


def _booking(seen: Seen) -> dict[str, Any]:
    return {
        "id": seen.id,
        "machine": seen.machine,
        "member": seen.member,
        "start": format_instant(seen.period.start),
        "end": format_instant(seen.period.end),
        "status": seen.status,
        "free_until": None if seen.binds is None else format_instant(seen.binds),
        "note": seen.note,
        "series": seen.series,
    }


def _details(session: Any, desk: Desk, row: Any) -> dict[str, Any]:
    seen, history = views.details(session, row, now=desk.now)
    changes = _changes(history, views.reasons(session, history.id))
    return _booking(seen) | desk.verdict(session, history)._asdict() | {"changes": changes}


def _changes(history: History, reasons: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "at": format_instant(each.at),
            "kind": each.kind,
            "machine": each.machine,
            "start": format_instant(each.period.start),
            "end": format_instant(each.period.end),
            "free_until": format_instant(each.binds),
            "reason": reason,
        }
        for each, reason in zip(history.changes, reasons, strict=True)
    ]


def _free(found: Found, estimate: estimates.Estimate | None) -> dict[str, Any]:
    return {
        "machine": found.place.id,
        "name": found.place.name,
        "site": found.place.site,
        "start": format_instant(found.free.period.start),
        "end": format_instant(found.free.period.end),
        "slot_start": format_instant(found.free.slot.start),
        "slot_end": format_instant(found.free.slot.end),
        "estimate": estimate
        and {
            "processing": f"{estimate.processing:.2f}",
            "unused": f"{estimate.unused:.2f}",
            "is_tiered": estimate.is_tiered,
        },
    }


def _lock(lock: LockOut) -> dict[str, Any]:
    return {
        "id": lock.id,
        "machine": lock.machine_id,
        "start": format_instant(lock.starts),
        "end": None if lock.ends >= INSTANT_MAX else format_instant(lock.ends),
        "reason": lock.reason,
    }


def _notice(notice: BookingNotice) -> dict[str, Any]:
    return {
        "id": notice.id,
        "booking": notice.booking_id,
        "member": notice.member_id,
        "kind": notice.kind,
        "at": format_instant(notice.at),
        "machine": notice.machine_id,
        "start": format_instant(notice.starts),
        "end": format_instant(notice.ends),
        "reason": notice.reason,
        "proposals": notice.proposals,
    }


def _feed(feed: BookingFeed) -> dict[str, Any]:
    return {
        "id": feed.id,
        "machine": feed.machine_id,
        "member": feed.member_id,
        "created": format_instant(feed.created),
    }
