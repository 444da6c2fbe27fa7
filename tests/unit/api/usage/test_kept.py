"""From stored samples to day segments: the same however data came in, and built again when more comes."""

from __future__ import annotations

import math
from datetime import date
from typing import TYPE_CHECKING

import pytest

from api.access.scope import Role, Scope
from api.audit.service import CONSOLE, Actor
from api.records.rules import InvalidRecordError
from api.records.service import UnknownRecordError
from api.usage import service
from api.usage.evidence import JobRule, RuleKind
from api.usage.segments import CONSORTIUM, UNATTRIBUTED, Claim
from shopfloor.periods import DAY, HOUR, Period
from shopfloor.states import State
from tests.unit.api.usage.stored import (
    IDLE,
    OFF,
    RUNS,
    STAFF,
    House,
    at,
    house,
    said,
    shuffled,
    states,
    watched,
    workday,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.usage.segments import Segment
    from shopfloor.samples import Sample

MILL = "mill-1"
FIRST, LAST = date(2026, 10, 13), date(2026, 10, 15)
LATER = "2026-10-20T00:00"


@pytest.fixture
def it() -> Iterator[House]:
    with house() as made:
        yield made


def some_days() -> list[str]:
    return ["2026-10-13", "2026-10-14", "2026-10-15"]


def everything() -> list[Sample]:
    found = watched(MILL, "2026-10-12T20:00", "2026-10-16T03:00") + states(MILL, ("2026-10-12T20:00", OFF))
    for number, day in enumerate(some_days()):
        found += workday(MILL, day, ("A", "B"), watts_hours=36_000.0 * number)
    return found


def kept(it: House, first: date = FIRST, last: date = LAST, *, payer: str | None = None) -> list[Segment]:
    with it.records.reading() as session:
        return it.usage.segments(session, first, last, payer=payer).get(MILL, [])


def seconds(segments: list[Segment]) -> dict[tuple[str, State], int]:
    found: dict[tuple[str, State], int] = {}
    for each in segments:
        found[each.payer, each.state] = found.get((each.payer, each.state), 0) + each.period.seconds
    return found


def test_a_job_on_the_control_pays_for_its_time(it: House) -> None:
    it.tell(everything(), now="2026-10-16T03:00")
    it.usage.refresh([MILL], FIRST, FIRST, now=at(LATER))

    found = kept(it, FIRST, FIRST)

    assert sum(each.period.seconds for each in found) == 86_400
    assert seconds(found)["alfa", State.PROCESSING] == 13_200
    assert seconds(found)["alfa", State.IDLE] == 1_200
    assert seconds(found)["beta", State.PROCESSING] == 26_940
    assert seconds(found)[UNATTRIBUTED, State.OFF] == 12 * 3_600
    assert sum(metered.amount for each in found for metered in each.metered) == 36_000_000


def test_the_first_day_of_a_meter_has_its_share_up_to_midnight(it: House) -> None:
    it.tell(watched(MILL, "2026-10-13T21:00", "2026-10-14T01:00"), now="2026-10-15T00:00")
    it.tell(states(MILL, ("2026-10-13T21:00", RUNS)), now="2026-10-15T00:00")
    readings = ("2026-10-13T21:30", 1000.0), ("2026-10-13T22:30", 3000.0), ("2026-10-14T00:30", 3000.0)
    it.tell(said(MILL, "energy_watt_hours", *readings), now="2026-10-15T00:00")

    it.usage.refresh([MILL], FIRST, date(2026, 10, 14), now=at(LATER))

    found = kept(it)
    assert sum(each.amount for part in found for each in part.metered) == 2_000_000
    midnight = at("2026-10-13T22:00")
    before = [each for part in found if part.period.end <= midnight for each in part.metered]
    assert sum(each.amount for each in before) == 1_000_000


def test_the_same_data_in_any_order_and_any_batches_gives_the_same_bytes(it: House) -> None:
    it.tell(everything(), now="2026-10-16T03:00")
    it.usage.refresh([MILL], FIRST, LAST, now=at(LATER))

    for seed in range(3):
        with house() as other:
            for number, batch in enumerate(shuffled(everything(), seed)):
                other.tell(batch, now=f"2026-10-17T0{number}:00")
                other.usage.refresh([MILL], FIRST, LAST, now=at(f"2026-10-17T0{number}:30"))
            other.usage.refresh([MILL], FIRST, LAST, now=at(LATER))

            assert {key: digests for key, digests in other.digests().items() if key[1] in some_days()} == it.digests()


def test_days_that_are_built_one_by_one_are_those_that_are_built_together(it: House) -> None:
    it.tell(everything(), now="2026-10-16T03:00")
    it.usage.refresh([MILL], FIRST, LAST, now=at(LATER))

    with house() as other:
        other.tell(everything(), now="2026-10-16T03:00")
        for day in (LAST, FIRST, date(2026, 10, 14)):
            other.usage.refresh([MILL], day, day, now=at(LATER))

        assert other.digests() == it.digests()


def test_a_machine_that_went_silent_is_the_same_however_many_days_are_built_at_once(it: House) -> None:
    silent = watched(MILL, "2026-10-01T06:00", "2026-10-01T09:00") + states(MILL, ("2026-10-01T06:00", RUNS))
    silent += said(MILL, "energy_watt_hours", ("2026-10-01T07:00", 1.0), ("2026-10-01T08:00", 2.0))
    silent += said(MILL, "parts", ("2026-10-01T07:00", 1), ("2026-10-01T09:00", 5))
    first, last = date(2026, 10, 1), date(2026, 10, 31)
    it.tell(silent, now="2026-11-10T00:00")
    it.usage.refresh([MILL], first, last, now=at("2026-12-20T00:00"))

    with house() as other:
        other.tell(silent, now="2026-11-10T00:00")
        for number in range(first.toordinal(), last.toordinal() + 1, 6):
            day = date.fromordinal(number)
            other.usage.refresh([MILL], day, day, now=at("2026-12-20T00:00"))

        apart = other.digests()
        assert len(apart) == 6
        assert {key: each for key, each in it.digests().items() if key in apart} == apart


def test_late_data_changes_its_day(it: House) -> None:
    it.tell(everything(), now="2026-10-16T03:00")
    it.usage.refresh([MILL], FIRST, LAST, now=at(LATER))
    before = it.digests()

    it.tell(said(MILL, "job", ("2026-10-14T08:00", "G-7")), now="2026-10-21T00:00")
    it.usage.refresh([MILL], FIRST, LAST, now=at("2026-10-22T00:00"))

    changed = {key for key, digests in it.digests().items() if digests != before[key]}
    assert changed == {(MILL, "2026-10-14")}
    assert seconds(kept(it))["gamma", State.PROCESSING] == 2 * 3_600


def test_who_cannot_wait_is_told_how_many_days_are_left_and_what_is_done_stays_done(it: House) -> None:
    it.tell(everything(), now="2026-10-16T03:00")
    left = it.usage.refresh([MILL], FIRST, LAST, now=at(LATER), deadline=-math.inf)
    assert (left, it.digests()) == ((LAST - FIRST).days + 1, {})

    assert it.usage.refresh([MILL], FIRST, LAST, now=at(LATER)) == 0
    assert it.usage.refresh([MILL], FIRST, LAST, now=at(LATER), deadline=-math.inf) == 0


def test_nothing_is_built_again_while_nothing_new_comes(it: House, monkeypatch: pytest.MonkeyPatch) -> None:
    it.tell(everything(), now="2026-10-16T03:00")
    it.usage.run(at(LATER))
    monkeypatch.setattr(it.usage, "_build", lambda *_: pytest.fail("it was built again"))

    it.usage.run(at(LATER) + 60)


def test_a_machine_that_was_off_while_its_server_was_silent_is_settled_when_it_returns(it: House) -> None:
    it.tell(watched(MILL, "2026-10-12T20:00", "2026-10-13T18:00") + workday(MILL, "2026-10-13", ("A", "B")),
            now="2026-10-13T18:00")  # fmt: skip
    silent = said(MILL, "unreachable", ("2026-10-16T05:00", at("2026-10-13T18:00")))
    it.tell(silent, now="2026-10-16T05:00")
    it.usage.refresh([MILL], FIRST, LAST, now=at("2026-10-16T05:00"))
    assert seconds(kept(it, date(2026, 10, 14), LAST)) == {(UNATTRIBUTED, State.UNREACHABLE): 2 * 86_400}

    back = watched(MILL, "2026-10-16T05:00", "2026-10-16T08:00") + states(MILL, ("2026-10-16T05:00", IDLE))
    it.tell([*back, *said(MILL, "power_on_seconds", ("2026-10-16T05:01", 43_210.0))], now="2026-10-16T08:00")
    it.usage.refresh([MILL], FIRST, LAST, now=at("2026-10-16T09:00"))

    assert seconds(kept(it, date(2026, 10, 14), LAST)) == {(UNATTRIBUTED, State.OFF): 2 * 86_400}


def test_a_check_in_pays_until_the_check_out_and_a_correction_overrides_both(it: House) -> None:
    day = "2026-10-13"
    it.tell(
        watched(MILL, "2026-10-12T20:00", f"{day}T23:00") + states(MILL, (f"{day}T05:00", RUNS)), now=f"{day}T23:00"
    )
    it.usage.refresh([MILL], FIRST, FIRST, now=at(LATER))
    it.check_in(MILL, f"{day}T06:00", "gamma", now=LATER)
    it.check_in(MILL, f"{day}T09:00", None, out=True, now=LATER)
    it.correct(MILL, f"{day}T08:00", f"{day}T08:30", "alfa", now=LATER)
    it.usage.refresh([MILL], FIRST, FIRST, now=at(LATER))

    found = [each for each in kept(it, FIRST, FIRST) if each.payer != UNATTRIBUTED]

    assert [(each.payer, each.claim, each.period.seconds) for each in found] == [
        ("gamma", Claim.BADGE, 7_200),
        ("alfa", Claim.CORRECTION, 1_800),
        ("gamma", Claim.BADGE, 1_800),
    ]


def test_a_badge_is_read_as_its_owner_of_that_time(it: House) -> None:
    day = "2026-10-13"
    samples = watched(MILL, "2026-10-12T20:00", f"{day}T23:00") + states(MILL, (f"{day}T05:00", RUNS))
    it.tell(samples + said(MILL, "badge", (f"{day}T06:00", "04AF"), (f"{day}T07:00", "")), now=f"{day}T23:00")
    it.usage.refresh([MILL], FIRST, FIRST, now=at(LATER))
    assert {each.payer for each in kept(it, FIRST, FIRST)} == {UNATTRIBUTED}

    with it.records.writing() as session:
        service.give_badge(session, CONSOLE, "04AF", "beta", at("2026-10-01T00:00"), now=at(LATER))
    it.usage.refresh([MILL], FIRST, FIRST, now=at(LATER))

    assert seconds(kept(it, FIRST, FIRST, payer="beta")) == {("beta", State.PROCESSING): 3_600}


def test_maintenance_with_a_work_order_is_the_consortiums(it: House) -> None:
    day = "2026-10-13"
    samples = watched(MILL, "2026-10-12T20:00", f"{day}T23:00") + states(MILL, (f"{day}T05:00", IDLE))
    it.tell(samples + said(MILL, "operation_mode", (f"{day}T06:00", 1), (f"{day}T07:00", 3)), now=f"{day}T23:00")
    it.usage.refresh([MILL], FIRST, FIRST, now=at(LATER))
    with it.records.writing() as session:
        values = {"machine_id": MILL, "starts": at(f"{day}T05:30"), "ends": None, "cause": "work_order", "note": ""}
        row = service.add_maintenance(session, CONSOLE, STAFF, values, now=at(LATER))
        service.end_maintenance(session, CONSOLE, STAFF, row.id, at(f"{day}T08:00"), now=at(LATER))
    it.usage.refresh([MILL], FIRST, FIRST, now=at(LATER))

    assert seconds(kept(it, FIRST, FIRST, payer=CONSORTIUM)) == {(CONSORTIUM, State.MAINTENANCE): 3_600}


def test_a_new_rule_concerns_the_days_that_showed_such_a_job(it: House) -> None:
    samples = watched(MILL, "2026-10-12T20:00", "2026-10-15T23:00") + states(MILL, ("2026-10-13T05:00", RUNS))
    it.tell(
        samples + said(MILL, "job", ("2026-10-14T06:00", "NEW-1"), ("2026-10-14T07:00", "")), now="2026-10-15T23:00"
    )
    it.usage.refresh([MILL], FIRST, LAST, now=at(LATER))

    with it.records.writing() as session:
        service.add_rule(session, CONSOLE, JobRule(RuleKind.PREFIX, "NEW-", "gamma"), now=at(LATER))
    it.usage.refresh([MILL], FIRST, LAST, now=at(LATER))

    assert seconds(kept(it, payer="gamma")) == {("gamma", State.PROCESSING): 3_600}


def test_jobs_that_nobody_pays_for_are_listed_until_a_rule_knows_them(it: House) -> None:
    it.tell(everything() + said(MILL, "job", ("2026-10-14T08:00", "X-77")), now="2026-10-16T03:00")
    it.usage.refresh([MILL], FIRST, LAST, now=at(LATER))
    with it.records.reading() as session:
        assert service.unknown_jobs(session, FIRST) == [("X-77", {MILL}, date(2026, 10, 14))]
        assert service.unknown_jobs(session, date(2026, 11, 1)) == []
    with it.records.writing() as session:
        service.add_rule(session, CONSOLE, JobRule(RuleKind.PREFIX, "X-", "gamma"), now=at(LATER))
    with it.records.reading() as session:
        assert service.unknown_jobs(session, FIRST) == []


def test_who_pays_now_is_read_from_what_is_stored_now(it: House) -> None:
    it.tell(watched(MILL, "2026-10-12T20:00", "2026-10-13T07:00") + states(MILL, ("2026-10-13T05:00", RUNS)),
            now="2026-10-13T07:00")  # fmt: skip
    it.check_in(MILL, "2026-10-13T06:30", "beta", now="2026-10-13T07:00")

    segment = it.usage.last_segment(MILL, now=at("2026-10-13T07:00"))

    assert segment is not None
    assert (segment.payer, segment.claim) == ("beta", Claim.BADGE)
    assert it.usage.own_periods(
        MILL, "beta", Period(at("2026-10-13T00:00"), at("2026-10-13T06:45")), now=at("2026-10-13T07:00")
    ) == [Period(at("2026-10-13T06:30"), at("2026-10-13T06:45"))]


@pytest.mark.parametrize(
    ("said_of", "place"),
    [
        (service.Presence("none", at(LATER), "alfa", is_out=False), "machine"),
        (service.Presence(MILL, at(LATER), "delta", is_out=False), "payer"),
        (service.Presence(MILL, at(LATER) + HOUR, "alfa", is_out=False), "at"),
        (service.Presence(MILL, at(LATER) - 500 * DAY, "alfa", is_out=False), "at"),
        (service.Presence(MILL, at(LATER), None, is_out=False), "payer"),
    ],
)
def test_bad_evidence_is_refused_with_its_place(it: House, said_of: service.Presence, place: str) -> None:
    with pytest.raises(InvalidRecordError) as refused, it.records.writing() as session:
        service.check_in(session, CONSOLE, STAFF, said_of, now=at(LATER))

    assert [problem.field for problem in refused.value.problems] == [place]


def test_a_member_checks_in_for_itself_alone(it: House) -> None:
    other = service.Presence(MILL, at(LATER), "beta", is_out=False)
    with pytest.raises(UnknownRecordError), it.records.writing() as session:
        service.check_in(session, CONSOLE, Scope(Role.MEMBER, "alfa"), other, now=at(LATER))


def test_who_asks_for_a_correction_does_not_decide_it(it: House) -> None:
    wish = service.Wish(MILL, Period(at("2026-10-13T06:00"), at("2026-10-13T07:00")), "alfa", None, "a wrong badge")
    with it.records.writing() as session:
        row = service.ask_correction(session, Actor("person:anna"), STAFF, wish, now=at(LATER))

    with pytest.raises(InvalidRecordError, match="another person"), it.records.writing() as session:
        service.decide_correction(session, Actor("person:anna"), row.id, "", approve=True, now=at(LATER))


def test_two_rules_that_say_the_same_of_different_members_are_refused(it: House) -> None:
    with pytest.raises(InvalidRecordError, match="remove it first"), it.records.writing() as session:
        service.add_rule(session, CONSOLE, JobRule(RuleKind.PREFIX, "A-", "beta"), now=at(LATER))


def test_a_machine_that_is_off_is_off(it: House) -> None:
    it.tell(watched(MILL, "2026-10-12T20:00", "2026-10-14T03:00") + states(MILL, ("2026-10-12T20:00", OFF)),
            now="2026-10-14T03:00")  # fmt: skip
    it.usage.refresh([MILL], FIRST, FIRST, now=at(LATER))

    assert seconds(kept(it, FIRST, FIRST)) == {(UNATTRIBUTED, State.OFF): 86_400}
