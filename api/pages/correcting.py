"""The routes of asking for a correction of what a machine did or who pays for it; another person approves it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from api.bookings.civil import WallTimeError, instant_of
from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.pages.deciding import IN_TRUTH, Names
from api.pages.page import Form, Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.times import local
from api.pages.words import STATES, mark
from api.records.rules import InvalidRecordError
from api.usage import service as usage
from api.usage.evidence import REASON_LENGTH_MIN
from shopfloor.periods import Period
from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping


router = APIRouter(prefix="/decide", include_in_schema=False, default_response_class=HTMLResponse)
FIELDS = ("machine", "day", "start", "end_day", "end", "payer", "state", "why")
STATES_ASKED = (*IN_TRUTH, State.INTERRUPTED, State.MAINTENANCE)

_WHEN = mark("Write day and time, for example 08:00, of an hour that the clock shows once.")
_ORDER = mark("It has to end after it starts, and not in the future.")
_NOTHING = mark("Say who pays, or what the machine did.")
_REASON = mark("Say why in ten characters or more.")
_MACHINE = mark("Choose the machine.")


@router.get("/correction")
async def correction_page(page: PageDep) -> Response:
    """A form that asks for a correction, filled in with what the reader was looking at."""
    day = page.asked("day", 10) or local(page.now, page.zone).date().isoformat()
    return await _form(page, {"machine": page.asked("machine", 63), "day": day, "end_day": day}, {})


@router.post("/correction")
async def ask_correction(page: PageDep, found: ServicesDep) -> Response:
    """Ask for it, or say what is missing."""
    form = await page.form()
    values = {name: form.text(name, 500 if name == "why" else 63) for name in FIELDS}
    period, errors = _read(page, form)
    if len(values["why"]) < REASON_LENGTH_MIN:
        errors["why"] = page.say(_REASON)
    if not values["payer"] and not values["state"]:
        errors["payer"] = page.say(_NOTHING)
    if values["state"] not in {"", *STATES_ASKED} or not values["machine"]:
        errors["machine"] = page.say(_MACHINE)
    if errors or period is None:
        return await _form(page, values, errors)
    wish = usage.Wish(values["machine"], period, values["payer"] or None, values["state"] or None, values["why"])

    def change() -> None:
        with found.records.writing() as session:
            usage.ask_correction(session, page.actor, page.scope, wish, now=page.now)

    try:
        await asyncio.to_thread(change)
    except InvalidRecordError as error:
        places = {"from": "start", "to": "end"}
        wrong = {places.get(each.field, each.field): page.say(_ORDER) for each in error.problems}
        return await _form(page, values, wrong)
    return page.go("/decide?asked=1")


def _read(page: Page, form: Form) -> tuple[Period | None, dict[str, str]]:
    """Read when it began and ended; a time that is missing, or exists twice, is said to be so."""
    instants: list[int] = []
    errors: dict[str, str] = {}
    for day, name in (("day", "start"), ("end_day", "end")):
        try:
            wall = datetime.fromisoformat(f"{form.text(day, 10)}T{form.text(name, 5)}")
            instants.append(instant_of(wall.replace(tzinfo=None), page.zone))
        except (WallTimeError, ValueError, OverflowError):
            errors[name] = page.say(_WHEN)
    if errors:
        return None, errors
    start, end = instants
    return (Period(start, end), {}) if start < end else (None, {"end": page.say(_ORDER)})


async def _form(page: Page, values: Mapping[str, str], errors: Mapping[str, str]) -> Response:
    names = await asyncio.to_thread(Names, page)
    unchanged: tuple[str, str] = ("", page.say("as it is recorded"))
    shown: dict[str, Any] = dict.fromkeys(FIELDS, "") | dict(values)
    return page.show(
        "closing/correction.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        values=shown,
        errors=dict(errors),
        machines=[("", page.say("choose")), *names.machines],
        payers=[unchanged, *names.payers[1:], ("nobody", page.say("nobody"))],
        states=[unchanged, *((each.value, page.say(STATES[each])) for each in STATES_ASKED)],
    )
