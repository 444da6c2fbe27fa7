"""A machine's day, planned: activities that tile the civil day, each with the counters at its start. Pure.

A day depends on the day before through its `Carry` alone, so that any instant is found from a cached carry.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import exp
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from simulators.jobs import Job, OrderBook, dice
from simulators.workdays import SECOND, Calendar, Span

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

MILLISECOND = 1_000_000
"""Nanoseconds."""
HOUR = 3600 * SECOND
"""Nanoseconds."""
TOOLS = 12
"""Places in the tool magazine."""

SPINDLE_SECONDS, COOLANT_SECONDS = 1500.0, 3600.0
"""Time constants with which spindle bearing and coolant follow their load."""

_AMBIENT = 21.0
_LONG_GAP = 2 * HOUR


class Phase(StrEnum):
    """What the machine is doing, as the model sees it."""

    OFF = "off"
    WARM_UP = "warm_up"
    SETUP = "setup"
    CYCLE = "cycle"
    LOAD = "load"
    IDLE = "idle"
    INTERRUPTED = "interrupted"
    MAINTENANCE = "maintenance"


class Facts(NamedTuple):
    """What the control says in a phase, by the numbers of OPC 40001-1 (12, 13) and OPC 40501-1 (8.3, 8.4).

    Attributes:
        item_state: NotAvailable 0, OutOfService 1, NotExecuting 2, Executing 3.
        operation_mode: None 0, Maintenance 1, Setup 2, Processing 3.
        program_state: Initializing 0, Running 1, Ended 2, Interrupted 3, Aborted 4.
        control_mode: Manual 0, Automatic 1, Setup 2, AutoWithManualIntervention 3, Service 4.
        channel_state: Active 0, Interrupted 1, Reset 2.
        channel_mode: Automatic 0, MdaMdi 1, JogManual 2.
        watts: electric power; that of a cycle comes from its job.
        spindle_heat: temperature that the spindle bearing tends to; that of a cycle comes from its job.
        coolant_heat: temperature that the coolant tends to.
    """

    item_state: int
    operation_mode: int
    program_state: int
    control_mode: int
    channel_state: int
    channel_mode: int
    watts: float
    spindle_heat: float
    coolant_heat: float


FACTS: Mapping[Phase, Facts] = MappingProxyType(
    {
        Phase.OFF: Facts(0, 0, 2, 0, 2, 2, 0.0, _AMBIENT, _AMBIENT),
        Phase.WARM_UP: Facts(3, 2, 1, 1, 0, 0, 2600.0, 30.0, 22.5),
        Phase.SETUP: Facts(2, 2, 0, 2, 2, 2, 1400.0, 25.0, 22.5),
        Phase.CYCLE: Facts(3, 3, 1, 1, 0, 0, 0.0, 0.0, 27.5),
        Phase.LOAD: Facts(2, 3, 2, 1, 2, 0, 1500.0, 30.0, 25.0),
        Phase.IDLE: Facts(2, 0, 2, 0, 2, 2, 1100.0, 24.0, 23.0),
        Phase.INTERRUPTED: Facts(2, 3, 3, 1, 1, 0, 1300.0, 28.0, 25.0),
        Phase.MAINTENANCE: Facts(2, 1, 2, 4, 2, 2, 600.0, 22.0, 21.5),
    },
)


class Stage(StrEnum):
    """How far the job in hand has come."""

    WAIT = "wait"
    SETUP = "setup"
    RUN = "run"


class Counters(NamedTuple):
    """What only rises.

    Attributes:
        power_on: nanoseconds under power.
        operation: nanoseconds executing.
        cycles: program runs ended.
        parts: parts made.
        watt_hours: electric energy.
        serviced: `operation` at the last maintenance.
    """

    power_on: int = 0
    operation: int = 0
    cycles: int = 0
    parts: int = 0
    watt_hours: float = 0.0
    serviced: int = 0


class Progress(NamedTuple):
    """Where the job list stands.

    Attributes:
        job: the job in hand; while `stage` is `wait` it is not yet on the control.
        upcoming: the job after it.
        previous: the job before it, with all its runs.
        previous_good: good parts of the job before.
        stage: how far the job in hand has come.
        left_seconds: what is left of the wait or of the set-up.
        runs: program runs ended.
        good: good parts made.
    """

    job: Job
    upcoming: Job
    previous: Job | None
    previous_good: int
    stage: Stage
    left_seconds: float
    runs: int = 0
    good: int = 0


class Overrides(NamedTuple):
    """Positions of the override switches, per cent."""

    feed: float = 100.0
    spindle: float = 100.0
    rapid: float = 100.0


class Alarm(NamedTuple):
    """An alarm and how long it was active, half-open.

    Attributes:
        start: when it came.
        end: when it went.
        code: number on the control.
        text: what the control shows.
        blocking: it stops the machine.
    """

    start: int
    end: int
    code: str
    text: str
    blocking: bool


class Activity(NamedTuple):
    """A stretch in which the machine does one thing, with everything that holds at its start.

    Attributes:
        start: first instant.
        end: first instant after it.
        phase: what the machine does.
        progress: where the job list stands.
        counters: at the start.
        spindle_heat: temperature of the spindle bearing at the start.
        coolant_heat: temperature of the coolant at the start.
        tool: number of the tool in the spindle at the start, 0 for none.
        tool_seconds: use of each tool since it was new, by place.
        cycle_seconds: position in the cycle at the start.
        overrides: of feed, spindle and rapid.
    """

    start: int
    end: int
    phase: Phase
    progress: Progress
    counters: Counters
    spindle_heat: float
    coolant_heat: float
    tool: int
    tool_seconds: tuple[float, ...]
    cycle_seconds: float
    overrides: Overrides

    @property
    def job(self) -> Job | None:
        """The job on the control."""
        return None if self.progress.stage is Stage.WAIT else self.progress.job

    @property
    def watts(self) -> float:
        """Mean electric power."""
        return self.progress.job.watts if self.phase is Phase.CYCLE else FACTS[self.phase].watts

    @property
    def spindle_target(self) -> float:
        """Temperature that the spindle bearing tends to."""
        return 27.0 + 0.3 * self.progress.job.load if self.phase is Phase.CYCLE else FACTS[self.phase].spindle_heat


def heat(start: float, target: float, seconds: float, constant_seconds: float) -> float:
    """Return a temperature that has tended to its target for so long."""
    return target + (start - target) * exp(-seconds / constant_seconds)


class Carry(NamedTuple):
    """What a day hands to the next.

    Attributes:
        last: counters, heat and tools at the end of the day; its phase says whether the machine was left on.
        jobs: jobs planned so far.
        month: `yymm` in which the last job was planned.
        in_month: jobs planned in that month.
    """

    last: Activity
    jobs: int
    month: str
    in_month: int


class DayPlan(NamedTuple):
    """A planned civil day.

    Attributes:
        activities: they tile the day.
        alarms: by start; those that block coincide with an interruption.
        carry: for the day after.
    """

    activities: tuple[Activity, ...]
    alarms: tuple[Alarm, ...]
    carry: Carry


_FAULTS = (
    ("1012", "FEED AXIS X FOLLOWING ERROR"),
    ("2031", "DOOR INTERLOCK OPEN"),
    ("2110", "CHUCK CLAMPING PRESSURE LOW"),
    ("3105", "SPINDLE DRIVE OVERLOAD"),
    ("4007", "TOOL BREAKAGE DETECTED"),
    ("5120", "CHIP CONVEYOR JAMMED"),
)
_WARNINGS = (
    ("6001", "COOLANT LEVEL LOW"),
    ("6014", "LUBRICATION OIL LEVEL LOW"),
    ("6102", "MEMORY PROTECT"),
    ("6203", "AIR FILTER CHECK"),
)
_TOOL_LIFE = ("6300", "TOOL LIFE REACHED T{:02d}")


def tool_life_seconds(place: int) -> float:
    """Return how long the tool at a place (1 and up) lasts."""
    return 2700.0 + (place * 7 % 5) * 1500.0


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans the days of one machine.

    Attributes:
        book: the jobs it gets.
        calendar: when the workshop works.
        shift_share: share of the possible shifts that are worked.
        service_hours: operating hours between two maintenances.
    """

    book: OrderBook
    calendar: Calendar
    shift_share: float = 0.92
    service_hours: float = 400.0

    def begin(self, day: date) -> Carry:
        """Return what the first day starts from: a new machine, switched off, its first job waiting."""
        draw = dice(self.book.seed, self.book.machine, "begin")
        start = self.calendar.bounds(day).start
        first, second = self.book.job(0, day, 0), self.book.job(1, day, 1)
        hours = draw.randrange(900, 9000)
        counters = Counters(
            power_on=hours * HOUR,
            operation=hours * HOUR * 6 // 10,
            cycles=hours * 5,
            parts=hours * 5,
            watt_hours=hours * 2900.0,
            serviced=hours * HOUR * 6 // 10 - draw.randrange(int(self.service_hours)) * HOUR,
        )
        tools = tuple(round(draw.uniform(0, 0.9) * tool_life_seconds(place + 1), 1) for place in range(TOOLS))
        progress = Progress(first, second, None, 0, Stage.WAIT, float(first.wait_seconds))
        activity = Activity(start, start, Phase.OFF, progress, counters, _AMBIENT, _AMBIENT, 0, tools, 0.0, Overrides())
        return Carry(activity, jobs=2, month=f"{day:%y%m}", in_month=2)

    def plan(self, day: date, carry: Carry) -> DayPlan:
        """Plan a day from what the day before left."""
        return _Day(self, day, carry).plan()


class _Day:
    """Lays out one day from its start to its end."""

    def __init__(self, planner: Planner, day: date, carry: Carry) -> None:
        self._planner = planner
        self._day = day
        self._bounds = planner.calendar.bounds(day)
        self._draw = dice(planner.book.seed, planner.book.machine, day.isoformat())
        self._jobs, self._month, self._in_month = carry.jobs, carry.month, carry.in_month
        self._now = carry.last
        self._activities: list[Activity] = []
        self._alarms: list[Alarm] = []

    def plan(self) -> DayPlan:
        calendar = self._planner.calendar
        if calendar.is_busy(self._day):
            self._switch_on(self._bounds.start)
            self._warn(self._bounds)
            self._work(self._bounds.end)
        else:
            self._ordinary(self._worked_spans())
            self._add(Phase.OFF, self._bounds.end)
        self._alarms.sort()
        carry = Carry(self._now, self._jobs, self._month, self._in_month)
        return DayPlan(tuple(self._activities), tuple(self._alarms), carry)

    def _worked_spans(self) -> list[Span]:
        calendar = self._planner.calendar
        return [
            span
            for shift in calendar.shifts_on(self._day)
            if self._draw.random() < self._planner.shift_share * (0.45 if shift is calendar.saturday else 1.0)
            for span in calendar.spans(self._day, shift)
        ]

    def _ordinary(self, spans: list[Span]) -> None:
        for index, span in enumerate(spans):
            self._switch_on(span.start)
            self._warn(span)
            self._work(span.end)
            following = spans[index + 1].start if index + 1 < len(spans) else None
            if following is None or following - span.end > _LONG_GAP:
                self._add(Phase.IDLE, min(self._cursor + self._draw.randrange(240, 900) * SECOND, self._bounds.end))
                self._add(Phase.OFF, min(following or self._bounds.end, self._bounds.end) - 15 * 60 * SECOND)

    @property
    def _cursor(self) -> int:
        return self._now.end

    def _switch_on(self, until: int) -> None:
        """Be ready at this instant: warm up when the machine was off, else wait there."""
        if self._now.phase is not Phase.OFF:
            self._add(Phase.IDLE, until)
            return
        warm_up = self._draw.randrange(480, 840) * SECOND
        self._add(Phase.OFF, until - warm_up)
        self._add(Phase.WARM_UP, max(until, self._cursor + warm_up))

    def _work(self, until: int) -> None:
        counters = self._now.counters
        if counters.operation - counters.serviced > self._planner.service_hours * HOUR:
            self._service(until)
        steps = {Stage.WAIT: self._wait, Stage.SETUP: self._set_up, Stage.RUN: self._run}
        while self._cursor < until:
            steps[self._now.progress.stage](until)

    def _service(self, until: int) -> None:
        self._add(Phase.MAINTENANCE, min(until, self._cursor + self._draw.randrange(5400, 11000) * SECOND))
        counters = self._now.counters
        self._now = self._now._replace(counters=counters._replace(serviced=counters.operation))

    def _wait(self, until: int) -> None:
        if self._spend(Phase.IDLE, until):
            seconds = float(self._now.progress.job.setup_seconds)
            self._progress(stage=Stage.SETUP, left_seconds=seconds)

    def _set_up(self, until: int) -> None:
        if self._spend(Phase.SETUP, until):
            self._progress(stage=Stage.RUN, left_seconds=0.0)

    def _spend(self, phase: Phase, until: int) -> bool:
        """Use up what is left of the stage, as far as the time allows, and tell whether it is done."""
        left = self._now.progress.left_seconds
        seconds = min(left, (until - self._cursor) / SECOND)
        self._add(phase, self._cursor + _nanoseconds(seconds))
        self._progress(left_seconds=left - seconds)
        return seconds >= left

    def _run(self, until: int) -> None:
        progress = self._now.progress
        job = progress.job
        if progress.runs == job.runs_planned:
            self._next_job()
            return
        room_seconds = (until - self._cursor) / SECOND
        if job.cycle_seconds > room_seconds:
            self._add(Phase.IDLE, until)
            return
        self._set_overrides()
        self._cycle(job, room_seconds)
        self._count_part(job)
        pause = job.load_seconds * self._draw.uniform(0.8, 1.4) + self._change_worn_tools(job)
        if self._draw.random() < 0.008:  # noqa: PLR2004  # now and then the operator is elsewhere
            pause += self._draw.uniform(300, 1200)
        self._add(Phase.LOAD, min(until, self._cursor + _nanoseconds(pause)))

    def _cycle(self, job: Job, room_seconds: float) -> None:
        stop_seconds = min(self._draw.lognormvariate(5.2, 1.0), 3000.0)
        interrupted = self._draw.random() < 0.03 and job.cycle_seconds + stop_seconds < room_seconds  # noqa: PLR2004
        at = round(job.cycle_seconds * self._draw.uniform(0.1, 0.9), 1)
        code, text = self._draw.choice(_FAULTS)
        start = self._cursor
        if interrupted:
            self._add(Phase.CYCLE, start + _nanoseconds(at))
            tool = next(each.tool for each in job.operations if each.end_seconds > at)
            self._now = self._now._replace(tool=tool, cycle_seconds=at)
            self._add(Phase.INTERRUPTED, self._cursor + _nanoseconds(stop_seconds))
            self._alarms.append(Alarm(self._activities[-1].start, self._cursor, code, text, blocking=True))
            start = self._cursor - _nanoseconds(at)
        self._add(Phase.CYCLE, start + job.cycle_seconds * SECOND)
        self._now = self._now._replace(tool=job.operations[-1].tool, cycle_seconds=0.0)

    def _set_overrides(self) -> None:
        if self._draw.random() < 0.06:  # noqa: PLR2004  # operators seldom touch the switches
            feed, spindle = (
                self._draw.choice((100.0, 100.0, 90.0, 80.0, 110.0)),
                self._draw.choice((100.0, 100.0, 90.0)),
            )
            rapid = self._draw.choice((100.0, 100.0, 50.0))
            self._now = self._now._replace(overrides=Overrides(feed, spindle, rapid))

    def _count_part(self, job: Job) -> None:
        counters, progress = self._now.counters, self._now.progress
        good = self._draw.random() >= job.scrap_share
        seconds = list(self._now.tool_seconds)
        for each in job.operations:
            seconds[each.tool - 1] += round(each.end_seconds - each.start_seconds, 1)
        self._now = self._now._replace(
            counters=counters._replace(cycles=counters.cycles + 1, parts=counters.parts + 1),
            tool_seconds=tuple(seconds),
        )
        self._progress(runs=progress.runs + 1, good=progress.good + good)

    def _change_worn_tools(self, job: Job) -> float:
        """Replace the tools whose life is over and return the seconds that this takes."""
        worn = [
            each.tool for each in job.operations if self._now.tool_seconds[each.tool - 1] > tool_life_seconds(each.tool)
        ]
        seconds = 0.0
        for tool in worn:
            lasts = self._draw.uniform(120, 300)
            start = self._cursor + _nanoseconds(seconds)
            code, text = _TOOL_LIFE
            self._alarms.append(Alarm(start, start + _nanoseconds(lasts), code, text.format(tool), blocking=False))
            seconds += lasts
            used = list(self._now.tool_seconds)
            used[tool - 1] = 0.0
            self._now = self._now._replace(tool_seconds=tuple(used))
        return seconds

    def _next_job(self) -> None:
        progress, month = self._now.progress, f"{self._day:%y%m}"
        self._in_month = self._in_month if month == self._month else 0
        upcoming = self._planner.book.job(self._jobs, self._day, self._in_month)
        self._jobs, self._month, self._in_month = self._jobs + 1, month, self._in_month + 1
        following = progress.upcoming
        left = following.wait_seconds + self._draw.randrange(60, 300)
        self._now = self._now._replace(
            progress=Progress(following, upcoming, progress.job, progress.good, Stage.WAIT, float(left)),
        )

    def _warn(self, span: Span) -> None:
        """Let warnings come that stop nothing."""
        for _ in range(self._draw.choice((0, 0, 1, 2))):
            start = self._draw.randrange(span.start, span.end, SECOND)
            end = min(span.end, start + self._draw.choice((4, 12, 45, 300, 1200)) * SECOND)
            code, text = self._draw.choice(_WARNINGS)
            self._alarms.append(Alarm(start, end, code, text, blocking=False))

    def _progress(self, **changes: object) -> None:
        self._now = self._now._replace(progress=self._now.progress._replace(**changes))  # type: ignore[arg-type]

    def _add(self, phase: Phase, until: int) -> None:
        """Do one thing until an instant; nothing when that has passed."""
        if until <= self._cursor:
            return
        now = self._now
        activity = now._replace(start=now.end, end=until, phase=phase)
        self._activities.append(activity)
        self._now = _after(activity)


def _after(activity: Activity) -> Activity:
    """Return an empty activity that holds what is true at the end of this one."""
    duration = activity.end - activity.start
    seconds = duration / SECOND
    facts, counters = FACTS[activity.phase], activity.counters
    executing = facts.item_state == FACTS[Phase.CYCLE].item_state
    return activity._replace(
        start=activity.end,
        counters=counters._replace(
            power_on=counters.power_on + (duration if activity.phase is not Phase.OFF else 0),
            operation=counters.operation + (duration if executing else 0),
            watt_hours=counters.watt_hours + activity.watts * seconds / 3600.0,
        ),
        spindle_heat=heat(activity.spindle_heat, activity.spindle_target, seconds, SPINDLE_SECONDS),
        coolant_heat=heat(activity.coolant_heat, facts.coolant_heat, seconds, COOLANT_SECONDS),
    )


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1000) * MILLISECOND
