"""Logins and codes in the records. Each change is one transaction with its entry in the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, select

from api.audit.service import record
from api.edges.tables import BrokerLogin, EnrolmentCode
from api.records.tables import EdgeAgent
from shopfloor.broker_files import Login
from shopfloor.wire.rights import Kind, Principal

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from api.audit.service import Actor
    from api.edges.codes import Code
    from api.records.database import Records


class KeptLogin(NamedTuple):
    """A login, and since when it holds its password."""

    login: Login
    since: int


class EdgeStore:
    """Keeps the logins of the broker and the codes that wait for an agent.

    Args:
        records: where they are.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    def logins(self) -> list[KeptLogin]:
        """Return every login, by name."""
        with self._records.reading() as session:
            return [_kept(row) for row in session.scalars(select(BrokerLogin).order_by(BrokerLogin.name))]

    def admitted(self) -> list[Login]:
        """Return the logins that the broker lets in, by name: not those of agents that are not active."""
        barred = select(EdgeAgent.id).where(EdgeAgent.is_active.is_(False))
        wanted = select(BrokerLogin).where(BrokerLogin.name.not_in(barred)).order_by(BrokerLogin.name)
        with self._records.reading() as session:
            return [_kept(row).login for row in session.scalars(wanted)]

    def codes(self) -> dict[str, int]:
        """Return the agents whose code was not used yet, and when it expires."""
        wanted = select(EnrolmentCode.agent_id, EnrolmentCode.expires).where(EnrolmentCode.used_by.is_(None))
        with self._records.reading() as session:
            return {name: expires for name, expires in session.execute(wanted)}  # noqa: C416 - rows are no pairs

    def put_login(self, actor: Actor, login: Login, *, now: int) -> None:
        """Add a login, or give it another password."""
        with self._records.writing() as session:
            _put(session, login, now)
            after = {"kind": login.principal.kind.value}
            record(session, actor, "set password", f"logins/{login.principal.name}", now=now, after=after)

    def remove_login(self, actor: Actor, name: str, *, now: int) -> bool:
        """Remove a login, and the code that waits for it. Returns whether there was one of them."""
        with self._records.writing() as session:
            return take_away(session, actor, name, now=now)

    def put_code(self, actor: Actor, code: Code, *, expires: int, now: int) -> bool:
        """Let a code enrol its agent until it expires; one that waited for the same agent is void.

        Returns:
            Whether there is such an agent.
        """
        with self._records.writing() as session:
            if session.get(EdgeAgent, code.publisher) is None:
                return False
            session.merge(EnrolmentCode(agent_id=code.publisher, digest=code.digest, expires=expires, used_by=None))
            record(session, actor, "invite", f"edges/{code.publisher}", now=now)
        return True

    def redeem(self, actor: Actor, code: Code, login: Login, *, used_by: str, now: int) -> bool:
        """Use a code up and put the agent's login, both or neither.

        Args:
            actor: from where.
            code: as it was typed.
            login: of the agent.
            used_by: tells who used the code, so that the same one may say it again when it missed the answer.
            now: the present.

        Returns:
            Whether the code holds.
        """
        with self._records.writing() as session:
            row = session.get(EnrolmentCode, code.publisher)
            if row is None or row.digest != code.digest or row.expires <= now or row.used_by not in {None, used_by}:
                return False
            if row.used_by is None:
                row.used_by = used_by
                _put(session, login, now)
                record(session, actor, "enroll", f"edges/{code.publisher}", now=now)
        return True


def take_away(session: Session, actor: Actor, name: str, *, now: int) -> bool:
    """Remove a login, and the code that waits for it. Returns whether there was one of them.

    Args:
        session: from `Records.writing`.
        actor: who does it.
        name: of the login.
        now: when.
    """
    code, login = session.get(EnrolmentCode, name), session.get(BrokerLogin, name)
    session.execute(delete(EnrolmentCode).where(EnrolmentCode.agent_id == name))
    session.execute(delete(BrokerLogin).where(BrokerLogin.name == name))
    if code is None and login is None:
        return False
    record(session, actor, "revoke", f"logins/{name}", now=now)
    return True


def _kept(row: BrokerLogin) -> KeptLogin:
    return KeptLogin(Login(Principal(row.name, Kind(row.kind)), row.password_hash), row.since)


def _put(session: Session, login: Login, now: int) -> None:
    name, kind = login.principal
    session.merge(BrokerLogin(name=name, kind=kind.value, password_hash=login.password_hash, since=now))
