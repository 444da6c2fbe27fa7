"""The routes of signing in and out, and of the links with which a password is chosen."""

from __future__ import annotations

import asyncio
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from api.access import people, second_factor
from api.access.passwords import BusyError, password_problem
from api.access.sign_in import DEVICE_DAYS, CodeNeeded, Opened, Visitor
from api.audit.service import NOBODY, Actor
from api.deps import NowDep, ServicesDep, client_address, cookie_name, is_secure
from api.errors import NotYoursError
from api.pages.page import Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.words import mark
from api.records.identifiers import email_problem
from api.records.rules import InvalidRecordError
from api.records.tables import EMAIL_MAX, NAME_MAX

if TYPE_CHECKING:
    from api.access.sign_in import Answer
    from api.deps import Services

PASSWORD_MAX = 1_000
_MISTAKES = {
    "busy": mark("Too many passwords are being checked. Try again in a moment."),
    "bad_email": mark("This e-mail address cannot be used, or is taken."),
    "differ": mark("The two passwords are not the same."),
    "password_short": mark("It is too short: at least 12 characters are needed."),
    "password_long": mark("It is too long: at most 200 characters."),
    "password_common": mark("It is among the most common ones: choose another."),
    "password_own": mark("It is little more than your address or the consortium's name: choose another."),
}
"""What is wrong with what was chosen."""


def mistake(page: Page, name: str) -> str:
    """Say what is wrong with what was chosen, by the name of the sentence."""
    return page.say(_MISTAKES[name])


router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
Token = Annotated[str, Path(max_length=200)]


@router.get("/sign-in")
async def sign_in_page(page: PageDep, found: ServicesDep) -> Response:
    """Ask for e-mail and password."""
    return page.show("sign_in/password.html", email="", message="", mails=found.letters is not None)


@router.post("/sign-in")
async def sign_in(page: PageDep, found: ServicesDep, request: Request, now: NowDep) -> Response:
    """Open a session for a right password, or ask for the code that goes with it."""
    form = await page.form()
    email, password = form.text("email", EMAIL_MAX), form.raw("password", PASSWORD_MAX)
    answer = await found.sign_in.with_password(email, password, _visitor(request), now=now)
    return await _answer(page, request, answer, email=email)


@router.post("/sign-in/code")
async def sign_in_code(page: PageDep, found: ServicesDep, request: Request, now: NowDep) -> Response:
    """Open a session for the code that goes with a right password."""
    form = await page.form()
    ticket, code = form.text("ticket"), form.text("code", 20).replace(" ", "")
    answer = await found.sign_in.with_code(ticket, code, _visitor(request), now=now)
    return await _answer(page, request, answer, email="")


@router.post("/sign-out")
async def sign_out(found: ServicesDep, request: Request, now: NowDep) -> Response:
    """End the session of this browser."""
    await _end_session(found, request, now)
    response = Response(status_code=HTTPStatus.SEE_OTHER, headers={"Location": "/sign-in"})
    response.delete_cookie(cookie_name(request), httponly=True, samesite="strict", secure=is_secure(request))
    return response


async def _end_session(found: Services, request: Request, now: int) -> None:
    """End the session that this browser came with, if it is in one."""
    caller = request.state.caller
    if caller is None or not caller.by_cookie:
        return
    actor = Actor(caller.id, client_address(request))

    def end() -> None:
        with found.records.writing() as session:
            people.sign_out(session, actor, caller.credential, now=now)

    await asyncio.to_thread(end)
    await found.changed()


@router.get("/forgotten")
async def forgotten_page(page: PageDep, found: ServicesDep) -> Response:
    """Ask whose password was forgotten, where a link can be mailed."""
    if found.letters is None:
        raise NotYoursError
    return page.show("sign_in/forgotten.html", is_sent=False, email="", message="")


@router.post("/forgotten")
async def forgotten(page: PageDep, found: ServicesDep, request: Request) -> Response:
    """Send whoever signs in with an address a link; the answer is the same whether anybody does."""
    if found.letters is None:
        raise NotYoursError
    email = (await page.form()).text("email", EMAIL_MAX).lower()
    if email_problem(email) is not None:
        message = page.say("This is no e-mail address.")
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return page.show("sign_in/forgotten.html", status, is_sent=False, email=email, message=message)
    wait_seconds = math.ceil(found.letters.forgotten(email, client_address(request), now=page.now))
    if wait_seconds:
        message = page.say("Too many attempts. Try again in %(seconds)s seconds.", seconds=wait_seconds)
        status = HTTPStatus.TOO_MANY_REQUESTS
        response = page.show("sign_in/forgotten.html", status, is_sent=False, email=email, message=message)
        response.headers["Retry-After"] = str(wait_seconds)
        return response
    return page.show("sign_in/forgotten.html", is_sent=True, email="", message="")


@router.get("/invitation/{token}")
async def invitation_page(page: PageDep, token: Token) -> Response:
    """Ask whom a link was made for to choose a password."""
    return await _invitation(page, token)


@router.post("/invitation/{token}")
async def take_up_invitation(
    page: PageDep, found: ServicesDep, request: Request, now: NowDep, token: Token
) -> Response:
    """Keep the password that was chosen, and use the link up."""
    form = await page.form()
    invited = await asyncio.to_thread(_invited, found, token, now)
    if invited is None:
        return await _invitation(page, token)
    known, _ = invited
    email = known or form.text("email", EMAIL_MAX).lower()
    name = form.text("name", NAME_MAX)
    password = form.raw("password", PASSWORD_MAX)
    problem = _mistake(found, email, password, form.raw("again", PASSWORD_MAX))
    if not problem:
        try:
            await _take_up(found, request, token, (email, name, password), now)
        except BusyError:
            problem = "busy"
        except InvalidRecordError:
            problem = "bad_email"
        else:
            response = Response(status_code=HTTPStatus.SEE_OTHER, headers={"Location": "/sign-in"})
            device = await asyncio.to_thread(found.sign_in.device_of, email)
            _set(request, response, _device_name(request), device, DEVICE_DAYS * 86_400)
            return response
    return await _invitation(page, token, problem=problem, typed=(email, name))


def _mistake(found: Services, email: str, password: str, again: str) -> str:
    """Return the name of the sentence that says what is wrong; empty when nothing is."""
    if email_problem(email) is not None:
        return "bad_email"
    if password != again:
        return "differ"
    problem = password_problem(password, email=email, house=found.settings.house)
    return f"password_{problem}" if problem else ""


async def _take_up(found: Services, request: Request, token: str, chosen: tuple[str, str, str], now: int) -> None:
    email, name, password = chosen
    kept = await found.sign_in.passwords.hash(password)
    actor = Actor(NOBODY, client_address(request))

    def write() -> None:
        with found.records.writing() as session:
            people.take_up(session, actor, token, kept, now=now, email=email, name=name)

    await asyncio.to_thread(write)
    await found.changed()


def _invited(found: Services, token: str, now: int) -> tuple[str, str] | None:
    """Return e-mail and name of whom a link is for; None when it is over."""
    with found.records.reading() as session:
        invited = people.invited(session, token, now=now)
        return None if invited is None else (invited[1].email, invited[1].name)


async def _invitation(page: Page, token: str, *, problem: str = "", typed: tuple[str, str] = ("", "")) -> Response:
    invited = await asyncio.to_thread(_invited, page.found, token, page.now)
    if invited is None:
        return page.show("sign_in/over.html", HTTPStatus.NOT_FOUND)
    email, name = invited
    return page.show(
        "sign_in/invitation.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK,
        is_first=not email,
        email=email or typed[0],
        typed_name=name or typed[1],
        message=mistake(page, problem) if problem else "",
    )


async def _answer(page: Page, request: Request, answer: Answer, *, email: str) -> Response:
    mails = page.found.letters is not None
    if isinstance(answer, Opened):
        await _end_session(page.found, request, page.now)  # what this browser came with opens nothing any more
        response = page.go("/")
        _set(request, response, cookie_name(request), answer.cookie, answer.seconds)
        _set(request, response, _device_name(request), answer.device, DEVICE_DAYS * 86_400)
        return response
    if isinstance(answer, CodeNeeded):
        return _ask_for_code(page, answer)
    wait_seconds = math.ceil(answer.wait_seconds)
    if not wait_seconds:
        message = page.say("E-mail or password are not right. Check them and try again.")
        return page.show(
            "sign_in/password.html", HTTPStatus.UNPROCESSABLE_ENTITY, email=email, message=message, mails=mails
        )
    message = page.say(
        "Too many attempts. Try again in %(seconds)s seconds, or from a device that you use already.",
        seconds=wait_seconds,
    )
    response = page.show(
        "sign_in/password.html", HTTPStatus.TOO_MANY_REQUESTS, email=email, message=message, mails=mails
    )
    response.headers["Retry-After"] = str(wait_seconds)
    return response


def _ask_for_code(page: Page, needed: CodeNeeded) -> Response:
    drawn = ""
    if needed.secret:
        drawn = second_factor.picture(
            second_factor.address(needed.secret, email=needed.email, house=page.found.settings.house)
        )
    wrong = page.say("This code is not valid, or was used already. Wait for the next one.")
    return page.show(
        "sign_in/code.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if needed.is_wrong else HTTPStatus.OK,
        ticket=needed.ticket,
        secret=needed.secret,
        picture=drawn,
        message=wrong if needed.is_wrong else "",
    )


def _set(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    response.set_cookie(name, value, max_age=seconds, httponly=True, samesite="strict", secure=is_secure(request))


def _device_name(request: Request) -> str:
    return f"{cookie_name(request)}_device"


def _visitor(request: Request) -> Visitor:
    return Visitor(
        client_address(request), request.headers.get("user-agent", ""), request.cookies.get(_device_name(request), "")
    )
