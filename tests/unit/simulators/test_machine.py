from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from simulators.live import LiveSource
from simulators.machine import COUNTERS
from simulators.plan import Phase
from simulators.tree import Identity
from simulators.workdays import SECOND, Calendar

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulators.machine import Machine


def known(machine: Machine, stamp: int) -> dict[str, Any]:
    return dict(machine.records(stamp))


@pytest.mark.parametrize("kind", ["mill", "lathe"])
def test_activities_tile_every_civil_day_of_autumn(make_machine: Callable[..., Machine], kind: str) -> None:
    machine, calendar = make_machine(kind=kind), Calendar()
    day = date(2026, 10, 19)

    for _ in range(14):
        bounds = calendar.bounds(day)
        activities = list(machine.activities(bounds.start, bounds.end))
        assert (activities[0].start, activities[-1].end) == bounds
        assert all(left.end == right.start for left, right in pairwise(activities))
        assert all(each.start < each.end for each in activities)
        day += timedelta(days=1)


@pytest.mark.parametrize("busy_from", [None, date(2026, 10, 15)])
def test_counters_never_fall_and_agree_with_one_another(
    make_machine: Callable[..., Machine], instant: Callable[..., int], busy_from: date | None
) -> None:
    machine = make_machine(busy_from=busy_from)
    start = instant(2026, 10, 5)

    seen = [known(machine, start + minutes * 60 * SECOND) for minutes in range(0, 20 * 24 * 60, 7)]

    for signal in (*COUNTERS, "parts", "operation_cycles"):
        assert all(left[signal] <= right[signal] for left, right in pairwise(seen))
    for left, right in pairwise(seen):
        powered = right["power_on_seconds"] - left["power_on_seconds"]
        assert 0 <= right["operation_seconds"] - left["operation_seconds"] <= powered + 0.001
        assert powered <= 7 * 60 + 0.001
    assert seen[-1]["parts"] - seen[0]["parts"] == seen[-1]["operation_cycles"] - seen[0]["operation_cycles"] > 100


def test_every_cycle_that_ends_makes_one_part_of_the_job_in_hand(
    make_machine: Callable[..., Machine], instant: Callable[..., int]
) -> None:
    machine = make_machine()
    activities = list(machine.activities(instant(2026, 10, 5), instant(2026, 10, 12)))

    made = [
        (before.progress, after.progress)
        for before, after in pairwise(activities)
        if after.counters.cycles > before.counters.cycles
    ]

    assert len(made) > 100
    assert all(after.runs == before.runs + 1 for before, after in made)
    assert all(each.progress.runs <= each.progress.job.runs_planned for each in activities)
    assert all(each.progress.good <= each.progress.runs for each in activities)


def test_at_night_on_sunday_and_on_a_holiday_the_machine_is_off_and_measures_nothing(
    make_machine: Callable[..., Machine], instant: Callable[..., int]
) -> None:
    machine = make_machine()

    for stamp in (instant(2026, 10, 7, 1), instant(2026, 10, 11, 10), instant(2026, 12, 8, 10)):
        assert machine.records(stamp)["item_state"] == 0
        assert machine.gauges(stamp) == {}
    assert not list(machine.samples(instant(2026, 10, 11), instant(2026, 10, 12)))


def test_a_busy_workshop_works_at_night_and_on_sunday(
    make_machine: Callable[..., Machine], instant: Callable[..., int]
) -> None:
    machine = make_machine(busy_from=date(2026, 10, 11))

    night = list(machine.activities(instant(2026, 10, 11, 0), instant(2026, 10, 12, 4)))

    assert {Phase.CYCLE, Phase.LOAD} <= {each.phase for each in night}
    assert all(each.phase is not Phase.OFF for each in night)


def test_the_same_parameters_make_the_same_machine_whatever_is_asked_first(
    make_machine: Callable[..., Machine], instant: Callable[..., int]
) -> None:
    late, early = instant(2026, 11, 4, 9, 30), instant(2026, 9, 21, 9, 30)
    one, other = make_machine(), make_machine()

    first = (one.records(late), one.gauges(late), one.records(early))
    second = (other.records(early), other.records(late), other.gauges(late))

    assert first == (second[1], second[2], second[0])
    assert make_machine(seed=8).records(late) != first[0]


def test_changes_applied_to_the_values_before_give_the_values_after(
    make_machine: Callable[..., Machine], instant: Callable[..., int]
) -> None:
    machine = make_machine()
    start, end = instant(2026, 10, 6, 7), instant(2026, 10, 8, 16, 20)

    values = known(machine, start - 1)
    for change in machine.changes(start, end):
        values[change.signal] = change.value

    after = known(machine, end - 1)
    assert {signal: value for signal, value in values.items() if signal not in COUNTERS} == {
        signal: value for signal, value in after.items() if signal not in COUNTERS
    }
    assert after["power_on_seconds"] - values["power_on_seconds"] <= 10


def test_changes_of_a_period_are_those_of_its_parts(
    make_machine: Callable[..., Machine], instant: Callable[..., int]
) -> None:
    machine = make_machine()
    start, middle, end = instant(2026, 10, 6, 4), instant(2026, 10, 7, 9, 17), instant(2026, 10, 8, 21)

    whole = list(machine.changes(start, end))

    assert whole == [*machine.changes(start, middle), *machine.changes(middle, end)]
    assert all(left.stamp <= right.stamp for left, right in pairwise(whole))


def test_the_live_machine_continues_its_history_without_a_seam(
    make_machine: Callable[..., Machine], instant: Callable[..., int]
) -> None:
    machine = make_machine()
    start, now = instant(2026, 10, 6), instant(2026, 10, 7, 9, 17)
    history = {change.signal: change for change in machine.changes(start, now)}
    live = LiveSource(make_machine(), Identity("m01", "Mill", "Officina", "V5", "1"))

    opened = {each.signal: each for each in live.open(now)}
    later = [each for each in live.due(now + 600 * SECOND) if each.signal in opened and each.signal in history]

    records = machine.records(now - 1)
    recent = {signal for signal in records if signal in history}
    assert {signal: (opened[signal].stamp, opened[signal].value) for signal in recent} == {
        signal: (history[signal].stamp, history[signal].value) for signal in recent
    }
    assert [(each.stamp, each.signal, each.value) for each in later] == [
        tuple(change) for change in machine.changes(now, now + 600 * SECOND) if change.signal in history
    ]


def test_a_machine_that_is_switched_off_loses_its_gauges_once_and_draws_no_power(
    make_machine: Callable[..., Machine], instant: Callable[..., int]
) -> None:
    machine = make_machine()
    off = next(
        each for each in machine.activities(instant(2026, 10, 7, 12), instant(2026, 10, 8)) if each.phase is Phase.OFF
    )
    live = LiveSource(machine, Identity("m01", "Mill", "Officina", "V5", "1"))
    opened = {each.signal: each.value for each in live.open(off.start - 5 * SECOND)}

    due = [each for each in live.due(off.start + 20 * SECOND) if each.stamp >= off.start]

    lost = [each.signal for each in due if each.value is None]
    assert {"spindle_load", "coolant_temperature"} <= set(lost)
    assert len(lost) == len(set(lost))
    assert [each.value for each in due if each.signal == "power_watts"] == [0.0]
    assert opened["spindle_temperature"] is not None


def test_energy_is_the_integral_of_power(make_machine: Callable[..., Machine], instant: Callable[..., int]) -> None:
    machine = make_machine()
    start, end = instant(2026, 10, 6), instant(2026, 10, 7)

    measured = sum(gauges["power_watts"] * 5 / 3600 for _, gauges in machine.samples(start, end, step_seconds=5))

    counted = known(machine, end)["energy_watt_hours"] - known(machine, start)["energy_watt_hours"]
    assert counted == pytest.approx(measured, rel=0.01)


def test_a_minute_holds_what_was_sampled_in_it(
    make_machine: Callable[..., Machine], instant: Callable[..., int]
) -> None:
    machine = make_machine()
    start = instant(2026, 10, 6, 8, 30)

    minutes = {(each.stamp, each.signal): each for each in machine.minutes(start, start + 120 * SECOND, step_seconds=1)}
    samples = [gauges["spindle_load"] for _, gauges in machine.samples(start, start + 60 * SECOND)]

    minute = minutes[start, "spindle_load"]
    assert (minute.samples, minute.low, minute.high) == (60, min(samples), max(samples))
    assert minute.mean == pytest.approx(sum(samples) / 60)


def test_a_blocking_alarm_lasts_as_long_as_its_interruption(
    make_machine: Callable[..., Machine], instant: Callable[..., int]
) -> None:
    machine = make_machine()
    start, end = instant(2026, 10, 5), instant(2026, 10, 17)

    blocking = {(each.start, each.end) for each in machine.alarms(start, end) if each.blocking}

    stopped = {(each.start, each.end) for each in machine.activities(start, end) if each.phase is Phase.INTERRUPTED}
    assert blocking == stopped != set()
    assert all(machine.records(each)["alarm_blocking"] for each, _ in blocking)


def test_maintenance_comes_at_last_and_sets_the_wear_back(
    make_machine: Callable[..., Machine], instant: Callable[..., int]
) -> None:
    machine = make_machine(busy_from=date(2026, 9, 7))

    found = [
        each
        for each in machine.activities(instant(2026, 9, 8), instant(2026, 11, 20))
        if each.phase is Phase.MAINTENANCE
    ]

    assert 1 <= len(found) <= 6
    after = machine.activity(found[0].end)
    assert after.counters.serviced == after.counters.operation


def test_job_numbers_never_collide_and_orders_begin_with_the_member(
    make_machine: Callable[..., Machine], instant: Callable[..., int]
) -> None:
    start, end = instant(2026, 10, 1), instant(2026, 12, 1)

    jobs = [
        {each.job for each in make_machine(machine=f"m{number}", number=number).activities(start, end) if each.job}
        for number in range(3)
    ]

    marked = [job for some in jobs for job in some if job.id]
    assert len({job.id for job in marked}) == len(marked) > 30
    assert all(job.order.startswith(f"{job.member}-") and job.id[3:7] in {"2609", "2610", "2611"} for job in marked)


def test_the_job_list_holds_the_job_before_the_one_in_hand_and_the_next(
    make_machine: Callable[..., Machine], instant: Callable[..., int]
) -> None:
    machine = make_machine(unmarked_share=0.0)
    working = next(
        each for each in machine.activities(instant(2026, 10, 7, 8), instant(2026, 10, 8)) if each.phase is Phase.CYCLE
    )

    listed = machine.job_list(working.start)

    assert [each.state for each in listed] == [2, 1, 0]
    assert listed[1].job.id == machine.records(working.start)["job"]
    assert listed[0].runs_completed == listed[0].job.runs_planned
