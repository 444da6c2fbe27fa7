"""A question has one answer, however many people give one at once, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from api.audit.service import Actor
from api.billing.deciding import Answer, decide, questions
from api.billing.ledger import Ledger
from api.usage import service as usage
from api.usage.doubts import Reason
from api.usage.tables import CheckIn, CorrectionRequest
from tests.unit.api.usage.stored import OFF, RUNS, STAFF, at, house, said, states, watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shopfloor.samples import Sample

DAY = "2026-11-10"
NOW = at("2026-11-12T09:00")
WHY = "nobody was at the machine"
ANNA, BRUNO = Actor("person:anna"), Actor("person:bruno")


def used_by_nobody() -> list[Sample]:
    """A machine that runs with nobody to pay from 8 to 10, and is not observed from 14 to 15 while energy is used."""
    return [
        *watched("mill-1", f"{DAY}T00:00", f"{DAY}T14:00"),
        *watched("mill-1", f"{DAY}T15:00", "2026-11-12T08:00"),
        *states("mill-1", (f"{DAY}T00:00", OFF), (f"{DAY}T08:00", RUNS), (f"{DAY}T10:00", OFF), (f"{DAY}T15:00", OFF)),
        *said("mill-1", "energy_watt_hours", (f"{DAY}T13:59", 0.0), (f"{DAY}T15:01", 5000.0)),
    ]


@pytest.fixture
def it(records_address: str) -> Iterator[Ledger]:
    with house(address=records_address) as made:
        made.tell(used_by_nobody(), now="2026-11-12T08:00")
        made.usage.refresh(["mill-1"], date(2026, 11, 10), date(2026, 11, 10), now=NOW)
        yield Ledger(made.records, made.usage)


def test_of_two_who_answer_at_once_one_is_heard(it: Ledger) -> None:
    unpaid, unknown = Reason.UNATTRIBUTED, Reason.UNKNOWN
    for reason, answer in ((unpaid, Answer("alfa")), (unknown, Answer("alfa", state="processing", why=WHY))):
        key = key_of(it, reason)
        together = threading.Barrier(2)

        def say(who: Actor, key: str = key, answer: Answer = answer, together: threading.Barrier = together) -> int:
            together.wait()
            return decide(it, who, STAFF, key, answer, now=NOW)

        with ThreadPoolExecutor(2) as both:
            assert sorted(both.map(say, (ANNA, BRUNO))) == [0, 1], reason
    with it.records.reading() as session:
        assert [row.is_out for row in session.scalars(select(CheckIn).order_by(CheckIn.at))] == [False, True]
        assert len(list(session.scalars(select(CorrectionRequest)))) == 1


def test_what_was_said_before_the_days_were_built_again_is_heard(it: Ledger) -> None:
    key = key_of(it, Reason.UNATTRIBUTED)
    with it.records.writing() as session:
        for when, payer in (("08:00", "beta"), ("10:00", None)):
            said_so = usage.Presence("mill-1", at(f"{DAY}T{when}"), payer, is_out=payer is None)
            usage.check_in(session, BRUNO, STAFF, said_so, now=NOW)

    assert decide(it, ANNA, STAFF, key, Answer("alfa"), now=NOW) == 0


def test_unknown_time_is_not_asked_about_while_its_correction_waits(it: Ledger) -> None:
    key = key_of(it, Reason.UNKNOWN)
    assert decide(it, ANNA, STAFF, key, Answer("alfa", state="processing", why=WHY), now=NOW) == 1
    assert [each.reason for each in questions(it, STAFF, now=NOW)] == [Reason.UNATTRIBUTED]

    with it.records.writing() as session:
        (row,) = session.scalars(select(CorrectionRequest))
        usage.decide_correction(session, BRUNO, row.id, "the log says otherwise", approve=False, now=NOW)
    assert key_of(it, Reason.UNKNOWN) == key


def key_of(it: Ledger, reason: Reason) -> str:
    (found,) = (each for each in questions(it, STAFF, now=NOW) if each.reason is reason)
    return found.key
