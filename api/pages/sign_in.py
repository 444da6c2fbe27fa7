"""The routes of signing in and out, and of the links with which a password is chosen."""

from __future__ import annotations

import asyncio
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from api.access import people, second_factor
from api.access.passwords import BusyError, password_problem
from api.access.sign_in import DEVICE_DAYS, CodeNeeded, Opened, Visitor
from api.audit.service import NOBODY, Actor
from api.deps import NowDep, ServicesDep, client_address, cookie_name, form_fields, is_secure
from api.pages.endpoints import look_of, remember
from api.pages.words import WORDS
from api.records.identifiers import email_problem
from api.records.rules import InvalidRecordError
from api.records.tables import EMAIL_MAX, NAME_MAX

if TYPE_CHECKING:
    from api.access.sign_in import Answer
    from api.deps import Services
    from api.pages.service import Look

FORM_BYTES_MAX = 8_192
"""Largest form that is looked at; a larger one counts as empty."""
PASSWORD_MAX = 1_000

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
Token = Annotated[str, Path(max_length=200)]


@router.get("/sign-in")
async def sign_in_page(found: ServicesDep, request: Request) -> Response:
    """Ask for e-mail and password."""
    look = look_of(request, found)
    return remember(request, HTMLResponse(found.pages.sign_in(look)), look)


@router.post("/sign-in")
async def sign_in(found: ServicesDep, request: Request, now: NowDep) -> Response:
    """Open a session for a right password, or ask for the code that goes with it."""
    fields = await _form(request)
    email, password = fields.get("email", "")[:EMAIL_MAX], fields.get("password", "")[:PASSWORD_MAX]
    answer = await found.sign_in.with_password(email, password, _visitor(request), now=now)
    return await _answer(found, request, answer, email=email, now=now)


@router.post("/sign-in/code")
async def sign_in_code(found: ServicesDep, request: Request, now: NowDep) -> Response:
    """Open a session for the code that goes with a right password."""
    fields = await _form(request)
    ticket, code = fields.get("ticket", ""), fields.get("code", "")[:20].replace(" ", "")
    answer = await found.sign_in.with_code(ticket, code, _visitor(request), now=now)
    return await _answer(found, request, answer, email="", now=now)


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


@router.get("/invitation/{token}")
async def invitation_page(found: ServicesDep, request: Request, now: NowDep, token: Token) -> Response:
    """Ask whom a link was made for to choose a password."""
    return await _invitation(found, request, token, now)


@router.post("/invitation/{token}")
async def take_up_invitation(found: ServicesDep, request: Request, now: NowDep, token: Token) -> Response:
    """Keep the password that was chosen, and use the link up."""
    fields = await _form(request)
    invited = await asyncio.to_thread(_invited, found, token, now)
    if invited is None:
        return await _invitation(found, request, token, now)
    known, _ = invited
    email = known or fields.get("email", "").strip().lower()[:EMAIL_MAX]
    name = fields.get("name", "").strip()[:NAME_MAX]
    password = fields.get("password", "")[:PASSWORD_MAX]
    problem = _mistake(found, email, password, fields.get("again", ""))
    if not problem:
        try:
            await _take_up(found, request, token, (email, name, password), now)
        except (BusyError, InvalidRecordError):
            problem = "bad_email"
        else:
            return Response(status_code=HTTPStatus.SEE_OTHER, headers={"Location": "/sign-in"})
    return await _invitation(found, request, token, now, problem=problem, typed=(email, name))


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


async def _invitation(
    found: Services, request: Request, token: str, now: int, *, problem: str = "", typed: tuple[str, str] = ("", "")
) -> Response:
    look = look_of(request, found)
    invited = await asyncio.to_thread(_invited, found, token, now)
    if invited is None:
        return HTMLResponse(found.pages.invitation(look, is_open=False), HTTPStatus.NOT_FOUND)
    email, name = invited
    text = found.pages.invitation(
        look,
        is_open=True,
        is_first=not email,
        email=email or typed[0],
        name=name or typed[1],
        message=WORDS[look.language][problem] if problem else "",
    )
    return remember(request, HTMLResponse(text, HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK), look)


async def _answer(found: Services, request: Request, answer: Answer, *, email: str, now: int) -> Response:
    look = look_of(request, found)
    if isinstance(answer, Opened):
        await _end_session(found, request, now)  # a browser is signed in once: what it came with opens nothing more
        response = Response(status_code=HTTPStatus.SEE_OTHER, headers={"Location": "/"})
        _set(request, response, cookie_name(request), answer.cookie, answer.seconds)
        _set(request, response, _device_name(request), answer.device, DEVICE_DAYS * 86_400)
        return response
    if isinstance(answer, CodeNeeded):
        return _ask_for_code(found, look, answer)
    words = WORDS[look.language]
    wait_seconds = math.ceil(answer.wait_seconds)
    message = words["wait"].format(seconds=wait_seconds) if wait_seconds else words["wrong_password"]
    status = HTTPStatus.TOO_MANY_REQUESTS if wait_seconds else HTTPStatus.UNPROCESSABLE_ENTITY
    headers = {"Retry-After": str(wait_seconds)} if wait_seconds else None
    return HTMLResponse(found.pages.sign_in(look, email=email, message=message), status, headers)


def _ask_for_code(found: Services, look: Look, needed: CodeNeeded) -> Response:
    drawn = ""
    if needed.secret:
        drawn = second_factor.picture(
            second_factor.address(needed.secret, email=needed.email, house=found.settings.house)
        )
    message = WORDS[look.language]["wrong_code"] if needed.is_wrong else ""
    text = found.pages.code(look, ticket=needed.ticket, secret=needed.secret, picture=drawn, message=message)
    return HTMLResponse(text, HTTPStatus.UNPROCESSABLE_ENTITY if needed.is_wrong else HTTPStatus.OK)


def _set(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    response.set_cookie(name, value, max_age=seconds, httponly=True, samesite="strict", secure=is_secure(request))


def _device_name(request: Request) -> str:
    return f"{cookie_name(request)}_device"


def _visitor(request: Request) -> Visitor:
    return Visitor(
        client_address(request), request.headers.get("user-agent", ""), request.cookies.get(_device_name(request), "")
    )


async def _form(request: Request) -> dict[str, Any]:
    body = await request.body()
    return dict(form_fields(body)) if len(body) <= FORM_BYTES_MAX else {}
