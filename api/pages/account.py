"""One's own account: where one is signed in, the password, the second factor. Every form works without script."""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from api.access import own, people, second_factor
from api.access.passwords import password_problem
from api.access.scope import Role
from api.access.sign_in import CodeNeeded, Visitor
from api.deps import ServicesDep, client_address
from api.pages.page import Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.sign_in import PASSWORD_MAX, mistake
from api.pages.times import moment
from api.pages.words import mark
from api.records.rules import InvalidRecordError
from api.records.service import UnknownRecordError
from shopfloor.periods import to_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.access.tables import Session

_DONE = {
    "ended": mark("That browser is signed out."),
    "alone": mark("You are signed in here alone."),
    "set-up": mark("The second factor is set up."),
    "removed": mark("The second factor is removed."),
}
"""What has just been done, by the name that the address has for it."""
_WRONG_PASSWORD = mark("This is not your present password, or it was tried too often.")
ROLES: Mapping[Role, str] = {
    Role.ADMINISTRATOR: mark("Administrator"),
    Role.OPERATOR: mark("Operator"),
    Role.MAINTENANCE: mark("Maintenance"),
    Role.MEMBER: mark("Member"),
    Role.KIOSK: mark("Wall screen"),
}
"""What a role is called."""
_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)  # fmt: skip
_AGENT_MAX = 40

router = APIRouter(prefix="/account", include_in_schema=False, default_response_class=HTMLResponse)


class Row(NamedTuple):
    """One browser that is signed in."""

    id: str
    browser: str
    address: str
    used: str
    created: str
    is_this: bool


def browser_name(agent: str) -> str:
    """Return what people call a browser, by what it says of itself: `Firefox, Windows`."""
    found = [next((name for sign, name in signs if sign in agent), "") for signs in (_BROWSERS, _SYSTEMS)]
    return ", ".join(each for each in found if each) or agent[:_AGENT_MAX]


@router.get("")
async def account(page: PageDep) -> Response:
    """One's own account."""
    return await _show(page)


@router.post("/sessions/end")
async def end_session(page: PageDep, found: ServicesDep) -> Response:
    """Sign one browser out, or all but this one."""
    form = await page.form()
    if form.has("others"):
        await own.end_other_sessions(found, page.caller, page.actor, now=page.now)
        return page.go("/account?done=alone")
    with contextlib.suppress(UnknownRecordError):  # it has ended by itself meanwhile, which is what was wanted
        await own.end_session(found, page.caller, page.actor, form.text("session", 16), now=page.now)
    return page.go("/account?done=ended")


@router.post("/password")
async def change_password(page: PageDep, found: ServicesDep) -> Response:
    """Choose another password: every session ends, and one signs in with the new one."""
    form = await page.form()
    old, new, again = (form.raw(name, PASSWORD_MAX) for name in ("old", "new", "again"))
    if new != again:
        return await _show(page, errors={"again": mistake(page, "differ")})
    person = await own.person_of(found, page.caller)
    problem = password_problem(new, email=person.email, house=found.settings.house)
    if problem is not None:
        return await _show(page, errors={"new": mistake(page, f"password_{problem}")})
    try:
        await own.choose_password(found, page.caller, page.actor, old, new, now=page.now)
    except InvalidRecordError as error:
        texts = {"old": page.say(_WRONG_PASSWORD), "new": mistake(page, "busy")}
        return await _show(page, errors={each.field: texts[each.field] for each in error.problems})
    return page.go("/sign-in")


@router.post("/second-factor")
async def begin_second_factor(page: PageDep, found: ServicesDep) -> Response:
    """Show what the verification app is to scan, and ask for its code."""
    password = (await page.form()).raw("factor_password", PASSWORD_MAX)
    try:
        person = await own.confirmed(found, page.caller, "factor_password", password, now=page.now)
    except InvalidRecordError:
        return await _show(page, errors={"factor_password": page.say(_WRONG_PASSWORD)})
    if person.totp_secret:
        return page.go("/account")
    return _ask_for_code(page, found.sign_in.new_factor(person))


@router.post("/second-factor/confirm")
async def confirm_second_factor(page: PageDep, found: ServicesDep, request: Request) -> Response:
    """Set the second factor up, when the code is right."""
    form = await page.form()
    ticket, code = form.text("ticket"), form.text("code", 20).replace(" ", "")
    visitor = Visitor(client_address(request))
    refusal = await found.sign_in.set_up_factor(own.person_id(page.caller), ticket, code, visitor, now=page.now)
    if isinstance(refusal, CodeNeeded):
        return _ask_for_code(page, refusal)
    return page.go("/account?done=set-up" if refusal is None else "/account")


@router.post("/second-factor/remove")
async def remove_second_factor(page: PageDep, found: ServicesDep) -> Response:
    """Put the second factor away."""
    password = (await page.form()).raw("factor_password", PASSWORD_MAX)
    try:
        await own.drop_factor(found, page.caller, page.actor, password, now=page.now)
    except InvalidRecordError:
        return await _show(page, errors={"factor_password": page.say(_WRONG_PASSWORD)})
    return page.go("/account?done=removed")


async def _show(page: Page, *, errors: Mapping[str, str] | None = None) -> Response:
    person = await own.person_of(page.found, page.caller)

    def read() -> list[Session]:
        with page.found.records.reading() as session:
            return people.sessions_of(session, person.id)

    rows = [_row(page, each) for each in await asyncio.to_thread(read) if each.expires > page.now]
    done = _DONE.get(page.asked("done"))
    return page.show(
        "account/page.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        email=person.email,
        role=page.say(ROLES[page.scope.role]),
        has_factor=bool(person.totp_secret),
        rows=rows,
        errors=errors or {},
        done=page.say(done) if done else "",
    )


def _row(page: Page, session: Session) -> Row:
    today = to_datetime(page.now).astimezone(page.zone).date()
    return Row(
        id=session.id,
        browser=browser_name(session.browser),
        address=session.address,
        used=moment(session.used, today, page.zone, page.say),
        created=moment(session.created, today, page.zone, page.say),
        is_this=page.caller.credential == f"session:{session.sha256}",
    )


def _ask_for_code(page: Page, needed: CodeNeeded) -> Response:
    values: dict[str, Any] = {"ticket": needed.ticket, "secret": needed.secret}
    address = second_factor.address(needed.secret, email=needed.email, house=page.found.settings.house)
    wrong = page.say("This code is not valid, or was used already. Wait for the next one.")
    return page.show(
        "account/factor.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if needed.is_wrong else HTTPStatus.OK,
        picture=second_factor.picture(address),
        message=wrong if needed.is_wrong else "",
        **values,
    )
