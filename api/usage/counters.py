"""Counters by their differences: resets, small steps back, rollovers, jumps that no machine can make. Pure.

A cumulative counter is preferred to integrated power: it goes on counting while nobody listens.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from shopfloor.periods import SECOND, Period

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Reading(NamedTuple):
    """What a counter showed at an instant, in whole units: milliseconds, milliwatt-hours, pieces."""

    stamp: int
    value: int


class Change(StrEnum):
    """What lies between two readings."""

    MEASURED = "measured"
    STEP_BACK = "step_back"
    RESET = "reset"
    ROLLOVER = "rollover"
    IMPLAUSIBLE = "implausible"


class Advance(NamedTuple):
    """By how much a counter advanced between two readings.

    Attributes:
        period: from one reading to the next.
        amount: whole units, never negative; nothing where the change cannot be believed.
        change: what happened.
        shown: the difference that the readings show, for the list of what has to be looked at.
    """

    period: Period
    amount: int
    change: Change
    shown: int


@dataclass(frozen=True, slots=True)
class CounterRule:
    """What a counter can do.

    Attributes:
        step_back_max: a step back of at most this is late delivery or noise; the highest reading stays.
        per_second_max: no machine advances faster.
        tolerance: by how much an advance may exceed that, because readings and stamps are coarse.
        rollover_at: the value after which it begins at nought; None when it never does.
    """

    step_back_max: int
    per_second_max: int
    tolerance: int = 0
    rollover_at: int | None = None

    def advance(self, period: Period, level: int, value: int) -> Advance:
        """Judge one difference against the highest reading so far."""
        shown = value - level
        limit = (period.end - period.start) * self.per_second_max // SECOND + self.tolerance
        if shown >= 0:
            believed = shown <= limit
            return Advance(period, shown if believed else 0, Change.MEASURED if believed else Change.IMPLAUSIBLE, shown)
        if -shown <= self.step_back_max:
            return Advance(period, 0, Change.STEP_BACK, shown)
        if self.rollover_at is not None and 0 <= self.rollover_at - level + value <= limit:
            return Advance(period, self.rollover_at - level + value, Change.ROLLOVER, shown)
        return Advance(period, value if value <= limit else 0, Change.RESET, shown)


TIME_COUNTER = CounterRule(step_back_max=60_000, per_second_max=1000, tolerance=60_000)
"""Milliseconds that pass no faster than time; a control may count whole minutes."""
ENERGY_COUNTER = CounterRule(step_back_max=100_000, per_second_max=278_000, tolerance=1_000_000)
"""Milliwatt-hours of at most 1 MW, read in steps of a kilowatt-hour at the coarsest."""
PIECE_COUNTER = CounterRule(step_back_max=0, per_second_max=10, tolerance=1000)
"""Parts and cycles."""


def ordered(readings: Iterable[Reading]) -> list[Reading]:
    """Put readings in order of their stamps; of those of one stamp the highest stays, whatever order they came in."""
    highest = dict(sorted(readings))
    return [Reading(stamp, value) for stamp, value in highest.items()]


def advances(readings: Iterable[Reading], rule: CounterRule) -> list[Advance]:
    """Return what a counter advanced by between each two readings.

    Args:
        readings: in any order, repeated or not.
        rule: what the counter can do.

    Returns:
        One advance between each two readings that follow one another; without a reset or a jump they add to the
        difference of the last and the first.
    """
    found: list[Advance] = []
    level: int | None = None
    for before, after in pairwise(ordered(readings)):
        level = before.value if level is None else level
        step = rule.advance(Period(before.stamp, after.stamp), level, after.value)
        level = level if step.change is Change.STEP_BACK else after.value
        found.append(step)
    return found


class Register:
    """A counter that can be asked how much it advanced across a period."""

    def __init__(self, readings: Iterable[Reading], rule: CounterRule) -> None:
        """Take readings in any order."""
        self._advances = advances(readings, rule)
        self._starts = [each.period.start for each in self._advances]
        self._ends = [each.period.end for each in self._advances]

    def __bool__(self) -> bool:
        return bool(self._advances)

    def reaches(self, instant: int) -> bool:
        """Tell whether there is a reading at an instant or after it."""
        return bool(self._ends) and self._ends[-1] >= instant

    def across(self, period: Period) -> tuple[Period, int] | None:
        """Return how much it advanced from the last reading at or before a period to the first at or after it.

        Returns:
            The stamps of the two readings, and the amount; None when a reading is missing, or when what lies between
            them cannot be believed.
        """
        first = bisect_right(self._starts, period.start) - 1
        last = bisect_left(self._ends, period.end)
        if first < 0 or last == len(self._ends):
            return None
        steps: Sequence[Advance] = self._advances[first : last + 1]
        if any(step.change in {Change.RESET, Change.IMPLAUSIBLE} for step in steps):
            return None
        return Period(steps[0].period.start, steps[-1].period.end), sum(step.amount for step in steps)
