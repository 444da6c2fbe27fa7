"""What one machine did: intervals on whole seconds that tile a period, each with state, quality and samples. Pure.

An unreachable machine was off when, on its return, the time that it counts as powered had hardly advanced (DESIGN.md,
section 5). A gap stays unknown; only where the policy says so is it filled from counters, spread evenly over its
quarter hours, and flagged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from api.usage.counters import PIECE_COUNTER, TIME_COUNTER, Reading, Register
from api.usage.segments import Quality, Source
from shopfloor.periods import SECOND, Period
from shopfloor.states import State, Stretch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from api.usage.policy import Policy
    from shopfloor.samples import Sample

QUARTER = 900 * SECOND
"""What is spread over time is spread over quarter hours, on which every band begins."""
_MILLISECONDS = 1000
_POWERED, _CUTTING = "power_on_seconds", "cutting_seconds"
NOT_RUNNING = frozenset({State.UNKNOWN, State.UNREACHABLE, State.OFF})
"""States in which a machine is not known to be powered."""


class Interval(NamedTuple):
    """A machine in one state, known in one way, for a while.

    Attributes:
        period: boundaries on whole seconds.
        state: what it was doing.
        quality: how that is known.
        is_clock_doubtful: a sample carries the time of its receipt, because the machine's own clock was off.
        sources: the samples it comes from.
    """

    period: Period
    state: State
    quality: Quality
    is_clock_doubtful: bool = False
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Counters:
    """What the counters of a machine showed, in milliseconds; those of parts in pieces.

    Attributes:
        powered: time powered on.
        operating: time in operation.
        cutting: time in the cut; stands for `operating` where that is not counted.
        parts: pieces made.
    """

    powered: Sequence[Reading] = ()
    operating: Sequence[Reading] = ()
    cutting: Sequence[Reading] = ()
    parts: Sequence[Reading] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a machine beside its states.

    Attributes:
        samples: of the deciding signals, from those in force at the start of the period.
        counters: what they showed, also before and after the period.
        traces: when a job, a badge, a check-in or a counter spoke of use.
    """

    samples: Sequence[Sample] = ()
    counters: Counters = field(default_factory=Counters)
    traces: Sequence[Period] = ()


def tile(stretches: Iterable[Stretch], known: Known, policy: Policy) -> list[Interval]:
    """Turn the states of a machine into intervals that tile the same time.

    Args:
        stretches: adjoining, as `shopfloor.states.timeline` returns them.
        known: samples, counters and traces of use.
        policy: what is inferred and estimated.

    Returns:
        Adjoining intervals on whole seconds; each boundary is cut to its second.
    """
    whole = list(_on_seconds(stretches))
    sourced = list(_with_sources(whole, known.samples))
    inferred = _infer_off(sourced, known, policy)
    return _estimate(inferred, known.counters, policy) if policy.estimate_gaps else inferred


def _on_seconds(stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    for each in stretches:
        start, end = each.period.start // SECOND * SECOND, each.period.end // SECOND * SECOND
        if start < end:
            yield Stretch(Period(start, end), each.state)


def _with_sources(stretches: Sequence[Stretch], samples: Sequence[Sample]) -> Iterator[Interval]:
    """Name the samples in force at the start of each stretch, and those within it."""
    in_order = sorted(samples, key=lambda sample: (sample.stamp, sample.signal))
    in_force: dict[str, Sample] = {}
    at = 0
    for stretch in stretches:
        if stretch.state in {State.UNKNOWN, State.UNREACHABLE}:
            yield Interval(stretch.period, stretch.state, Quality.UNKNOWN)
            continue
        while at < len(in_order) and in_order[at].stamp <= stretch.period.start:
            in_force[in_order[at].signal] = in_order[at]
            at += 1
        used = list(in_force.values())
        while at < len(in_order) and in_order[at].stamp < stretch.period.end:
            in_force[in_order[at].signal] = in_order[at]
            used.append(in_order[at])
            at += 1
        sources = tuple(sorted(Source(sample.signal, sample.stamp) for sample in used))
        doubtful = any(sample.source is not None for sample in used)
        yield Interval(stretch.period, stretch.state, Quality.MEASURED, doubtful, sources)


def _infer_off(intervals: Sequence[Interval], known: Known, policy: Policy) -> list[Interval]:
    powered = Register(known.counters.powered, TIME_COUNTER)
    parts = Register(known.counters.parts, PIECE_COUNTER)
    returns = [each.period.start for each in intervals if each.quality is Quality.MEASURED]
    last_return = returns[-1] if returns else None
    found: list[Interval] = []
    for each in intervals:
        if each.state is not State.UNREACHABLE:
            found.append(each)
        elif powered:
            found.append(_by_powered_time(each, powered, policy.inferred_off_seconds_max))
        elif last_return is None or last_return < each.period.end:
            found.append(each)
        else:
            used = any(trace.overlaps(each.period) for trace in known.traces) or _made_parts(parts, each.period)
            state, quality = (State.UNKNOWN, Quality.UNKNOWN) if used else (State.OFF, Quality.INFERRED)
            found.append(each._replace(state=state, quality=quality))
    return found


def _by_powered_time(each: Interval, powered: Register, seconds_max: int) -> Interval:
    across = powered.across(each.period)
    if across is None:
        return each._replace(state=State.UNKNOWN) if powered.reaches(each.period.end) else each
    between, advanced = across
    sources = _read(_POWERED, between)
    if advanced < seconds_max * _MILLISECONDS:
        return each._replace(state=State.OFF, quality=Quality.INFERRED, sources=sources)
    return each._replace(state=State.UNKNOWN, sources=sources)


def _made_parts(parts: Register, period: Period) -> bool:
    across = parts.across(period)
    return bool(parts) and (across is None or across[1] > 0)


def _estimate(intervals: Sequence[Interval], counters: Counters, policy: Policy) -> list[Interval]:
    operating = ("operation_seconds", counters.operating) if counters.operating else (_CUTTING, counters.cutting)
    gauges = (
        _Gauge(operating[0], Register(operating[1], TIME_COUNTER), frozenset({State.PROCESSING})),
        _Gauge(_POWERED, Register(counters.powered, TIME_COUNTER), frozenset(State) - NOT_RUNNING),
    )
    found: list[Interval] = []
    for each in intervals:
        is_gap = each.state is State.UNKNOWN and each.period.seconds <= policy.estimate_seconds_max
        counted = [gauge.seconds(each.period, intervals) for gauge in gauges] if is_gap else [None]
        if None in counted:
            found.append(each)
            continue
        (ran, ran_read), (on, on_read) = (count for count in counted if count is not None)
        if 0 <= ran <= on <= each.period.seconds:
            found += _spread(each.period, ran, on, (*ran_read, *on_read))
        else:
            found.append(each)
    return found


class _Gauge(NamedTuple):
    """A counter of time, and the states in which it counts."""

    signal: str
    register: Register
    states: frozenset[State]

    def seconds(self, gap: Period, intervals: Sequence[Interval]) -> tuple[int, tuple[Source, ...]] | None:
        """Return the whole seconds that it counted in a gap, and what was read.

        That is the difference of the readings around it, less what is known between them; None when it was not read on
        both sides, or when there is another gap in between.
        """
        across = self.register.across(gap)
        if across is None:
            return None
        between, advanced = across
        counted = advanced
        for each in intervals:
            part = each.period.clip(between)
            if part is None or each.period == gap:
                continue
            if each.state in {State.UNKNOWN, State.UNREACHABLE}:
                return None
            if each.state in self.states:
                counted -= (part.end - part.start) * _MILLISECONDS // SECOND
        return (counted + _MILLISECONDS // 2) // _MILLISECONDS, _read(self.signal, between)


def _read(signal: str, between: Period) -> tuple[Source, Source]:
    return Source(signal, between.start), Source(signal, between.end)


def _spread(gap: Period, ran: int, on: int, sources: tuple[Source, ...]) -> Iterator[Interval]:
    """Fill a gap with what the counters say of it, in every quarter hour in the same proportion.

    The proportions are counted from the start of the gap, so that the seconds add exactly; idle never steps back.
    """
    at, ran_done, idle_done = gap.start, 0, 0
    while at < gap.end:
        end = min((at // QUARTER + 1) * QUARTER, gap.end)
        passed = Period(gap.start, end).seconds
        ran_now = ran * passed // gap.seconds
        idle_now = max(idle_done, on * passed // gap.seconds - ran_now)
        bounds = (at + (ran_now - ran_done) * SECOND, at + (ran_now - ran_done + idle_now - idle_done) * SECOND, end)
        for state, until in zip((State.PROCESSING, State.IDLE, State.OFF), bounds, strict=True):
            if at < until:
                yield Interval(Period(at, until), state, Quality.ESTIMATED, sources=sources)
            at = until
        ran_done, idle_done = ran_now, idle_now
