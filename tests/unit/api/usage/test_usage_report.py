from __future__ import annotations

from api.usage.report import Found, find_gaps, months, render, report
from shopfloor.periods import DAY, HOUR, MINUTE, SECOND, Period, parse_instant
from shopfloor.samples import Sample, Value
from shopfloor.states import State, Stretch

MACHINE = "mill-1"
ROME = "Europe/Rome"
MARCH = parse_instant("2026-03-09T23:00:00Z")


def said(signal: str, *readings: tuple[int, Value]) -> list[Sample]:
    return [Sample(MACHINE, signal, MARCH + stamp, value) for stamp, value in readings]


def tiled(start: int, *parts: tuple[State, int]) -> list[Stretch]:
    """Return adjoining stretches from states and the instants until which they last."""
    found = []
    for state, end in parts:
        found.append(Stretch(Period(MARCH + start, MARCH + end), state))
        start = end
    return found


NIGHT = tiled(0, (State.IDLE, HOUR), (State.UNREACHABLE, 13 * HOUR), (State.IDLE, DAY))


def hiding(stretches: list[Stretch], counters: list[Sample]) -> list[Found]:
    return [each for each in find_gaps(stretches, counters) if each.hidden.is_use]


def test_a_night_in_which_the_powered_time_stood_still_is_inferred_off() -> None:
    (month,) = report(
        MACHINE, NIGHT, said("power_on_seconds", (HOUR, 100.0), (13 * HOUR, 159.0)), Period(MARCH, MARCH + DAY), ROME
    )

    assert month.inferred_off_seconds == 12 * 3600
    assert month.share(State.UNREACHABLE) == 0.0
    assert (month.inferred_off_share, month.questions) == (0.5, 0)


def test_a_night_of_a_machine_without_a_counter_of_power_is_off_unless_a_job_was_in_hand() -> None:
    period = Period(MARCH, MARCH + DAY)
    (idle,) = report(MACHINE, NIGHT, said("parts", (HOUR, 7), (13 * HOUR, 7)), period, ROME)
    (used,) = report(MACHINE, NIGHT, said("job", (HOUR, "4711"), (14 * HOUR, "")), period, ROME)

    assert (idle.inferred_off_seconds, used.inferred_off_seconds) == (12 * 3600, 0)


def test_a_night_in_which_it_was_powered_and_not_used_stays_unreachable_and_asks_nobody() -> None:
    counters = said("power_on_seconds", (HOUR, 0.0), (13 * HOUR, 3600.0))
    counters += said("operation_seconds", (HOUR, 7.0), (13 * HOUR, 8.0))

    (month,) = report(MACHINE, NIGHT, counters, Period(MARCH, MARCH + DAY), ROME)

    assert (month.inferred_off_seconds, month.hiding_gaps, month.questions) == (0, 0, 0)


def test_a_night_in_which_it_worked_is_put_to_a_person() -> None:
    counters = said("cutting_seconds", (HOUR, 0.0), (13 * HOUR, 300.0))

    (gap,) = hiding(NIGHT, counters)

    assert gap.period == Period(MARCH + HOUR, MARCH + 13 * HOUR)
    assert gap.hidden.used_seconds == 300.0


def test_what_the_counter_may_have_run_while_it_was_watched_is_not_hidden_in_the_gap() -> None:
    blink = tiled(0, (State.PROCESSING, HOUR), (State.UNKNOWN, HOUR + 2 * MINUTE), (State.PROCESSING, DAY))
    counters = said("operation_seconds", (HOUR, 0.0), (HOUR + 10 * MINUTE, 600.0))

    (gap,) = find_gaps(blink, counters)

    assert gap.hidden.used_seconds == 120.0
    assert not gap.hidden.is_use


def test_parts_tell_of_use_only_on_a_machine_that_counts_no_time() -> None:
    parts = said("parts", (HOUR, 10), (13 * HOUR, 11))
    time = said("operation_seconds", (HOUR, 10.0), (13 * HOUR, 10.0))

    assert len(hiding(NIGHT, parts)) == 1
    assert hiding(NIGHT, parts + time) == []


def test_a_counter_that_was_set_back_counts_from_nothing() -> None:
    (gap,) = find_gaps(NIGHT, said("cutting_seconds", (HOUR, 9000.0), (13 * HOUR, 400.0)))

    assert gap.hidden.used_seconds == 400.0


def test_without_counters_on_both_sides_nothing_is_inferred() -> None:
    (gap,) = find_gaps(NIGHT, said("power_on_seconds", (HOUR, 0.0)))

    assert set(gap.hidden) == {None, ""}
    assert not gap.hidden.is_use


def test_the_gaps_of_a_machine_in_a_month_are_one_question() -> None:
    parts: list[tuple[State, int]] = []
    counters: list[tuple[int, Value]] = []
    for number, day in enumerate((1, 2, 11)):
        parts += [(State.IDLE, day * DAY), (State.UNKNOWN, day * DAY + HOUR)]
        counters += [(day * DAY, number * 1000.0), (day * DAY + HOUR, number * 1000.0 + 900.0)]

    (month,) = report(
        MACHINE, tiled(0, *parts), said("cutting_seconds", *counters), Period(MARCH, MARCH + 12 * DAY), ROME
    )

    assert (month.gaps, month.hiding_gaps, month.questions) == (3, 3, 1)


def test_a_counter_that_dips_and_comes_back_has_not_run_longer_than_the_gap() -> None:
    blink = tiled(0, (State.IDLE, HOUR), (State.UNKNOWN, HOUR + 19 * MINUTE), (State.IDLE, DAY))
    counters = said("cutting_seconds", (0, 7_028_104.0), (HOUR, 0.0), (HOUR + 19 * MINUTE, 7_028_104.0))

    (gap,) = find_gaps(blink, counters)

    assert gap.hidden.used_seconds == 0.0


def test_months_are_civil_and_states_add_to_their_seconds() -> None:
    period = Period(parse_instant("2026-02-28T12:00:00Z"), parse_instant("2026-04-30T22:00:00Z"))
    stretches = [Stretch(period, State.IDLE)]

    found = report(MACHINE, stretches, [], period, ROME)

    assert [name for name, _ in months(period, ROME)] == ["2026-02", "2026-03", "2026-04"]
    assert [sum(month.seconds.values()) for month in found] == [11 * 3600, (31 * 24 - 1) * 3600, 30 * 24 * 3600]


def test_a_period_without_any_time_has_no_months() -> None:
    assert list(months(Period(MARCH, MARCH), ROME)) == []


def test_months_before_anything_was_known_are_left_out() -> None:
    known = parse_instant("2026-03-15T00:00:00Z")
    period = Period(parse_instant("2025-12-31T23:00:00Z"), known + DAY)
    stretches = [
        Stretch(Period(period.start, known), State.UNKNOWN),
        Stretch(Period(known, period.end), State.OFF),
    ]

    assert [month.month for month in report(MACHINE, stretches, [], period, ROME)] == ["2026-03"]


def test_the_table_has_a_line_for_each_month() -> None:
    found = report(MACHINE, [Stretch(Period(MARCH, MARCH + 60 * SECOND), State.IDLE)], [],
                   Period(MARCH, MARCH + 60 * SECOND), ROME)  # fmt: skip

    lines = render(found).splitlines()

    assert lines[0].split()[:3] == ["machine", "month", "unknown"]
    assert lines[1].split()[:2] == [MACHINE, "2026-03"]
