"""Closed statements by e-mail to their firms, through the outbox of all messages.

What a closing sends is queued in its own transaction: it leaves once, whenever a program is killed. What is sent again
is queued because somebody said so, and never while the one before is still on its way.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select

from api import formats
from api.access.tables import Person
from api.audit.service import record
from api.billing.documents.document import NoInvoiceError
from api.billing.handing import MEDIA_TYPES, document_of, handed
from api.billing.tables import IssuedStatement
from api.maintenance import outbox_records
from api.maintenance.channels import Attachment
from api.maintenance.notifications import Message
from api.maintenance.outbox import MAIL, Status
from api.maintenance.postman import Letter
from api.maintenance.wording import Words
from api.records.tables import Member

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from api.audit.service import Actor
    from api.maintenance.outbox import Delivery
    from api.pages.words import Language
    from api.records.database import Records

KIND = "statement"
"""Of the messages that carry statements."""

_TEXTS: Mapping[Language, Words] = {
    "it": Words(
        "Estratto conto {number} di {month}",
        "{house}\n\nEstratto conto {number} a {firm}, per l'uso di {month}.\n\n"
        "Netto: {net}\nTotale con IVA: {total}\n{payment}\n"
        "Il documento è allegato.{link}",
    ),
    "en": Words(
        "Statement {number} for {month}",
        "{house}\n\nStatement {number} to {firm}, for use in {month}.\n\n"
        "Net: {net}\nTotal with VAT: {total}\n{payment}\n"
        "The document is attached.{link}",
    ),
}
_PAYMENT: Mapping[Language, str] = {"it": "Da pagare entro il {day}\n", "en": "To be paid by {day}\n"}
_LINK: Mapping[Language, str] = {
    "it": "\n\nOgni riga si apre fino al secondo: {url}",
    "en": "\n\nEvery line opens down to the second: {url}",
}


class Queued(NamedTuple):
    """What came of an order to send statements.

    Attributes:
        sent: numbers of those that are queued.
        waiting: numbers of those that are still on their way from before, and are not queued again.
        without: members without an e-mail address.
    """

    sent: tuple[int, ...]
    waiting: tuple[int, ...]
    without: tuple[str, ...]


class Mailing(NamedTuple):
    """One time that a statement was sent.

    Attributes:
        at: when it was queued.
        to: e-mail address.
        status: see `Status`.
        tried: how often.
        last: when it was tried last; 0 for never.
        words: the mail server's, of the last try.
    """

    at: int
    to: str
    status: Status
    tried: int
    last: int
    words: str


def queue(session: Session, actor: Actor, rows: Iterable[IssuedStatement], *, now: int) -> Queued:
    """Queue closed statements for their members' offices, in a transaction; the watch sends them within seconds.

    Args:
        session: from `Records.writing`.
        actor: who says so.
        rows: the statements.
        now: the present.
    """
    sent, waiting, without = [], [], []
    for row in rows:
        member = session.get(Member, row.member_id)
        if member is None or not member.email:
            without.append(row.member_id)
        elif any(each.status is Status.QUEUED for each in _deliveries(session, row.number)):
            waiting.append(row.number)
        else:
            subject = _subject(row.number)
            message = Message(f"{subject}|{now}", subject, KIND, now, now, member.email, (MAIL,), (), "low")
            outbox_records.add(session, [message])
            sent.append(row.number)
    if sent:
        record(session, actor, "mail", "statements", now=now, after={"numbers": sent})
    return Queued(tuple(sent), tuple(waiting), tuple(without))


def mailings(session: Session, number: int) -> list[Mailing]:
    """Return every time that a statement was sent by e-mail, the oldest first."""
    found = sorted(_deliveries(session, number), key=lambda each: each.message.at)
    return [_mailing(each) for each in found]


def rows_of(session: Session, month: str, member: str | None = None) -> Sequence[IssuedStatement]:
    """Return the statements of a closed month, or the one of a member, by number."""
    wanted = select(IssuedStatement).where(IssuedStatement.closing == month)
    if member is not None:
        wanted = wanted.where(IssuedStatement.member_id == member)
    return session.scalars(wanted.order_by(IssuedStatement.number)).all()


class StatementWriter:
    """Writes the letter with a statement, when it is sent. Safe across threads.

    Args:
        records: the database.
        url: how people reach the pages; empty leaves the link out.
    """

    def __init__(self, records: Records, *, url: str) -> None:
        self._records = records
        self._url = url.rstrip("/")

    def __call__(self, message: Message) -> Letter:
        """Write a letter in its reader's language, Italian unless somebody of that address has chosen another."""
        number = int(message.incident.rpartition("/")[2])
        with self._records.reading() as session:
            row = session.get_one(IssuedStatement, number)
            spoken = session.scalar(select(Person.language).where(Person.email == message.person))
            language: Language = "en" if spoken == "en" else "it"
            return Letter(self._words(session, row, language), _files(session, row, language), message.person)

    def _words(self, session: Session, row: IssuedStatement, language: Language) -> Words:
        document = document_of(session, row)
        due = document.due
        text, payment, link = _TEXTS[language], _PAYMENT[language], _LINK[language]
        values = {
            "house": document.issuer.legal_name,
            "firm": document.customer.legal_name,
            "number": document.number,
            "month": formats.month(row.closing, language),
            "net": formats.euros(row.net, language),
            "total": formats.euros(row.total, language),
            "payment": payment.format(day=formats.day(due, language)) if due is not None and row.total > 0 else "",
            "link": link.format(url=f"{self._url}/statements/{row.number}") if self._url else "",
        }
        return Words(text.subject.format(**values), text.body.format(**values))


def _files(session: Session, row: IssuedStatement, language: Language) -> tuple[Attachment, ...]:
    """Return the PDF and, where the consortium invoices, the electronic invoice."""
    found = [Attachment(*_named(session, row, "pdf", language))]
    with suppress(NoInvoiceError):  # statement only, which is the rule
        found.append(Attachment(*_named(session, row, "xml", language)))
    return tuple(found)


def _named(session: Session, row: IssuedStatement, form: str, language: Language) -> tuple[str, str, bytes]:
    name, content = handed(session, row, form, language)
    return name, MEDIA_TYPES[form], content


def _subject(number: int) -> str:
    return f"{KIND}/{number}"


def _deliveries(session: Session, number: int) -> list[Delivery]:
    return outbox_records.of_incident(session, outbox_records.short(_subject(number)))


def _mailing(delivery: Delivery) -> Mailing:
    last = delivery.attempts[-1] if delivery.attempts else None
    return Mailing(
        delivery.message.at,
        delivery.message.person,
        delivery.status,
        len(delivery.attempts),
        last.at if last else 0,
        last.words if last else "",
    )
