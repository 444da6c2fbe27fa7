"""What counters tell of a time in which nobody watched, and who is asked about it."""

from __future__ import annotations

import itertools
from dataclasses import asdict
from datetime import date

from api.billing.ledger import policy_of
from api.usage.counters import Reading
from api.usage.doubts import Doubt, Reason, doubts
from api.usage.hidden import Gap, Track, hidden, witness
from api.usage.kept import UsageDays
from api.usage.policy import Policy
from api.usage.segments import UNATTRIBUTED, Claim, Meter, Quality, Segment
from shopfloor.periods import HOUR, SECOND, Period
from shopfloor.states import State
from tests.unit.api.usage.stored import IDLE, House, at, house, said, states, watched

MACHINE = "mill-1"
NIGHT = Period(10 * HOUR, 20 * HOUR)


def tracks(**shown: tuple[int, int]) -> dict[str, Track]:
    """Readings at the two sides of the night."""
    return {
        signal: Track([Reading(NIGHT.start, before), Reading(NIGHT.end, after)])
        for signal, (before, after) in shown.items()
    }


def unknown(start: int, end: int, quality: Quality = Quality.UNKNOWN) -> Segment:
    return Segment(MACHINE, Period(start, end), State.UNKNOWN, quality, UNATTRIBUTED, Claim.NONE)


def test_the_counter_that_ran_longest_is_the_evidence() -> None:
    found = hidden(Gap(NIGHT), tracks(operation_seconds=(0, 3_600_000), cutting_seconds=(0, 600_000), parts=(0, 9)))
    assert found.evidence == (Meter.OPERATING, 3_600_000)


def test_parts_speak_where_no_time_is_counted_and_power_where_nothing_else_is() -> None:
    made = tracks(power_on_seconds=(0, 600_000), parts=(7, 9))
    assert hidden(Gap(NIGHT), made).evidence == (Meter.PARTS, 2)
    assert hidden(Gap(NIGHT), tracks(power_on_seconds=(0, 600_000))).evidence == (Meter.POWERED, 600_000)
    assert hidden(Gap(NIGHT), tracks(power_on_seconds=(0, 200_000))).evidence is None


def test_a_counter_never_says_more_than_the_gap_is_long() -> None:
    short = Gap(Period(10 * HOUR, 10 * HOUR + 400 * SECOND))
    late = {"cutting_seconds": Track([Reading(short.period.start, 0), Reading(short.period.end, 455_000)])}
    assert hidden(short, late).used_seconds == 400.0


def test_of_a_gap_whose_beginning_is_out_of_reach_nothing_is_taken_off_there() -> None:
    shown = {"cutting_seconds": Track([Reading(0, 0), Reading(NIGHT.end, 7_200_000)])}
    assert hidden(Gap(NIGHT), shown).used_seconds == 0.0
    assert hidden(Gap(NIGHT, starts=False), shown).used_seconds == 7200.0


def test_evidence_adds_to_what_the_counter_ran_however_the_gap_is_cut_and_lies_on_unknown_time_alone() -> None:
    found = hidden(Gap(NIGHT), tracks(cutting_seconds=(0, 1_000_003)))
    cuts = [0, 10, 13, 14, 20, 24]
    whole = [unknown(start * HOUR, end * HOUR) for start, end in itertools.pairwise(cuts)]
    whole[2] = whole[2]._replace(quality=Quality.INFERRED)
    seen = witness(whole, Gap(NIGHT), found)
    amounts = [sum(each.amount for each in segment.metered) for segment in seen]
    assert [bool(amount) for amount in amounts] == [False, True, False, True, False]
    alone = witness([unknown(0, 10 * HOUR), unknown(10 * HOUR, 20 * HOUR)], Gap(NIGHT), found)
    assert [each.metered[0].amount for each in alone if each.metered] == [1_000_003]
    assert [each.evidence for each in doubts(alone)] == [("cutting",)]


def test_a_night_in_which_parts_were_made_is_asked_about_on_both_of_its_days() -> None:
    with house() as it:
        tell_night(it, "parts", 40, 63)
        found = asked(it)
    assert [(each.period, each.evidence) for each in found] == [
        (Period(at("2026-10-13T18:00"), at("2026-10-14T05:00")), ("parts",))
    ]


def test_a_machine_that_cut_while_it_did_not_answer_was_not_off() -> None:
    with house() as it:
        tell_night(it, "cutting_seconds", 1000.0, 1900.0, is_lost=True)
        found = asked(it)
    assert [each.evidence for each in found] == [("cutting",)]


def test_a_night_in_which_no_counter_moved_asks_nobody() -> None:
    with house() as it:
        tell_night(it, "cutting_seconds", 1000.0, 1100.0)
        assert asked(it) == []


def test_a_month_that_was_closed_before_there_was_this_evidence_is_built_as_it_was() -> None:
    old = {name: value for name, value in asdict(Policy()).items() if name != "gap_evidence"}
    with house() as it:
        it.usage = UsageDays(it.records, it.store, Policy(), lambda _: {"2026-10": policy_of(old)})
        tell_night(it, "cutting_seconds", 1000.0, 1900.0)
        assert asked(it) == []


def tell_night(it: House, signal: str, before: float, after: float, *, is_lost: bool = False) -> None:
    """A machine is watched by day; in the night nobody does, or it does not answer."""
    told = watched(MACHINE, "2026-10-13T06:00", "2026-10-13T18:00") + watched(
        MACHINE, "2026-10-14T05:00", "2026-10-14T18:00"
    )
    if is_lost:
        told += said(MACHINE, "unreachable", ("2026-10-13T18:20", at("2026-10-13T18:00")),
                     ("2026-10-14T05:00", at("2026-10-13T18:00")))  # fmt: skip
    told += states(MACHINE, ("2026-10-13T06:00", IDLE), ("2026-10-14T05:00", IDLE))
    told += said(MACHINE, signal, ("2026-10-13T17:59", before), ("2026-10-14T05:00", after))
    it.tell(told, now="2026-10-14T18:00")


def asked(it: House) -> list[Doubt]:
    """Return what of the night somebody is asked about."""
    days = date(2026, 10, 13), date(2026, 10, 14)
    it.usage.refresh([MACHINE], *days, now=at("2026-10-15T00:00"))
    with it.records.reading() as session:
        segments = it.usage.segments(session, *days, machine=MACHINE)[MACHINE]
    night = Period(at("2026-10-13T12:00"), at("2026-10-14T12:00"))
    return [each for each in doubts(segments) if each.reason is Reason.UNKNOWN and each.period.overlaps(night)]
