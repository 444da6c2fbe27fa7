"""Warnings of budgets: a member's office is written to once a month, when it reaches what the member said."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import select

from api import formats
from api.access.tables import Person
from api.billing.calendars import month_of
from api.billing.previews import forecast
from api.billing.tables import Budget
from api.billing.tariffs import UnpricedError
from api.maintenance import outbox_records
from api.maintenance.notifications import Message
from api.maintenance.outbox import MAIL
from api.maintenance.postman import Letter
from api.maintenance.wording import Words
from api.records.tables import Consortium, Member

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from sqlalchemy.orm import Session

    from api.billing.ledger import Ledger
    from api.billing.statements import Statement
    from api.pages.words import Language
    from api.records.database import Records

KIND = "budget"
"""Of the messages that warn."""
EVERY_SECONDS = 1_800.0

_TEXTS: Mapping[Language, Words] = {
    "it": Words(
        "Budget di {month}: {percent} % raggiunto",
        "{house}\n\nL'uso delle macchine di {firm} in {month} è arrivato a {net} al netto dell'IVA, "
        "il {percent} % di quanto previsto ({amount}).\nSe continua così il mese arriva a {forecast}.{link}",
    ),
    "en": Words(
        "Budget of {month}: {percent} % reached",
        "{house}\n\nThe use of machines by {firm} in {month} has come to {net} without VAT, "
        "{percent} % of what was meant to be spent ({amount}).\nIf it goes on, the month comes to {forecast}.{link}",
    ),
}
_LINK: Mapping[Language, str] = {
    "it": "\n\nOgni importo si apre fino al secondo: {url}",
    "en": "\n\nEvery amount opens down to the second: {url}",
}


class Warnings:
    """Queues a letter for each member whose open month has reached its budget. A job of the watch.

    Args:
        ledger: of the house.
        writing: a transaction that refuses when another watch leads.
    """

    def __init__(self, ledger: Ledger, writing: Callable[[], AbstractContextManager[Session]]) -> None:
        self._ledger = ledger
        self._writing = writing

    def run(self, now: int) -> None:
        """Look at every budget of which the month has not been warned of.

        Raises:
            StoreUnavailableError: the store did not answer.
            RecordsUnavailableError: the records did not.
        """
        month = month_of(now, self._ledger.zone)
        with self._ledger.records.reading() as session:
            wanted = (
                select(Budget.member_id, Member.email).join(Member).where(Budget.warned != month, Budget.amount > 0)
            )
            waiting = [(member, email) for member, email in session.execute(wanted) if email]
        for member, email in waiting:
            stated = _stated(self._ledger, month, member, now)
            if stated is None:
                continue
            with self._writing() as session:
                row = session.get(Budget, member)
                if row is None or row.warned == month or percent_of(stated.net, row.amount) < row.warn_percent:
                    continue
                row.warned = month
                said = (stated.net, row.amount, forecast(stated, now=now))
                subject = "/".join([KIND, member, month, *map(str, said)])  # what is told is what was found
                message = Message(f"{subject}|{now}", subject, KIND, now, now, email, (MAIL,), (), "low")
                outbox_records.add(session, [message])


class WarningWriter:
    """Writes the warning when it is sent. Safe across threads.

    Args:
        records: the database.
        url: how people reach the pages; empty leaves the link out.
    """

    def __init__(self, records: Records, *, url: str) -> None:
        self._records = records
        self._url = url.rstrip("/")

    def __call__(self, message: Message) -> Letter:
        """Write a letter in its reader's language, Italian unless somebody of that address has chosen another."""
        _, member, month, *said = message.incident.split("/")
        net, amount, expected = map(Decimal, said)
        with self._records.reading() as session:
            spoken = session.scalar(select(Person.language).where(Person.email == message.person))
            language: Language = "en" if spoken == "en" else "it"
            house = session.get(Consortium, 1)
            values = {
                "house": house.legal_name if house is not None else "Officina",
                "firm": session.get_one(Member, member).legal_name,
                "month": formats.month(month, language),
                "net": formats.euros(net, language),
                "amount": formats.euros(amount, language),
                "percent": str(percent_of(net, amount)),
                "forecast": formats.euros(expected, language),
                "link": _LINK[language].format(url=f"{self._url}/charges?month={month}") if self._url else "",
            }
        text = _TEXTS[language]
        return Letter(Words(text.subject.format(**values), text.body.format(**values)), (), message.person)


def percent_of(net: Decimal, amount: Decimal) -> int:
    """Return how much of a budget is reached, in whole per cent."""
    return int(net * 100 / amount)


def _stated(ledger: Ledger, month: str, member: str, now: int) -> Statement | None:
    """Return what a member's open month comes to, None where nothing is charged or a price is missing."""
    try:
        found = ledger.preview(month, now=now, member=member)
    except UnpricedError:
        return None
    return found[0] if found else None
