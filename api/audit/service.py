"""The audit trail: every change and every sign-in, chained, in the transaction of what it tells of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select

from api.audit.tables import AuditEntry
from shopfloor.hashed_log import START, BrokenLogError, Entry, canonical, seal, verify
from shopfloor.periods import SECOND, format_instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.orm import Session

    from api.records.database import Records

PAGE = 1_000
"""Entries that are read at a time."""
FOREIGN_AGAIN_SECONDS = 600
"""How long nothing more is said of a publisher that names machines of another one."""


class Actor(NamedTuple):
    """Who does something, and from where.

    Attributes:
        id: `person:ID`, `key:ID`, `edge:ID`, `console` for a command on the server, or `nobody`.
        address: where the request came from, empty for a command.
    """

    id: str
    address: str = ""


CONSOLE = Actor("console")
"""Whoever may run commands on the server."""
NOBODY = "nobody"


def record(
    session: Session,
    actor: Actor,
    action: str,
    subject: str,
    *,
    now: int,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Append an entry; it is kept when the transaction is, and lost when that is.

    Args:
        session: from `Records.writing`, where one writes at a time.
        actor: who, from where.
        action: what is done, for example `change`.
        subject: to what, for example `members/fratelli-bassi`.
        now: when.
        before: the fields that change, as they were.
        after: the same, as they are from now on.
    """
    session.flush()
    last = session.execute(
        select(AuditEntry.number, AuditEntry.body, AuditEntry.digest).order_by(AuditEntry.number.desc()).limit(1)
    ).one_or_none()
    document: dict[str, Any] = {"at": format_instant(now), "who": actor.id, "what": action, "subject": subject}
    if actor.address:
        document["from"] = actor.address
    if before is not None:
        document["before"] = _plain(before)
    if after is not None:
        document["after"] = _plain(after)
    entry = seal(Entry(*last) if last else START, canonical(document))
    session.add(AuditEntry(number=entry.number, at=now, subject=subject, body=entry.body, digest=entry.digest))
    session.flush()


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write dates and numbers as JSON has them."""
    return {
        name: value if isinstance(value, str | int | bool | list | dict | None) else str(value)
        for name, value in values.items()
    }


def note_foreign_machines(records: Records, publisher: str, machines: Mapping[str, int], *, now: int) -> None:
    """Put on record that a publisher has spoken for machines of another one.

    Every process that listens hears it: one of them tells it, and nobody again for `FOREIGN_AGAIN_SECONDS`, so that
    a publisher that goes on cannot fill the trail.

    Args:
        records: the database.
        publisher: who, as the broker vouches for it.
        machines: messages by machine that they named.
        now: when.
    """
    subject, action = f"edges/{publisher}", "name foreign machine"
    since = now - FOREIGN_AGAIN_SECONDS * SECOND
    with records.writing() as session:
        recent = session.scalars(select(AuditEntry.body).where(AuditEntry.subject == subject, AuditEntry.at > since))
        if any(json.loads(body)["what"] == action for body in recent):
            return
        after = {"machines": dict(sorted(machines.items()))}
        record(session, Actor(f"edge:{publisher}"), action, subject, now=now, after=after)


def page(records: Records, *, before: int | None, limit: int, subject: str | None = None) -> list[tuple[Entry, Any]]:
    """Return entries with their documents, newest first.

    Args:
        records: the database.
        before: only entries with a lower number.
        limit: most entries.
        subject: only what is about this.
    """
    wanted = select(AuditEntry.number, AuditEntry.body, AuditEntry.digest).order_by(AuditEntry.number.desc())
    if before is not None:
        wanted = wanted.where(AuditEntry.number < before)
    if subject is not None:
        wanted = wanted.where(AuditEntry.subject == subject)
    with records.reading() as session:
        found = [Entry(*row) for row in session.execute(wanted.limit(limit))]
    return [(entry, json.loads(entry.body)) for entry in found]


def stream(records: Records) -> Iterator[Entry]:
    """Yield every entry, oldest first, a page at a time: what is appended meanwhile is taken along."""
    last = 0
    while True:
        with records.reading() as session:
            rows = session.execute(
                select(AuditEntry.number, AuditEntry.body, AuditEntry.digest)
                .where(AuditEntry.number > last)
                .order_by(AuditEntry.number)
                .limit(PAGE)
            ).all()
        for row in rows:
            yield Entry(*row)
        if len(rows) < PAGE:
            return
        last = rows[-1][0]


def check(records: Records, *, known: tuple[int, str] | None = None) -> Entry:
    """Verify the whole trail.

    Args:
        records: the database.
        known: number and digest that were noted down elsewhere: the trail must still hold that entry.

    Returns:
        The newest entry: note its number and digest elsewhere.

    Raises:
        BrokenLogError: the trail is not as it was written.
    """
    found: str | None = None

    def watched() -> Iterator[Entry]:
        nonlocal found
        for entry in stream(records):
            if known is not None and entry.number == known[0]:
                found = entry.digest
            yield entry

    last = verify(watched())
    if known is not None and found is None:
        raise BrokenLogError(f"the trail ends with entry {last.number}: entry {known[0]}, noted down, is cut off")
    if known is not None and found != known[1]:
        raise BrokenLogError(f"entry {known[0]} has not the digest that was noted down: the trail is another one")
    return last


def length(records: Records) -> int:
    """Return how many entries there are."""
    with records.reading() as session:
        return session.scalar(select(func.max(AuditEntry.number))) or 0
