"""People, what they may do, their links, sessions and API keys: changed, audited, in one transaction each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, func, select

from api.access.scope import Role
from api.access.service import scope_of
from api.access.tables import ApiKey, Grant, GrantSite, Invitation, Person
from api.access.tables import Session as SessionRow
from api.access.tokens import digest, new_id, new_key, new_token
from api.audit.service import CONSOLE, record
from api.records.database import mark_changed
from api.records.rules import InvalidRecordError, Problem
from api.records.service import UnknownRecordError
from api.records.tables import Member, Site
from shopfloor.periods import DAY, HOUR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from api.audit.service import Actor

INVITATION_SECONDS = 7 * 24 * 3600
RESET_SECONDS = 2 * 3600
PEOPLE_MAX = KEYS_MAX = 5_000
GRANTS_MAX = 20
"""Most roles of one person."""
STRENGTH = (Role.ADMINISTRATOR, Role.MAINTENANCE, Role.OPERATOR, Role.MEMBER, Role.KIOSK)
"""In which of its roles somebody is signed in: the first of these."""


class Wanted(NamedTuple):
    """A role to be granted.

    Attributes:
        role: which.
        member: the firm of a member, None for every other role.
        sites: the sites that it is bound to, None for all of them.
    """

    role: Role
    member: str | None = None
    sites: Sequence[str] | None = None


class Link(NamedTuple):
    """A link that works once.

    Attributes:
        id: names it in logs.
        path: below the address of the pages.
        expires: when it ends.
    """

    id: str
    path: str
    expires: int


def add_person(session: Session, actor: Actor, email: str, name: str, wanted: Sequence[Wanted], *, now: int) -> Person:
    """Add somebody, who cannot sign in before an invitation is taken up.

    Raises:
        InvalidRecordError: the address is taken, or a role cannot be granted.
    """
    if session.scalars(select(Person.id).where(Person.email == email.lower())).first() is not None:
        raise InvalidRecordError([Problem("email", "somebody with this address is there already")])
    if (session.scalar(select(func.count()).select_from(Person)) or 0) >= PEOPLE_MAX:
        raise InvalidRecordError([Problem("", f"there are {PEOPLE_MAX} people, and that is the limit")])
    person = Person(id=new_id(), email=email.lower(), name=name, created=now)
    session.add(person)
    session.flush()
    grants = [_grant(session, person.id, each) for each in wanted]
    record(session, actor, "add", f"users/{person.id}", now=now, after={"roles": [describe(each) for each in grants]})
    mark_changed(session, "access")
    return person


def first_administrator(session: Session, *, now: int) -> Person:
    """Return who is to be the first administrator: without an address yet, which is asked for with the password."""
    person = session.scalars(select(Person).where(Person.email == "")).one_or_none()
    if person is None:
        person = Person(id=new_id(), email="", name="", created=now)
        session.add(person)
        session.flush()
        grant = _grant(session, person.id, Wanted(Role.ADMINISTRATOR))
        record(session, CONSOLE, "add", f"users/{person.id}", now=now, after={"roles": [describe(grant)]})
    return person


def set_roles(session: Session, actor: Actor, person: Person, wanted: Sequence[Wanted], *, now: int) -> None:
    """Give somebody these roles, and no others; sessions in a role that is gone end.

    Raises:
        InvalidRecordError: a role cannot be granted, or nobody would be administrator any more.
    """
    had_administrator, had = has_administrator(session), grants_of(session, person.id)
    before = [describe(each) for each in had]
    asked = [_shape(each) for each in wanted]
    if sorted(map(str, before)) == sorted(map(str, asked)):
        return
    kept = [each for each in had if describe(each) in asked]
    for grant in had:
        if grant not in kept:
            session.delete(grant)
    session.flush()
    there = [describe(each) for each in kept]
    for each, shape in zip(wanted, asked, strict=True):
        if shape not in there:
            _grant(session, person.id, each)
    _keep_an_administrator(session, had=had_administrator)
    record(session, actor, "change", f"users/{person.id}", now=now, before={"roles": before}, after={"roles": asked})
    mark_changed(session, "access")


def rename(session: Session, actor: Actor, person: Person, name: str, language: str, *, now: int) -> None:
    """Change what somebody is called and spoken to in; the trail keeps that it changed, and no name."""
    fields = {"name": name, "language": language}
    other = sorted(field for field, value in fields.items() if getattr(person, field) != value)
    if other:
        person.name, person.language = name, language
        record(session, actor, "change", f"users/{person.id}", now=now, after={"changed": other})
        mark_changed(session, "access")


def set_active(session: Session, actor: Actor, person: Person, *, is_active: bool, now: int) -> None:
    """Let somebody in, or keep them out: their sessions end and links of theirs work no more.

    Raises:
        InvalidRecordError: nobody would be administrator any more.
    """
    if person.is_active == is_active:
        return
    had_administrator = has_administrator(session)
    person.is_active = is_active
    session.flush()
    _keep_an_administrator(session, had=had_administrator)
    if not is_active:
        end_sessions(session, person.id)
        session.execute(delete(Invitation).where(Invitation.person_id == person.id))
    record(
        session, actor, "change", f"users/{person.id}", now=now,
        before={"is_active": not is_active}, after={"is_active": is_active},
    )  # fmt: skip
    mark_changed(session, "access")


def _keep_an_administrator(session: Session, *, had: bool) -> None:
    """Refuse to take away the last administrator who can sign in; an invitation that waits is none."""
    if had and not has_administrator(session):
        raise InvalidRecordError([Problem("roles", "somebody has to be administrator: make another one first")])


def _grant(session: Session, person_id: str | None, wanted: Wanted) -> Grant:
    problems: list[Problem] = []
    if (wanted.role is Role.MEMBER) != bool(wanted.member):
        problems.append(Problem("member", "a role names a firm exactly when it is that of a member"))
    if wanted.member and session.get(Member, wanted.member) is None:
        problems.append(Problem("member", "there is no such firm among the members: add it first"))
    if wanted.sites is not None and not wanted.sites:
        problems.append(Problem("sites", "a role is for one site or more, or for all of them"))
    if wanted.sites is not None and wanted.role in {Role.ADMINISTRATOR, Role.MEMBER}:
        problems.append(Problem("sites", f"the role {wanted.role} is not bound to sites"))
    problems += [
        Problem("sites", "there is no such site: add it first")
        for each in wanted.sites or ()
        if session.get(Site, each) is None
    ]
    if problems:
        raise InvalidRecordError(problems)
    grant = Grant(
        id=new_id(), person_id=person_id, role=wanted.role.value, member_id=wanted.member,
        every_site=wanted.sites is None,
    )  # fmt: skip
    grant.sites = [GrantSite(site_id=each) for each in sorted(set(wanted.sites or ()))]
    session.add(grant)
    session.flush()
    return grant


def _shape(wanted: Wanted) -> dict[str, Any]:
    sites = None if wanted.sites is None else sorted(set(wanted.sites))
    return {"role": wanted.role.value, "member": wanted.member, "sites": sites}


def describe(grant: Grant) -> dict[str, Any]:
    """Return a grant as HTTP and the audit trail have it."""
    sites = None if grant.every_site else sorted(each.site_id for each in grant.sites)
    return {"role": grant.role, "member": grant.member_id, "sites": sites}


def grants_of(session: Session, person_id: str) -> list[Grant]:
    """Return somebody's roles, the strongest first."""
    found = session.scalars(select(Grant).where(Grant.person_id == person_id))
    return sorted(found, key=lambda each: (STRENGTH.index(Role(each.role)), each.member_id or "", each.id))


def names(session: Session) -> dict[str, str]:
    """Return what people and keys are called, by their identifiers."""
    wanted = (select(Person.id, Person.name), select(ApiKey.id, ApiKey.name))
    return {key: name for each in wanted for key, name in session.execute(each).all()}


def everybody(session: Session) -> list[Person]:
    """Return everybody, by name."""
    return list(session.scalars(select(Person).order_by(Person.name, Person.id)))


def every_key(session: Session) -> list[tuple[ApiKey, Grant]]:
    """Return every API key with its role, by name."""
    rows = session.scalars(select(ApiKey).order_by(ApiKey.name, ApiKey.id))
    return [(each, session.get_one(Grant, each.grant_id)) for each in rows]


def find_person(session: Session, person_id: str) -> Person:
    """Return somebody.

    Raises:
        UnknownRecordError: there is nobody with this id.
    """
    person = session.get(Person, person_id) if person_id.isalnum() and person_id.isascii() else None
    if person is None:
        raise UnknownRecordError(person_id)
    return person


def new_link(session: Session, actor: Actor, person: Person, *, now: int, keeps_factor: bool = False) -> Link:
    """Make a link with which somebody chooses a password; every link before it works no more.

    Args:
        session: from `Records.writing`.
        actor: who asks for it.
        person: whom it is for.
        now: when.
        keeps_factor: see `api.access.tables.Invitation`.
    """
    purpose = "reset" if person.password_hash else "invitation"
    seconds = RESET_SECONDS if purpose == "reset" else INVITATION_SECONDS
    token = new_token()
    session.execute(delete(Invitation).where(Invitation.person_id == person.id))
    expires = now + seconds * HOUR // 3600
    session.add(
        Invitation(
            id=token.id, sha256=token.sha256, person_id=person.id, purpose=purpose, created=now, expires=expires,
            keeps_factor=keeps_factor,
        )
    )  # fmt: skip
    record(session, actor, purpose, f"users/{person.id}", now=now)
    return Link(token.id, f"/invitation/{token.text}", expires)


def invited(session: Session, token: str, *, now: int) -> tuple[Invitation, Person] | None:
    """Return whom a link is for; None when it was used, has expired, or never was one."""
    found = session.scalars(select(Invitation).where(Invitation.sha256 == digest(token))).one_or_none()
    if found is None or found.used is not None or now >= found.expires:
        return None
    person = session.get_one(Person, found.person_id)
    return (found, person) if person.is_active else None


def take_up(
    session: Session, actor: Actor, token: str, password_hash: str, *, now: int, email: str, name: str
) -> Person | None:
    """Set the password that somebody chose by a link, end their sessions, and use the link up.

    The second factor goes with a link that an administrator made: whoever lost the telephone gets in again. It stays
    with one that came for the asking: who reads somebody's mail has not got the telephone.

    Args:
        session: from `Records.writing`.
        actor: who holds the link.
        token: of the link.
        password_hash: of the password that was chosen.
        now: when.
        email: of the first administrator, who has none yet.
        name: the same.

    Raises:
        InvalidRecordError: the e-mail address is somebody else's.
    """
    found = invited(session, token, now=now)
    if found is None:
        return None
    invitation, person = found
    invitation.used = now
    if not person.email:
        if session.scalars(select(Person.id).where(Person.email == email)).first() is not None:
            raise InvalidRecordError([Problem("email", "somebody with this address is there already")])
        person.email, person.name = email, name or email
    set_password(session, person, password_hash)
    if not invitation.keeps_factor:
        person.totp_secret, person.totp_step = "", 0
    record(session, actor, "choose password", f"users/{person.id}", now=now)
    return person


def set_password(session: Session, person: Person, password_hash: str) -> None:
    """Set a password; every session of its owner ends."""
    person.password_hash = password_hash
    end_sessions(session, person.id)
    mark_changed(session, "access")


def end_sessions(session: Session, person_id: str) -> int:
    """End every session of somebody. Returns how many there were."""
    ended = session.execute(delete(SessionRow).where(SessionRow.person_id == person_id).returning(SessionRow.id)).all()
    mark_changed(session, "access")
    return len(ended)


def end_other_sessions(session: Session, actor: Actor, person_id: str, credential: str, *, now: int) -> int:
    """End every session of somebody but the one that a credential names. Returns how many there were."""
    others = select(SessionRow.id).where(
        SessionRow.person_id == person_id, SessionRow.sha256 != credential.removeprefix("session:")
    )
    ended = session.execute(delete(SessionRow).where(SessionRow.id.in_(others)).returning(SessionRow.id)).all()
    if ended:
        record(session, actor, "end other sessions", f"users/{person_id}", now=now)
        mark_changed(session, "access")
    return len(ended)


def sign_out_everywhere(session: Session, actor: Actor, person: Person, *, now: int) -> None:
    """End every session of somebody."""
    if end_sessions(session, person.id):
        record(session, actor, "end sessions", f"users/{person.id}", now=now)


def change_password(session: Session, actor: Actor, person_id: str, password_hash: str, *, now: int) -> None:
    """Set the password that somebody chose while signed in."""
    set_password(session, find_person(session, person_id), password_hash)
    record(session, actor, "change password", f"users/{person_id}", now=now)


def remove_second_factor(session: Session, actor: Actor, person_id: str, *, now: int) -> None:
    """Put somebody's second factor away."""
    person = find_person(session, person_id)
    if person.totp_secret:
        person.totp_secret, person.totp_step = "", 0
        record(session, actor, "remove second factor", f"users/{person_id}", now=now)


def end_session(session: Session, actor: Actor, person_id: str, session_id: str, *, now: int) -> None:
    """End one session.

    Raises:
        UnknownRecordError: this person has none of that name.
    """
    row = session.get(SessionRow, session_id) if session_id.isalnum() and session_id.isascii() else None
    if row is None or row.person_id != person_id:
        raise UnknownRecordError(session_id)
    session.delete(row)
    record(session, actor, "end session", f"users/{person_id}", now=now)
    mark_changed(session, "access")


def sign_out(session: Session, actor: Actor, credential: str, *, now: int) -> None:
    """End the session that a credential names."""
    sha256 = credential.removeprefix("session:")
    if session.execute(delete(SessionRow).where(SessionRow.sha256 == sha256).returning(SessionRow.id)).all():
        record(session, actor, "sign out", f"users/{actor.id.removeprefix('person:')}", now=now)
        mark_changed(session, "access")


def sessions_of(session: Session, person_id: str) -> list[SessionRow]:
    """Return somebody's sessions, the newest use first."""
    return list(
        session.scalars(select(SessionRow).where(SessionRow.person_id == person_id).order_by(SessionRow.used.desc()))
    )


def forget_ended(session: Session, *, now: int) -> None:
    """Delete sessions that ran out and links that can no longer be taken up; the audit trail keeps what they did."""
    session.execute(delete(SessionRow).where(SessionRow.expires <= now))
    session.execute(delete(Invitation).where((Invitation.expires <= now) | Invitation.used.is_not(None)))


def add_key(
    session: Session, actor: Actor, name: str, wanted: Wanted, *, writes: bool, days: int | None, now: int
) -> tuple[str, ApiKey]:
    """Make an API key.

    Args:
        session: from `Records.writing`.
        actor: who makes it.
        name: who or what holds it.
        wanted: what it may do.
        writes: whether it may change anything.
        days: when it expires; None for never.
        now: when.

    Returns:
        The token, which is nowhere else, and what is kept of it.

    Raises:
        InvalidRecordError: the role cannot be granted.
    """
    if (session.scalar(select(func.count()).select_from(ApiKey)) or 0) >= KEYS_MAX:
        raise InvalidRecordError([Problem("", f"there are {KEYS_MAX} keys, and that is the limit: remove old ones")])
    grant = _grant(session, None, wanted)
    token = new_key()
    expires = None if days is None else now + days * DAY
    key = ApiKey(
        id=token.id, name=name, sha256=token.sha256, grant_id=grant.id, writes=writes, created=now, expires=expires
    )
    session.add(key)
    after = {"name": name, "writes": writes, "expires_days": days} | describe(grant)
    record(session, actor, "add", f"api-keys/{key.id}", now=now, after=after)
    return token.text, key


def remove_key(session: Session, actor: Actor, name: str, *, now: int) -> None:
    """Remove an API key: what is open with it ends.

    Raises:
        UnknownRecordError: there is none of that name.
    """
    key = session.get(ApiKey, name) if name.isalnum() and name.isascii() else None
    if key is None:
        raise UnknownRecordError(name)
    grant = session.get_one(Grant, key.grant_id)
    before = {"name": key.name} | describe(grant)
    session.delete(key)
    session.flush()
    session.delete(grant)
    record(session, actor, "remove", f"api-keys/{name}", now=now, before=before)
    mark_changed(session, "access")


def usable_grant(session: Session, person: Person, *, now: int) -> Grant | None:
    """Return the strongest role in which somebody may be signed in now."""
    for grant in grants_of(session, person.id):
        if scope_of(session, grant, now=now) is not None:
            return grant
    return None


def has_administrator(session: Session) -> bool:
    """Tell whether anybody could administer: has a password and the role."""
    wanted = select(Grant.id).join(Person, Grant.person_id == Person.id)
    return (
        session.scalars(
            wanted.where(Grant.role == "administrator", Person.is_active, Person.password_hash != "")
        ).first()
        is not None
    )
