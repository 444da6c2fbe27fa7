from __future__ import annotations

from datetime import date

import pytest

from api.usage.attribution import attribute
from api.usage.counters import Advance, Change
from api.usage.doubts import Reason, doubts
from api.usage.evidence import (
    BadEvidenceError,
    Badge,
    Booking,
    Cause,
    Correction,
    Evidence,
    Job,
    JobRule,
    JobRules,
    Maintenance,
    RuleKind,
    presences,
)
from api.usage.intervals import Interval
from api.usage.metering import place
from api.usage.policy import Policy
from api.usage.segments import (
    CONSORTIUM,
    PAYERS,
    UNATTRIBUTED,
    Claim,
    DaySegments,
    Meter,
    Quality,
    Segment,
    clip,
    cut_day,
    name_of_payer,
    payer_named,
)
from api.usage.sessions import sessions
from shopfloor.periods import HOUR, MINUTE, SECOND, Period
from shopfloor.states import State

DAY = date(1970, 1, 1)
RULES = JobRules(
    [
        JobRule(RuleKind.EXACT, "X-1", "EXACT"),
        JobRule(RuleKind.PREFIX, "X-", "SHORT"),
        JobRule(RuleKind.PREFIX, "X-77", "LONG"),
        JobRule(RuleKind.PATTERN, "Q[0-9]+", "PATTERN"),
        JobRule(RuleKind.PATTERN, "Q5.....", "RIVAL"),
        JobRule(RuleKind.CUSTOMER, "4711", "CUSTOMER"),
    ]
)


@pytest.mark.parametrize(
    ("job", "member"),
    [("X-1", "EXACT"), ("X-2", "SHORT"), ("X-771", "LONG"), ("Q1", "PATTERN"), ("Q512345", None),
     ("O 4711/3", "CUSTOMER"), ("O 47113", None), ("", None)],
)  # fmt: skip
def test_the_strongest_rule_maps_a_job_and_a_tie_maps_to_nobody(job: str, member: str | None) -> None:
    assert RULES.member(job) == member


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ([JobRule(RuleKind.PREFIX, "", "A")], "empty"),
        ([JobRule(RuleKind.PATTERN, "(", "A")], "no regular expression"),
        ([JobRule(RuleKind.EXACT, "1", "A"), JobRule(RuleKind.EXACT, "1", "B")], "keep one"),
    ],
)
def test_bad_rules_are_refused(rules: list[JobRule], why: str) -> None:
    with pytest.raises(BadEvidenceError, match=why):
        JobRules(rules)


def test_a_house_may_see_more_jobs_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.usage.evidence._JOBS_CACHED_MAX", 1)
    rules = JobRules([JobRule(RuleKind.PREFIX, "A", "A")])

    assert [rules.member(job) for job in ("A1", "A2", "A1")] == ["A", "A", "A"]


def correction(**more: object) -> Correction:
    told = {"period": Period(0, HOUR), "payer": "B", "state": None, "reason": "badge of a colleague",
            "requested_by": "anna", "approved_by": "bruno", "at": 5}  # fmt: skip
    return Correction(**{**told, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("evidence", "why"),
    [
        (Evidence(bookings=[Booking(Period(0, 9), "A"), Booking(Period(8, 12), "B")]), "overlap"),
        (Evidence(corrections=[correction(reason="because")]), "no reason"),
        (Evidence(corrections=[correction(payer=None)]), "changes nothing"),
        (Evidence(corrections=[correction(approved_by="anna")]), "another person"),
        (Evidence(badges=[Badge(5, "A"), Badge(5, "B")]), "one instant"),
    ],
)
def test_bad_evidence_is_refused_with_the_reason(evidence: Evidence, why: str) -> None:
    with pytest.raises(BadEvidenceError, match=why):
        evidence.check("m")


def spans(badges: list[Badge], off: list[Period]) -> list[tuple[int, int, str]]:
    return [
        (each.period.start // MINUTE, each.period.end // MINUTE, each.payer)
        for each in presences(badges, off, Policy())
    ]


def test_a_badge_ends_at_its_checkout_another_badge_after_a_quarter_of_off_or_twelve_hours() -> None:
    def at(minutes: int, member: str | None, *, out: bool = False) -> Badge:
        return Badge(minutes * MINUTE, member, out)

    assert spans([at(0, "A"), at(30, "A", out=True)], []) == [(0, 30, "A")]
    assert spans([at(0, "A"), at(20, "B", out=True), at(30, None, out=True)], []) == [(0, 30, "A")]
    assert spans([at(0, "A"), at(20, "B"), at(40, "A", out=True)], []) == [(0, 20, "A"), (20, 740, "B")]
    assert spans([at(0, "A")], [Period(0, 14 * MINUTE), Period(20 * MINUTE, 36 * MINUTE)]) == [(0, 35, "A")]
    assert spans([at(10, "A")], [Period(0, 24 * MINUTE)]) == [(10, 730, "A")]
    assert spans([at(0, "A")], [Period(800 * MINUTE, 900 * MINUTE)]) == [(0, 720, "A")]
    assert spans([at(0, None)], []) == []
    zero = Policy(badge_seconds_max=0)
    assert presences([at(0, "A")], [], zero) == []


def interval(start: int, end: int, state: State, quality: Quality = Quality.MEASURED) -> Interval:
    return Interval(Period(start * MINUTE, end * MINUTE), state, quality)


def payers(segments: list[Segment]) -> list[tuple[int, int, str, str]]:
    return [(s.period.start // MINUTE, s.period.end // MINUTE, s.state, s.payer) for s in segments]


def test_maintenance_is_the_consortiums_with_a_work_order_or_a_checkin_and_interruption_with_such_an_alarm() -> None:
    intervals = [
        interval(0, 10, State.MAINTENANCE),
        interval(10, 20, State.INTERRUPTED),
        interval(20, 40, State.MAINTENANCE),
    ]
    evidence = Evidence(
        jobs=[Job(Period(0, 40 * MINUTE), "X-1")],
        badges=[Badge(30 * MINUTE, CONSORTIUM)],
        maintenance=[
            Maintenance(Period(0, 5 * MINUTE), Cause.WORK_ORDER),
            Maintenance(Period(0, 15 * MINUTE), Cause.ALARM),
        ],
    )

    assert payers(attribute("m", intervals, evidence, RULES, Policy())) == [
        (0, 5, "maintenance", CONSORTIUM),
        (5, 10, "maintenance", "EXACT"),
        (10, 15, "interrupted", CONSORTIUM),
        (15, 20, "interrupted", "EXACT"),
        (20, 30, "maintenance", "EXACT"),
        (30, 40, "maintenance", CONSORTIUM),
    ]


def test_a_correction_changes_payer_or_state_once_another_person_approved_it_and_keeps_what_was_recorded() -> None:
    evidence = Evidence(
        corrections=[
            correction(period=Period(0, 10 * MINUTE)),
            correction(period=Period(20 * MINUTE, 30 * MINUTE), payer=None, state=State.IDLE),
            correction(period=Period(30 * MINUTE, 40 * MINUTE), approved_by=None),
        ]
    )
    found = attribute("m", [interval(0, 60, State.PROCESSING)], evidence, RULES, Policy())

    assert payers(found) == [
        (0, 10, "processing", "B"),
        (10, 20, "processing", UNATTRIBUTED),
        (20, 30, "idle", UNATTRIBUTED),
        (30, 60, "processing", UNATTRIBUTED),
    ]
    assert (found[0].claim, found[2].quality) == (Claim.CORRECTION, Quality.EDITED)


def test_what_somebody_has_to_decide_is_use_of_nobody_and_unknown_time_with_evidence() -> None:
    intervals = [
        interval(0, 10, State.PROCESSING),
        interval(10, 20, State.UNKNOWN, Quality.UNKNOWN),
        interval(20, 30, State.UNKNOWN, Quality.UNKNOWN),
        interval(30, 40, State.OFF),
    ]
    evidence = Evidence(
        bookings=[Booking(Period(10 * MINUTE, 15 * MINUTE), "A"), Booking(Period(15 * MINUTE, 20 * MINUTE), "B")]
    )

    found = doubts(attribute("m", intervals, evidence, RULES, Policy()))

    assert [(each.period.start // MINUTE, each.period.end // MINUTE, each.reason, each.evidence) for each in found] == [
        (0, 10, Reason.UNATTRIBUTED, ("processing",)),
        (10, 20, Reason.UNKNOWN, ("booking",)),
    ]


def segment(start: int, end: int, state: State, payer: str = "A", quality: Quality = Quality.MEASURED) -> Segment:
    return Segment("m", Period(start * SECOND, end * SECOND), state, quality, payer, Claim.BADGE)


def step(start: float, end: float, amount: int) -> Advance:
    return Advance(Period(int(start * SECOND), int(end * SECOND)), amount, Change.MEASURED, amount)


def amounts(segments: list[Segment]) -> list[int]:
    return [sum(each.amount for each in one.metered) for one in segments]


def test_energy_is_spread_evenly_and_not_on_off_unless_it_was_off_all_the_time() -> None:
    segments = [segment(0, 100, State.IDLE), segment(100, 200, State.OFF), segment(200, 300, State.IDLE)]

    assert amounts(place(segments, Meter.ENERGY, [step(0, 300, 7)])) == [3, 0, 4]
    assert amounts(place(segments, Meter.ENERGY, [step(120, 150, 5)])) == [0, 5, 0]
    assert amounts(place([segment(0, 2000, State.IDLE)], Meter.ENERGY, [step(0, 2000, 1)])) == [1]
    assert amounts(place(segments, Meter.ENERGY, [step(-100, 100, 8), step(250, 350, 8)])) == [4, 0, 4]
    assert amounts(place(segments, Meter.ENERGY, [step(10.2, 10.7, 8), step(400, 500, 8), step(20, 30, 0)])) == [
        8,
        0,
        0,
    ]


def test_energy_that_touches_a_gap_is_measured_in_total_and_not_in_its_place() -> None:
    gap = segment(100, 200, State.UNKNOWN, quality=Quality.UNKNOWN)
    found = place([segment(0, 100, State.IDLE), gap], Meter.ENERGY, [step(0, 50, 5), step(50, 150, 10)])

    assert [sorted((each.amount, each.placed) for each in one.metered) for one in found] == [
        [(5, False), (5, True)],
        [(5, False)],
    ]


def test_a_part_counts_in_the_second_before_its_reading() -> None:
    segments = [segment(0, 100, State.PROCESSING), segment(100, 200, State.IDLE)]

    assert amounts(place(segments, Meter.PARTS, [step(0, 100, 1), step(100, 100.5, 2)])) == [1, 2]


def test_a_session_is_one_payers_run_whatever_the_states() -> None:
    segments = [segment(0, 10, State.IDLE), segment(10, 20, State.OFF), segment(20, 30, State.IDLE, "B"),
                segment(40, 50, State.IDLE, "B"), segment(50, 60, State.IDLE, UNATTRIBUTED)]  # fmt: skip

    assert [(each.member, each.period.start // SECOND, each.period.end // SECOND) for each in sessions(segments)] == [
        ("A", 0, 20), ("B", 20, 30), ("B", 40, 50),
    ]  # fmt: skip


def test_a_day_is_cut_from_segments_that_tile_it_and_known_by_its_digest() -> None:
    quarter = 900
    [whole] = place([segment(0, 4 * quarter, State.IDLE)], Meter.ENERGY, [step(0, 4 * quarter, 40)])
    day = cut_day("m", DAY, Period(quarter * SECOND, 3 * quarter * SECOND), [whole])

    assert [each.amount for each in day.segments[0].metered] == [10, 10]
    assert day.digest() == DaySegments(*day).digest()
    assert day.digest() != day._replace(machine="n").digest()
    assert clip(whole, Period(0, SECOND * 4 * quarter)) is whole
    assert clip(whole, Period(HOUR, 2 * HOUR)) is None
    with pytest.raises(ValueError, match="do not tile"):
        cut_day("m", DAY, Period(0, 2 * HOUR), [whole])


def test_a_booking_given_up_late_pays_for_time_off_and_for_nobodys_use() -> None:
    day = Period(0, 4 * HOUR)
    hours = [State.OFF, State.IDLE, State.OFF, State.OFF]
    intervals = [
        Interval(Period(hour * HOUR, (hour + 1) * HOUR), state, Quality.MEASURED) for hour, state in enumerate(hours)
    ]
    given_up = Evidence(bookings=[Booking(Period(0, 3 * HOUR), "A", is_given_up=True)])

    found = attribute("M1", intervals, given_up, RULES, Policy())

    assert [(each.payer, each.claim, each.booked) for each in found] == [
        ("A", Claim.BOOKING, "A"),
        (UNATTRIBUTED, Claim.NONE, None),
        ("A", Claim.BOOKING, "A"),
        (UNATTRIBUTED, Claim.NONE, None),
    ]
    assert sum(each.period.seconds for each in found) == day.seconds


def test_a_payer_that_is_no_member_has_a_word_and_a_member_its_code() -> None:
    assert [payer_named(name_of_payer(each)) for each in (*PAYERS.values(), "alfa")] == [*PAYERS.values(), "alfa"]
    assert name_of_payer("alfa") == "alfa"
