"""Whatever happens in whatever order, what is closed stays as it is, numbers leave no gap, and every second opens."""

from __future__ import annotations

import json
from contextlib import ExitStack, suppress
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select

from api.access.scope import Role, Scope
from api.audit import service as audit
from api.audit.service import CONSOLE, Actor
from api.billing import service
from api.billing.handing import handed
from api.billing.stating import Contested
from api.billing.tables import LineContest
from api.billing.verifying import verify_all
from api.records.rules import InvalidRecordError
from api.records.service import UnknownRecordError
from api.records.tables import Machine, Member
from shopfloor.periods import SECOND
from shopfloor.samples import slices
from tests.unit.api.billing.houses import LONG
from tests.unit.api.billing.test_closing import MILLS, Money, furnish, october
from tests.unit.api.usage.stored import FIRMS, STAFF, at, house, said, watched, workday

if TYPE_CHECKING:
    from shopfloor.hashed_log import Entry

MONTHS = ("2026-10", "2026-11", "2026-12")
OVER = {"2026-10": "2026-11-05T09:00", "2026-11": "2026-12-05T09:00", "2026-12": "2027-01-05T09:00"}
"""When the review of a month is over and it may be closed."""
HEARD = {"2026-10": "2026-11-03T10:00", "2026-11": "2026-12-03T10:00", "2026-12": "2027-01-03T10:00"}
_machines, _days = st.sampled_from(MILLS), st.integers(10, 27)


class Years(RuleBasedStateMachine):
    """A house whose months pass and are closed, while people contest, pay, rename and price, and data come late."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.it: Money = furnish(self.stack.enter_context(house(MILLS)))
        self.it.tell(october(), now=HEARD[MONTHS[0]])
        self.month = MONTHS[0]
        self.closed: list[str] = []
        self.passed = 0
        self.bodies: list[str] = []
        self.documents: list[bytes] = []
        self.trail: list[Entry] = []

    @property
    def now(self) -> int:
        """Every deed has an instant of its own."""
        self.passed += 1
        return at(OVER[self.month]) + self.passed * SECOND

    @property
    def is_open(self) -> bool:
        return self.month not in self.closed

    def document(self, number: int) -> bytes:
        with self.it.records.reading() as session:
            return handed(session, service.statement(session, STAFF, str(number)), "csv", "it")[1]

    @precondition(lambda self: self.is_open)
    @rule()
    def the_month_is_closed(self) -> None:
        assert self.it.close(self.month, OVER[self.month]).is_new
        self.closed.append(self.month)
        self.documents += map(self.document, range(len(self.documents) + 1, len(self.it.bodies()) + 1))

    @precondition(lambda self: not self.is_open and self.month != MONTHS[-1])
    @rule(machine=_machines, day=_days, first=st.sampled_from("ABG"), second=st.sampled_from("ABG"))
    def another_month_passes(self, machine: str, day: int, first: str, second: str) -> None:
        before, self.month = self.month, MONTHS[MONTHS.index(self.month) + 1]
        told = workday(machine, f"{self.month}-{day}", (first, second))
        for each in MILLS:
            told += watched(each, HEARD[before], HEARD[self.month])
        self.it.tell(told, now=HEARD[self.month])

    @rule(machine=_machines, day=_days, member=st.sampled_from("ABG"), data=st.data())
    def a_job_of_a_day_comes_late(self, machine: str, day: int, member: str, data: st.DataObject) -> None:
        month = data.draw(st.sampled_from(MONTHS[: MONTHS.index(self.month) + 1]))
        late = said(machine, "job", (f"{month}-{day}T08:00", f"{member}-9"))
        self.it.store.write(slices(late), now=self.now)

    @precondition(lambda self: self.is_open)
    @rule(data=st.data())
    def a_line_is_contested(self, data: st.DataObject) -> None:
        stated = self.it.ledger.preview(self.month, now=self.now)
        found = [Contested(self.month, each.member, line.reference) for each in stated for line in each.lines]
        with suppress(InvalidRecordError), self.it.records.writing() as session:
            anna = Actor("person:anna")
            service.contest(session, anna, STAFF, data.draw(st.sampled_from(found)), "it was not ours", now=self.now)

    @rule(data=st.data())
    def a_contest_is_decided(self, data: st.DataObject) -> None:
        with self.it.records.writing() as session:
            found = session.scalars(select(LineContest.id).where(LineContest.decided_by.is_(None))).all()
            if found:
                service.decide_contest(
                    session, CONSOLE, data.draw(st.sampled_from(found)), "it was theirs after all", now=self.now
                )

    @precondition(lambda self: bool(self.bodies))
    @rule(kind=st.sampled_from(["sent", "rejected", "accepted", "paid", "unpaid"]), data=st.data())
    def something_becomes_of_a_statement(self, kind: str, data: st.DataObject) -> None:
        number, day = data.draw(st.integers(1, len(self.bodies))), self.it.ledger.days(self.month)[1]
        with suppress(InvalidRecordError), self.it.records.writing() as session:
            service.add_event(session, CONSOLE, number, kind, day=day, note="", now=self.now)

    @precondition(lambda self: self.is_open)
    @rule(cents=st.integers(1, 9999))
    def something_more_is_charged_from_the_open_month_on(self, cents: int) -> None:
        amount = Decimal(cents) / 100
        self.it.price("quotas", f'item = "Extra {self.now}"\nfirst = "{self.month}"\namount = {amount}\n')

    @rule(name=st.sampled_from(["Ceduta S.r.l.", "Nuova S.p.A."]))
    def everything_is_renamed(self, name: str) -> None:
        with self.it.records.writing() as session:
            for member in session.scalars(select(Member)):
                member.legal_name = name
            for machine in session.scalars(select(Machine)):
                machine.name = f"{machine.id} {name}"

    @precondition(lambda self: bool(self.closed))
    @rule(data=st.data())
    def a_month_is_closed_again(self, data: st.DataObject) -> None:
        month = data.draw(st.sampled_from(self.closed))
        assert not self.it.close(month, OVER[self.month]).is_new

    @invariant()
    def what_is_closed_stays_as_it_is(self) -> None:
        bodies = self.it.bodies()
        assert bodies[: len(self.bodies)] == self.bodies
        self.bodies = bodies

    @invariant()
    def numbers_of_a_year_have_no_gap(self) -> None:
        numbers = [str(json.loads(body)["number"]).split("/") for body in self.bodies]
        for _, each in groupby(numbers, key=lambda number: number[1]):
            found = [int(number) for number, _ in each]
            assert found == list(range(1, len(found) + 1))

    @invariant()
    def what_is_contested_is_on_no_statement(self) -> None:
        with self.it.records.reading() as session:
            contested = {(row.month, row.member_id, row.reference) for row in session.scalars(
                select(LineContest).where(LineContest.decided_by.is_(None)))}  # fmt: skip
        stated = {
            (line["month"] or each["month"], each["member"], line["reference"])
            for each in map(_stated, self.bodies)
            for line in each["lines"]
        }
        assert not contested & stated

    @invariant()
    def the_trail_only_grows_and_says_who_and_when(self) -> None:
        trail = list(audit.stream(self.it.records))
        assert trail[: len(self.trail)] == self.trail
        for entry in trail[len(self.trail) :]:
            assert {"at", "who", "what", "subject"} <= json.loads(entry.body).keys()
        self.trail = trail

    def teardown(self) -> None:
        try:
            if self.bodies:
                self.everything_opens()
        finally:
            self.stack.close()

    def everything_opens(self) -> None:
        """Prove every statement, render it again, open every measured line, and look as each member."""
        assert verify_all(self.it.ledger, now=self.now).faults == []
        audit.check(self.it.records)
        for number, before in enumerate(self.documents, 1):
            assert self.document(number) == before
        for each in map(_stated, self.bodies):
            for line in each["lines"]:
                self.opens(each["month"], each["member"], line)
        numbers = {name: [row.number for row in service.statements(self.it.records, Scope(Role.MEMBER, name))]
                   for name in FIRMS}  # fmt: skip
        assert sorted(number for found in numbers.values() for number in found) == list(range(1, len(self.bodies) + 1))
        for name, found in numbers.items():
            for number in range(1, len(self.bodies) + 1):
                with self.it.records.reading() as session:
                    if number in found:
                        assert service.statement(session, Scope(Role.MEMBER, name), str(number)).member_id == name
                    else:
                        with pytest.raises(UnknownRecordError):
                            service.statement(session, Scope(Role.MEMBER, name), str(number))

    def opens(self, month: str, member: str, line: dict[str, Any]) -> None:
        """A line of measured time opens to segments with their samples, which have its seconds between them."""
        if line["basis"] != "time" or line["corrects"]:
            return
        with self.it.records.reading() as session:
            found = self.it.ledger.opened(session, month, member, line["reference"], closing=month)
        assert sum(each.period.seconds for each in found) == line["quantity"]
        assert all(each.sources for each in found)


def _stated(body: str) -> dict[str, Any]:
    return dict(json.loads(body)["statement"])


def test_whatever_happens_in_whatever_order_what_is_closed_stays_and_opens() -> None:
    run_state_machine_as_test(
        Years,
        settings=settings(
            max_examples=150 if LONG else 4,
            stateful_step_count=20 if LONG else 12,
            phases=[Phase.generate],  # a sequence takes seconds: to make it shorter would take minutes
            deadline=None,
            derandomize=not LONG,
            suppress_health_check=list(HealthCheck),
        ),
    )
