"""What machines say, month by month, and what of it a person has to decide before it can be billed. Pure.

A gap is a run of `unknown` and `unreachable`. What was done in it is told by the counters on its two sides: they rise
while nobody watches. A gap that hides use is put to a person; gaps of one month that follow each other within a week
are one case, because they have one reason and are looked at together. What was off is inferred as for a statement, by
`api.usage.intervals`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import dropwhile, groupby
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from api.usage.counters import Reading
from api.usage.intervals import Counters, Known, tile
from api.usage.policy import Policy
from api.usage.segments import Quality
from shopfloor.periods import DAY, MINUTE, SECOND, Period, from_datetime
from shopfloor.states import State, Stretch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from shopfloor.samples import Sample

POWER_COUNTER = "power_on_seconds"
"""Time for which the machine was powered."""
USE_COUNTERS = ("operation_seconds", "automatic_seconds", "cutting_seconds")
"""Times that rise only while the machine is used."""
PART_COUNTERS = ("parts", "operation_cycles")
"""What use leaves behind on a machine that counts no time."""
COUNTERS = (POWER_COUNTER, *USE_COUNTERS, *PART_COUNTERS)
"""The signals whose differences tell what a gap hides."""
TRACES = ("job", "order", "customer_order", "badge")
"""The signals that speak of use: where one shows anything, a machine without a counter of power was not off."""

HIDDEN_SECONDS_MIN = 300
"""Use that is worth a person's look; less stays unknown, listed and not charged."""
CASE_APART = 7 * DAY
"""Gaps that hide use and begin within so long of the end of another belong to one case."""
BLIND = frozenset({State.UNKNOWN, State.UNREACHABLE})
"""The states of a gap."""


class Hidden(NamedTuple):
    """What the counters say of a gap; None where the machine has no such counter, or it was not read on both sides.

    Attributes:
        powered_seconds: for how long it was powered, at least.
        used_seconds: for how long it was used, at least.
        parts: how many parts or cycles it made.
    """

    powered_seconds: float | None
    used_seconds: float | None
    parts: float | None

    @property
    def is_use(self) -> bool:
        """Whether a person should look at it: it was used, or, where no counter tells of use, it was powered."""
        if self.used_seconds is not None:
            return self.used_seconds >= HIDDEN_SECONDS_MIN
        if self.parts is not None:
            return self.parts > 0
        return (self.powered_seconds or 0) >= HIDDEN_SECONDS_MIN


class Gap(NamedTuple):
    """A run of `unknown` and `unreachable`, and what it hides."""

    period: Period
    hidden: Hidden


class Case(NamedTuple):
    """Gaps that hide use, in order, which a person decides together."""

    gaps: tuple[Gap, ...]


@dataclass(slots=True)
class Month:
    """One month of one machine.

    Attributes:
        machine: its identifier.
        month: civil month, `2017-03`.
        seconds: whole seconds by state; all add to those of the month.
        inferred_off_seconds: part of `unreachable` that a statement takes for off.
        gaps: that begin in the month.
        hiding_gaps: those of them that hide use.
        cases: decisions that a person has to take for the gaps that begin in it.
    """

    machine: str
    month: str
    seconds: dict[State, int] = field(default_factory=dict)
    inferred_off_seconds: int = 0
    gaps: int = 0
    hiding_gaps: int = 0
    cases: int = 0

    def share(self, state: State) -> float:
        """Return the share of the month that a state has, 0 to 1; inferred off is not unreachable any more."""
        seconds = self.seconds.get(state, 0)
        if state is State.UNREACHABLE:
            seconds -= self.inferred_off_seconds
        return seconds / max(1, sum(self.seconds.values()))

    @property
    def is_known(self) -> bool:
        """Whether the machine was in a known state for any of it."""
        return bool(self.seconds.keys() - BLIND)

    @property
    def inferred_off_share(self) -> float:
        """The share of the month in which the machine did not answer because it was off, 0 to 1."""
        return self.inferred_off_seconds / max(1, sum(self.seconds.values()))


def months(period: Period, zone: str) -> Iterator[tuple[str, Period]]:
    """Go over the civil months that touch a period, each clipped to it.

    Args:
        period: from when to when.
        zone: IANA name of the zone whose months they are.
    """
    place = ZoneInfo(zone)
    first = datetime.fromtimestamp(period.start // SECOND, place).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    while from_datetime(first) < period.end:
        following = (first + timedelta(days=32)).replace(day=1)
        clipped = Period(from_datetime(first), from_datetime(following)).clip(period)
        if clipped is not None:
            yield f"{first:%Y-%m}", clipped
        first = following


def report(
    machine: str, stretches: Sequence[Stretch], said: Sequence[Sample], period: Period, zone: str
) -> list[Month]:
    """Say what a machine said in a period, by month.

    Args:
        machine: its identifier.
        stretches: its states, which tile the period (`shopfloor.states.timeline`).
        said: samples of `COUNTERS` and `TRACES` in the period and one before, in order of their stamps for each signal.
        period: from when to when.
        zone: IANA name of the zone whose months they are.

    Returns:
        The months in order, from the first in which its state was known.
    """
    gaps = find_gaps(stretches, said)
    off = _inferred_off(stretches, said, period)
    of_month = list(months(period, zone))
    found = [Month(machine, name) for name, _ in of_month]
    for month, (_, span) in zip(found, of_month, strict=True):
        _add_up(month, span, stretches, gaps)
        month.inferred_off_seconds = sum(part.seconds for each in off if (part := each.clip(span)) is not None)
        month.cases = len(find_cases(gap for gap in gaps if gap.period.start in span))
    return list(dropwhile(lambda month: not month.is_known, found))


def find_gaps(stretches: Iterable[Stretch], counters: Iterable[Sample]) -> list[Gap]:
    """Return the gaps in the watching of a machine, by start, and what its counters say of each."""
    by_signal: dict[str, _Counter] = {}
    for sample in counters:
        if isinstance(sample.value, int | float):
            by_signal.setdefault(sample.signal, _Counter()).add(sample.stamp, float(sample.value))
    gaps = []
    for blind, members in groupby(stretches, lambda each: each.state in BLIND):
        if blind:
            run = [each.period for each in members]
            period = Period(run[0].start, run[-1].end)
            gaps.append(Gap(period, _hidden(period, by_signal)))
    return gaps


def find_cases(gaps: Iterable[Gap]) -> list[Case]:
    """Return what a person has to decide: gaps that hide use, those within a week of each other together."""
    cases: list[list[Gap]] = []
    for gap in gaps:
        if not gap.hidden.is_use:
            continue
        if cases and gap.period.start - cases[-1][-1].period.end < CASE_APART:
            cases[-1].append(gap)
        else:
            cases.append([gap])
    return [Case(tuple(each)) for each in cases]


class _Counter:
    """The values of a counter, in order of their stamps."""

    def __init__(self) -> None:
        self._stamps: list[int] = []
        self._values: list[float] = []

    def add(self, stamp: int, value: float) -> None:
        self._stamps.append(stamp)
        self._values.append(value)

    def across(self, period: Period) -> tuple[float, float] | None:
        """Return by how much it rose across a period, and the seconds outside of it that the readings span too.

        A counter that stands lower afterwards was set back or replaced: what it says is then what it has counted since.
        """
        before, after = bisect_right(self._stamps, period.start) - 1, bisect_left(self._stamps, period.end)
        if before < 0 or after >= len(self._stamps):
            return None
        rise = self._values[after] - self._values[before]
        outside = (period.start - self._stamps[before]) + (self._stamps[after] - period.end)
        return (rise if rise >= 0 else self._values[after]), outside / SECOND


def _hidden(period: Period, counters: Mapping[str, _Counter]) -> Hidden:
    used = [_seconds(period, counters.get(signal)) for signal in USE_COUNTERS]
    made = [counters[signal].across(period) for signal in PART_COUNTERS if signal in counters]
    return Hidden(
        _seconds(period, counters.get(POWER_COUNTER)),
        max((each for each in used if each is not None), default=None),
        max((each[0] for each in made if each is not None), default=None),
    )


def _seconds(period: Period, counter: _Counter | None) -> float | None:
    """Return for how long a counter of time ran within a period at least: what it may have run outside is left out."""
    across = counter.across(period) if counter is not None else None
    if across is None:
        return None
    rise, outside = across
    return max(0.0, rise - outside)


def _inferred_off(stretches: Sequence[Stretch], said: Iterable[Sample], period: Period) -> list[Period]:
    """Return when the machine did not answer and a statement would say that it was off."""
    by_signal: dict[str, list[Sample]] = {}
    for sample in said:
        by_signal.setdefault(sample.signal, []).append(sample)
    counters = Counters(
        powered=_readings(by_signal.get(POWER_COUNTER, ()), 1000), parts=_readings(by_signal.get("parts", ()), 1)
    )
    traces = [
        Period(sample.stamp, max(sample.stamp, end))
        for signal in TRACES
        if (samples := by_signal.get(signal))
        for sample, end in zip(samples, [*(each.stamp for each in samples[1:]), period.end], strict=True)
        if sample.value
    ]
    intervals = tile(stretches, Known((), counters, traces), Policy())
    return [each.period for each in intervals if each.state is State.OFF and each.quality is Quality.INFERRED]


def _readings(samples: Iterable[Sample], units: int) -> list[Reading]:
    return [Reading(each.stamp, round(each.value * units)) for each in samples if isinstance(each.value, int | float)]


def _add_up(month: Month, span: Period, stretches: Iterable[Stretch], gaps: Iterable[Gap]) -> None:
    for stretch in stretches:
        clipped = stretch.period.clip(span)
        if clipped is not None:
            month.seconds[stretch.state] = month.seconds.get(stretch.state, 0) + clipped.seconds
    for gap in gaps:
        if gap.period.start in span:
            month.gaps += 1
            month.hiding_gaps += gap.hidden.is_use


def render(found: Sequence[Month]) -> str:
    """Write the months as a table: shares in per cent, then gaps, gaps that hide use, and cases to decide."""
    heads = ("machine", "month", *(state.value for state in _SHOWN), "off*", "gaps", "hiding", "cases")
    rows = [
        (
            month.machine,
            month.month,
            *(f"{100 * month.share(state):.1f}" for state in _SHOWN),
            f"{100 * month.inferred_off_share:.1f}",
            str(month.gaps),
            str(month.hiding_gaps),
            str(month.cases),
        )
        for month in found
    ]
    widths = [max(len(row[place]) for row in (heads, *rows)) for place in range(len(heads))]
    lines = ["  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in (heads, *rows)]
    return "\n".join(lines) + "\n" + _FOOT


_SHOWN = tuple(State)
_FOOT = (
    "\noff*: did not answer, and a statement takes it for off (inferred).\n"
    f"hiding: gaps in which a counter of use ran for {HIDDEN_SECONDS_MIN * SECOND // MINUTE} minutes or more.\n"
    f"cases: decisions to take; gaps of a month that are less than {CASE_APART // DAY} days apart are one.\n"
)
