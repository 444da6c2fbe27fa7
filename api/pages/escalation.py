"""The page of the chain: who is told next while nobody answers, and the address that hears that Officina is alive."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.maintenance import settings_records
from api.maintenance.alarms import ActionRefusedError
from api.maintenance.channels import ChannelError
from api.maintenance.dispatch import PING
from api.maintenance.roster import STEP_MINUTES
from api.pages.messages import TESTS
from api.pages.page import Form, Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.times import ago, local, moment
from api.pages.words import mark
from api.records.versions import ChangedMeanwhileError, version_of
from shopfloor.periods import MINUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from api.deps import Services

router = APIRouter(prefix="/administration/escalation", include_in_schema=False, default_response_class=HTMLResponse)
STEPS_MAX = 10
MINUTES_MAX = 10_080
PING_MINUTES_MAX = 1_440
SEVERITIES: Mapping[str, str] = {
    "high": mark("Grave alerts"),
    "medium": mark("Alerts of the shift"),
    "low": mark("Slight alerts"),
}
_WEB: Mapping[str, str] = {"https://": "jsons://", "http://": "json://"}
"""An address of the web as people copy it, in the form of a channel."""
_DONE: Mapping[str, str] = {
    "saved": mark("It is saved; it holds within seconds."),
    "tested": mark("The test is on its way; look here again in a few seconds."),
}
_ADDRESS = mark("This address cannot be read: write one that begins as https://, or a channel's as ntfys://.")
_MINUTES = mark("Write whole minutes from 1 to %(most)s.")
_PEOPLE = mark("Somebody has lost the role that a step needs: look at who is ticked, and save again.")
_CHANGED = mark("Somebody else has changed this meanwhile. Look at what it is now, and save again.")
_NO_PING = mark("There is no address to be called: save one first.")


class Kept(NamedTuple):
    """What is set, and how it fares."""

    typed: Mapping[str, Any]
    version: str
    pings: bool
    pinged: int
    answer: str
    test: tuple[str | None, str]
    staff: Sequence[settings_records.Somebody]


@router.get("")
async def escalation_page(page: PageDep, found: ServicesDep) -> Response:
    """The chain, and how the last call of the address fared."""
    return await _show(page, found)


@router.post("")
async def save_escalation(page: PageDep, found: ServicesDep) -> Response:
    """Set the chain and the address; an address that is left empty stays as it is."""
    form = await page.form()
    errors: dict[str, str] = {}
    values = _values(page, form, errors)
    if not errors:
        try:
            await _write(found, lambda session: _save(page, session, values, form.text("version", 64)))
        except ChannelError:
            errors["ping"] = page.say(_ADDRESS)
        except ActionRefusedError:
            errors["all"] = page.say(_PEOPLE)
        except ChangedMeanwhileError:
            return await _show(page, found, None, {"all": page.say(_CHANGED)})
    if errors:
        return await _show(page, found, _typed(form), errors)
    return page.go("/administration/escalation?done=saved")


@router.post("/test")
async def test_ping(page: PageDep, found: ServicesDep) -> Response:
    """Have the watch call the address once, by the way that it always goes."""
    try:
        await _write(found, lambda session: settings_records.test_ping(session, now=page.now))
    except ActionRefusedError:
        return await _show(page, found, None, {"ping": page.say(_NO_PING)})
    return page.go("/administration/escalation?done=tested#ping-title")


def _save(page: Page, session: Any, values: Mapping[str, Any], seen: str) -> None:
    if _kept(session).version != seen:
        raise ChangedMeanwhileError
    settings_records.set_escalation(session, page.actor, values, now=page.now)


def _values(page: Page, form: Form, errors: dict[str, str]) -> dict[str, Any]:
    """Return what a form sets; what is wrong with it goes to `errors`."""

    def minutes(name: str, most: int) -> int:
        text = form.text(name, 8)
        if text.isdecimal() and text.isascii() and 1 <= int(text) <= most:
            return int(text)
        errors[name] = page.say(_MINUTES, most=most)
        return 0

    named = [name for name in SEVERITIES if form.text(f"minutes-{name}")]
    address = form.text("ping", 900)
    for web, ours in _WEB.items():
        if address.startswith(web):
            address = ours + address.removeprefix(web)
    return {
        "steps": _steps(form),
        "step_minutes": {name: float(minutes(f"minutes-{name}", MINUTES_MAX)) for name in named},
        "ping": "" if form.has("no_ping") else address or None,
        "ping_minutes": minutes("ping_minutes", PING_MINUTES_MAX),
    }


def _typed(form: Form) -> dict[str, Any]:
    names = ("ping_minutes", *(f"minutes-{name}" for name in SEVERITIES))
    return {**{name: form.text(name, 8) for name in names}, "steps": _steps(form)}


def _steps(form: Form) -> list[list[str]]:
    """Return who is ticked, step by step; one without anybody is left out."""
    steps = [list(dict.fromkeys(form.many(f"step-{number}"))) for number in range(STEPS_MAX)]
    return [found for step in steps if (found := [each[:16] for each in step if each][:50])]


def _kept(session: Any) -> Kept:
    row = settings_records.escalation(session)
    minutes = row.step_minutes or STEP_MINUTES
    typed: dict[str, Any] = {
        "steps": row.steps,
        "ping_minutes": row.ping_minutes,
        **{f"minutes-{name}": f"{minutes[name]:g}" if name in minutes else "" for name in SEVERITIES},
    }
    return Kept(
        typed,
        version_of({**typed, "ping": row.ping}),
        bool(row.ping),
        row.pinged,
        row.ping_answer,
        settings_records.test_of(session, PING),
        settings_records.staff(session),
    )


async def _show(
    page: Page, found: Services, typed: Mapping[str, Any] | None = None, errors: Mapping[str, str] | None = None
) -> Response:
    kept = await _read(found, _kept)
    shown = kept.typed if typed is None else typed
    done = _DONE.get(page.asked("done"))
    status, words = kept.test
    return page.show(
        "administration/escalation.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        typed=shown,
        steps=[*shown["steps"], []][:STEPS_MAX],
        staff=kept.staff,
        severities=[(name, page.say(word)) for name, word in SEVERITIES.items()],
        version=kept.version,
        errors=errors or {},
        done=page.say(done) if done and not errors else "",
        ping=_ping(page, kept),
        test=page.say(TESTS[status]) if status in TESTS else "",
        test_words=words,
        is_bad=status in {"unknown", "dead"},
    )


def _ping(page: Page, kept: Kept) -> dict[str, Any]:
    """Return how the calls of the address fare: late when two of them have not been answered."""
    is_late = bool(kept.pinged) and page.now - kept.pinged > (2 * int(kept.typed["ping_minutes"]) + 1) * MINUTE
    return {
        "is_set": kept.pings,
        "is_late": is_late,
        "pinged": moment(kept.pinged, local(page.now, page.zone).date(), page.zone, page.say) if kept.pinged else "",
        "age": ago(page.now - kept.pinged, page.say) if kept.pinged else "",
        "answer": kept.answer,
    }


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
