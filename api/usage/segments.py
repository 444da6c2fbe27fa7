"""Who used a machine, when, in which state: what is charged is made of segments. Pure.

The segments of a machine tile its time: every second has one state, one quality and one payer.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from shopfloor.periods import Period
    from shopfloor.states import State

UNATTRIBUTED = "(unattributed)"
"""The payer of a second for which there is no evidence."""
CONSORTIUM = "(consortium)"
"""The payer of maintenance with an open work order or check-in, and of alarms of a maintenance class."""

PAYERS = {"consortium": CONSORTIUM, "nobody": UNATTRIBUTED}
"""The payers that are no member, by the words that people use; no member may be called so."""


def payer_named(word: str) -> str:
    """Return the payer that a word stands for: a member's code is its own."""
    return PAYERS.get(word, word)


def name_of_payer(payer: str) -> str:
    """Return the word that people use for a payer."""
    return next((word for word, each in PAYERS.items() if each == payer), payer)


class Quality(StrEnum):
    """How the state of a second is known."""

    MEASURED = "measured"
    DECLARED = "declared"
    """A person checked in or out, at equipment that says nothing itself."""
    INFERRED = "inferred"
    ESTIMATED = "estimated"
    EDITED = "edited"
    UNKNOWN = "unknown"


class Claim(StrEnum):
    """Why a payer pays, strongest first."""

    CORRECTION = "correction"
    CONSORTIUM = "consortium"
    JOB = "job"
    BADGE = "badge"
    BOOKING = "booking"
    NONE = "none"


class Meter(StrEnum):
    """What is counted beside time, each in whole units: milliwatt-hours, pieces, cycles.

    The last three are milliseconds that a counter ran in a gap: evidence of use, never charged.
    """

    ENERGY = "energy"
    PARTS = "parts"
    CYCLES = "cycles"
    POWERED = "powered"
    OPERATING = "operating"
    CUTTING = "cutting"


class Source(NamedTuple):
    """A stored sample, or a piece of evidence: where a segment comes from.

    Attributes:
        signal: the signal, or the kind of evidence.
        stamp: the instant that identifies the sample, or the one at which the evidence begins.
    """

    signal: str
    stamp: int


class Metered(NamedTuple):
    """An amount of a counter, placed in time.

    Attributes:
        meter: which counter.
        period: whole seconds over which it is spread evenly.
        amount: whole units of the meter.
        placed: False when the total is measured and its place in time is not.
    """

    meter: Meter
    period: Period
    amount: int
    placed: bool


class Segment(NamedTuple):
    """A machine in one state with one payer for a while.

    Attributes:
        machine: identifier of the machine.
        period: boundaries on whole seconds.
        state: what it was doing.
        quality: how that is known.
        payer: member code, `UNATTRIBUTED` or `CONSORTIUM`.
        claim: why that one pays.
        booked: the member whose booking covers it, None when nobody's does.
        is_clock_doubtful: stamps are times of receipt, because the machine's own clock was off.
        metered: what counters advanced by in it.
        sources: the samples and the evidence it comes from.
    """

    machine: str
    period: Period
    state: State
    quality: Quality
    payer: str
    claim: Claim
    booked: str | None = None
    is_clock_doubtful: bool = False
    metered: tuple[Metered, ...] = ()
    sources: tuple[Source, ...] = ()


class Work(NamedTuple):
    """What a machine was making for a while; empty text for what it did not say."""

    period: Period
    job: str
    order: str
    part: str


class DaySegments(NamedTuple):
    """What one machine did on one civil day, and who pays: what previews, reports and closing read.

    Attributes:
        machine: which.
        day: civil day.
        period: of that day, 23, 24 or 25 hours.
        segments: tile the period.
    """

    machine: str
    day: date
    period: Period
    segments: tuple[Segment, ...]

    def digest(self) -> str:
        """Return the SHA-256 of everything in it, in hexadecimal: the same however the data came in."""
        rows = [f"{self.machine} {self.day.isoformat()} {self.period}", *map(_row, self.segments)]
        return sha256("\n".join(rows).encode()).hexdigest()


def _row(segment: Segment) -> str:
    metered = ",".join(f"{each.meter}:{each.period}:{each.amount}:{each.placed:d}" for each in segment.metered)
    sources = ",".join(f"{each.signal}:{each.stamp}" for each in segment.sources)
    return (
        f"{segment.period} {segment.state} {segment.quality} {segment.payer} {segment.claim} {segment.booked or '-'} "
        f"{segment.is_clock_doubtful:d} {metered} {sources}"
    )


def cut_day(machine: str, day: date, period: Period, segments: Iterable[Segment]) -> DaySegments:
    """Cut a machine's segments to one civil day.

    Args:
        machine: which.
        day: civil day.
        period: of that day; begins and ends on a quarter hour, so that no metered amount is cut.
        segments: in order; may reach beyond the day, and has to tile it.

    Raises:
        ValueError: when the segments leave out a part of the day.
    """
    inside = tuple(clipped for segment in segments if (clipped := clip(segment, period)) is not None)
    if sum(each.period.end - each.period.start for each in inside) != period.end - period.start:
        raise ValueError(f"the segments of {machine} do not tile {day.isoformat()}")
    return DaySegments(machine, day, period, inside)


def clip(segment: Segment, period: Period) -> Segment | None:
    """Return the part of a segment within a period, with what was metered from then on; None when it has none."""
    part = segment.period.clip(period)
    if part is None or part == segment.period:
        return None if part is None else segment
    metered = tuple(each for each in segment.metered if each.period.start in part)
    return segment._replace(period=part, metered=metered)
