"""What somebody does to their own account; a change of what proves who one is asks for the password again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from api.access import people
from api.access.passwords import BusyError, password_problem
from api.errors import NotYoursError
from api.records.rules import InvalidRecordError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from api.access.scope import Caller
    from api.access.tables import Person
    from api.audit.service import Actor
    from api.deps import Services


def person_id(caller: Caller) -> str:
    """Return who is signed in.

    Raises:
        NotYoursError: nobody is: an API key has no account of its own.
    """
    kind, _, found = caller.id.partition(":")
    if kind != "person" or not caller.by_cookie:
        raise NotYoursError
    return found


async def person_of(found: Services, caller: Caller) -> Person:
    """Return the account that somebody is signed in to.

    Raises:
        NotYoursError: nobody is.
    """
    wanted = person_id(caller)

    def read() -> Person:
        with found.records.reading() as session:
            return people.find_person(session, wanted)

    return await asyncio.to_thread(read)


async def confirmed(found: Services, caller: Caller, field: str, password: str, *, now: int) -> Person:
    """Return who is signed in, when the password is right.

    Args:
        found: the services.
        caller: who is signed in.
        field: where the password stands.
        password: as it was typed.
        now: the present.

    Raises:
        InvalidRecordError: it is not the present one, or was tried too often.
        NotYoursError: nobody is signed in.
    """
    person = await person_of(found, caller)
    try:
        is_right = await found.sign_in.is_right(person, password, caller.credential, now=now)
    except BusyError:
        is_right = False
    if not is_right:
        raise InvalidRecordError([Problem(field, "this is not the present password, or it was tried too often")])
    return person


async def choose_password(found: Services, caller: Caller, actor: Actor, old: str, new: str, *, now: int) -> None:
    """Set the password that somebody has chosen; every session ends.

    Raises:
        InvalidRecordError: it may not be chosen, or the present one is wrong.
        NotYoursError: nobody is signed in.
    """
    person = await confirmed(found, caller, "old", old, now=now)
    problem = password_problem(new, email=person.email, house=found.settings.house)
    if problem is not None:
        raise InvalidRecordError([Problem("new", f"this password may not be chosen: {problem}")])
    try:
        kept = await found.sign_in.passwords.hash(new)
    except BusyError as error:
        raise InvalidRecordError([Problem("new", "too many passwords are being checked: try again")]) from error
    await _write(found, lambda session: people.change_password(session, actor, person.id, kept, now=now))


async def drop_factor(found: Services, caller: Caller, actor: Actor, password: str, *, now: int) -> None:
    """Put the second factor away.

    Raises:
        InvalidRecordError: the password is wrong.
        NotYoursError: nobody is signed in.
    """
    person = await confirmed(found, caller, "password", password, now=now)
    await _write(found, lambda session: people.remove_second_factor(session, actor, person.id, now=now))


async def end_session(found: Services, caller: Caller, actor: Actor, session_id: str, *, now: int) -> None:
    """Sign one's own browser out, from wherever.

    Raises:
        UnknownRecordError: there is none of that name.
        NotYoursError: nobody is signed in.
    """
    wanted = person_id(caller)
    await _write(found, lambda session: people.end_session(session, actor, wanted, session_id, now=now))


async def end_other_sessions(found: Services, caller: Caller, actor: Actor, *, now: int) -> None:
    """Sign oneself out of every browser but this one.

    Raises:
        NotYoursError: nobody is signed in.
    """
    wanted, credential = person_id(caller), caller.credential
    await _write(found, lambda session: people.end_other_sessions(session, actor, wanted, credential, now=now))


async def _write(found: Services, work: Callable[[Session], object]) -> None:
    def write() -> None:
        with found.records.writing() as session:
            work(session)

    await asyncio.to_thread(write)
    await found.changed()
