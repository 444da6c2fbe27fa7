"""Signing in: throttled, hashed in turn, with a second factor. The only file that knows itsdangerous."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import structlog
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import select

from api.access import second_factor
from api.access.passwords import BusyError, Passwords, is_outdated
from api.access.people import usable_grant
from api.access.scope import Role
from api.access.sent_away import SentAway
from api.access.service import SESSION_MINUTES, shared_secret
from api.access.tables import Person
from api.access.tables import Session as SessionRow
from api.access.throttle import Throttle, Try
from api.access.tokens import new_token
from api.audit.service import NOBODY, Actor, record
from api.records.database import RecordsUnavailableError, mark_changed
from api.records.tables import EMAIL_MAX
from shopfloor.periods import DAY, MINUTE, format_instant
from shopfloor.runtime import clock

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from api.access.sent_away import Count
    from api.access.tables import Grant
    from api.records.database import Records

TICKET_SECONDS = 600
"""How long a code may take to come after its password."""
DEVICE_DAYS = 365
"""How long a browser is known that has opened an account."""
KIOSK_DAYS = 400
"""How long a wall screen stays signed in."""
SESSIONS_MAX = 50
"""Most sessions of one person; the one that was used longest ago gives way."""
SECOND_FACTOR_ROLES = frozenset({Role.ADMINISTRATOR})
"""Who shows a second factor: whoever changes records and closes statements."""
_BUSY_SECONDS = 2.0
_LOOK_SECONDS = 60.0
"""How often it is looked whether somebody was sent away."""

log = structlog.get_logger(__name__)

Policy: TypeAlias = Literal["required", "optional"]


class Visitor(NamedTuple):
    """Where somebody signs in from.

    Attributes:
        address: of the client.
        browser: what it says of itself.
        device: the cookie that an earlier sign-in left, empty when there is none.
    """

    address: str
    browser: str = ""
    device: str = ""


class Opened(NamedTuple):
    """A session is open.

    Attributes:
        cookie: proves it.
        seconds: ends then in any case.
        device: lets this browser be known.
    """

    cookie: str
    seconds: int
    device: str


class CodeNeeded(NamedTuple):
    """The password is right, and a code is asked for.

    Attributes:
        ticket: goes with the code.
        secret: of a second factor that is to be set up now, empty when there is one.
        email: whose it is.
        is_wrong: a code was given and is not the right one.
    """

    ticket: str
    secret: str
    email: str
    is_wrong: bool = False


class Refused(NamedTuple):
    """Nothing is opened, and nothing says whether the account exists.

    Attributes:
        wait_seconds: when to try again; 0 when at once.
    """

    wait_seconds: float = 0.0


Answer: TypeAlias = Opened | CodeNeeded | Refused


class _Ticket(NamedTuple):
    """What a right password is answered with, signed.

    Attributes:
        person_id: whose it was.
        tag: of the password.
        secret: of a second factor that is to be set up now, empty when there is one.
    """

    person_id: str
    tag: str
    secret: str


class SignIn:
    """Opens sessions.

    Args:
        records: where people are.
        second_factor_policy: `required` of the roles that need one; `optional` where they may do without.

    Attributes:
        passwords: hashes them in turn.
        sent_away: who tried too often, and is not in the audit trail yet.
    """

    def __init__(self, records: Records, *, second_factor_policy: Policy) -> None:
        self.passwords = Passwords()
        self._records = records
        self._policy = second_factor_policy
        self._throttle = Throttle()
        self.sent_away = SentAway()
        secret = shared_secret(records, "sign-in")
        self._tickets, self._devices = (
            URLSafeTimedSerializer(secret, salt=f"officina.{name}", signer_kwargs={"digest_method": hashlib.sha256})
            for name in ("ticket", "device")
        )

    async def with_password(self, email: str, password: str, visitor: Visitor, *, now: int) -> Answer:
        """Sign in with a password."""
        email = email.strip().lower()[:EMAIL_MAX]
        asked = Try(email, visitor.address)
        if visitor.device:
            asked = asked._replace(device=self._device_of(await asyncio.to_thread(self._find, email), visitor.device))
        if (wait_seconds := self._throttle.take(asked, now=now)) > 0:
            self.sent_away.add("password", email, visitor.address, now=now)
            return Refused(wait_seconds)
        person = await asyncio.to_thread(self._find, email)
        kept = person.password_hash if person is not None and person.is_active else ""
        try:
            is_right = await self.passwords.verify(kept, password)
            new_hash = await self.passwords.hash(password) if is_right and is_outdated(kept) else ""
        except BusyError:
            return Refused(_BUSY_SECONDS)
        if not is_right or person is None:
            self._throttle.failed(asked)
            await asyncio.to_thread(self._note_failure, person, visitor, now)
            return Refused()
        self._throttle.succeeded(asked, now=now)
        if person.totp_secret:
            return CodeNeeded(self._ticket(person, ""), "", person.email)
        return await asyncio.to_thread(self._open, person.id, visitor, now, new_hash=new_hash)

    async def with_code(self, ticket: str, code: str, visitor: Visitor, *, now: int) -> Answer:
        """Sign in with the code that a right password was answered with, and set the factor up if it is new."""
        content = self._read_ticket(ticket)
        if content is None:
            return Refused()
        if (wait_seconds := self._take_code(content, visitor, now)) > 0:
            return Refused(wait_seconds)
        return await asyncio.to_thread(self._check_code, content, code.strip(), visitor, now)

    async def is_right(self, person: Person, password: str, credential: str, *, now: int) -> bool:
        """Ask somebody who is signed in for the password again; one that was tried too often is wrong.

        Raises:
            BusyError: too many passwords wait to be hashed.
        """
        if self._throttle.take(Try(person.email, "", credential), now=now) > 0:
            self.sent_away.add("password", person.email, "", now=now)
            return False
        return await self.passwords.verify(person.password_hash, password)

    def new_factor(self, person: Person) -> CodeNeeded:
        """Begin to set up the second factor of somebody who has none; the code of the app ends it."""
        secret = second_factor.new_secret()
        return CodeNeeded(self._ticket(person, secret), secret, person.email)

    async def set_up_factor(
        self, person_id: str, ticket: str, code: str, visitor: Visitor, *, now: int
    ) -> CodeNeeded | Refused | None:
        """Set up the second factor of somebody who is signed in.

        Returns:
            None when it is set up, `CodeNeeded` when the code is wrong, `Refused` when it comes too late or too often.
        """
        content = self._read_ticket(ticket)
        if content is None or content.person_id != person_id or not content.secret:
            return Refused()
        if (wait_seconds := self._take_code(content, visitor, now)) > 0:
            return Refused(wait_seconds)
        return await asyncio.to_thread(self._refuse_code, content, code.strip(), visitor, now)

    def _read_ticket(self, ticket: str) -> _Ticket | None:
        try:
            return _Ticket(*self._tickets.loads(ticket, max_age=TICKET_SECONDS))
        except (BadData, ValueError, TypeError):
            return None

    def _take_code(self, ticket: _Ticket, visitor: Visitor, now: int) -> float:
        wait_seconds = self._throttle.take(Try(f"code:{ticket.person_id}", visitor.address, "code"), now=now)
        if wait_seconds > 0:
            self.sent_away.add("code", ticket.person_id, visitor.address, now=now)
        return wait_seconds

    def _check_code(self, ticket: _Ticket, code: str, visitor: Visitor, now: int) -> Answer:
        refusal = self._refuse_code(ticket, code, visitor, now)
        return refusal or self._open(ticket.person_id, visitor, now, has_shown_code=True)

    def _refuse_code(self, ticket: _Ticket, code: str, visitor: Visitor, now: int) -> CodeNeeded | Refused | None:
        """Use a code up, and set the factor up if it is new; returns what to answer when the code is not right."""
        new = ticket.secret
        with self._records.writing() as session:
            person = session.get(Person, ticket.person_id)
            if person is None or _tag(person) != ticket.tag or bool(person.totp_secret) == bool(new):
                return Refused()
            step = second_factor.step_of(person.totp_secret or new, code, now=now, used=person.totp_step)
            actor = Actor(f"person:{person.id}", visitor.address)
            if step is None:
                record(session, actor, "refuse code", f"users/{person.id}", now=now)
                return CodeNeeded(self._ticket(person, new), new, person.email, is_wrong=True)
            person.totp_step = step
            if new:
                person.totp_secret = new
                record(session, actor, "set up second factor", f"users/{person.id}", now=now)
        return None

    def _find(self, email: str) -> Person | None:
        with self._records.reading() as session:
            return session.scalars(select(Person).where(Person.email == email)).one_or_none()

    def _open(
        self, person_id: str, visitor: Visitor, now: int, *, new_hash: str = "", has_shown_code: bool = False
    ) -> Answer:
        with self._records.writing() as session:
            person = session.get_one(Person, person_id)
            grant = usable_grant(session, person, now=now) if person.is_active else None
            if grant is None:
                return Refused()
            if Role(grant.role) in SECOND_FACTOR_ROLES and self._policy == "required" and not has_shown_code:
                return self.new_factor(person)
            person.password_hash = new_hash or person.password_hash
            opened = _open_session(session, person, grant, visitor, now)
            return opened._replace(device=self._device(person))

    def device_of(self, email: str) -> str:
        """Return what marks the browser of who has just chosen a password by a link as one of theirs; empty for nobody.

        Who has read the mail has shown enough to be tried apart from all strangers, however many there are.
        """
        person = self._find(email)
        return "" if person is None else self._device(person)

    def _device(self, person: Person) -> str:
        return str(self._devices.dumps([person.id, _tag(person)]))

    def _note_failure(self, person: Person | None, visitor: Visitor, now: int) -> None:
        """Keep that a password was wrong; what was typed as address is not kept, it may be the password."""
        with self._records.writing() as session:
            subject = f"users/{person.id}" if person is not None else "users"
            record(session, Actor(NOBODY, visitor.address), "refuse password", subject, now=now)

    async def run(self) -> None:
        """Write down who was sent away, a while after it began, until this is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await asyncio.to_thread(self.note_sent_away, now=clock.now())
            except RecordsUnavailableError as error:
                log.warning("sign_in.not_noted", reason=str(error))

    def note_sent_away(self, *, now: int, is_end: bool = False) -> None:
        """Write one entry for each account that was sent away: how often, and from how many addresses. Blocks.

        What was typed as address is not kept, it may be the password: accounts that there are not are one entry.

        Args:
            now: the present.
            is_end: also of what may go on, since nothing is counted from now on.

        Raises:
            RecordsUnavailableError: the records did not answer; what was counted is counted on.
        """
        if not (counts := self.sent_away.take(now=now, is_end=is_end)):
            return
        try:
            with self._records.writing() as session:
                self._keep_sent_away(session, counts, now)
        except RecordsUnavailableError:
            self.sent_away.give_back(counts)
            raise

    def _keep_sent_away(self, session: Session, counts: list[Count], now: int) -> None:
        found: dict[tuple[str, str], Count] = {}
        for each in counts:
            is_code = each.what == "code"
            known = select(Person.id).where((Person.id if is_code else Person.email) == each.account)
            person = session.scalars(known).one_or_none()
            key = (each.what, f"users/{person}" if person is not None else "users")
            found[key] = found[key].with_other(each) if key in found else each
        for (what, subject), each in found.items():
            only = next(iter(each.addresses)) if len(each.addresses) == 1 else ""
            after = {"tries": each.tries, "addresses": len(each.addresses), "since": format_instant(each.first),
                     "until": format_instant(each.last)}  # fmt: skip
            record(session, Actor(NOBODY, only), f"throttle {what}", subject, now=now, after=after)

    def _ticket(self, person: Person, secret: str) -> str:
        return str(self._tickets.dumps([person.id, _tag(person), secret]))

    def _device_of(self, person: Person | None, cookie: str) -> str:
        """Return the name of a browser that has opened this account since its password was chosen; else empty."""
        if person is None or not cookie:
            return ""
        try:
            person_id, tag = self._devices.loads(cookie, max_age=DEVICE_DAYS * 86_400)
        except (BadData, ValueError, TypeError):
            return ""
        is_of_person = person_id == person.id and tag == _tag(person)
        return hashlib.sha256(cookie.encode()).hexdigest()[:16] if is_of_person else ""


def _tag(person: Person) -> str:
    """Return what changes with the password, so that what was signed before it counts no more."""
    return hashlib.sha256(f"{person.id} {person.password_hash}".encode()).hexdigest()[:16]


def _open_session(session: Session, person: Person, grant: Grant, visitor: Visitor, now: int) -> Opened:
    token = new_token()
    is_kiosk = grant.role == Role.KIOSK.value
    lasts = KIOSK_DAYS * DAY if is_kiosk else SESSION_MINUTES * MINUTE
    old = session.scalars(
        select(SessionRow).where(SessionRow.person_id == person.id).order_by(SessionRow.used.desc())
    ).all()
    for row in [each for each in old if each.expires <= now] + list(old[SESSIONS_MAX - 1 :]):
        session.delete(row)
        mark_changed(session, "access")
    session.add(
        SessionRow(
            id=token.id,
            sha256=token.sha256,
            person_id=person.id,
            grant_id=grant.id,
            created=now,
            used=now,
            expires=now + lasts,
            address=visitor.address[:45],
            browser=visitor.browser[:200],
        )
    )
    after = {"role": grant.role, "member": grant.member_id}
    record(
        session, Actor(f"person:{person.id}", visitor.address), "sign in", f"users/{person.id}", now=now, after=after
    )
    return Opened(token.text, lasts // (MINUTE // 60), "")
