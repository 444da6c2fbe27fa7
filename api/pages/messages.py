"""How one is told of alerts: one's channels with a test, and one's hours. Every form works without script."""

from __future__ import annotations

import asyncio
from datetime import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.errors import NotYoursError
from api.maintenance import settings_records
from api.maintenance.alarms import ActionRefusedError
from api.maintenance.channels import ChannelError
from api.pages.page import Form, Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.times import weekdays
from api.pages.words import mark

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from api.deps import Services

SPANS_MAX = 20
_DAYS = tuple("0123456")
LEAST: Mapping[str, str] = {
    "low": mark("everything, also what can wait until tomorrow"),
    "medium": mark("what is wanted within the shift, and what is grave"),
    "high": mark("what is grave alone"),
}
KINDS: Mapping[str, tuple[str, str]] = {
    "shifts": (mark("You work"), mark("outside of these hours messages wait; without any you are always told")),
    "quiet": (mark("Quiet hours"), mark("messages wait until they end")),
    "on_call": (mark("On call"), mark("grave alerts reach you all the same")),
}
TESTS: Mapping[str, str] = {
    "queued": mark("The test is on its way."),
    "sent": mark("The last test was accepted by the channel."),
    "unknown": mark("The channel did not answer the last test: look whether it arrived."),
    "dead": mark("The last test was not delivered."),
}
"""How the last test of a channel fared."""
_DONE: Mapping[str, str] = {
    "added": mark("The channel is there: send it a test."),
    "removed": mark("The channel is removed."),
    "tested": mark("The test is on its way; look here again in a few seconds."),
    "saved": mark("Your hours are saved."),
}
_ADDRESS = mark("This address cannot be read: it begins as mailto://, ntfys://, tgram:// or jsons://.")
_NAME = mark("Give it a name, as telephone.")
_MANY = mark("There are ten channels, and that is the limit: remove one first.")
_HOURS = mark("Write from and to as 22:00, and tick at least one day.")

router = APIRouter(prefix="/account/messages", include_in_schema=False, default_response_class=HTMLResponse)


class Span(NamedTuple):
    """A weekly span in the form."""

    days: Sequence[int]
    start: str
    end: str


@router.get("")
async def messages_page(page: PageDep, found: ServicesDep) -> Response:
    """Where one is told, how the last test of each fared, and when."""
    return await _show(page, found, {}, {})


@router.post("/channels")
async def add_channel(page: PageDep, found: ServicesDep) -> Response:
    """Add a channel."""
    form, person = await page.form(), _person(page)
    name, address = form.text("name", 120), form.text("address", 1_000)
    if not name:
        return await _show(page, found, {}, {"name": page.say(_NAME)})
    values = {"name": name, "address": address, "drops_repeats": form.has("drops_repeats")}
    try:
        await _write(
            found,
            lambda session: settings_records.add_channel(session, page.actor, person, values, now=page.now),
        )
    except ChannelError:
        return await _show(page, found, {"name": name}, {"address": page.say(_ADDRESS)})
    except ActionRefusedError:
        return await _show(page, found, {"name": name}, {"name": page.say(_MANY)})
    return page.go("/account/messages?done=added")


@router.post("/channels/{channel_id}")
async def use_channel(page: PageDep, found: ServicesDep, channel_id: str) -> Response:
    """Send a test through a channel, or remove it."""
    form, person = await page.form(), _person(page)
    is_test = form.text("deed", 10) == "test"

    def change(session: Any) -> None:
        row = settings_records.channel_of(session, person, channel_id)
        if is_test:
            settings_records.test_channel(session, row, now=page.now)
        else:
            settings_records.remove_channel(session, page.actor, row, now=page.now)

    await _write(found, change)
    return page.go(f"/account/messages?done={'tested' if is_test else 'removed'}")


@router.post("/hours")
async def save_hours(page: PageDep, found: ServicesDep) -> Response:
    """Set of what one is told, and when."""
    form, person = await page.form(), _person(page)
    errors: dict[str, str] = {}
    least = form.text("least", 8)
    values: dict[str, Any] = {"least": least if least in LEAST else "low"}
    for kind in KINDS:
        values[kind] = _spans(page, form, kind, errors)
    if errors:
        typed = {kind: _typed(form, kind) for kind in KINDS}
        return await _show(page, found, {"least": values["least"]}, errors, typed)
    await _write(found, lambda session: settings_records.set_duty(session, page.actor, person, values, now=page.now))
    return page.go("/account/messages?done=saved")


def _person(page: Page) -> str:
    """Return the person that asks; a key is nobody, and has no channels."""
    kind, _, person = page.caller.id.partition(":")
    if kind != "person":
        raise NotYoursError
    return person


def _spans(page: Page, form: Form, kind: str, errors: dict[str, str]) -> list[dict[str, Any]]:
    """Return the weekly spans of a form; one without days is left out."""
    found: list[dict[str, Any]] = []
    for number in range(SPANS_MAX):
        days = sorted({int(day) for day in form.many(f"{kind}-{number}-day") if day in _DAYS})
        start, end = form.text(f"{kind}-{number}-start", 5), form.text(f"{kind}-{number}-end", 5)
        if not days and not (form.has(f"{kind}-{number}-new") and (start or end)):
            continue
        begun, over = _minutes(start), _minutes(end)
        if not days or begun is None or over is None:
            errors[kind] = page.say(_HOURS)
            continue
        found.append({"days": days, "start": begun, "end": over})
    return found


def _minutes(text: str) -> int | None:
    try:
        at = time.fromisoformat(text)
    except ValueError:
        return None
    return at.hour * 60 + at.minute


def _typed(form: Form, kind: str) -> list[Span]:
    """Return the weekly spans of a form as they were typed, to be mended."""
    found: list[Span] = []
    for number in range(SPANS_MAX):
        name = f"{kind}-{number}"
        days = [int(day) for day in form.many(f"{name}-day") if day in _DAYS]
        start, end = form.text(f"{name}-start", 5), form.text(f"{name}-end", 5)
        if days or start or end:
            found.append(Span(days, start, end))
    return found


async def _show(
    page: Page,
    found: Services,
    typed: Mapping[str, str],
    errors: Mapping[str, str],
    hours: Mapping[str, Sequence[Span]] | None = None,
) -> Response:
    person = _person(page)

    def ask() -> tuple[list[dict[str, Any]], str, dict[str, list[Span]]]:
        with found.records.reading() as session:
            channels = [_channel(page, session, row) for row in settings_records.channels_of(session, person)]
            duty = settings_records.duty_of(session, person)
            return channels, duty.least, {kind: _shown(getattr(duty, kind)) for kind in KINDS}

    channels, least, spans = await asyncio.to_thread(ask)
    return page.show(
        "account/messages.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        channels=channels,
        least=typed.get("least", least),
        leasts=[(name, page.say(text)) for name, text in LEAST.items()],
        kinds=[
            (kind, page.say(title), page.say(hint), (hours or spans)[kind]) for kind, (title, hint) in KINDS.items()
        ],
        days=list(enumerate(weekdays(page.say))),
        typed=typed,
        errors=errors,
        done=page.say(_DONE[page.asked("done")]) if page.asked("done") in _DONE and not errors else "",
    )


def _channel(page: Page, session: Any, row: Any) -> dict[str, Any]:
    status, words = settings_records.test_of(session, row.id)
    text = page.say(TESTS[status]) if status is not None and status in TESTS else ""
    is_bad = status in {"unknown", "dead"}
    service = settings_records.service_of(row)
    return {"id": row.id, "name": row.name, "service": service, "test": text, "words": words, "is_bad": is_bad}


def _shown(spans: Sequence[Mapping[str, Any]]) -> list[Span]:
    def at(minutes: int) -> str:
        return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"

    return [Span(each["days"], at(int(each["start"])), at(int(each["end"]))) for each in spans]


async def _write(found: Services, change: Callable[[Any], Any]) -> None:
    def run() -> None:
        with found.records.writing() as session:
            change(session)

    await asyncio.to_thread(run)
