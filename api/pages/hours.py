"""The pages of opening hours: when machines can be booked, days unlike others, and which machines keep to them."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from api.bookings import calendars
from api.bookings.schemas import CalendarPut
from api.pages.page import Form, Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.times import weekdays
from api.pages.words import mark
from api.records import service
from api.records.endpoints import WriterDep  # noqa: TC001 - read when routes are made
from api.records.rules import InvalidRecordError
from api.records.versions import ChangedMeanwhileError, Guard, version_of
from api.usage.endpoints import write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

router = APIRouter(prefix="/administration/hours", include_in_schema=False, default_response_class=HTMLResponse)
CalendarId = Annotated[str, Path(max_length=63)]
NEW = "new"
T = TypeVar("T")
_SPAN = re.compile(r"([0-9]{1,2})[:.]([0-9]{2}) ?[-–] ?([0-9]{1,2})[:.]([0-9]{2})", re.ASCII)  # noqa: RUF001 - as typed
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:\s+(\S+))?(?:\s+(.*))?", re.ASCII)
KINDS: Mapping[str, str] = {"closed": mark("shut"), "holiday": mark("holiday"), "worked": mark("worked")}
"""What a day that is unlike its day of the week is."""
_MENDS: Mapping[str, str] = {
    "id": mark("Choose another one: lower-case letters, digits and inner hyphens, and none that is there already."),
    "name": mark("Write a name of at most 120 characters."),
    "hours": mark("Write hours like 6:00-14:00 14:30-22:00, in order, at most to 24:00; leave it empty for closed."),
    "days": mark("Write a day on each line, as 2026-12-08 closed Immacolata; each day once."),
    "machines": mark("A machine keeps to one calendar: take it out of the other one first."),
    "zone": mark("This is no time zone: write one like Europe/Rome."),
    "all": mark("It cannot be kept like this: look at each field again."),
}
_CHANGED = mark("Somebody else has changed this meanwhile. Look at what it is now, and save again.")
_DONE: Mapping[str, str] = {
    "saved": mark("It is saved."),
    "removed": mark("It is removed: its machines are open at any time from now on."),
}
_EMPTY: Mapping[str, Any] = {"id": "", "name": "", "zone": "Europe/Rome", "hours": [], "days": [], "machines": []}


@router.get("")
async def list_hours(page: PageDep) -> Response:
    """Every calendar, with the machines that keep to it, and those that keep to none."""
    found = await _read(page, lambda session: calendars.calendars(session, page.scope))
    names = await asyncio.to_thread(_machines, page)
    days = weekdays(page.say)
    rows = [
        {
            "id": each["id"],
            "name": each["name"],
            "hours": [(days[number], text) for number in range(7) if (text := spans_of(each["hours"], number))],
            "machines": [names.get(machine, machine) for machine in each["machines"]],
        }
        for each in found
    ]
    kept = {machine for each in found for machine in each["machines"]}
    free = [name for machine, name in names.items() if machine not in kept]
    return page.show("administration/hours.html", rows=rows, free=free, done=_said(page))


@router.get("/{calendar_id}")
async def hours_page(page: PageDep, calendar_id: CalendarId) -> Response:
    """One calendar to be changed, or under the identifier `new` one to be added."""
    kept = await _kept(page, calendar_id)
    return await _show(page, calendar_id, _typed_of(page, kept), version="" if calendar_id == NEW else version_of(kept))


@router.post("/{calendar_id}")
async def save_hours(page: PageDep, writer: WriterDep, calendar_id: CalendarId) -> Response:
    """Keep a calendar as the form says it. Bookings that are made already stay."""
    form = await page.form()
    is_new, seen = calendar_id == NEW, form.text("version", 16)
    name = form.text("id", 63) if is_new else calendar_id
    try:
        values = CalendarPut.model_validate(_fields(page, form)).model_dump()
        guard = Guard(is_new=True) if is_new else Guard(frozenset({seen}))
        await write(
            writer,
            lambda session: calendars.put_calendar(
                session, writer.actor, page.scope, name, values, now=writer.now, guard=guard
            ),
        )
    except _UnreadableError as error:
        errors = {error.field}
    except ValidationError as error:
        errors = {str(each["loc"][0]) for each in error.errors() if each["loc"]}
    except InvalidRecordError as error:
        errors = {each.field.partition("[")[0].partition(".")[0] for each in error.problems}
    except ChangedMeanwhileError:
        if is_new:
            errors = {"id"}
        else:
            seen, errors = version_of(await _kept(page, calendar_id)), {"changed"}
    else:
        return page.go("/administration/hours?done=saved")
    return await _show(page, calendar_id, _typed(form), version=seen, errors=errors)


@router.post("/{calendar_id}/remove")
async def remove_hours(page: PageDep, writer: WriterDep, calendar_id: CalendarId) -> Response:
    """Remove a calendar."""
    await write(
        writer,
        lambda session: calendars.remove_calendar(session, writer.actor, page.scope, calendar_id, now=writer.now),
    )
    return page.go("/administration/hours?done=removed")


class _UnreadableError(Exception):
    """What was typed in a field is not what the field is for."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def spans_of(hours: list[dict[str, int]], weekday: int) -> str:
    """Write the open hours of a day of the week: `6:00-14:00 14:30-22:00`, nothing for closed."""
    return " ".join(
        f"{each['starts_minute'] // 60}:{each['starts_minute'] % 60:02d}-"
        f"{each['ends_minute'] // 60}:{each['ends_minute'] % 60:02d}"
        for each in hours
        if each["weekday"] == weekday
    )


def _hours(text: str, weekday: int) -> list[dict[str, int]]:
    """Read the open hours of a day of the week."""
    found = [
        {
            "weekday": weekday,
            "starts_minute": int(each[1]) * 60 + int(each[2]),
            "ends_minute": int(each[3]) * 60 + int(each[4]),
        }
        for each in _SPAN.finditer(text)
        if max(int(each[2]), int(each[4])) < 60  # noqa: PLR2004 - minutes
    ]
    if re.sub(r"[\s,;]+", "", _SPAN.sub("", text)) or (text and not found):
        raise _UnreadableError("hours")
    return found


def _days(page: Page, text: str) -> list[dict[str, str]]:
    """Read the days that are unlike their day of the week, one on each line."""
    words = {word: kind for kind, said in KINDS.items() for word in (kind, page.say(said))}
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        read = _DAY.fullmatch(line)
        kind = words.get((read[2] or "closed").casefold()) if read else None
        if read is None or kind is None:
            raise _UnreadableError("days")
        found.append({"day": read[1], "kind": kind, "name": (read[3] or "").strip()})
    return found


def _fields(page: Page, form: Form) -> dict[str, Any]:
    return {
        "name": form.text("name"),
        "zone": form.text("zone", 64),
        "hours": [each for number in range(7) for each in _hours(form.text(f"hours-{number}", 200), number)],
        "days": _days(page, form.text("days", 20_000)),
        "machines": form.many("machine"),
    }


def _typed(form: Form) -> dict[str, Any]:
    names = ("id", "name", "zone", *(f"hours-{number}" for number in range(7)))
    return {**{name: form.text(name) for name in names}, "days": form.text("days", 20_000),
            "machines": form.many("machine")}  # fmt: skip


def _typed_of(page: Page, kept: Mapping[str, Any]) -> dict[str, Any]:
    days = "\n".join(f"{each['day']} {page.say(KINDS[each['kind']])} {each['name']}".rstrip() for each in kept["days"])
    hours = {f"hours-{number}": spans_of(kept["hours"], number) for number in range(7)}
    return {**kept, **hours, "days": days}


async def _kept(page: Page, calendar_id: str) -> Mapping[str, Any]:
    if calendar_id == NEW:
        return _EMPTY
    return await _read(page, lambda session: calendars.calendar(session, page.scope, calendar_id))


async def _show(
    page: Page, calendar_id: str, typed: Mapping[str, Any], *, version: str, errors: set[str] | None = None
) -> Response:
    places = {each if each in _MENDS or each == "changed" else "all" for each in errors or ()}
    said = {each: page.say(_MENDS[each]) for each in places if each != "changed"}
    if "changed" in places:
        said["all"] = page.say(_CHANGED)
    return page.show(
        "administration/calendar.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if places else HTTPStatus.OK,
        id=calendar_id,
        is_new=calendar_id == NEW,
        typed=typed,
        days=list(enumerate(weekdays(page.say))),
        offered=list((await asyncio.to_thread(_machines, page)).items()),
        version=version,
        errors=said,
    )


def _machines(page: Page) -> dict[str, str]:
    rows = service.visible(page.found.records, page.scope, "machines")
    return dict(sorted(((row.id, row.name) for row in rows), key=lambda each: each[1].casefold()))


def _said(page: Page) -> str:
    done = _DONE.get(page.asked("done"))
    return page.say(done) if done else ""


async def _read(page: Page, ask: Callable[[Any], T]) -> T:
    def run() -> T:
        with page.found.records.reading() as session:
            return ask(session)

    return await asyncio.to_thread(run)
