"""A person's data: all of it for the person, and its erasure, which leaves every account and proof as it is.

Names, addresses and secrets stand with the person alone. Everything else refers to a person by a random identifier, so
that erasing those leaves statements, evidence and the audit trail unchanged, about somebody whom nobody can name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, String, delete, or_, select, update

from api.access.tables import Grant, Invitation, Person
from api.access.tables import Session as SessionRow
from api.audit.service import record
from api.audit.tables import AuditEntry
from api.records.database import mark_changed
from api.records.service import UnknownRecordError

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.orm import Session

    from api.audit.service import Actor

SECRETS = frozenset({"password_hash", "totp_secret", "totp_step", "sha256"})
"""What proves who somebody is, and tells nothing about them."""
ERASED = "erased-{}@invalid"
"""In place of an address: no mail can go there (RFC 2606)."""


def find(session: Session, email: str) -> Person:
    """Return the person of an address.

    Raises:
        UnknownRecordError: nobody has it.
    """
    person = session.scalars(select(Person).where(Person.email == email.strip().lower())).one_or_none()
    if person is None:
        raise UnknownRecordError(email)
    return person


def export(session: Session, person: Person) -> dict[str, list[dict[str, Any]]]:
    """Return every row that is a person's or names the person, by table; without what only proves who they are."""
    metadata = MetaData()
    metadata.reflect(session.connection())
    found: dict[str, list[dict[str, Any]]] = {}
    for table in metadata.sorted_tables:
        conditions = _naming(table, person.id)
        if not conditions:
            continue
        rows = session.execute(select(table).where(or_(*conditions))).mappings()
        own = [{str(name): value for name, value in row.items() if name not in SECRETS} for row in rows]
        if own:
            found[str(table.name)] = own
    return found


def _naming(table: Table, person_id: str) -> list[Any]:
    """Return the conditions under which a row of a table is about a person."""
    actor, subject = f"person:{person_id}", f"users/{person_id}"
    conditions: list[Any] = []
    for column in table.columns:
        if any(key.column.table.name == Person.__tablename__ for key in column.foreign_keys):
            conditions.append(column == person_id)
        elif table.name == AuditEntry.__tablename__ and column.name == "body":
            conditions += [column.contains(f'"{actor}"'), column.contains(f'"{subject}"')]
        elif table.name == Person.__tablename__ and column.name == "id":
            conditions.append(column == person_id)
        elif isinstance(column.type, String):
            conditions.append(column == actor)
    return conditions


def erase(session: Session, actor: Actor, person: Person, *, now: int) -> None:
    """Erase what names a person: name, address, password, second factor, sessions, links and roles.

    Args:
        session: from `Records.writing`.
        actor: who does it.
        person: who is to be erased; cannot sign in from now on.
        now: when.
    """
    grants = select(Grant.id).where(Grant.person_id == person.id)
    session.execute(delete(SessionRow).where(SessionRow.person_id == person.id))
    session.execute(delete(Invitation).where(Invitation.person_id == person.id))
    session.execute(delete(Grant).where(Grant.id.in_(grants)))
    session.execute(
        update(Person)
        .where(Person.id == person.id)
        .values(email=ERASED.format(person.id), name="", password_hash="", totp_secret="", totp_step=0, is_active=False)
    )
    record(session, actor, "erase", f"users/{person.id}", now=now)
    mark_changed(session, "access")
