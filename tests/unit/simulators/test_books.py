"""What the office of the demonstration does: older months are closed, the last one is left to who looks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from api.audit.service import CONSOLE
from api.billing import service
from api.billing.deciding import questions
from api.billing.ledger import Ledger, settled
from api.billing.pricelist import Entry
from api.billing.verifying import verify_all
from api.records.service import put_consortium
from api.usage.kept import UsageDays
from api.usage.policy import Policy
from shopfloor.periods import SECOND
from shopfloor.samples import Sample
from simulators.books import keep_books
from tests.services.records import partita_iva
from tests.unit.api.usage.stored import IDLE, OFF, RUNS, STAFF, House, at, house, said, states, watched

if TYPE_CHECKING:
    from collections.abc import Iterator

SINCE, NOW = "2026-08-29T00:00", "2026-11-10T09:00"
TARIFF = """
name = "mills"
[[versions]]
from = 2026-01-01
time = { setup = 18.00, processing = 36.50, idle = 9.90 }
"""


def three_months() -> list[Sample]:
    """A machine that works for a firm once a month, after an hour and a half for nobody, and before five minutes."""
    found = [*watched("mill-1", SINCE, NOW), *states("mill-1", (SINCE, OFF))]
    for day in ("2026-08-30", "2026-09-14", "2026-10-14"):
        found += states("mill-1", (f"{day}T06:00", RUNS), (f"{day}T12:00", IDLE), (f"{day}T12:05", OFF))
        ended = at(f"{day}T12:00") + 4 * SECOND // 10  # jobs end within a second, as on real controls
        found += [*said("mill-1", "job", (f"{day}T07:30", "A-1")), Sample("mill-1", "job", ended, "")]
    return found


@pytest.fixture
def it() -> Iterator[Ledger]:
    with house() as made:
        made.tell(three_months(), now=NOW)
        yield opened(made)


def opened(made: House) -> Ledger:
    """The books of a house that issues statements at prices of its own."""
    ledger = Ledger(made.records, UsageDays(made.records, made.store, Policy(), settled), review_days=3)
    with made.records.writing() as session:
        values = {"legal_name": "Consorzio", "legal_form": "consorzio", "partita_iva": partita_iva(9)}
        put_consortium(session, CONSOLE, values, now=at(SINCE))
        service.put_entry(session, CONSOLE, ledger.zone, Entry("", "tariffs", TARIFF), now=at(SINCE))
    return ledger


def kept(ledger: Ledger, now: str = NOW) -> list[str]:
    told: list[str] = []
    keep_books(ledger, since=at(SINCE), now=at(now), tell=told.append)
    return told


def test_months_that_are_over_are_closed_but_for_the_last(it: Ledger) -> None:
    assert kept(it) == ["2026-08 is closed: 1 statements", "2026-09 is closed: 1 statements"]

    assert [closing.month for closing, _ in service.closings(it.records)] == ["2026-08", "2026-09"]
    assert verify_all(it, now=at(NOW)).faults == []


def test_what_has_to_be_decided_of_the_last_month_is_left(it: Ledger) -> None:
    kept(it)
    it.preview("2026-10", now=at(NOW))

    [question] = questions(it, STAFF, now=at(NOW))

    assert question.seconds == 5400 + 300
    assert question.whiles[0].period.start == at("2026-10-14T06:00")


def test_a_second_start_finds_them_closed(it: Ledger) -> None:
    kept(it)

    assert kept(it) == []


def test_a_month_is_closed_when_the_next_is_over(it: Ledger) -> None:
    kept(it, now="2026-10-10T09:00")

    assert [closing.month for closing, _ in service.closings(it.records)] == ["2026-08"]


def test_a_month_stays_open_where_somebody_has_to_say_what_a_machine_did() -> None:
    with house() as made:
        machine = [*watched("mill-1", SINCE, "2026-09-20T14:00"), *watched("mill-1", "2026-09-20T15:00", NOW)]
        energy = said("mill-1", "energy_watt_hours", ("2026-09-20T13:59", 0.0), ("2026-09-20T15:01", 5000.0))
        made.tell([*machine, *states("mill-1", (SINCE, OFF), ("2026-09-20T15:00", OFF)), *energy], now=NOW)
        ledger = opened(made)

        told = kept(ledger)

        assert told[0] == "2026-08 is closed: 0 statements"
        assert told[1].startswith("2026-09 stays open: unknown from 2026-09-20T14:00:00Z")
        assert len(told) == 2
