"""What machines say, month by month, and what of it a person has to decide before it can be billed. Pure.

A gap is a run of `unknown` and `unreachable`. What was done in it is told by the counters on its two sides: they rise
while nobody watches, see `api.usage.hidden`. A gap that hides use is put to a person, all of a machine in one question,
as on the page where that is decided. What was off is inferred as for a statement, by `api.usage.intervals`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import dropwhile, groupby
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from api.usage.counters import Reading
from api.usage.hidden import (
    BLIND,
    COUNTERS,
    HIDDEN_SECONDS_MIN,
    PART_COUNTERS,
    POWER_COUNTER,
    Gap,
    Hidden,
    Track,
    hidden,
)
from api.usage.intervals import Counters, Known, tile
from api.usage.policy import Policy
from api.usage.segments import Quality
from shopfloor.periods import MINUTE, SECOND, Period, from_datetime
from shopfloor.states import State, Stretch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shopfloor.samples import Sample

TRACES = ("job", "order", "customer_order", "badge")
"""The signals that speak of use: where one shows anything, a machine without a counter of power was not off."""


class Found(NamedTuple):
    """A run of `unknown` and `unreachable`, and what it hides."""

    period: Period
    hidden: Hidden


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
    """

    machine: str
    month: str
    seconds: dict[State, int] = field(default_factory=dict)
    inferred_off_seconds: int = 0
    gaps: int = 0
    hiding_gaps: int = 0

    @property
    def questions(self) -> int:
        """How many decisions a person has to take for the gaps that begin in it: those of a machine are one."""
        return min(1, self.hiding_gaps)

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
    used = [each.period for each in gaps if each.hidden.is_use]
    off = _inferred_off(stretches, said, used, period)
    of_month = list(months(period, zone))
    found = [Month(machine, name) for name, _ in of_month]
    for month, (_, span) in zip(found, of_month, strict=True):
        _add_up(month, span, stretches, gaps)
        month.inferred_off_seconds = sum(part.seconds for each in off if (part := each.clip(span)) is not None)
    return list(dropwhile(lambda month: not month.is_known, found))


def find_gaps(stretches: Iterable[Stretch], counters: Iterable[Sample]) -> list[Found]:
    """Return the gaps in the watching of a machine, by start, and what its counters say of each."""
    by_signal: dict[str, list[Sample]] = {}
    for sample in counters:
        by_signal.setdefault(sample.signal, []).append(sample)
    tracks = {
        signal: Track(_readings(by_signal[signal], 1 if signal in PART_COUNTERS else 1000))
        for signal in COUNTERS
        if signal in by_signal
    }
    gaps = []
    for blind, members in groupby(stretches, lambda each: each.state in BLIND):
        if blind:
            run = [each.period for each in members]
            period = Period(run[0].start, run[-1].end)
            gaps.append(Found(period, hidden(Gap(period), tracks)))
    return gaps


def _inferred_off(
    stretches: Sequence[Stretch], said: Iterable[Sample], used: Iterable[Period], period: Period
) -> list[Period]:
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
    intervals = tile(stretches, Known((), counters, [*traces, *used]), Policy())
    return [each.period for each in intervals if each.state is State.OFF and each.quality is Quality.INFERRED]


def _readings(samples: Iterable[Sample], units: int) -> list[Reading]:
    return [Reading(each.stamp, round(each.value * units)) for each in samples if isinstance(each.value, int | float)]


def _add_up(month: Month, span: Period, stretches: Iterable[Stretch], gaps: Iterable[Found]) -> None:
    for stretch in stretches:
        clipped = stretch.period.clip(span)
        if clipped is not None:
            month.seconds[stretch.state] = month.seconds.get(stretch.state, 0) + clipped.seconds
    for gap in gaps:
        if gap.period.start in span:
            month.gaps += 1
            month.hiding_gaps += gap.hidden.is_use


def render(found: Sequence[Month]) -> str:
    """Write the months as a table: shares in per cent, then gaps, gaps that hide use, and questions."""
    heads = ("machine", "month", *(state.value for state in _SHOWN), "off*", "gaps", "hiding", "questions")
    rows = [
        (
            month.machine,
            month.month,
            *(f"{100 * month.share(state):.1f}" for state in _SHOWN),
            f"{100 * month.inferred_off_share:.1f}",
            str(month.gaps),
            str(month.hiding_gaps),
            str(month.questions),
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
    "questions: decisions to take; all gaps of a machine are one question, opened and answered together.\n"
)
