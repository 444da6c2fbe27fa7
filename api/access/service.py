"""Telling who asks: by API key or by session, as the records have it now."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select, update

from api.access.scope import Caller, Role, Scope
from api.access.tables import ApiKey, Grant, Person, Secret
from api.access.tables import Session as SessionRow
from api.access.tokens import TOKEN_MAX, digest, key_id
from api.records.database import RecordsUnavailableError
from api.records.tables import Member
from shopfloor.periods import INSTANT_MAX, MINUTE, from_datetime

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from api.records.database import Records

KNOWN_MAX = 10_000
"""Most credentials that are held in memory; at the bound all are read again when they come."""
IDLE_MINUTES = 4 * 60
"""A session that is not used for so long ends."""
SESSION_MINUTES = 12 * 60
"""A session ends with the working day, however much it is used."""
TOUCH_MINUTES = 1
"""How exactly the last use of a session or key is kept."""
_SECRET_BYTES = 32
_WALL = "wall"
"""A key that a browser holds as its cookie: of a wall screen alone, which may look and change nothing."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Known:
    """A credential as it was read.

    Attributes:
        caller: whom it proves.
        expires: the end of it in any case.
        idle_minutes: the end of it without use, None for a key.
        used: its last use, as the records have it.
    """

    caller: Caller
    expires: int
    idle_minutes: int | None
    used: int

    def is_good(self, now: int) -> bool:
        """Tell whether it still opens anything."""
        is_idle = self.idle_minutes is not None and now - self.used >= self.idle_minutes * MINUTE
        return now < self.expires and not is_idle


class Access:
    """Who may come in.

    Args:
        records: where people, roles, keys and sessions are.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._number = records.change_number("access")
        self._known: dict[str, _Known] = {}

    async def by_token(self, token: str, *, now: int) -> Caller | None:
        """Return who holds an API key; None when there is no such key, or it has expired."""
        name = key_id(token)
        return await self._identify(f"key:{name}:{digest(token)}", now=now) if name is not None else None

    async def by_cookie(self, cookie: str, *, now: int) -> Caller | None:
        """Return who opened a session, or which wall screen was let in by its link; None when it is over."""
        if (name := key_id(cookie)) is not None:
            return await self._identify(f"{_WALL}:{name}:{digest(cookie)}", now=now)
        is_plain = len(cookie) <= TOKEN_MAX and cookie.isascii()
        return await self._identify(f"session:{digest(cookie)}", now=now) if is_plain else None

    async def _identify(self, credential: str, *, now: int) -> Caller | None:
        known = self._known.get(credential)
        if known is None:
            known = await asyncio.to_thread(self._read_one, credential, now)
            if known is None:
                return None
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[credential] = known
        if not known.is_good(now):
            return None
        if now - known.used >= TOUCH_MINUTES * MINUTE:
            known.used = now
            await asyncio.to_thread(self._touch, credential, now)
        return known.caller

    def is_valid(self, caller: Caller, *, now: int) -> bool:
        """Tell whether what proved a caller still does, and still allows the same; a stream keeps its session open."""
        known = self._known.get(caller.credential)
        if known is None or known.caller != caller:
            return False
        if known.idle_minutes is not None and now < known.expires and known.is_good(now):
            known.used = max(known.used, now - TOUCH_MINUTES * MINUTE)
        return known.is_good(now)

    async def refresh(self, *, now: int) -> None:
        """Read what is held again when anything of access has changed, in this process or another one."""
        try:
            number = await asyncio.to_thread(self._records.change_number, "access")
            if number != self._number:
                self._known = await asyncio.to_thread(self._read_all, list(self._known), now)
                self._number = number
        except RecordsUnavailableError as error:
            log.warning("access.records_unavailable", error=str(error))

    def forget(self) -> None:
        """Read everything again: something was just changed here, and holds at once."""
        self._number = -1

    def _read_all(self, credentials: list[str], now: int) -> dict[str, _Known]:
        with self._records.reading() as session:
            found = {each: _read(session, each, now) for each in credentials}
        return {each: known for each, known in found.items() if known is not None}

    def _read_one(self, credential: str, now: int) -> _Known | None:
        with self._records.reading() as session:
            return _read(session, credential, now)

    def _touch(self, credential: str, now: int) -> None:
        kind, _, rest = credential.partition(":")
        with self._records.writing() as session:
            if kind in {"key", _WALL}:
                session.execute(update(ApiKey).where(ApiKey.id == rest.partition(":")[0]).values(used=now))
            else:
                session.execute(update(SessionRow).where(SessionRow.sha256 == rest).values(used=now))


def _read(session: Session, credential: str, now: int) -> _Known | None:
    kind, _, rest = credential.partition(":")
    if kind == "session":
        return _read_session(session, credential, rest, now)
    known = _read_key(session, credential, rest, now)
    if kind == _WALL and known is not None:
        is_wall = known.caller.scope.role is Role.KIOSK and not known.caller.writes
        known.caller = replace(known.caller, by_cookie=True)
        return known if is_wall else None
    return known


def _read_key(session: Session, credential: str, rest: str, now: int) -> _Known | None:
    name, _, sha256 = rest.partition(":")
    key = session.get(ApiKey, name)
    if key is None or not secrets.compare_digest(key.sha256, sha256):
        return None
    grant = session.get_one(Grant, key.grant_id)
    scope = scope_of(session, grant, now=now)
    if scope is None:
        return None
    holder = f"person:{grant.person_id}" if grant.person_id else f"key:{key.id}"
    caller = Caller(holder, key.name, scope, credential=credential, writes=key.writes)
    return _Known(caller, min(key.expires or INSTANT_MAX, _end_of(session, grant)), None, key.used or 0)


def _read_session(session: Session, credential: str, sha256: str, now: int) -> _Known | None:
    row = session.scalars(select(SessionRow).where(SessionRow.sha256 == sha256)).one_or_none()
    if row is None:
        return None
    person, grant = session.get_one(Person, row.person_id), session.get_one(Grant, row.grant_id)
    scope = scope_of(session, grant, now=now)
    if scope is None:
        return None
    is_kiosk = scope.role is Role.KIOSK  # a wall screen has nobody who would sign it in again
    caller = Caller(f"person:{person.id}", person.name, scope, by_cookie=True, credential=credential, writes=True)
    expires = min(row.expires, _end_of(session, grant))
    return _Known(caller, expires, None if is_kiosk else IDLE_MINUTES, row.used)


def scope_of(session: Session, grant: Grant, *, now: int) -> Scope | None:
    """Return what a grant lets its holder see; None when its person or its firm is no longer with us.

    Args:
        session: reads the records.
        grant: the role.
        now: the present.
    """
    if grant.person_id is not None and not session.get_one(Person, grant.person_id).is_active:
        return None
    if now >= _end_of(session, grant):
        return None
    sites = None if grant.every_site else frozenset(each.site_id for each in grant.sites)
    return Scope(Role(grant.role), grant.member_id, sites)


def _end_of(session: Session, grant: Grant) -> int:
    """Return the first instant at which the firm of a role is no member any more."""
    firm = session.get_one(Member, grant.member_id) if grant.member_id is not None else None
    if firm is None or firm.active_to is None:
        return INSTANT_MAX
    return from_datetime(datetime.combine(firm.active_to, time.min, UTC))


def scopes_of(session: Session, who: str, *, now: int) -> list[Scope]:
    """Return what somebody may see now, by each role: what was made in their name works no longer than this does.

    Args:
        session: reads the records.
        who: `person:ID` or `key:ID`, as of a `Caller`.
        now: the present.
    """
    kind, _, name = who.partition(":")
    key = session.get(ApiKey, name) if kind == "key" else None
    if key is not None and (key.expires is None or now < key.expires):
        grants = [session.get_one(Grant, key.grant_id)]
    else:
        grants = list(session.scalars(select(Grant).where(Grant.person_id == name))) if kind == "person" else []
    found = [scope_of(session, each, now=now) for each in grants]
    return [each for each in found if each is not None]


def shared_secret(records: Records, name: str) -> bytes:
    """Return a secret that every process of this installation shares; it is made when there is none."""
    with records.writing() as session:
        row = session.get(Secret, name)
        if row is None:
            row = Secret(name=name, value=secrets.token_bytes(_SECRET_BYTES))
            session.add(row)
        return row.value
