"""One machine as it is now and was in the last hours, from facts that may come late, twice and in any order.

What it says of a moment is what the store says of it once it has the same facts: both are made by
`shopfloor.states.timeline`.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from api.machines.history import join
from shopfloor.periods import INSTANT_MAX, MINUTE, SECOND, Period, union
from shopfloor.signals import DECIDING
from shopfloor.states import SILENCE_SECONDS_MAX, Coverage, Hole, State, Stretch, timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shopfloor.samples import Sample

WINDOW_SECONDS = 8 * 3600
"""How far back the states of a machine are kept at hand."""
SAMPLES_MAX = 4_000
"""Most deciding samples kept of one machine; beyond it the older half is folded into the last known values."""

_SLACK = 10 * MINUTE  # the window is moved in steps, not with every sample
_DECIDING = frozenset(DECIDING)
_OF_THE_AGENT = frozenset({"unreachable", "hole"})


def _stamp(sample: Sample) -> int:
    return sample.stamp


class Present:
    """A machine's facts, and the states derived from them.

    Args:
        now: the present; the window reaches back from it.

    Attributes:
        values: newest sample of each signal.
        seen: stamp of the newest sample of the machine itself, None when there has never been one.
    """

    def __init__(self, now: int) -> None:
        self.values: dict[str, Sample] = {}
        self.seen: int | None = None
        self._start = now - WINDOW_SECONDS * SECOND
        self._last: dict[str, Sample] = {}
        self._changes: list[Sample] = []
        self._observed: list[Period] = []
        self._unreachable: list[Period] = []
        self._holes: list[Hole] = []
        self._stretches: list[Stretch] = []
        self._is_begun = False
        self._dirty = self._start
        self._evaluated = self._start

    @property
    def state(self) -> State:
        """The state at the last evaluation."""
        return self._stretches[-1].state if self._stretches else State.UNKNOWN

    @property
    def since(self) -> int | None:
        """When the state began; None when that lies further back than anybody has looked."""
        if not self._stretches or (len(self._stretches) == 1 and not self._is_begun):
            return None
        return self._stretches[-1].period.start

    @property
    def start(self) -> int:
        """Where the window starts."""
        return self._start

    def begin(self, before: Stretch) -> None:
        """Tell how the state in which the window starts began."""
        if self._is_begun or before.period.end > self._start:
            return
        self._is_begun = True
        self._dirty = self._start
        self._stretches = [Stretch(Period(before.period.start, self._start), before.state)]

    def learn(self, sample: Sample) -> bool:
        """Take in one sample, of whatever stamp. Returns whether it is the newest of its signal."""
        signal, stamp = sample.signal, sample.stamp
        if signal in _DECIDING:
            self._learn_change(sample)
        elif signal == "observed":
            self._learn_span(self._observed, sample)
        elif signal == "unreachable":
            self._learn_span(self._unreachable, sample)
        elif signal == "hole":
            self._learn_hole(sample)
        if signal not in _OF_THE_AGENT and (self.seen is None or stamp > self.seen):
            self.seen = stamp
        newest = self.values.get(signal)
        if newest is not None and newest.stamp >= stamp:
            return False
        self.values[signal] = sample
        return True

    def learn_coverage(self, coverage: Coverage) -> None:
        """Take in what a store knows of the watching."""
        for known_spans, spans in ((self._observed, coverage.observed), (self._unreachable, coverage.unreachable)):
            known_spans[:] = union([*known_spans, *spans])
        self._holes = sorted({*self._holes, *coverage.holes}, key=lambda hole: hole.period)
        self._dirty = self._start

    def evaluate(self, now: int) -> bool:
        """Derive the states up to now. Returns whether the state, or when it began, is another one."""
        before = (self.state, self.since)
        start = max(self._start, min(self._dirty, self._open_from()))
        start = min(start, now)
        split = bisect_left(self._changes, start, key=_stamp)
        last = self._last | {sample.signal: sample for sample in self._changes[:split]}
        tail = timeline(Period(start, now), last, self._changes[split:], self._coverage(), now=now)
        self._stretches = join(_until(self._stretches, start), tail)
        self._evaluated = now
        self._dirty = self._next_after(now)
        if now - self._start > WINDOW_SECONDS * SECOND + _SLACK or len(self._changes) > SAMPLES_MAX:
            self._move(now)
        return before != (self.state, self.since)

    def needs_evaluation(self, now: int) -> bool:
        """Tell whether facts came in, or whether silence has lasted long enough to tell."""
        if self._dirty < now or not self._stretches:
            return True
        silence = SILENCE_SECONDS_MAX * SECOND
        ends = [spans[-1].end for spans in (self._observed, self._unreachable) if spans]
        return any(self._evaluated <= end + silence < now for end in ends)

    def stretches(self, now: int) -> list[Stretch]:
        """Return the states of the window up to now; the first may have begun before the window."""
        self.evaluate(now)
        return list(self._stretches)

    def _learn_change(self, sample: Sample) -> None:
        if sample.stamp < self._start:
            last = self._last.get(sample.signal)
            if last is None or last.stamp <= sample.stamp:
                self._last[sample.signal] = sample
                self._dirty = self._start
            return
        at = bisect_left(self._changes, sample.stamp, key=_stamp)
        while at < len(self._changes) and self._changes[at].stamp == sample.stamp:
            if self._changes[at].signal == sample.signal:
                if self._changes[at] == sample:
                    return
                del self._changes[at]
                break
            at += 1
        insort(self._changes, sample, key=_stamp)
        self._dirty = min(self._dirty, sample.stamp)

    def _learn_span(self, spans: list[Period], sample: Sample) -> None:
        if not isinstance(sample.value, int) or sample.value > sample.stamp:
            return
        span = Period(sample.value, sample.stamp)
        if spans and spans[-1].start <= span.start <= spans[-1].end:
            if span.end > spans[-1].end:
                self._dirty = min(self._dirty, spans[-1].end)
                spans[-1] = Period(spans[-1].start, span.end)
            return
        if spans and span.end > spans[-1].end:
            self._dirty = min(self._dirty, spans[-1].end)  # what lasted until now as far as anybody knew, did not
        spans[:] = union([*spans, span])
        self._dirty = min(self._dirty, span.start)

    def _learn_hole(self, sample: Sample) -> None:
        try:
            hole = Hole.decode(sample.machine, str(sample.value))
        except ValueError:
            return
        if hole not in self._holes:
            insort(self._holes, hole, key=lambda each: each.period)
            self._dirty = min(self._dirty, hole.period.start)

    def _coverage(self) -> Coverage:
        return Coverage(self._observed, self._unreachable, self._holes)

    def _open_from(self) -> int:
        """Return from when on the last evaluation may turn out otherwise by mere silence."""
        starts = [self._stretches[-1].period.start] if self._stretches else [self._start]
        silence = SILENCE_SECONDS_MAX * SECOND
        starts += [
            spans[-1].end
            for spans in (self._observed, self._unreachable)
            if spans and spans[-1].end + silence >= self._evaluated
        ]
        return min(starts)

    def _next_after(self, now: int) -> int:
        """Return the first instant from now on that facts which are known already are about."""
        edges = [span.start for span in (*self._observed[-1:], *self._unreachable[-1:])]
        edges += [edge for hole in self._holes for edge in (hole.period.start, hole.period.end)]
        edges += [sample.stamp for sample in self._changes[bisect_left(self._changes, now, key=_stamp) :]]
        return min((edge for edge in edges if edge >= now), default=INSTANT_MAX)

    def _move(self, now: int) -> None:
        """Move the start of the window, and fold what lies before it into the last known values."""
        start = max(self._start, now - WINDOW_SECONDS * SECOND)
        if len(self._changes) > SAMPLES_MAX:
            start = max(start, self._changes[len(self._changes) // 2].stamp)
        split = bisect_left(self._changes, start, key=_stamp)
        self._last |= {sample.signal: sample for sample in self._changes[:split]}
        self._changes = self._changes[split:]
        self._observed = [span for span in self._observed if span.end >= start]
        self._unreachable = [span for span in self._unreachable if span.end >= start]
        self._holes = _without_the_overtaken(self._holes, self._last, start)
        kept = [stretch for stretch in self._stretches if stretch.period.end > start]
        self._is_begun = self._is_begun or len(kept) < len(self._stretches)
        self._stretches = kept
        self._start = start


def _without_the_overtaken(holes: Sequence[Hole], last: Mapping[str, Sample], start: int) -> list[Hole]:
    """Leave out the holes that ended before an instant and are behind a later one, or a sample, in all their signals.

    Args:
        holes: sorted by their periods.
        last: newest sample of each deciding signal before the instant.
        start: the instant.
    """
    newest: dict[str, Hole] = {}
    for hole in holes:
        for signal in hole.signals or DECIDING:
            end, newer = hole.period.end, newest.get(signal)
            is_past = signal in _DECIDING and end < start and (signal not in last or last[signal].stamp < end)
            if is_past and (newer is None or newer.period.end <= end):
                newest[signal] = hole
    return [hole for hole in holes if hole.period.end >= start or hole in newest.values()]


def _until(stretches: Iterable[Stretch], end: int) -> list[Stretch]:
    """Cut stretches off at an instant."""
    return [
        Stretch(Period(stretch.period.start, min(stretch.period.end, end)), stretch.state)
        for stretch in stretches
        if stretch.period.start < end
    ]
