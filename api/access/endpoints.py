"""The routes of people, API keys and one's own account."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import select

from api.access import own, people, second_factor
from api.access.schemas import (
    FactorCode,
    FactorOut,
    Invited,
    KeyList,
    KeyMade,
    KeyPost,
    LinkOut,
    Me,
    PasswordAgain,
    PasswordPost,
    RoleFields,
    SessionList,
    User,
    UserList,
    UserPatch,
    UserPost,
)
from api.access.sign_in import CodeNeeded, Visitor
from api.access.tables import ApiKey, Grant, Person
from api.access.tables import Session as SessionRow
from api.deps import (
    ActorDep,
    CallerDep,
    GuardDep,
    NowDep,
    ServicesDep,
    client_address,
    csrf_token,
    origin_of,
    tagged,
)
from api.machines.paging import page
from api.records.endpoints import WriterDep  # noqa: TC001 - read when routes are made
from api.records.rules import InvalidRecordError, Problem, site_problems
from shopfloor.periods import format_instant

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from api.access.scope import Caller
    from api.deps import Services

PAGE_MAX = 500
router = APIRouter(prefix="/api/v1")

UserId = Annotated[str, Path(max_length=16, description="Identifier of the person.")]
SessionId = Annotated[str, Path(max_length=16)]
KeyId = Annotated[str, Path(max_length=16)]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
T = TypeVar("T")


async def change_access(found: Services, work: Callable[[Session], T]) -> T:
    """Do what changes access, in a thread; it holds from the next request on."""

    def write() -> T:
        with found.records.writing() as session:
            return work(session)

    done = await asyncio.to_thread(write)
    await found.changed()
    return done


async def _read(found: Services, work: Callable[[Session], T]) -> T:
    def read() -> T:
        with found.records.reading() as session:
            return work(session)

    return await asyncio.to_thread(read)


def roles_of(roles: list[RoleFields]) -> list[people.Wanted]:
    """Return roles as they are granted."""
    return [people.Wanted(each.role, each.member, each.sites) for each in roles]


def user_of(session: Session, person: Person) -> dict[str, Any]:
    """Return somebody as HTTP has them."""
    return {
        "id": person.id,
        "email": person.email,
        "name": person.name,
        "language": person.language,
        "is_active": person.is_active,
        "has_password": bool(person.password_hash),
        "has_second_factor": bool(person.totp_secret),
        "created": format_instant(person.created),
        "roles": [people.describe(each) for each in people.grants_of(session, person.id)],
    }


async def hand_on(found: Services, origin: str, person: Person, link: people.Link) -> LinkOut:
    """Return a link to hand on, and send it to whom it is for where there is a mail server.

    Args:
        found: the services.
        origin: of who asks, see `origin_of`; links begin with it where no mail server says otherwise.
        person: whom it is for.
        link: the link.
    """
    letters = found.letters
    if letters is not None:
        pages = letters.pages
        is_first = not person.password_hash
        is_mailed = await asyncio.to_thread(letters.send, person.email, person.language, link, is_first=is_first)
    else:
        pages = origin
        is_mailed = False
    return LinkOut(url=f"{pages}{link.path}", expires=format_instant(link.expires), is_mailed=is_mailed)


@router.get("/users", tags=["users"], response_model=UserList)
async def list_users(found: ServicesDep, *, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """People who sign in, by identifier."""

    def read(session: Session) -> dict[str, Any]:
        rows = list(session.scalars(select(Person).order_by(Person.id)))
        items, following = page(rows, lambda row: row.id, after=cursor, limit=limit)
        return {"items": [user_of(session, each) for each in items], "next_cursor": following}

    return await _read(found, read)


@router.post("/users", tags=["users"], status_code=HTTPStatus.CREATED, response_model=Invited)
async def invite(found: ServicesDep, actor: ActorDep, now: NowDep, request: Request, fields: UserPost) -> Any:
    """Add somebody, and make the link with which they choose a password; it is mailed where that is set up."""
    if problems := site_problems({"email": fields.email}):
        raise InvalidRecordError(problems)

    def write(session: Session) -> tuple[Person, dict[str, Any], people.Link]:
        person = people.add_person(session, actor, fields.email, fields.name, roles_of(fields.roles), now=now)
        person.language = fields.language
        return person, user_of(session, person), people.new_link(session, actor, person, now=now)

    person, user, link = await change_access(found, write)
    return {"user": user, "link": await hand_on(found, origin_of(request), person, link)}


@router.get("/users/{user_id}", tags=["users"], response_model=User)
async def get_user(found: ServicesDep, user_id: UserId, response: Response) -> Any:
    """One person."""
    user = await _read(found, lambda session: user_of(session, people.find_person(session, user_id)))
    return tagged(user, response)


@router.patch("/users/{user_id}", tags=["users"], response_model=User)
async def change_user(
    writer: WriterDep, guard: GuardDep, user_id: UserId, fields: UserPatch, response: Response
) -> Any:
    """Change somebody; a role that is taken away, or somebody who is kept out, loses what is open within seconds."""
    found, actor, now = writer

    def write(session: Session) -> Any:
        person = people.find_person(session, user_id)
        guard.check(user_of(session, person))
        people.rename(session, actor, person, fields.name or person.name, fields.language or person.language, now=now)
        if fields.roles is not None:
            people.set_roles(session, actor, person, roles_of(fields.roles), now=now)
        if fields.is_active is not None:
            people.set_active(session, actor, person, is_active=fields.is_active, now=now)
        return user_of(session, person)

    return tagged(await change_access(found, write), response)


@router.post("/users/{user_id}/link", tags=["users"], status_code=HTTPStatus.CREATED)
async def make_link(found: ServicesDep, actor: ActorDep, now: NowDep, request: Request, user_id: UserId) -> LinkOut:
    """Make a link with which somebody chooses a password, once; links before it work no more."""

    def write(session: Session) -> tuple[Person, people.Link]:
        person = people.find_person(session, user_id)
        return person, people.new_link(session, actor, person, now=now)

    return await hand_on(found, origin_of(request), *await change_access(found, write))


def _session(row: SessionRow, caller: Caller) -> dict[str, Any]:
    return {
        "id": row.id,
        "created": format_instant(row.created),
        "used": format_instant(row.used),
        "expires": format_instant(row.expires),
        "address": row.address,
        "browser": row.browser,
        "is_this": caller.credential == f"session:{row.sha256}",
    }


@router.get("/users/{user_id}/sessions", tags=["users"], response_model=SessionList)
async def list_sessions(found: ServicesDep, caller: CallerDep, user_id: UserId) -> Any:
    """Where somebody is signed in."""

    def read(session: Session) -> Any:
        person = people.find_person(session, user_id)
        return {"items": [_session(each, caller) for each in people.sessions_of(session, person.id)]}

    return await _read(found, read)


@router.delete("/users/{user_id}/sessions", tags=["users"], status_code=HTTPStatus.NO_CONTENT)
async def end_sessions(found: ServicesDep, actor: ActorDep, now: NowDep, user_id: UserId) -> None:
    """Sign somebody out everywhere."""
    await change_access(
        found, lambda session: people.sign_out_everywhere(session, actor, people.find_person(session, user_id), now=now)
    )


@router.get("/me", tags=["me"])
async def get_me(caller: CallerDep, request: Request) -> Me:
    """Who asks, and in which role."""
    scope = caller.scope
    return Me(
        id=caller.id,
        name=caller.name,
        role=scope.role,
        member=scope.member,
        sites=None if scope.sites is None else sorted(scope.sites),
        by_session=caller.by_cookie,
        writes=caller.writes,
        csrf_token=csrf_token(request) if caller.by_cookie else "",
    )


@router.get("/me/sessions", tags=["me"], response_model=SessionList)
async def list_my_sessions(found: ServicesDep, caller: CallerDep) -> Any:
    """Where one is signed in."""
    person_id = own.person_id(caller)
    return await _read(
        found, lambda session: {"items": [_session(each, caller) for each in people.sessions_of(session, person_id)]}
    )


@router.delete("/me/sessions/{session_id}", tags=["me"], status_code=HTTPStatus.NO_CONTENT)
async def end_my_session(
    found: ServicesDep, caller: CallerDep, actor: ActorDep, now: NowDep, session_id: SessionId
) -> None:
    """Sign one's own browser out, from wherever."""
    await own.end_session(found, caller, actor, session_id, now=now)


@router.delete("/me/sessions", tags=["me"], status_code=HTTPStatus.NO_CONTENT)
async def end_my_other_sessions(found: ServicesDep, caller: CallerDep, actor: ActorDep, now: NowDep) -> None:
    """Sign oneself out of every browser but this one."""
    await own.end_other_sessions(found, caller, actor, now=now)


@router.post("/me/password", tags=["me"], status_code=HTTPStatus.NO_CONTENT)
async def change_password(
    found: ServicesDep, caller: CallerDep, actor: ActorDep, now: NowDep, fields: PasswordPost
) -> None:
    """Choose another password; every session ends, this one too."""
    await own.choose_password(found, caller, actor, fields.old, fields.new, now=now)


@router.post("/me/second-factor", tags=["me"])
async def begin_second_factor(found: ServicesDep, caller: CallerDep, now: NowDep, fields: PasswordAgain) -> FactorOut:
    """Begin to set up a second factor; the code of the app ends it, within ten minutes."""
    person = await own.confirmed(found, caller, "password", fields.password, now=now)
    if person.totp_secret:
        raise InvalidRecordError([Problem("", "there is a second factor already: remove it first")])
    needed = found.sign_in.new_factor(person)
    address = second_factor.address(needed.secret, email=person.email, house=found.settings.house)
    return FactorOut(ticket=needed.ticket, secret=needed.secret, address=address)


@router.post("/me/second-factor/confirm", tags=["me"], status_code=HTTPStatus.NO_CONTENT)
async def confirm_second_factor(
    found: ServicesDep, caller: CallerDep, now: NowDep, request: Request, fields: FactorCode
) -> None:
    """Set up the second factor whose code this is."""
    visitor = Visitor(client_address(request))
    refusal = await found.sign_in.set_up_factor(own.person_id(caller), fields.ticket, fields.code, visitor, now=now)
    if isinstance(refusal, CodeNeeded):
        raise InvalidRecordError([Problem("code", "this code is not valid, or was used already")])
    if refusal is not None:
        raise InvalidRecordError([Problem("ticket", "it came too late, or too often: begin again")])


@router.post("/me/second-factor/remove", tags=["me"], status_code=HTTPStatus.NO_CONTENT)
async def remove_second_factor(
    found: ServicesDep, caller: CallerDep, actor: ActorDep, now: NowDep, fields: PasswordAgain
) -> None:
    """Put the second factor away, for another telephone; where one is required the next sign-in sets it up."""
    await own.drop_factor(found, caller, actor, fields.password, now=now)


def key_of(key: ApiKey, grant: Grant) -> dict[str, Any]:
    """Return an API key as HTTP has it, without its token."""
    return people.describe(grant) | {
        "id": key.id,
        "name": key.name,
        "writes": key.writes,
        "created": format_instant(key.created),
        "expires": None if key.expires is None else format_instant(key.expires),
        "used": None if key.used is None else format_instant(key.used),
    }


@router.get("/api-keys", tags=["api-keys"], response_model=KeyList)
async def list_keys(found: ServicesDep, *, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """API keys, by identifier."""

    def read(session: Session) -> Any:
        rows = list(session.scalars(select(ApiKey).order_by(ApiKey.id)))
        items, following = page(rows, lambda row: row.id, after=cursor, limit=limit)
        return {
            "items": [key_of(each, session.get_one(Grant, each.grant_id)) for each in items],
            "next_cursor": following,
        }

    return await _read(found, read)


@router.post("/api-keys", tags=["api-keys"], status_code=HTTPStatus.CREATED, response_model=KeyMade)
async def make_key(found: ServicesDep, actor: ActorDep, now: NowDep, fields: KeyPost) -> Any:
    """Make an API key; its token is shown this once."""

    def write(session: Session) -> Any:
        wanted = people.Wanted(fields.role, fields.member, fields.sites)
        token, key = people.add_key(
            session, actor, fields.name, wanted, writes=fields.writes, days=fields.expires_days, now=now
        )
        return {"token": token, "key": key_of(key, session.get_one(Grant, key.grant_id))}

    return await change_access(found, write)


@router.delete("/api-keys/{key_id}", tags=["api-keys"], status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def remove_key(found: ServicesDep, actor: ActorDep, now: NowDep, key_id: KeyId) -> None:
    """Remove an API key: what is open with it ends within seconds."""
    await change_access(found, lambda session: people.remove_key(session, actor, key_id, now=now))
