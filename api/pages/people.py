"""The routes of people, keys and wall screens: who may come in, in which role, and what takes that away again."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from api.access import people
from api.access.endpoints import change_access, hand_on, key_of, roles_of, user_of
from api.access.schemas import KeyPost, UserPatch, UserPost
from api.access.scope import Role
from api.pages.account import ROLES, browser_name
from api.pages.page import Form, Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.times import local, moment
from api.pages.words import mark
from api.records import service
from api.records.rules import InvalidRecordError, site_problems
from api.records.versions import ChangedMeanwhileError, Guard, version_of
from shopfloor.periods import parse_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from api.access.schemas import LinkOut
    from api.access.tables import Person

NEW = "new"
DAYS: Mapping[str, str] = {
    "90": mark("90 days"), "365": mark("one year"), "1095": mark("three years"), "": mark("until it is removed")
}  # fmt: skip
"""How long a key can last."""
_MENDS: Mapping[str, str] = {
    "email": mark("This is no e-mail address, or somebody with it is there already."),
    "name": mark("Write a name of at most 120 characters."),
    "role": mark("Choose a role."),
    "member": mark("Choose the firm of a member; no other role has one."),
    "sites": mark("Administrators and members have every site: choose none here."),
    "roles": mark("Somebody has to be administrator: make another one first."),
    "all": mark("It cannot be kept like this: look at each field again."),
}
_CHANGED = mark("Somebody else has changed this meanwhile. Look at what it is now, and save again.")
_DONE: Mapping[str, str] = {
    "saved": mark("It is saved."),
    "ended": mark("Every browser of this person is signed out."),
    "factor": mark("The second factor is removed: the next sign-in sets up another one where one is required."),
    "out": mark("This person is kept out; what was open has ended."),
    "in": mark("This person may sign in again."),
    "removed": mark("It opens nothing any more; what was open with it has ended."),
}
_NOBODY: Mapping[str, Any] = {"name": "", "email": "", "language": "it", "roles": []}
T = TypeVar("T")

router = APIRouter(prefix="/administration", include_in_schema=False, default_response_class=HTMLResponse)
PersonId = Annotated[str, Path(max_length=16)]
KeyId = Annotated[str, Path(max_length=16)]


@router.get("/people")
async def list_people(page: PageDep) -> Response:
    """Everybody who signs in."""
    names = await _names(page)

    def ask(session: Any) -> list[dict[str, Any]]:
        return [user_of(session, each) for each in people.everybody(session)]

    rows = [
        each | {"may": [_in_words(page, names, role) for role in each["roles"]], "state": _state(page, each)}
        for each in await _ask(page, ask)
    ]
    return page.show("administration/people.html", rows=rows)


@router.get("/people/{person_id}")
async def person_page(page: PageDep, person_id: PersonId) -> Response:
    """Somebody to be changed, or under the identifier `new` somebody to be invited."""
    user = _NOBODY if person_id == NEW else await _user(page, person_id)
    return await _person(page, person_id, user, version=version_of(user))


@router.post("/people/{person_id}")
async def save_person(page: PageDep, person_id: PersonId) -> Response:
    """Invite somebody, or keep what the form says of them."""
    form = await page.form()
    typed = {"name": form.text("name"), "language": form.text("language", 2)}
    kept = _NOBODY if person_id == NEW else await _user(page, person_id)
    seen = form.text("version", 16)
    roles = [each for number, each in enumerate(kept["roles"]) if str(number) in form.many("keep")]
    roles += [_role(form)] if form.text("role") else []
    try:
        if person_id == NEW:
            typed["email"] = form.text("email")
            return await _invite(page, UserPost.model_validate(typed | {"roles": roles}))
        await _change(page, person_id, UserPatch.model_validate(typed | {"roles": roles}), seen)
    except ValidationError as error:
        errors = _errors(page, _places(error))
    except InvalidRecordError as error:
        errors = _errors(page, (each.field for each in error.problems))
    except ChangedMeanwhileError:
        errors, seen = {"all": page.say(_CHANGED)}, version_of(kept)
    else:
        return page.go(f"/administration/people/{person_id}?done=saved")
    return await _person(page, person_id, {**kept, **typed}, version=seen, errors=errors, form=form)


@router.post("/people/{person_id}/deeds")
async def do_with_person(page: PageDep, person_id: PersonId) -> Response:
    """Make a link for somebody, sign them out, put their second factor away, keep them out or let them in."""
    deed, actor, now = (await page.form()).text("deed", 10), page.actor, page.now
    if deed == "link":
        return await _link(page, person_id)
    work: dict[str, Callable[[Any, Person], None]] = {
        "ended": lambda session, person: people.sign_out_everywhere(session, actor, person, now=now),
        "factor": lambda session, person: people.remove_second_factor(session, actor, person.id, now=now),
        "out": lambda session, person: people.set_active(session, actor, person, is_active=False, now=now),
        "in": lambda session, person: people.set_active(session, actor, person, is_active=True, now=now),
    }
    if deed not in work:
        return page.go(f"/administration/people/{person_id}")
    try:
        await change_access(page.found, lambda session: work[deed](session, people.find_person(session, person_id)))
    except InvalidRecordError as error:
        user = await _user(page, person_id)
        errors = _errors(page, (each.field for each in error.problems))
        return await _person(page, person_id, user, version=version_of(user), errors=errors)
    return page.go(f"/administration/people/{person_id}?done={deed}")


@router.get("/keys")
async def list_keys(page: PageDep) -> Response:
    """Keys of programs, and links of wall screens."""
    return await _keys(page)


@router.post("/keys")
async def make_key(page: PageDep) -> Response:
    """Make a key, or the link of a wall screen; either is shown this once."""
    form = await page.form()
    is_wall = form.has("wall")
    wanted = _role(form) | {"name": form.text("name")}
    if is_wall:
        wanted |= {"role": Role.KIOSK.value, "member": None, "expires_days": None}
    else:
        wanted |= {"writes": form.has("writes"), "expires_days": form.text("days", 5) or None}
    try:
        fields = KeyPost.model_validate(wanted)
        role = people.Wanted(fields.role, fields.member, fields.sites)
        token, _ = await change_access(
            page.found,
            lambda session: people.add_key(
                session, page.actor, fields.name, role, writes=fields.writes, days=fields.expires_days, now=page.now
            ),
        )
    except ValidationError as error:
        return await _keys(page, _errors(page, _places(error)), form)
    except InvalidRecordError as error:
        return await _keys(page, _errors(page, (each.field for each in error.problems)), form)
    shown = f"{page.origin}/wall/open/{token}" if is_wall else token
    return page.show("administration/once.html", is_wall=is_wall, called=fields.name, secret=shown)


@router.post("/keys/{key_id}/remove")
async def remove_key(page: PageDep, key_id: KeyId) -> Response:
    """Remove a key, or the link of a wall screen."""
    await change_access(page.found, lambda session: people.remove_key(session, page.actor, key_id, now=page.now))
    return page.go("/administration/keys?done=removed")


async def _invite(page: Page, fields: UserPost) -> Response:
    if problems := site_problems({"email": fields.email}):
        raise InvalidRecordError(problems)

    def work(session: Any) -> tuple[Person, people.Link]:
        person = people.add_person(session, page.actor, fields.email, fields.name, roles_of(fields.roles), now=page.now)
        person.language = fields.language
        return person, people.new_link(session, page.actor, person, now=page.now)

    person, link = await change_access(page.found, work)
    return _shown(page, person, await hand_on(page.found, page.origin, person, link))


async def _link(page: Page, person_id: str) -> Response:
    def work(session: Any) -> tuple[Person, people.Link]:
        person = people.find_person(session, person_id)
        return person, people.new_link(session, page.actor, person, now=page.now)

    person, link = await change_access(page.found, work)
    return _shown(page, person, await hand_on(page.found, page.origin, person, link))


def _shown(page: Page, person: Person, link: LinkOut) -> Response:
    until = _moment(page, link.expires)
    return page.show("administration/link.html", person=person.name, id=person.id, link=link, until=until)


async def _change(page: Page, person_id: str, fields: UserPatch, seen: str) -> None:
    def work(session: Any) -> None:
        person = people.find_person(session, person_id)
        Guard(frozenset({seen})).check(user_of(session, person))
        name, language = fields.name or person.name, fields.language or person.language
        people.rename(session, page.actor, person, name, language, now=page.now)
        people.set_roles(session, page.actor, person, roles_of(fields.roles or []), now=page.now)

    await change_access(page.found, work)


def _role(form: Form) -> dict[str, Any]:
    """Return the role that a form asks for; no site ticked is every site."""
    return {
        "role": form.text("role", 20),
        "member": form.text("member", 63) or None,
        "sites": [each[:63] for each in form.many("site")] or None,
    }


async def _person(
    page: Page,
    person_id: str,
    user: Mapping[str, Any],
    *,
    version: str,
    errors: Mapping[str, str] | None = None,
    form: Form | None = None,
) -> Response:
    names = await _names(page)

    def ask(session: Any) -> list[dict[str, str]]:
        return [
            {
                "browser": browser_name(each.browser),
                "address": each.address,
                "used": _moment(page, each.used),
            }
            for each in people.sessions_of(session, person_id)
            if each.expires > page.now
        ]

    kept = [(number, _in_words(page, names, each)) for number, each in enumerate(user["roles"])]
    return page.show(
        "administration/person.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        is_new=person_id == NEW,
        id=person_id,
        user=user,
        state=_state(page, user) if person_id != NEW else "",
        roles=kept,
        kept=[str(number) for number, _ in kept] if form is None else form.many("keep"),
        sessions=[] if person_id == NEW else await _ask(page, ask),
        version=version,
        errors=errors or {},
        done=_done(page),
        languages=[("it", page.say(mark("Italian"))), ("en", page.say(mark("English")))],
        **_offered(page, names, form),
    )


async def _keys(page: Page, errors: Mapping[str, str] | None = None, form: Form | None = None) -> Response:
    names = await _names(page)

    def ask(session: Any) -> list[dict[str, Any]]:
        return [key_of(key, grant) for key, grant in people.every_key(session)]

    rows = [
        {
            "id": each["id"],
            "name": each["name"],
            "may": _in_words(page, names, each),
            "writes": each["writes"],
            "is_wall": each["role"] == Role.KIOSK.value,
            "is_over": each["expires"] is not None and parse_instant(each["expires"]) <= page.now,
            "expires": _moment(page, each["expires"]) if each["expires"] else page.say("until it is removed"),
            "used": _moment(page, each["used"]) if each["used"] else page.say(mark("never")),
        }
        for each in await _ask(page, ask)
    ]
    return page.show(
        "administration/keys.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        keys=[each for each in rows if not each["is_wall"]],
        walls=[each for each in rows if each["is_wall"]],
        errors=errors or {},
        done=_done(page),
        is_wall=form is not None and form.has("wall"),
        called=form.text("name") if form is not None else "",
        days=[(days, page.say(said)) for days, said in DAYS.items()],
        chosen_days=form.text("days") if form is not None else "365",
        writes=form is not None and form.has("writes"),
        **_offered(page, names, form),
    )


def _offered(page: Page, names: Mapping[str, Mapping[str, str]], form: Form | None) -> dict[str, Any]:
    """Return what a role can be chosen of, and what is chosen."""
    return {
        "offered_roles": [("", ""), *((role.value, page.say(said)) for role, said in ROLES.items())],
        "offered_members": [("", ""), *sorted(names["members"].items(), key=lambda each: each[1])],
        "offered_sites": sorted(names["sites"].items(), key=lambda each: each[1]),
        "chosen_role": form.text("role") if form is not None else "",
        "chosen_member": form.text("member") if form is not None else "",
        "chosen_sites": form.many("site") if form is not None else [],
    }


async def _names(page: Page) -> dict[str, dict[str, str]]:
    """Return what firms and sites are called, by their identifiers."""

    def read() -> dict[str, dict[str, str]]:
        found, scope = page.found.records, page.scope
        return {
            "members": {row.id: row.legal_name for row in service.visible(found, scope, "members")},
            "sites": {row.id: row.name for row in service.visible(found, scope, "sites")},
        }

    return await asyncio.to_thread(read)


def _in_words(page: Page, names: Mapping[str, Mapping[str, str]], role: Mapping[str, Any]) -> str:
    """Say a role: `Operator, Nord and Sud`."""
    called = page.say(ROLES[Role(role["role"])])
    if role["member"]:
        return f"{called}, {names['members'].get(role['member'], role['member'])}"
    if role["sites"] is None:
        return called
    return f"{called}, {', '.join(names['sites'].get(each, each) for each in role['sites'])}"


def _state(page: Page, user: Mapping[str, Any]) -> str:
    if not user["is_active"]:
        return page.say(mark("kept out"))
    if not user["has_password"]:
        return page.say(mark("invited, has not come in yet"))
    return page.say(mark("may sign in") if user["roles"] else mark("has no role, and cannot sign in"))


def _places(error: ValidationError) -> list[str]:
    """Return the field of each mistake; a list of roles that is not accepted as a whole has none in it."""
    names = [[part for part in each["loc"] if isinstance(part, str)] for each in error.errors()]
    return ["role" if each == ["roles"] else each[-1] for each in names if each]


def _done(page: Page) -> str:
    done = _DONE.get(page.asked("done"))
    return page.say(done) if done else ""


def _errors(page: Page, places: Iterable[str]) -> dict[str, str]:
    known = [place for place in places if place in _MENDS] or ["all"]
    return {place: page.say(_MENDS[place]) for place in known}


def _moment(page: Page, at: str | int) -> str:
    stamp = parse_instant(at) if isinstance(at, str) else at
    return moment(stamp, local(page.now, page.zone).date(), page.zone, page.say)


async def _user(page: Page, person_id: str) -> dict[str, Any]:
    return await _ask(page, lambda session: user_of(session, people.find_person(session, person_id)))


async def _ask(page: Page, ask: Callable[[Any], T]) -> T:
    def run() -> T:
        with page.found.records.reading() as session:
            return ask(session)

    return await asyncio.to_thread(run)
