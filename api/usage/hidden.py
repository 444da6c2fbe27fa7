"""What a gap in the watching of a machine hides, as its counters tell on the two sides: they rise while nobody listens.

Pure. What a person is asked about before a month is closed, and what `officina usage report` counts, is this.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

from api.usage.counters import PIECE_COUNTER, TIME_COUNTER, Reading
from api.usage.segments import Meter, Metered, Quality, Segment
from shopfloor.periods import SECOND, Period
from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from api.usage.counters import CounterRule

POWER_COUNTER = "power_on_seconds"
"""Time for which the machine was powered."""
USE_COUNTERS = {
    "operation_seconds": Meter.OPERATING,
    "automatic_seconds": Meter.OPERATING,
    "cutting_seconds": Meter.CUTTING,
}
"""Times that rise only while the machine is used."""
PART_COUNTERS = {"parts": Meter.PARTS, "operation_cycles": Meter.CYCLES}
"""What use leaves behind on a machine that counts no time."""
COUNTERS = (POWER_COUNTER, *USE_COUNTERS, *PART_COUNTERS)
"""The signals whose differences tell what a gap hides."""

HIDDEN_SECONDS_MIN = 300
"""Use that is worth a person's look; less stays unknown, listed and not charged."""
BLIND = frozenset({State.UNKNOWN, State.UNREACHABLE})
"""The states of a gap."""
_MILLISECONDS = 1000


class Hidden(NamedTuple):
    """What the counters say of a gap; None where the machine has no such counter, or it was not read on both sides.

    Attributes:
        powered_seconds: for how long it was powered, at least.
        used_seconds: for how long it was used, at least; never longer than the gap.
        parts: how many parts or cycles it made.
        counter: the one that speaks most of use; empty when none does.
    """

    powered_seconds: float | None
    used_seconds: float | None
    parts: int | None
    counter: str

    @property
    def is_use(self) -> bool:
        """Whether a person should look at it: it was used, or, where no counter tells of use, it was powered."""
        if self.used_seconds is not None:
            return self.used_seconds >= HIDDEN_SECONDS_MIN
        if self.parts is not None:
            return self.parts > 0
        return (self.powered_seconds or 0) >= HIDDEN_SECONDS_MIN

    @property
    def evidence(self) -> tuple[Meter, int] | None:
        """What speaks of use and how much of it, in whole units of the meter; None when nothing does."""
        if not self.is_use:
            return None
        if self.used_seconds is not None:
            return USE_COUNTERS[self.counter], round(self.used_seconds * _MILLISECONDS)
        if self.parts is not None:
            return PART_COUNTERS[self.counter], self.parts
        return Meter.POWERED, round((self.powered_seconds or 0) * _MILLISECONDS)


class Gap(NamedTuple):
    """A time in which a machine was not watched.

    Attributes:
        period: of it, as far as it is known.
        starts: whether it begins there, and not earlier.
        ends: whether it ends there, and not later.
    """

    period: Period
    starts: bool = True
    ends: bool = True


class Track:
    """What one counter showed, in order of the stamps."""

    def __init__(self, readings: Iterable[Reading]) -> None:
        """Take readings in any order."""
        self._readings = sorted(readings)
        self._stamps = [each.stamp for each in self._readings]

    def across(self, gap: Gap, rule: CounterRule) -> tuple[int, int] | None:
        """Return by how much the counter advanced across a gap, and the nanoseconds outside that the readings span too.

        A counter that was set back has counted at least what it shows. What no machine could have done in the time
        counts as nothing.
        """
        period = gap.period
        before, after = bisect_right(self._stamps, period.start) - 1, bisect_left(self._stamps, period.end)
        if before < 0 or after >= len(self._stamps):
            return None
        first, last = self._readings[before], self._readings[after]
        amount = rule.advance(Period(first.stamp, last.stamp), first.value, last.value).amount
        outside = (period.start - first.stamp if gap.starts else 0) + (last.stamp - period.end if gap.ends else 0)
        return amount, outside


def hidden(gap: Gap, tracks: Mapping[str, Track]) -> Hidden:
    """Return what counters say of a gap.

    Args:
        gap: when nobody watched.
        tracks: readings by signal: those of time in milliseconds, others in pieces.
    """
    used = {signal: _seconds(gap, tracks.get(signal)) for signal in USE_COUNTERS}
    most = max((seconds for seconds in used.values() if seconds is not None), default=None)
    made = {
        signal: across[0]
        for signal in PART_COUNTERS
        if signal in tracks and (across := tracks[signal].across(gap, PIECE_COUNTER)) is not None
    }
    pieces = max(made.values(), default=None)
    counter = next((signal for signal, each in used.items() if each is not None and each == most), "")
    counter = counter or next((signal for signal, each in made.items() if each == pieces), "")
    return Hidden(_seconds(gap, tracks.get(POWER_COUNTER)), most, pieces, counter)


def _seconds(gap: Gap, track: Track | None) -> float | None:
    """Return for how long a counter of time ran within a gap at least: what it may have run outside is left out."""
    across = track.across(gap, TIME_COUNTER) if track is not None else None
    if across is None:
        return None
    amount, outside = across
    return min(max(0.0, amount / _MILLISECONDS - outside / SECOND), float(gap.period.seconds))


def witness(segments: Sequence[Segment], gap: Gap, found: Hidden) -> list[Segment]:
    """Put what a gap hides onto the unknown time in it, as evidence of use: it is asked about, and never charged.

    Args:
        segments: of one machine.
        gap: which they may reach beyond.
        found: what its counters say.
    """
    evidence = found.evidence
    if evidence is None:
        return list(segments)
    meter, amount = evidence
    whole = gap.period.seconds
    added: list[Segment] = []
    for segment in segments:
        part = segment.period.clip(gap.period)
        if part is None or not part.seconds or segment.quality is not Quality.UNKNOWN:
            added.append(segment)
            continue
        # shares are counted from the start of the gap, so that they add exactly however it is cut
        start, end = ((instant - gap.period.start) // SECOND for instant in (part.start, part.end))
        share = max(1, amount * end // whole - amount * start // whole)
        metered = Metered(meter, part, share, placed=False)
        added.append(segment._replace(metered=(*segment.metered, metered)))
    return added
