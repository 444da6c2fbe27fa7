"""The session that is going on, as far as it is proven, from what the watch keeps."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from api.usage.ownership import KeptSessions
from shopfloor.periods import Period
from tests.unit.api.usage.stored import RUNS, House, at, house, states, watched

if TYPE_CHECKING:
    from collections.abc import Iterator

MILL, DAY = "mill-1", date(2026, 10, 13)


@pytest.fixture
def it() -> Iterator[House]:
    with house() as made:
        yield made


def told(it: House, now: str) -> KeptSessions:
    it.usage.refresh([MILL], DAY, DAY, now=at(now))
    sessions = KeptSessions(it.usage)
    sessions.refresh(now=at(now))
    return sessions


def test_what_runs_is_its_payers_from_its_start_to_what_is_proven_and_not_after_it_has_left(it: House) -> None:
    it.tell(watched(MILL, "2026-10-12T20:00", "2026-10-13T07:00") + states(MILL, ("2026-10-13T05:00", RUNS)),
            now="2026-10-13T07:00")  # fmt: skip
    assert told(it, "2026-10-13T07:00").running(MILL) is None
    it.check_in(MILL, "2026-10-13T06:30", "beta", now="2026-10-13T07:00")

    sessions = told(it, "2026-10-13T07:00")

    running = sessions.running(MILL)
    assert running is not None
    assert (running.member, running.period.start) == ("beta", at("2026-10-13T06:30"))
    assert at("2026-10-13T06:55") <= running.period.end <= at("2026-10-13T07:00")
    assert sessions.running("mill-2") is None
    it.tell(watched(MILL, "2026-10-13T07:00", "2026-10-13T08:00"), now="2026-10-13T08:00")
    it.check_in(MILL, "2026-10-13T07:30", "alfa", now="2026-10-13T08:00")
    it.usage.refresh([MILL], DAY, DAY, now=at("2026-10-13T08:00"))
    sessions.refresh(now=at("2026-10-13T08:00"))
    after = sessions.running(MILL)
    assert after is not None
    assert (after.member, after.period.start) == ("alfa", at("2026-10-13T07:30"))


def test_a_session_begins_where_its_payer_came_and_stays_known_while_its_day_is_not_built_again(it: House) -> None:
    it.tell(watched(MILL, "2026-10-12T20:00", "2026-10-13T07:00") + states(MILL, ("2026-10-13T05:00", RUNS)),
            now="2026-10-13T07:00")  # fmt: skip
    it.check_in(MILL, "2026-10-13T05:30", "alfa", now="2026-10-13T07:00")
    it.check_in(MILL, "2026-10-13T06:30", "beta", now="2026-10-13T07:00")

    sessions = told(it, "2026-10-13T07:00")
    running = sessions.running(MILL)
    sessions.refresh(now=at("2026-10-13T07:01"))

    assert running is not None
    assert (running.member, running.period.start) == ("beta", at("2026-10-13T06:30"))
    assert sessions.running(MILL) is running


def test_a_session_from_before_yesterday_is_known_from_yesterday_on(it: House) -> None:
    it.tell(watched(MILL, "2026-10-11T20:00", "2026-10-13T07:00") + states(MILL, ("2026-10-11T20:00", RUNS)),
            now="2026-10-13T07:00")  # fmt: skip
    for time in (
        "11T20:30",
        "12T00:30",
        "12T04:30",
        "12T08:30",
        "12T12:30",
        "12T16:30",
        "12T20:30",
        "13T00:30",
        "13T04:30",
    ):
        it.check_in(MILL, f"2026-10-{time}", "alfa", now="2026-10-13T07:00")
    it.usage.refresh([MILL], date(2026, 10, 12), DAY, now=at("2026-10-13T07:00"))

    running = told(it, "2026-10-13T07:00").running(MILL)

    assert running is not None
    assert (running.member, running.period.start) == ("alfa", at("2026-10-11T22:00"))


def test_own_sessions_of_the_past_are_those_that_are_charged(it: House) -> None:
    it.tell(watched(MILL, "2026-10-12T20:00", "2026-10-13T07:00") + states(MILL, ("2026-10-13T05:00", RUNS)),
            now="2026-10-13T07:00")  # fmt: skip
    it.check_in(MILL, "2026-10-13T06:30", "beta", now="2026-10-13T07:00")
    asked = Period(at("2026-10-13T06:00"), at("2026-10-13T06:45"))

    sessions = told(it, "2026-10-13T07:00")

    assert sessions.own("beta", MILL, asked) == [Period(at("2026-10-13T06:30"), at("2026-10-13T06:45"))]
    assert sessions.own("alfa", MILL, asked) == []
