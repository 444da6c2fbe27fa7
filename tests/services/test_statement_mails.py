"""Statements by e-mail through a real mail server: once however programs die, and again when somebody says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from api.audit.service import CONSOLE
from api.billing import closing, posting
from api.billing.handing import handed
from api.billing.ledger import Ledger
from api.maintenance import roster
from api.maintenance.channels import Channel
from api.maintenance.dispatch import Dispatch
from api.maintenance.outbox import Status
from api.maintenance.outbox_records import RecordsOutbox
from api.records.tables import Consortium, Member
from shopfloor.periods import HOUR, SECOND
from tests.services.mail import mail_server
from tests.services.records import new_records
from tests.services.stores import free_port
from tests.unit.api.billing.test_closing import CLOSED, MILLS, OCTOBER, Money, furnish, october
from tests.unit.api.usage.stored import at, house

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.services
NOW = at(CLOSED)
WAIT = 30.0


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Money]:
    with house(MILLS, address=new_records(tmp_path)) as made:
        money = furnish(made)
        money.tell(october(), now="2026-11-03T10:00")
        money.ledger = Ledger(money.records, money.usage, mails=True)
        with money.records.writing() as session:
            for member in session.scalars(select(Member)):
                member.email = "" if member.id == "gamma" else f"ufficio@{member.id}.example"
        yield money


def started(it: Money, address: str) -> Dispatch:
    """Begin the part of the watch that sends, as a process that was just started."""
    return Dispatch(
        it.store, it.records, it.records.writing, zone="Europe/Rome", url="", secret=b"x" * 32,
        mail=Channel(address, is_ours=True),
        writers={posting.KIND: posting.StatementWriter(it.records, url="https://officina.example")},
    )  # fmt: skip


def rounds(it: Money, send: Dispatch, now: int = NOW) -> None:
    """Let it send whatever is due, one letter after another."""
    with it.records.reading() as session:
        told = roster.read(session, "Europe/Rome")
    for _ in range(4):
        send(told, now)
        assert send.wait(WAIT)


def statuses(it: Money) -> dict[int, list[Status]]:
    with it.records.reading() as session:
        return {number: [each.status for each in posting.mailings(session, number)] for number in (1, 2, 3)}


def queue(it: Money, now: int, *members: str) -> posting.Queued:
    with it.records.writing() as session:
        rows = [each for each in posting.rows_of(session, OCTOBER) if each.member_id in members]
        return posting.queue(session, CONSOLE, rows, now=now)


def test_a_closed_month_reaches_each_firm_with_its_own_statement_once(it: Money) -> None:
    it.close()
    it.close()
    with mail_server() as (mails, address):
        rounds(it, started(it, address))
        rounds(it, started(it, address), NOW + HOUR)
    assert [to for to, _, _ in mails.received] == [["ufficio@alfa.example"], ["ufficio@beta.example"]]
    _, subject, text = mails.received[0]
    assert subject == "Estratto conto 1/2026 di ottobre 2026"
    assert "Officina Rossi" in text
    assert "https://officina.example/statements/1" in text
    with it.records.reading() as session:
        expected = [dict([handed(session, row, "pdf", "it")]) for row in posting.rows_of(session, OCTOBER)[:2]]
    assert mails.files == expected
    assert statuses(it) == {1: [Status.SENT], 2: [Status.SENT], 3: []}


def test_an_invoice_goes_with_its_statement_where_the_consortium_invoices(it: Money) -> None:
    address_of = {"street": "Via Forni 3", "postal_code": "36061", "town": "Bassano", "province": "VI"}
    with it.records.writing() as session:
        firms = [session.get_one(Consortium, 1), *session.scalars(select(Member))]
        for firm in firms:
            for name, value in address_of.items():
                setattr(firm, name, value)
        session.get_one(Consortium, 1).invoices = True
    it.close()
    with mail_server() as (mails, address):
        rounds(it, started(it, address))
    assert [sorted(name.rpartition(".")[2] for name in files) for files in mails.files] == [["pdf", "xml"]] * 2
    assert all(b"FatturaElettronica" in content for files in mails.files for name, content in files.items()
               if name.endswith(".xml"))  # fmt: skip


def test_a_closing_that_is_killed_has_queued_nothing_and_the_next_one_queues_once(
    it: Money, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(Exception):
        """The process ends here."""

    def killed(*_: object, **__: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(closing, "record", killed)  # the last step of the transaction, after the letters are queued
        with pytest.raises(KilledError):
            it.close()
    assert RecordsOutbox(it.records).counts() == {}
    it.close()
    assert RecordsOutbox(it.records).counts() == {"queued": 2}


def test_a_letter_whose_sender_was_killed_is_not_sent_twice_but_may_be_on_purpose(it: Money) -> None:
    it.close()
    outbox = RecordsOutbox(it.records)
    [first] = outbox.due(NOW, 1)
    assert outbox.begin(first, NOW)  # and here the program is killed: nobody knows whether it left
    with mail_server() as (mails, address):
        send = started(it, address)
        rounds(it, send, NOW + HOUR)
        assert statuses(it) == {1: [Status.UNKNOWN], 2: [Status.SENT], 3: []}
        assert [to for to, _, _ in mails.received] == [["ufficio@beta.example"]]

        assert queue(it, NOW + 2 * HOUR, "alfa", "gamma") == posting.Queued((1,), (), ("gamma",))
        assert queue(it, NOW + 2 * HOUR, "alfa") == posting.Queued((), (1,), ())
        rounds(it, send, NOW + 2 * HOUR)
        rounds(it, send, NOW + 9 * HOUR)
    assert statuses(it) == {1: [Status.UNKNOWN, Status.SENT], 2: [Status.SENT], 3: []}
    assert [to for to, _, _ in mails.received] == [["ufficio@beta.example"], ["ufficio@alfa.example"]]


def test_a_mail_server_that_is_down_is_on_record_and_tried_again(it: Money) -> None:
    it.close()
    address = f"mailto://127.0.0.1:{free_port()}?from=officina@example.it&mode=insecure"
    rounds(it, started(it, address))
    with it.records.reading() as session:
        [mailing] = posting.mailings(session, 1)
    assert (mailing.status, mailing.to, mailing.tried) == (Status.QUEUED, "ufficio@alfa.example", 1)
    assert "refused" in mailing.words
    with mail_server() as (mails, address):
        rounds(it, started(it, address), NOW + 20 * SECOND)
    assert len(mails.received) == 2
    assert statuses(it) == {1: [Status.SENT], 2: [Status.SENT], 3: []}
