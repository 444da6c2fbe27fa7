"""The outbox in the records: what was queued, every attempt, and the links that were used.

One program sends; any may queue and cancel. A row is written before anything leaves, so that a program that dies, or a
standby that takes over, knows which attempts have no answer.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update

from api.maintenance.notifications import Message
from api.maintenance.outbox import Answer, Attempt, Delivery, Status
from api.maintenance.tables import AttemptRow, DeliveryRow, UsedLink

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from contextlib import AbstractContextManager

    from sqlalchemy.orm import Session

    from api.records.database import Records


def short(key: str) -> str:
    """Return the id of an incident by its key."""
    return sha256(key.encode()).hexdigest()[:16]


def add(session: Session, messages: Iterable[Message]) -> int:
    """Queue messages in a transaction; a key that is known is left out. Returns how many deliveries are new."""
    count = 0
    for message in messages:
        for channel in message.channels:
            natural = f"{message.key}|{channel}"
            key = sha256(natural.encode()).hexdigest()
            if session.get(DeliveryRow, key) is not None:
                continue
            session.add(
                DeliveryRow(
                    key=key,
                    name=natural,
                    incident=short(message.incident),
                    channel=channel,
                    grave=message.severity == "high",
                    due=message.not_before,
                    status=str(Status.QUEUED),
                    message=message.encode(),
                )
            )
            session.flush()
            count += 1
    return count


def of_incident(session: Session, incident: str) -> list[Delivery]:
    """Return every delivery of an incident, by its id, with its attempts, in the order in which they were due."""
    wanted = select(DeliveryRow).where(DeliveryRow.incident == incident).order_by(DeliveryRow.due, DeliveryRow.name)
    return [_delivery(session, row) for row in session.scalars(wanted)]


def cancel(session: Session, incident: str) -> int:
    """Cancel what is still queued of an incident, by its id, in a transaction. Returns how many."""
    found = session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.incident == incident, DeliveryRow.status == str(Status.QUEUED), DeliveryRow.begun == 0)
        .values(status=str(Status.CANCELLED))
    )
    return int(found.rowcount)  # type: ignore[attr-defined]


def use_link(session: Session, link_id: str, until: int) -> bool:
    """Note that a link was used, which works once; False when it was used before."""
    if session.get(UsedLink, link_id) is not None:
        return False
    session.add(UsedLink(id=link_id, until=until))
    session.flush()
    return True


def forget(session: Session, before: int) -> int:
    """Drop what ended, and links that expired, before an instant; what is queued stays. Returns how many."""
    session.execute(delete(UsedLink).where(UsedLink.until < before))
    ended = delete(DeliveryRow).where(DeliveryRow.status != str(Status.QUEUED), DeliveryRow.due < before)
    return int(session.execute(ended).rowcount)  # type: ignore[attr-defined]


class RecordsOutbox:
    """The outbox; see `api.maintenance.outbox.Outbox`. Safe across threads.

    Args:
        records: the database.
        writing: begins a transaction; refuses when this program is not the one that sends any more.
    """

    def __init__(self, records: Records, writing: Callable[[], AbstractContextManager[Session]] | None = None) -> None:
        self._records = records
        self._writing = writing or records.writing

    def add(self, messages: Iterable[Message]) -> int:
        """Queue messages; see `Outbox`."""
        with self._writing() as session:
            return add(session, messages)

    def due(self, now: int, limit: int, busy: Collection[str] = ()) -> list[Delivery]:
        """Return what is due; see `Outbox`."""
        wanted = (
            select(DeliveryRow)
            .where(DeliveryRow.status == str(Status.QUEUED), DeliveryRow.begun == 0, DeliveryRow.due <= now)
            .where(DeliveryRow.channel.not_in(busy))
            .order_by(DeliveryRow.grave.desc(), DeliveryRow.due, DeliveryRow.name)
            .limit(limit)
        )
        with self._records.reading() as session:
            return [_delivery(session, row) for row in session.scalars(wanted)]

    def begin(self, delivery: Delivery, now: int) -> bool:
        """Begin an attempt; see `Outbox`."""
        with self._writing() as session:
            row = session.get(DeliveryRow, _key(delivery))
            if row is None or row.status != str(Status.QUEUED) or row.begun:
                return False
            row.begun = delivery.begun = now
            return True

    def note(self, delivery: Delivery) -> None:
        """Keep a delivery and its attempts; see `Outbox`."""
        with self._writing() as session:
            row = session.get(DeliveryRow, _key(delivery))
            if row is None:
                return
            row.due, row.status, row.begun = delivery.due, str(delivery.status), delivery.begun
            for number, each in enumerate(delivery.attempts):
                if session.get(AttemptRow, (row.key, number)) is None:
                    session.add(
                        AttemptRow(
                            delivery=row.key, number=number, at=each.at, answer=str(each.answer), words=each.words
                        )
                    )

    def begun(self) -> list[Delivery]:
        """Return what was begun; see `Outbox`."""
        wanted = select(DeliveryRow).where(DeliveryRow.begun != 0, DeliveryRow.status == str(Status.QUEUED))
        with self._records.reading() as session:
            return [_delivery(session, row) for row in session.scalars(wanted.order_by(DeliveryRow.name))]

    def cancel(self, incident: str) -> int:
        """Cancel what is queued of an incident, by its key; see `Outbox`."""
        with self._writing() as session:
            return cancel(session, short(incident))

    def of_incident(self, incident: str) -> list[Delivery]:
        """Return every delivery of an incident; see `of_incident`."""
        with self._records.reading() as session:
            return of_incident(session, incident)

    def counts(self) -> dict[str, int]:
        """Count deliveries by status."""
        wanted = select(DeliveryRow.status, func.count()).group_by(DeliveryRow.status)
        with self._records.reading() as session:
            return {str(status): int(count) for status, count in session.execute(wanted)}


def _key(delivery: Delivery) -> str:
    return sha256(delivery.key.encode()).hexdigest()


def _delivery(session: Session, row: DeliveryRow) -> Delivery:
    wanted = select(AttemptRow).where(AttemptRow.delivery == row.key).order_by(AttemptRow.number)
    tried = [Attempt(each.at, Answer(each.answer), each.words) for each in session.scalars(wanted)]
    return Delivery(Message.decode(row.message), row.channel, row.due, Status(row.status), tried, row.begun)
