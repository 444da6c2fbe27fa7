from __future__ import annotations

import random  # noqa: TC003 - hypothesis reads annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.bookings.facts import IN_USE, Change, History, Kind, Outcome, booked, judged, outcome, stage, unused_seconds
from api.usage.evidence import Booking
from api.usage.segments import CONSORTIUM, UNATTRIBUTED, Claim, Quality, Segment
from shopfloor.periods import HOUR, SECOND, Period
from shopfloor.states import State

MILL = "mill-1"


def slot(start: int, end: int) -> Period:
    """A period in hours."""
    return Period(start * HOUR, end * HOUR)


def change(at: int, kind: Kind, period: Period, *, machine: str = MILL, binds: int = 0) -> Change:
    return Change(at * HOUR, kind, machine, period, binds * HOUR)


def history(*changes: Change, booking: str = "b1", member: str = "A") -> History:
    return History(booking, member, changes)


def made(start: int, end: int, *, binds: int = 0) -> Change:
    return change(0, Kind.MADE, slot(start, end), binds=binds)


def segment(start: int, end: int, state: State, payer: str = UNATTRIBUTED, booking: str | None = None) -> Segment:
    return Segment(MILL, slot(start, end), state, Quality.MEASURED, payer, Claim.NONE, booking)


def test_what_is_held_is_evidence() -> None:
    assert booked([history(made(10, 14))], MILL) == [Booking(slot(10, 14), "A")]
    assert booked([history(made(10, 14))], "lathe") == []


def test_what_was_given_up_in_time_is_nobodys() -> None:
    given = history(made(30, 34, binds=6), change(5, Kind.CANCELLED, slot(30, 30)))

    assert booked([given], MILL) == []
    assert not given.is_given_up_late
    assert stage(given, now=40 * HOUR) is Outcome.CANCELLED


def test_what_was_given_up_late_stays_with_who_gave_it_up_less_what_others_booked_since() -> None:
    late = history(made(30, 34, binds=6), change(6, Kind.CANCELLED, slot(30, 30)))
    other = history(change(7, Kind.MADE, slot(31, 32)), booking="b2", member="B")

    assert booked([late, other], MILL) == [
        Booking(slot(30, 31), "A", is_given_up=True),
        Booking(slot(31, 32), "B"),
        Booking(slot(32, 34), "A", is_given_up=True),
    ]
    assert stage(late, now=0) is Outcome.CANCELLED_LATE


def test_hours_that_two_gave_up_late_were_the_later_ones() -> None:
    first = history(made(30, 34, binds=6), change(6, Kind.CANCELLED, slot(30, 30)))
    second = history(
        change(7, Kind.MADE, slot(31, 32), binds=8), change(9, Kind.CANCELLED, slot(31, 31)), booking="b2", member="B"
    )

    assert [(each.member, each.is_given_up) for each in booked([first, second], MILL)] == [
        ("A", True), ("B", True), ("A", True),
    ]  # fmt: skip


def test_a_booking_made_shorter_late_still_costs_what_it_held() -> None:
    shorter = history(made(30, 34, binds=6), change(7, Kind.CHANGED, slot(30, 32), binds=8))

    assert booked([shorter], MILL) == [Booking(slot(30, 32), "A"), Booking(slot(32, 34), "A", is_given_up=True)]


def test_a_booking_moved_late_to_another_machine_still_costs_on_the_first() -> None:
    moved = history(made(30, 34, binds=6), change(7, Kind.CHANGED, slot(30, 34), machine="mill-2", binds=8))

    assert booked([moved], MILL) == [Booking(slot(30, 34), "A", is_given_up=True)]
    assert booked([moved], "mill-2") == [Booking(slot(30, 34), "A")]


def test_what_was_taken_back_by_the_consortium_costs_nothing() -> None:
    freed = history(made(30, 34, binds=6), change(31, Kind.FREED, slot(30, 31)))

    assert booked([freed], MILL) == [Booking(slot(30, 31), "A")]
    assert stage(freed, now=0) is Outcome.FREED


def test_what_was_given_up_late_costs_nothing_while_the_machine_was_locked() -> None:
    late = history(made(30, 34, binds=6), change(6, Kind.CANCELLED, slot(30, 30)))

    assert booked([late], MILL, [slot(31, 40)]) == [Booking(slot(30, 31), "A", is_given_up=True)]


def test_a_booking_given_up_while_it_runs_holds_what_has_passed() -> None:
    late = history(made(30, 34, binds=6), change(31, Kind.CANCELLED, slot(30, 31)))

    assert booked([late], MILL) == [Booking(slot(30, 31), "A"), Booking(slot(31, 34), "A", is_given_up=True)]


def test_a_booking_is_ahead_then_running_then_judged_by_its_use() -> None:
    kept = history(made(10, 14))

    assert outcome(kept, [], now=9 * HOUR) is Outcome.AHEAD
    assert outcome(kept, [], now=10 * HOUR) is Outcome.RUNNING
    assert outcome(kept, [segment(9, 12, State.OFF), segment(12, 15, State.IDLE, "A")], now=14 * HOUR) is Outcome.USED


def test_nobody_at_the_machine_is_a_no_show() -> None:
    kept = history(made(10, 14))

    assert outcome(kept, [segment(0, 20, State.OFF)], now=20 * HOUR) is Outcome.NO_SHOW
    assert (
        outcome(kept, [segment(0, 10, State.IDLE, "A"), segment(10, 20, State.OFF)], now=20 * HOUR) is Outcome.NO_SHOW
    )


def test_a_machine_that_was_out_of_order_or_unseen_excuses() -> None:
    kept = history(made(10, 14))
    for state in (State.OUT_OF_SERVICE, State.MAINTENANCE, State.UNKNOWN, State.UNREACHABLE):
        seen = [segment(0, 11, State.OFF), segment(11, 12, state), segment(12, 20, State.OFF)]
        assert outcome(kept, seen, now=20 * HOUR) is Outcome.EXCUSED
    alarm = [segment(0, 11, State.OFF), segment(11, 20, State.INTERRUPTED, CONSORTIUM)]
    assert outcome(kept, alarm, now=20 * HOUR) is Outcome.EXCUSED


def test_a_slot_that_others_used_is_no_no_show() -> None:
    kept = history(made(10, 14))

    for payer in ("B", UNATTRIBUTED):
        seen = [segment(0, 11, State.OFF), segment(11, 20, State.PROCESSING, payer)]
        assert outcome(kept, seen, now=20 * HOUR) is Outcome.USED_BY_OTHERS


def test_a_booking_is_not_judged_before_all_of_it_is_known() -> None:
    kept = history(made(10, 14))

    assert judged(kept, [segment(0, 13, State.OFF)], now=20 * HOUR) is None
    assert judged(kept, [segment(0, 20, State.OFF)], now=20 * HOUR) is Outcome.NO_SHOW
    assert judged(kept, [], now=0) is Outcome.AHEAD


_states = st.sampled_from(State)
_payers = st.sampled_from(["A", "B", UNATTRIBUTED, CONSORTIUM])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(_states, _payers, st.booleans()), min_size=8, max_size=8),
    st.integers(0, 4),
    st.integers(1, 4),
    st.randoms(use_true_random=False),
)
def test_the_outcome_is_what_somebody_says_who_looks_at_every_hour(
    hours: list[tuple[State, str, bool]], start: int, length: int, shuffled: random.Random
) -> None:
    kept = history(made(start, start + length))
    segments = [
        segment(hour, hour + 1, state, payer, "A" if is_booked else None)
        for hour, (state, payer, is_booked) in enumerate(hours)
    ]
    shuffled.shuffle(segments)
    inside = hours[start : start + length]

    assert unused_seconds(kept, segments) == 3600 * sum(
        state is State.OFF and payer == "A" and is_booked for state, payer, is_booked in inside
    )
    found = outcome(kept, segments, now=24 * HOUR)
    assert found is outcome(kept, segments, now=1000 * HOUR)
    in_use = [payer for state, payer, _ in inside if state in IN_USE]
    assert (found is Outcome.USED) == ("A" in in_use)
    assert (found is Outcome.NO_SHOW) == (not in_use and {state for state, _, _ in inside} <= {State.OFF})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_nothing_is_booked_twice_and_every_second_held_or_given_up_late_has_its_member(data: st.DataObject) -> None:
    """A naive reading: who holds an hour, else who was the last to give it up late, if the machine was not locked."""
    histories, calendar = [], {}
    for number in range(data.draw(st.integers(1, 6))):
        start, length = data.draw(st.integers(20, 40)), data.draw(st.integers(1, 6))
        changes = [Change(number * SECOND, Kind.MADE, MILL, slot(start, start + length), 5 * HOUR)]
        end = data.draw(st.sampled_from([None, Kind.CANCELLED, Kind.FREED, Kind.CHANGED]))
        kept = data.draw(st.integers(0, length)) if end is Kind.CHANGED else 0
        if end is not None:
            at = data.draw(st.integers(1, 10)) * HOUR + number
            changes.append(Change(at, end, MILL, slot(start, start + kept), at))
        elif any(hour in calendar for hour in range(start, start + length)):
            continue
        held = range(start, start + (length if end is None else kept))
        if any(hour in calendar for hour in held):
            continue
        calendar.update(dict.fromkeys(held, f"m{number}"))
        histories.append(History(f"b{number}", f"m{number}", tuple(changes)))
    locked = [slot(lock, lock + 1) for lock in data.draw(st.lists(st.integers(20, 46), max_size=3))]

    found = booked(data.draw(st.permutations(histories)), MILL, locked)

    for hour in range(20, 50):
        here = [each for each in found if hour * HOUR in each.period]
        late = [
            (each.changes[1].at, each.id, each.member)
            for each in histories
            if len(each.changes) == 2
            and each.changes[1].kind in {Kind.CANCELLED, Kind.CHANGED}
            and each.changes[1].at >= 5 * HOUR
            and hour * HOUR in each.changes[0].period
        ]
        if hour in calendar:
            assert here == [Booking(here[0].period, calendar[hour])]
        elif late and not any(hour * HOUR in lock for lock in locked):
            assert [(each.member, each.is_given_up) for each in here] == [(max(late)[2], True)]
        else:
            assert here == []
