"""Budgets warn by a letter through a real mail server: once a month, when the month has come to what was said."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from api.audit.service import CONSOLE
from api.billing import budgets, service
from api.maintenance import roster
from api.maintenance.channels import Channel
from api.maintenance.dispatch import Dispatch
from api.maintenance.outbox_records import RecordsOutbox
from api.records.tables import Member
from shopfloor.periods import DAY
from tests.services.mail import mail_server
from tests.services.records import new_records
from tests.unit.api.billing.test_closing import MILLS, Money, furnish, october
from tests.unit.api.usage.stored import at, house

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.services
NOW = at("2026-10-28T09:00")


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Money]:
    with house(MILLS, address=new_records(tmp_path)) as made:
        money = furnish(made)
        money.tell([each for each in october() if each.stamp < NOW], now="2026-10-28T09:00")
        with money.records.writing() as session:
            for member in session.scalars(select(Member)):
                member.email = f"ufficio@{member.id}.example"
        yield money


def means_to_spend(it: Money, member: str, amount: str, percent: int = 80) -> None:
    with it.records.writing() as session:
        service.put_budget(session, CONSOLE, member, Decimal(amount), percent, now=NOW)


def look(it: Money, now: int = NOW) -> int:
    """Let the watch look at the budgets; returns how many letters wait."""
    budgets.Warnings(it.ledger, it.records.writing).run(now)
    return RecordsOutbox(it.records).counts().get("queued", 0)


def test_who_has_reached_what_it_meant_to_spend_is_written_to_once(it: Money) -> None:
    [alfa] = it.ledger.preview("2026-10", now=NOW, member="alfa")
    means_to_spend(it, "alfa", str(alfa.net))
    means_to_spend(it, "beta", "1000000.00")

    assert look(it) == 1
    assert look(it, NOW + DAY) == 1

    with mail_server() as (mails, address):
        send = Dispatch(
            it.store, it.records, it.records.writing, zone="Europe/Rome", url="", secret=b"x" * 32,
            mail=Channel(address, is_ours=True),
            writers={budgets.KIND: budgets.WarningWriter(it.records, url="https://officina.example")},
        )  # fmt: skip
        with it.records.reading() as session:
            told = roster.read(session, "Europe/Rome")
        send(told, NOW + DAY)
        assert send.wait(30.0)
    [(to, subject, text)] = mails.received
    assert to == ["ufficio@alfa.example"]
    assert subject == "Budget di ottobre 2026: 100 % raggiunto"
    assert "Se continua così il mese arriva a" in text
    assert "https://officina.example/charges?month=2026-10" in text


def test_a_budget_that_is_not_reached_says_nothing(it: Money) -> None:
    [alfa] = it.ledger.preview("2026-10", now=NOW, member="alfa")
    means_to_spend(it, "alfa", str(alfa.net * 2), 51)

    assert look(it) == 0

    means_to_spend(it, "alfa", str(alfa.net * 2), 50)
    assert look(it) == 1
