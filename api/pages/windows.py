"""The page of planned windows: times in which alarms are expected, planned and ended early by people."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, time
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse

from api.access.tables import Person
from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.maintenance import settings_records
from api.maintenance.alarms import ActionRefusedError
from api.pages.page import Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.times import duration, local, moment
from api.pages.words import mark
from api.records import service
from api.records.service import UnknownRecordError
from shopfloor.periods import DAY, HOUR, MINUTE, from_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from api.deps import Services
    from api.maintenance.tables import PlannedWindow

router = APIRouter(prefix="/plan/windows", include_in_schema=False, default_response_class=HTMLResponse)
WindowId = Annotated[int, Path(ge=1, le=2**31 - 1)]
SHOWN_DAYS = 30
"""How long a window that is over is still listed."""
OFFERED_HOURS = 2
_DONE: Mapping[str, str] = {
    "added": mark("The window is planned: alarms in it are on record and wake nobody."),
    "ended": mark("The window is over: what still stands of it is said now."),
    "removed": mark("The window is taken back."),
}
_WHERE = mark("Choose a machine, or every machine of a site.")
_TIME = mark("Write day and time.")
_ENDS = mark("The end lies after the beginning, and ahead.")
_REASON = mark("Write why: whoever looks at the alarms reads it.")
_MANY = mark("Too many windows are planned: take one back first.")


@router.get("")
async def windows_page(page: PageDep, found: ServicesDep) -> Response:
    """Windows that run, lie ahead or were lately, and the form for another."""
    return await _show(page, found, {}, {})


@router.post("")
async def add_window(page: PageDep, found: ServicesDep) -> Response:
    """Plan a window for a machine or a whole site."""
    form = await page.form()
    names = ("where", "start_day", "start_time", "end_day", "end_time")
    typed = {name: form.text(name, 80) for name in names} | {"reason": form.text("reason", 200)}
    errors: dict[str, str] = {}
    places = await _places(page, found)
    if typed["where"] not in places:
        errors["where"] = page.say(_WHERE)
    if not typed["reason"]:
        errors["reason"] = page.say(_REASON)
    start, end = _instant(page, typed, "start", errors), _instant(page, typed, "end", errors)
    if start and end and end <= max(start, page.now):
        errors["end_day"] = page.say(_ENDS)
    if not errors:
        site, _, machine = typed["where"].partition("/")
        values = {"site": site, "machine": machine or None, "start": start, "end": end, "reason": typed["reason"]}
        try:
            await _write(
                found,
                lambda session: settings_records.add_window(session, page.scope, page.actor, values, now=page.now),
            )
        except ActionRefusedError:
            errors["all"] = page.say(_MANY)
        except UnknownRecordError:
            errors["where"] = page.say(_WHERE)
    if errors:
        return await _show(page, found, typed, errors)
    return page.go("/plan/windows?done=added")


@router.post("/{window_id}")
async def end_window(page: PageDep, found: ServicesDep, window_id: WindowId) -> Response:
    """End a window that runs, or take back one that lies ahead."""
    has_begun = await _write(
        found,
        lambda session: settings_records.remove_window(session, page.scope, page.actor, window_id, now=page.now),
    )
    return page.go(f"/plan/windows?done={'ended' if has_begun else 'removed'}")


def _listed(page: Page, session: Any) -> list[tuple[PlannedWindow, str]]:
    """Return the windows, the next first, with who planned each."""
    rows = settings_records.windows(session, page.scope, now=page.now - SHOWN_DAYS * DAY)
    found = []
    for row in rows:
        who = session.get(Person, row.by.removeprefix("person:"))
        found.append((row, (who.name or who.email) if who is not None else page.say("by the API")))
    return found


async def _show(page: Page, found: Services, typed: Mapping[str, str], errors: Mapping[str, str]) -> Response:
    places = await _places(page, found)
    rows = await _read(found, lambda session: _listed(page, session))
    here = local(page.now, page.zone)
    later = local(page.now + OFFERED_HOURS * HOUR, page.zone)
    offered = {"start_day": here.date().isoformat(), "start_time": f"{here:%H:%M}",
               "end_day": later.date().isoformat(), "end_time": f"{later:%H:%M}"}  # fmt: skip
    lines = [_line(page, row, who, places) for row, who in rows]
    done = _DONE.get(page.asked("done"))
    return page.show(
        "upkeep/windows.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        rows=[each for each in lines if not each["is_over"]],
        over=[each for each in reversed(lines) if each["is_over"]],
        places=[("", page.say("Choose")), *places.items()],
        typed=typed or offered | {"where": page.asked("where")},
        errors=errors,
        done=page.say(done) if done and not errors else "",
    )


def _line(page: Page, row: PlannedWindow, who: str, places: Mapping[str, str]) -> dict[str, Any]:
    today = local(page.now, page.zone).date()
    first = local(row.start, page.zone).date()
    place = f"{row.site}/{row.machine}" if row.machine else row.site
    return {
        "id": row.id,
        "where": places.get(place, row.machine or row.site),
        "machine": row.machine,
        "start": moment(row.start, today, page.zone, page.say),
        "end": moment(row.end, today if first == today else first, page.zone, page.say),
        "runs": row.start <= page.now < row.end,
        "left": duration(max(row.end - page.now, MINUTE), page.say),
        "is_over": row.end <= page.now,
        "reason": row.reason,
        "who": who,
    }


async def _places(page: Page, found: Services) -> dict[str, str]:
    """Return what a window can be for: sites first, then machines, as `site` and `site/machine`."""
    sites = await asyncio.to_thread(service.visible, found.records, page.scope, "sites")
    machines = sorted(found.live.park.visible(page.scope), key=lambda machine: machine.name.casefold())
    return {
        **{row.id: page.say("Every machine of %(site)s", site=row.name) for row in sites},
        **{f"{each.site}/{each.id}": f"{each.name}, {each.place}" for each in machines},
    }


def _instant(page: Page, typed: Mapping[str, str], name: str, errors: dict[str, str]) -> int | None:
    """Return the instant that two fields give; what cannot be read goes to `errors`."""
    try:
        day, at = date.fromisoformat(typed[f"{name}_day"]), time.fromisoformat(typed[f"{name}_time"])
        return from_datetime(datetime.combine(day, at.replace(tzinfo=None), page.zone))
    except (ValueError, OverflowError):
        errors[f"{name}_day"] = page.say(_TIME)
        return None


async def _read(found: Services, ask: Callable[[Any], Any]) -> Any:
    def run() -> Any:
        with found.records.reading() as session:
            return ask(session)

    return await asyncio.to_thread(run)


async def _write(found: Services, change: Callable[[Any], Any]) -> Any:
    def run() -> Any:
        with found.records.writing() as session:
            return change(session)

    return await asyncio.to_thread(run)
