"""The routes of the tablet at a machine: how it is, why it stands still, who pays, and calling maintenance."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse

from api.access.second_factor import picture
from api.bookings import views
from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.errors import NotYoursError
from api.floor import service
from api.pages.booking_rows import Clockwork, occupied
from api.pages.machine import work_of
from api.pages.page import Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.paying import WHY, house, payer_of, stretches
from api.pages.plant import facts_of
from api.pages.rows import WINDOW_MINUTES, row
from api.pages.times import duration, local, moment
from api.usage.segments import UNATTRIBUTED, Claim
from api.usage.service import Presence, check_in
from shopfloor.periods import MINUTE, Period

if TYPE_CHECKING:
    from api.deps import Services
    from api.floor.stops import Stop
    from api.machines.park import Machine

STOPS_SHOWN = 3
"""Stops without a reason that are offered at once; the next come up when one has its reason."""
TOLD_SHOWN = 4
"""Stops with a reason that are shown, to be corrected."""
PARTS = ("now", "payer", "call", "why")
"""What of the page changes by itself."""

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
MachineId = Annotated[str, Path(max_length=63)]
Part = Annotated[str, Path(max_length=10)]


class ShownStop(NamedTuple):
    """A stop as the page shows it.

    Attributes:
        at: its beginning, which names it.
        span: from when to when, or that it lasts.
        length: how long.
        reason: what was given, empty for none.
        is_chosen: the reasons on the page are for this one.
    """

    at: int
    span: str
    length: str
    reason: str
    is_chosen: bool


@router.get("/tablet/{machine_id}")
async def tablet_page(page: PageDep, found: ServicesDep, machine_id: MachineId) -> Response:
    """The tablet of one machine, live."""
    machine = found.live.park.get(page.scope, machine_id)
    values: dict[str, Any] = {"machine": machine, "clock": f"{local(page.now, page.zone):%H:%M}"}
    for read in _READERS.values():
        values |= await read(page, found, machine)
    return page.show("tablet/page.html", **values)


@router.get("/fragments/tablet/{machine_id}/{part}")
async def tablet_fragment(page: PageDep, found: ServicesDep, machine_id: MachineId, part: Part) -> Response:
    """One of the parts that change by themselves."""
    machine = found.live.park.get(page.scope, machine_id)
    if part not in _READERS:
        raise NotYoursError
    values: dict[str, Any] = {"machine": machine, "part": part, "clock": f"{local(page.now, page.zone):%H:%M}"}
    return page.show("tablet/fragment.html", **values, **await _READERS[part](page, found, machine))


@router.get("/tablet/{machine_id}/payer")
async def choose_payer(page: PageDep, found: ServicesDep, machine_id: MachineId) -> Response:
    """The firms that somebody can be checked in for, those that were here lately first."""
    machine = found.live.park.get(page.scope, machine_id)

    def read() -> dict[str, Any]:
        with found.records.reading() as session:
            firms = service.payers(session, now=page.now)
            names = dict(firms)
            lately = service.recent_payers(session, machine.id, now=page.now)
        recent = [(each, names[each]) for each in lately if each in names]
        rest = sorted((each for each in firms if each not in recent), key=lambda each: each[1].casefold())
        return {"recent": recent, "others": rest}

    return page.show("tablet/payer.html", machine=machine, **await asyncio.to_thread(read))


@router.post("/tablet/{machine_id}/payer")
async def change_payer(page: PageDep, found: ServicesDep, machine_id: MachineId) -> Response:
    """Check a firm in from now on, or check out whoever is there."""
    machine, form = found.live.park.get(page.scope, machine_id), await page.form()
    payer = form.text("payer") or None
    said = Presence(machine.id, page.now, payer, form.has("out"))

    def write() -> None:
        with found.records.writing() as session:
            check_in(session, page.actor, page.scope, said, now=page.now)

    await asyncio.to_thread(write)
    return page.go(f"/tablet/{machine.id}")


@router.post("/tablet/{machine_id}/stops")
async def tag_stop(page: PageDep, found: ServicesDep, machine_id: MachineId) -> Response:
    """Give the reason of a stop."""
    machine, form = found.live.park.get(page.scope, machine_id), await page.form()
    at = form.text("at")

    def write() -> None:
        with found.records.writing() as session:
            service.tag(
                session, page.actor, machine, int(at) if at.isdecimal() else 0, form.text("reason"), now=page.now
            )

    await asyncio.to_thread(write)
    return page.go(f"/tablet/{machine.id}")


@router.post("/tablet/{machine_id}/calls")
async def call_maintenance(page: PageDep, found: ServicesDep, machine_id: MachineId) -> Response:
    """Call maintenance, or say that nobody is wanted any more."""
    machine, form = found.live.park.get(page.scope, machine_id), await page.form()

    def write() -> None:
        with found.records.writing() as session:
            if form.has("over"):
                service.take_back(session, page.actor, page.caller.name, machine.id, now=page.now)
            else:
                service.call(session, page.actor, page.caller.name, machine.id, "", now=page.now)

    await asyncio.to_thread(write)
    return page.go(f"/tablet/{machine.id}")


@router.get("/tablet/{machine_id}/card")
async def card(page: PageDep, found: ServicesDep, machine_id: MachineId) -> Response:
    """A card to print and fix to the machine: who points a phone at it comes to the machine's tablet page."""
    machine = found.live.park.get(page.scope, machine_id)
    address = f"{page.origin}/tablet/{machine.id}"
    return page.show("tablet/card.html", machine=machine, address=address, code=picture(address))


async def _now(page: Page, found: Services, machine: Machine) -> dict[str, Any]:
    [facts] = await facts_of(page, found, [machine])
    window = Period(page.now - WINDOW_MINUTES * MINUTE, page.now)
    work = [(name, value) for name, value, _ in work_of(page, found, machine, ("program", "job"))]
    alarm = str((facts.work or {}).get("alarm") or "")
    return {"it": row(facts, window, page.zone, page.say), "work": work, "alarm": alarm}


async def _payer(page: Page, found: Services, machine: Machine) -> dict[str, Any]:
    def read() -> tuple[service.PayerNow, views.Occupancy, str]:
        payer = payer_of(page, found, machine)
        with found.records.reading() as session:
            [occupancy] = views.occupancy(session, page.scope, [machine.id], now=page.now).values()
            names = dict(service.payers(session, now=page.now))
            running = next(
                (names.get(member, "") for member, _ in
                 views.booked_by(session, machine.id, Period(page.now, page.now + 1))), "",
            )  # fmt: skip
        return payer, occupancy, running

    payer, occupancy, running = await asyncio.to_thread(read)
    today = local(page.now, page.zone).date()

    def at(stamp: int | None) -> str:
        return "" if stamp is None else moment(stamp, today, page.zone, page.say)

    return {
        "payer": payer.name or house(page, payer.payer),
        "is_nobody": payer.payer == UNATTRIBUTED,
        "payer_why": page.say(WHY[payer.claim]),
        "payer_since": at(payer.since) if payer.claim is not Claim.NONE else "",
        "is_checked_in": payer.claim is Claim.BADGE,
        "ends": at(payer.ends),
        "off_minutes": found.settings.policy.badge_off_seconds_max // 60,
        "left": payer.left,
        "left_at": at(payer.left_at),
        "booked": occupied(occupancy, Clockwork(page.now, page.zone, page.say)),
        "booked_by": running,
    }


async def _call(page: Page, found: Services, machine: Machine) -> dict[str, Any]:
    def read() -> service.Call | None:
        with found.records.reading() as session:
            return service.open_call(session, machine.id, now=page.now)

    made = await asyncio.to_thread(read)
    if made is None:
        return {"call": None}
    return {
        "call": made,
        "called": f"{local(made.at, page.zone):%H:%M}",
        "called_milliseconds": made.at // 1_000_000,
        "waiting": duration(page.now - made.at, page.say),
        "taken": f"{local(made.taken, page.zone):%H:%M}" if made.taken is not None else "",
    }


async def _why(page: Page, found: Services, machine: Machine) -> dict[str, Any]:
    known = stretches(page, found, machine)

    def read() -> tuple[list[tuple[Stop, service.Reason | None]], list[service.Reason]]:
        with found.records.reading() as session:
            among = service.stops_among(session, machine.id, known, now=page.now)
            return among, list(service.reasons(session, machine.site, machine.kind))

    stops, reasons = await asyncio.to_thread(read)
    untold = [stop for stop, reason in stops if reason is None]
    asked = page.asked("stop")
    chosen = next((stop for stop, _ in stops if str(stop.period.start) == asked), None)
    is_asked = chosen is not None
    chosen = chosen or next(iter(untold), None)
    offered = untold[:STOPS_SHOWN]
    if chosen is not None and is_asked and chosen in untold and chosen not in offered:
        offered = [*offered[:-1], chosen]
    given = {stop: reason.said(page.look.language) for stop, reason in stops if reason is not None}
    return {
        "stop": asked if is_asked else "",
        "chosen": None if chosen is None else _stop(page, chosen, given.get(chosen, ""), chosen),
        "untold": [_stop(page, each, "", chosen) for each in offered],
        "more": len(untold) - len(offered),
        "told": [_stop(page, each, given[each], chosen) for each in list(given)[:TOLD_SHOWN]],
        "reasons": [(each.id, each.said(page.look.language)) for each in reasons],
    }


_READERS = dict(zip(PARTS, (_now, _payer, _call, _why), strict=True))


def _stop(page: Page, stop: Stop, reason: str, chosen: Stop | None) -> ShownStop:
    start, end = local(stop.period.start, page.zone), local(stop.period.end, page.zone)
    span = page.say("Now") if stop.is_now else f"{start:%H:%M}\N{EN DASH}{end:%H:%M}"
    return ShownStop(stop.period.start, span, duration(stop.period.end - stop.period.start, page.say), reason,
                     chosen == stop)  # fmt: skip
