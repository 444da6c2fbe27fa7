"""A machine tool as a model: whatever it says agrees, at any instant, in the past as in the present. Pure.

`records` and `gauges` say what is true at an instant; `changes` and `minutes` go over a period. All are computed from
the same day plans, so that history filled up to an instant and the live machine from then on join without a seam.
Signals carry the names of the signal table.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from zlib import crc32

from simulators.jobs import TOOL_CHANGE_SECONDS, Job, Kind, Operation, cutting_watts
from simulators.plan import (
    COOLANT_SECONDS,
    FACTS,
    HOUR,
    SPINDLE_SECONDS,
    Activity,
    Alarm,
    Carry,
    DayPlan,
    Phase,
    Planner,
    heat,
    tool_life_seconds,
)
from simulators.workdays import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simulators.degradation import Degradation

Value: TypeAlias = "bool | int | float | str"

MINUTE = 60 * SECOND
"""Nanoseconds."""

AXES: Mapping[Kind, tuple[str, ...]] = {"mill": ("x", "y", "z"), "lathe": ("x", "z", "c")}
"""Axes of each kind of machine."""

COUNTERS = ("power_on_seconds", "operation_seconds", "energy_watt_hours")
"""Signals that rise all the time while the machine is on."""

_DAYS_CACHED = 16
_SPINDLE_STOP_SECONDS = 2.0
_WARM_UP_PROGRAM = "O9000"
_RUNNING = (Phase.CYCLE, Phase.WARM_UP)


class Change(NamedTuple):
    """A value that holds from an instant on.

    Attributes:
        stamp: the instant.
        signal: name in the signal table, or one of `spindle_rotating` and `part_count`.
        value: the new value.
    """

    stamp: int
    signal: str
    value: Value


class Minute(NamedTuple):
    """What a gauge did within a minute.

    Attributes:
        stamp: start of the minute.
        signal: name in the signal table.
        samples: how many were taken.
        low: the smallest.
        mean: of all.
        high: the greatest.
    """

    stamp: int
    signal: str
    samples: int
    low: float
    mean: float
    high: float


class PlannedJob(NamedTuple):
    """A job in the machine's list.

    Attributes:
        job: what is to be made.
        state: Initializing 0, Running 1, Ended 2, Interrupted 3 (OPC 40501-1, 8.4.1).
        runs_completed: program runs ended, one part each.
        parts_good: good parts.
        since: when what is said here came to be so, or a little later.
    """

    job: Job
    state: int
    runs_completed: int
    parts_good: int
    since: int


@dataclass(frozen=True, slots=True)
class Machine:
    """One simulated machine, made by its parameters alone.

    Attributes:
        planner: jobs, calendar and how much it works.
        origin: civil day on which it was put into service; before it the machine was off.
        wear: how much the spindle bearing suffers between two maintenances; 1 doubles its vibration.
        degradation: what goes wrong with it, if anything; such a machine has a coolant level and a filter pressure.
    """

    planner: Planner
    origin: date
    wear: float = 0.25
    degradation: Degradation | None = None
    _carries: list[Carry] = field(default_factory=list, init=False, repr=False, compare=False)
    _plans: OrderedDict[int, _Plan] = field(default_factory=OrderedDict, init=False, repr=False, compare=False)

    @property
    def id(self) -> str:
        """Identifier of the machine."""
        return self.planner.book.machine

    @property
    def kind(self) -> Kind:
        """Mill or lathe."""
        return self.planner.book.kind

    def activity(self, stamp: int) -> Activity:
        """Return what the machine is doing at an instant."""
        plan = self._plan_of(stamp)
        return plan.day.activities[bisect_right(plan.starts, stamp) - 1]

    def activities(self, start: int, end: int) -> Iterator[Activity]:
        """Go over everything the machine does in a period, whole activities."""
        while start < end:
            activity = self.activity(start)
            yield activity
            start = activity.end

    def records(self, stamp: int) -> dict[str, Value]:
        """Return states, names and counters at an instant, by signal."""
        activity = self.activity(stamp)
        return {**self._facts(activity, stamp), **self._alarm(stamp), **_counters(activity, stamp)}

    def gauges(self, stamp: int) -> dict[str, float]:
        """Return the measured values at an instant, by signal; none while the machine is off."""
        return self._gauges(self.activity(stamp), stamp)

    def alarms(self, start: int, end: int) -> list[Alarm]:
        """Return the alarms that come in a period, by start."""
        found: list[Alarm] = []
        while start < end:
            plan = self._plan_of(start)
            found += [each for each in plan.day.alarms if start <= each.start < end]
            start = plan.day.activities[-1].end
        return found

    def job_list(self, stamp: int) -> tuple[PlannedJob, ...]:
        """Return the jobs on the control at an instant, the one before and the next as well; no unmarked ones."""
        activity = self.activity(stamp)
        progress = activity.progress
        in_hand = 3 if activity.phase is Phase.INTERRUPTED else 1
        since = activity.start
        jobs = [
            PlannedJob(progress.job, in_hand if activity.job else 0, progress.runs, progress.good, since),
            PlannedJob(progress.upcoming, 0, 0, 0, since),
        ]
        if progress.previous is not None:
            runs = progress.previous.runs_planned
            jobs.insert(0, PlannedJob(progress.previous, 2, runs, progress.previous_good, since))
        return tuple(each for each in jobs if each.job.id)

    def tools(self, stamp: int) -> tuple[float, ...]:
        """Return the minutes that each tool has left, by place; the running cycle is not yet counted."""
        used = self.activity(stamp).tool_seconds
        return tuple(round(max(0.0, tool_life_seconds(place + 1) - each) / 60, 1) for place, each in enumerate(used))

    def service_due(self, stamp: int) -> int:
        """Return when the next maintenance is expected, judged at the start of the day at ten operating hours a day."""
        counters = self._plan_of(stamp).day.activities[0].counters
        left = self.planner.service_hours * HOUR - (counters.operation - counters.serviced)
        midnight = self.planner.calendar.bounds(self.planner.calendar.day_of(stamp)).start
        return midnight + max(0, int(left / 10 / HOUR)) * 24 * HOUR

    def counters(self, stamp: int, *, counter_seconds: int = 10) -> tuple[int, dict[str, Value]]:
        """Return the counters of time and energy as they were last told, and when that was."""
        activity, grid = self.activity(stamp), counter_seconds * SECOND
        told = activity.start if activity.phase is Phase.OFF else max(activity.start, stamp // grid * grid)
        return told, _counters(activity, told)

    def changes(self, start: int, end: int, *, counter_seconds: int = 10) -> Iterator[Change]:
        """Go over the changes of states, names and counters in a period, in the order of time.

        Applied to `records` just before the period they give `records` at its end. Counters of time and energy are
        given at every change of activity and on a grid.

        Args:
            start: first instant.
            end: first instant after.
            counter_seconds: grid of the counters.
        """
        seen = {**self.records(start - 1), **self.counters(start - 1, counter_seconds=counter_seconds)[1]}
        for activity in self.activities(start, end):
            first, last = max(start, activity.start), min(end, activity.end)
            for stamp, counting in self._marks(activity, first, last, counter_seconds * SECOND):
                found = {**self._facts(activity, stamp), **self._alarm(stamp)}
                if counting:
                    found.update(_counters(activity, stamp))
                for signal, value in found.items():
                    if seen.get(signal) != value:
                        seen[signal] = value
                        yield Change(stamp, signal, value)

    def samples(self, start: int, end: int, *, step_seconds: float = 1.0) -> Iterator[tuple[int, dict[str, float]]]:
        """Go over the gauges in a period at a step on the grid of seconds, where the machine is on."""
        step = round(step_seconds * SECOND)
        for activity in self.activities(start, end):
            if activity.phase is Phase.OFF:
                continue
            first = -(-max(start, activity.start) // step) * step
            for stamp in range(first, min(end, activity.end), step):
                yield stamp, self._gauges(activity, stamp)

    def minutes(self, start: int, end: int, *, step_seconds: float = 5.0) -> Iterator[Minute]:
        """Go over the gauges in a period as minutes, from samples at a step; a minute without a sample is left out."""
        minute, gathered = -1, dict[str, list[float]]()
        for stamp, gauges in self.samples(start, end, step_seconds=step_seconds):
            if stamp // MINUTE != minute:
                yield from _aggregate(minute, gathered)
                minute, gathered = stamp // MINUTE, {}
            for signal, value in gauges.items():
                gathered.setdefault(signal, []).append(value)
        yield from _aggregate(minute, gathered)

    def _plan_of(self, stamp: int) -> _Plan:
        index = (self.planner.calendar.day_of(stamp) - self.origin).days
        if index < 0:
            return self._before(stamp)
        plan = self._plans.get(index)
        if plan is None:
            plan = self._planned(index)
            self._plans[index] = plan
            if len(self._plans) > _DAYS_CACHED:
                self._plans.popitem(last=False)
        else:
            self._plans.move_to_end(index)
        return plan

    def _planned(self, index: int) -> _Plan:
        if not self._carries:
            self._carries.append(self.planner.begin(self.origin))
        while True:
            known = min(index, len(self._carries) - 1)
            day = self.planner.plan(self.origin + timedelta(days=known), self._carries[known])
            if known == len(self._carries) - 1:
                self._carries.append(day.carry)
            if known == index:
                return _Plan(day, [each.start for each in day.activities])

    def _before(self, stamp: int) -> _Plan:
        last = self.planner.begin(self.origin).last
        bounds = self.planner.calendar.bounds(self.planner.calendar.day_of(stamp))
        off = last._replace(start=bounds.start, end=bounds.end)
        return _Plan(DayPlan((off,), (), Carry(last, 0, "", 0)), [off.start])

    def _facts(self, activity: Activity, stamp: int) -> dict[str, Value]:
        facts, job, overrides = FACTS[activity.phase], activity.job, activity.overrides
        operation = _operation_at(activity, (stamp - activity.start) / SECOND)
        program = _WARM_UP_PROGRAM if activity.phase is Phase.WARM_UP else job.program if job else ""
        runs = activity.progress.runs if job else 0
        return {
            "item_state": facts.item_state,
            "operation_mode": facts.operation_mode,
            "control_mode": facts.control_mode,
            "program_state": facts.program_state,
            "channel_state": facts.channel_state,
            "channel_mode": facts.channel_mode,
            "is_warm_up": activity.phase is Phase.WARM_UP,
            "emergency_stop": False,
            "program": program,
            "job": job.id if job else "",
            "order": job.order if job else "",
            "customer_order": job.customer_order if job else "",
            "runs_planned": job.runs_planned if job else 0,
            "runs_completed": runs,
            "parts": activity.counters.parts,
            "operation_cycles": activity.counters.cycles,
            "part_count": runs,
            "tool_number": operation.tool if operation else activity.tool,
            "spindle_rotating": _operation(activity, (stamp - activity.start) / SECOND) is not None,
            "feed_override": overrides.feed,
            "rapid_override": overrides.rapid,
            "spindle_override": overrides.spindle,
        }

    def _alarm(self, stamp: int) -> dict[str, Value]:
        active = [each for each in self._plan_of(stamp).day.alarms if each.start <= stamp < each.end]
        newest = active[-1] if active else None
        return {
            "alarm_blocking": any(each.blocking for each in active),
            "alarm": f"{newest.code} {newest.text}" if newest else "",
        }

    def _marks(self, activity: Activity, first: int, last: int, grid: int) -> list[tuple[int, bool]]:
        """Return the instants at which a record may change, and whether the counters are told there."""
        marks = {stamp: False for stamp in _turns(activity) if first <= stamp < last}
        for alarm in self._plan_of(activity.start).day.alarms:
            marks |= {stamp: False for stamp in (alarm.start, alarm.end) if first <= stamp < last}
        if activity.phase is not Phase.OFF:
            marks |= dict.fromkeys(range(-(-first // grid) * grid, last, grid), True)
        if activity.start >= first:
            marks[activity.start] = True
        return sorted(marks.items())

    def _gauges(self, activity: Activity, stamp: int) -> dict[str, float]:
        if activity.phase is Phase.OFF:
            return {}
        seconds = (stamp - activity.start) / SECOND
        operation = _operation(activity, seconds)
        load = self._load(activity, operation, stamp)
        speed = operation.speed * activity.overrides.spindle / 100.0 if operation else 0.0
        coolant_target = FACTS[activity.phase].coolant_heat
        at_work = _operation_at(activity, seconds)
        # The drives draw as much at a tool change as while cutting, so that power and energy agree.
        watts = cutting_watts(at_work.load) if at_work and activity.phase is Phase.CYCLE else activity.watts
        gauges = {
            "spindle_load": round(load, 1),
            "spindle_speed": float(round(speed * (1 + 0.004 * self._noise("speed", stamp)))),
            "spindle_temperature": round(
                heat(activity.spindle_heat, activity.spindle_target, seconds, SPINDLE_SECONDS), 1
            ),
            "spindle_vibration": round(self._vibration(activity, speed, load, stamp), 2),
            "coolant_temperature": round(heat(activity.coolant_heat, coolant_target, seconds, COOLANT_SECONDS), 1),
            "power_watts": float(round(watts * (1 + 0.02 * self._noise("power", stamp)))),
            "feed": round(operation.feed * activity.overrides.feed / 100.0, 1) if operation else 0.0,
            "tool_life": _tool_life(activity, seconds),
            **self._axes(activity, operation, seconds, stamp),
        }
        if self.degradation is None:
            return gauges
        return self.degradation.apply(gauges, stamp, at_work.tool if at_work else activity.tool)

    def _load(self, activity: Activity, operation: Operation | None, stamp: int) -> float:
        if operation is None:
            return 0.0
        if activity.phase is Phase.WARM_UP:
            return 6.0 + self._noise("load", stamp)
        return operation.load * (1 + 0.12 * self._noise("load", stamp))

    def _vibration(self, activity: Activity, speed: float, load: float, stamp: int) -> float:
        if not speed:
            return 0.05 + 0.01 * self._noise("vibration", stamp)
        hours = (activity.counters.operation - activity.counters.serviced) / HOUR
        worn = 1 + self.wear * (hours / self.planner.service_hours) ** 2
        return (0.45 + speed / 9000 + load / 120) * worn * (1 + 0.08 * self._noise("vibration", stamp))

    def _axes(self, activity: Activity, operation: Operation | None, seconds: float, stamp: int) -> dict[str, float]:
        found: dict[str, float] = {}
        for number, axis in enumerate(AXES[self.kind]):
            if operation is None:
                found[f"axis_{axis}_load"] = round(4 + self._noise(axis, stamp), 1)
                found[f"axis_{axis}_position"] = 0.0
                continue
            turn = 2 * math.pi * (activity.cycle_seconds + seconds) / (7 + 4 * number + operation.tool % 3)
            found[f"axis_{axis}_load"] = round(
                8 + operation.load / 4 + 6 * abs(math.cos(turn)) + self._noise(axis, stamp), 1
            )
            found[f"axis_{axis}_position"] = round(-140 + (90 - 25 * number) * math.sin(turn), 2)
        return found

    def _noise(self, name: str, stamp: int) -> float:
        """Return a repeatable number from -1 to 1 that holds for a second."""
        mixed = (stamp // SECOND * 0x9E3779B97F4A7C15 ^ _key(self.id, name)) & _MASK
        mixed = (mixed ^ mixed >> 31) * 0x94D049BB133111EB & _MASK
        return (mixed ^ mixed >> 29) / 2**63 - 1


_MASK = 2**64 - 1
_WARM_UP_RUN = Operation(0.0, 86400.0, 0, 1500.0, 6.0, 0.0)


class _Plan(NamedTuple):
    """A planned day and where its activities start."""

    day: DayPlan
    starts: list[int]


@lru_cache(maxsize=4096)
def _key(machine: str, name: str) -> int:
    return crc32(f"{machine}{name}".encode()) * 0xBF58476D1CE4E5B9 & _MASK


def _operation_at(activity: Activity, seconds: float) -> Operation | None:
    """Return the operation that a cycle is in, tool change included."""
    if activity.phase is Phase.WARM_UP:
        return _WARM_UP_RUN
    if activity.phase is not Phase.CYCLE:
        return None
    at = activity.cycle_seconds + seconds
    operations = activity.progress.job.operations
    return next((each for each in operations if at < each.end_seconds), operations[-1])


def _operation(activity: Activity, seconds: float) -> Operation | None:
    """Return the operation whose tool is cutting; none while the spindle stands."""
    operation = _operation_at(activity, seconds)
    if operation is None or activity.phase is Phase.WARM_UP:
        return operation
    at = activity.cycle_seconds + seconds
    cutting = operation.start_seconds + TOOL_CHANGE_SECONDS <= at < operation.end_seconds - _SPINDLE_STOP_SECONDS
    return operation if cutting else None


def _turns(activity: Activity) -> Iterator[int]:
    """Go over the instants within a cycle at which tool or spindle change."""
    if activity.phase is not Phase.CYCLE:
        return
    for each in activity.progress.job.operations:
        for at in (
            each.start_seconds,
            each.start_seconds + TOOL_CHANGE_SECONDS,
            each.end_seconds - _SPINDLE_STOP_SECONDS,
        ):
            yield activity.start + round((at - activity.cycle_seconds) * 1000) * (SECOND // 1000)


def _counters(activity: Activity, stamp: int) -> dict[str, Value]:
    duration = stamp - activity.start
    counters = activity.counters
    powered = 0 if activity.phase is Phase.OFF else duration
    executing = duration if activity.phase in _RUNNING else 0
    watt_hours = counters.watt_hours + activity.watts * duration / HOUR
    return {
        "power_on_seconds": (counters.power_on + powered) // (SECOND // 1000) / 1000,
        "operation_seconds": (counters.operation + executing) // (SECOND // 1000) / 1000,
        "energy_watt_hours": round(watt_hours, 1),
    }


def _tool_life(activity: Activity, seconds: float) -> float:
    operation = _operation_at(activity, seconds)
    tool = operation.tool if operation else activity.tool
    if not tool:
        return 100.0
    life = tool_life_seconds(tool)
    used = activity.tool_seconds[tool - 1]
    if operation is not None:
        used += activity.cycle_seconds + seconds - operation.start_seconds
    return round(max(0.0, 100.0 * (1 - used / life)), 1)


def _aggregate(minute: int, gathered: dict[str, list[float]]) -> Iterator[Minute]:
    for signal, values in gathered.items():
        yield Minute(minute * MINUTE, signal, len(values), min(values), sum(values) / len(values), max(values))
