"""Faults of simulated machines are found before failure; a sound machine raises nothing. Shipped rules, unchanged."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime

import pytest

from api.maintenance.backtest import Result, run
from api.maintenance.catalogue import shipped_classes, shipped_rules
from api.maintenance.fold import MachineFold
from api.maintenance.rules import Service, for_kind
from shopfloor.periods import DAY, HOUR
from shopfloor.samples import Sample
from simulators.degradation import Degradation, Fault
from simulators.jobs import Member, OrderBook
from simulators.machine import Machine
from simulators.plan import Phase, Planner
from simulators.workdays import Calendar

LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"
STEP_SECONDS = 60.0 if LONG else 120.0
LEAD_HOURS = 24 if LONG else 8
SEEDS = (7, 8, 9) if LONG else (7,)
ORIGIN = date(2026, 9, 7)
START = int(datetime(2026, 9, 7, tzinfo=UTC).timestamp()) * 10**9
SOUND_DAYS, FAILING_DAYS = (24, 14) if LONG else (3, 6)


def simulate(fault: Fault, seed: int, *, failing_days: int = FAILING_DAYS) -> tuple[Machine, list[Sample]]:
    """A machine with a fault that begins after some weeks, up to its failure."""
    book = OrderBook("m01", "mill", 0, seed, (Member("FER"), Member("RIV", weight=2.0)))
    planner = Planner(book, Calendar())
    degradation = Degradation(fault, START + SOUND_DAYS * DAY, failing_days, seed=seed)
    if fault is Fault.TOOL_WEAR:
        degradation = worn_tool(Machine(planner, ORIGIN), seed)
    machine = Machine(planner, ORIGIN, degradation=degradation)
    start, until = (
        max(START, degradation.start - (3 if fault is Fault.TOOL_WEAR else SOUND_DAYS) * DAY),
        degradation.failure,
    )
    samples = [
        Sample("m01", signal, stamp, value)
        for stamp, signal, value in machine.changes(start, until, counter_seconds=600)
        if signal in {"item_state", "operation_mode", "program", "tool_number", "operation_seconds", "alarm"}
    ]
    for stamp, gauges in machine.samples(start, until, step_seconds=5.0 if fault is Fault.TOOL_WEAR else STEP_SECONDS):
        samples += [Sample("m01", signal, stamp, value) for signal, value in gauges.items()]
    samples.sort(key=lambda sample: (sample.stamp, sample.signal))
    return machine, samples


def worn_tool(sound: Machine, seed: int) -> Degradation:
    """The longest cut of a long job wears its tool out within eight hours, after three hours of sound work."""
    executed: dict[str, int] = {}
    for activity in sound.activities(START + 2 * DAY, START + 90 * DAY):
        job = activity.job
        if job is None or activity.phase is not Phase.CYCLE:
            continue
        before = executed.get(job.program, 0)
        executed[job.program] = before + activity.end - activity.start
        is_early = activity.end // HOUR % 24 < 10
        if is_early and before >= 3 * HOUR and job.runs_planned * job.cycle_seconds - before // 10**9 >= 6 * 3600:
            longest = max(job.operations, key=lambda each: each.end_seconds - each.start_seconds)
            return Degradation(Fault.TOOL_WEAR, activity.end, 8 / 24, seed=seed, tool=longest.tool)
    raise AssertionError("no job is long enough")


def judged(samples: list[Sample]) -> Result:
    # What the simulated control says itself, and service dates, are not what is looked for here.
    rules = [rule for rule in for_kind(shipped_rules(), "mill") if not isinstance(rule.how, Service)]
    return run(MachineFold("m01", rules, shipped_classes(), "Officina"), samples)


FOUND_BY = {
    Fault.BEARING_WEAR: {"spindle-vibration-unusual"},
    Fault.COOLANT_LOSS: {"level-low", "level-falls"},
    Fault.TOOL_WEAR: {"load-unusual"},
    Fault.SPINDLE_OVERHEATING: {"temperature-unusual", "spindle-hot"},
    Fault.CLOGGED_FILTER: {"pressure-unusual", "idle-power-unusual"},
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", list(FOUND_BY) if LONG else [Fault.COOLANT_LOSS])
def test_each_fault_is_found_before_failure(fault: Fault, seed: int) -> None:
    machine, samples = simulate(fault, seed)
    assert machine.degradation is not None
    result = judged(samples)
    fitting = [each for each in result.episodes if each.rule in FOUND_BY[fault]]
    assert fitting, [(each.rule, each.subject) for each in result.episodes]
    lead = (machine.degradation.failure - fitting[0].raised) / HOUR
    print(f"{fault}: {fitting[0].rule} says it {lead:.0f} h before failure; {len(result.messages)} messages")
    assert lead >= (1 if fault is Fault.TOOL_WEAR else LEAD_HOURS)
    assert all(each.raised >= machine.degradation.start for each in result.episodes), result.episodes


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", [Fault.BEARING_WEAR, Fault.CLOGGED_FILTER])
def test_what_fails_slowly_over_two_months_is_found_weeks_before(fault: Fault, seed: int) -> None:
    machine, samples = simulate(fault, seed, failing_days=60)
    assert machine.degradation is not None
    fitting = [each for each in judged(samples).episodes if each.rule in FOUND_BY[fault]]
    lead = (machine.degradation.failure - fitting[0].raised) / DAY
    print(f"{fault} over 60 days: {fitting[0].rule} says it {lead:.0f} days before failure")
    assert lead >= 14
    assert fitting[0].raised >= machine.degradation.start


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_a_sound_month_raises_nothing(seed: int) -> None:
    result = judged(simulate(Fault.NONE, seed)[1])
    assert [(each.rule, each.subject, each.change.evidence) for each in result.episodes] == []
    assert result.messages == []
