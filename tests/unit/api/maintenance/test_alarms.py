"""Alarms under every sequence of judgements, time and people's actions."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from api.maintenance.alarms import (
    SHELVED_DAYS_MAX,
    ActionRefusedError,
    Alarm,
    Change,
    Terms,
    What,
)
from api.maintenance.judging import NEVER, Judgement, Verdict
from shopfloor.periods import DAY, HOUR, SECOND

LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"
TERMS = Terms(on_delay_seconds=60, off_delay_seconds=120, quiet_days=1)


def judgement(stamp: int, verdict: Verdict) -> Judgement:
    return Judgement(stamp, "hot", "spindle", verdict, {"value": 80.0})


class AlarmLife(RuleBasedStateMachine):
    """An alarm, a clock, and a second copy that is written down and read again after every step."""

    @initialize(on=st.sampled_from([0, 60]), off=st.sampled_from([0, 120]))
    def begin(self, on: int, off: int) -> None:
        self.terms = Terms(on_delay_seconds=on, off_delay_seconds=off, quiet_days=1)
        self.alarm = Alarm("m1", "hot", "spindle")
        self.now = 1_000 * DAY
        self.worked = 0.0
        self.open_alarm, self.is_active, self.last = "", False, 0

    def note(self, changes: list[Change]) -> None:
        for change in changes:
            self.follow(change)
        self.alarm = Alarm(**json.loads(json.dumps(self.alarm.save())))

    @rule(verdict=st.sampled_from(Verdict))
    def judge(self, verdict: Verdict) -> None:
        self.note(self.alarm.judge(judgement(self.now, verdict), self.terms, self.worked))

    @rule(seconds=st.sampled_from([1, 30, 60, 200, 3600, 86_400, 7 * 86_400]), works=st.booleans())
    def wait(self, seconds: int, works: bool) -> None:  # noqa: FBT001
        until = self.now + seconds * SECOND
        for _ in range(500):
            due = self.alarm.deadline(self.terms)
            if due >= until:
                break
            assert due >= self.now
            self.now = due
            self.note(self.alarm.expire(due, self.terms, self.worked))
        else:
            raise AssertionError("time alone changes it for ever")
        self.now = until
        self.worked += seconds if works else 0

    @precondition(lambda self: self.alarm.is_open and not self.alarm.acknowledged_by)
    @rule()
    def acknowledge(self) -> None:
        self.note([self.alarm.acknowledge(self.now, "anna", "on my way")])

    @precondition(lambda self: self.alarm.is_open)
    @rule(hours=st.integers(1, 48))
    def shelve(self, hours: int) -> None:
        until = self.now + hours * HOUR
        self.note([self.alarm.shelve(self.now, until=until, by="anna", reason="part ordered")])

    @precondition(lambda self: self.alarm.shelved_until)
    @rule()
    def unshelve(self) -> None:
        self.note([self.alarm.unshelve(self.now, "anna")])

    @rule(cause=st.sampled_from(["", "edge-1"]))
    def suppress(self, cause: str) -> None:
        change = self.alarm.suppress(self.now, cause)
        self.note([change] if change else [])

    @rule()
    def toggle_service(self) -> None:
        if self.alarm.out_of_service_by:
            self.note([self.alarm.put_in_service(self.now, "anna")])
        else:
            self.note([self.alarm.take_out_of_service(self.now, "anna")])

    @precondition(lambda self: self.alarm.is_open)
    @rule()
    def close(self) -> None:
        self.note([self.alarm.close(self.now, self.worked, "anna")])
        assert not self.alarm.is_open

    @precondition(lambda self: not self.alarm.is_open)
    @rule()
    def nobody_takes_what_is_not_open(self) -> None:
        with pytest.raises(ActionRefusedError):
            self.alarm.acknowledge(self.now, "anna")
        with pytest.raises(ActionRefusedError):
            self.alarm.confirm(self.now, "anna")
        with pytest.raises(ActionRefusedError):
            self.alarm.assign(self.now, "ben", "anna")
        with pytest.raises(ActionRefusedError):
            self.alarm.shelve(self.now, until=self.now + HOUR, by="anna", reason="why")

    @invariant()
    def state_is_whole(self) -> None:
        alarm = self.alarm
        assert not alarm.active or alarm.is_open
        assert not alarm.is_open or alarm.since > 0
        assert alarm.is_open or not (alarm.acknowledged_by or alarm.shelved_until or alarm.confirmed_by)
        assert not alarm.shelved_until or (alarm.shelved_by and alarm.shelved_reason)
        assert not alarm.asks or (alarm.active and not alarm.acknowledged_by)
        assert not alarm.is_open or alarm.active or alarm.deadline(self.terms) < NEVER or alarm.verdict == "active"

    @invariant()
    def what_was_told_is_what_holds(self) -> None:
        assert bool(self.open_alarm) == self.alarm.is_open
        assert self.is_active == self.alarm.active

    def follow(self, change: Change) -> None:
        """Every alarm is raised once and closed once, and stamps never go back."""
        assert change.stamp >= self.last
        self.last = change.stamp
        if change.what is What.RAISED:
            assert not self.open_alarm
            self.open_alarm, self.is_active = change.alarm, True
        elif change.what in {What.AGAIN, What.RETURNED, What.CLOSED}:
            assert self.open_alarm == change.alarm
            assert change.what is What.CLOSED or self.is_active == (change.what is What.RETURNED)
            self.is_active = change.what is What.AGAIN
            self.open_alarm = "" if change.what is What.CLOSED else self.open_alarm


# The same examples each time, so that the same test always costs the same; the long size draws new ones.
AlarmLife.TestCase.settings = settings(
    max_examples=2_000 if LONG else 40,
    stateful_step_count=50 if LONG else 30,
    deadline=None,
    derandomize=not LONG,
    database=None,
)
TestAlarmLife = AlarmLife.TestCase


def raised(alarm: Alarm, terms: Terms = TERMS) -> Alarm:
    alarm.judge(judgement(0, Verdict.ACTIVE), terms, 0.0)
    alarm.expire(60 * SECOND, terms, 0.0)
    assert alarm.active
    return alarm


def test_the_delay_stands_still_while_nothing_is_known() -> None:
    alarm = Alarm("m1", "hot", "spindle")
    alarm.judge(judgement(1 * SECOND, Verdict.ACTIVE), TERMS, 0.0)
    alarm.judge(judgement(41 * SECOND, Verdict.UNKNOWN), TERMS, 0.0)
    assert alarm.deadline(TERMS) == NEVER
    alarm.judge(judgement(9_000 * SECOND, Verdict.ACTIVE), TERMS, 0.0)
    assert alarm.deadline(TERMS) == 9_020 * SECOND
    [change] = alarm.expire(9_020 * SECOND, TERMS, 0.0)
    assert change.what is What.RAISED
    assert change.since == 1 * SECOND


def test_a_machine_that_has_not_worked_since_has_not_recovered() -> None:
    alarm = raised(Alarm("m1", "hot", "spindle"))
    alarm.judge(judgement(100 * SECOND, Verdict.NORMAL), TERMS, 0.0)
    [change] = alarm.expire(220 * SECOND, TERMS, 0.0)
    assert change.what is What.RETURNED
    assert alarm.expire(alarm.deadline(TERMS), TERMS, 10.0) == []
    assert alarm.is_open
    [change] = alarm.expire(alarm.deadline(TERMS), TERMS, 4_000.0)
    assert change.what is What.CLOSED


def test_flapping_is_held_open_and_counted() -> None:
    terms = Terms(quiet_days=1)
    alarm = Alarm("m1", "hot", "spindle")
    changes = []
    for second in range(0, 600, 20):
        changes += alarm.judge(judgement(second * SECOND, Verdict.ACTIVE), terms, 0.0)
        changes += alarm.judge(judgement((second + 10) * SECOND, Verdict.NORMAL), terms, 0.0)
        if alarm.deadline(terms) < (second + 20) * SECOND:
            changes += alarm.expire(alarm.deadline(terms), terms, 0.0)
    assert len(changes) < 8
    assert alarm.active
    assert alarm.flaps > 20
    assert alarm.activations == 30


def test_shelving_needs_an_owner_a_reason_and_an_end() -> None:
    alarm = raised(Alarm("m1", "hot", "spindle"))
    for until, by, reason in ((HOUR, "", "why"), (HOUR, "anna", " "), (0, "anna", "why"),
                              ((SHELVED_DAYS_MAX + 1) * DAY, "anna", "why")):  # fmt: skip
        with pytest.raises(ActionRefusedError):
            alarm.shelve(0, until=until, by=by, reason=reason)
    alarm.shelve(0, until=HOUR, by="anna", reason="part ordered")
    assert alarm.isa_state == "E"
    assert alarm.deadline(TERMS) == HOUR


def test_a_return_of_the_condition_asks_again() -> None:
    alarm = raised(Alarm("m1", "hot", "spindle"))
    alarm.acknowledge(70 * SECOND, "anna")
    alarm.judge(judgement(100 * SECOND, Verdict.NORMAL), TERMS, 0.0)
    alarm.expire(220 * SECOND, TERMS, 0.0)
    alarm.judge(judgement(HOUR, Verdict.ACTIVE), TERMS, 0.0)
    [change] = alarm.expire(HOUR + 60 * SECOND, TERMS, 0.0)
    assert change.what is What.AGAIN
    assert alarm.isa_state == "B"
