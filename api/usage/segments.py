"""Who used a machine, when, in which state: what is charged is made of segments. Pure.

The segments of a machine tile its time: every second has one state, one quality and one payer.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from shopfloor.periods import Period
    from shopfloor.states import State

UNATTRIBUTED = "(unattributed)"
"""The payer of a second for which there is no evidence."""
CONSORTIUM = "(consortium)"
"""The payer of maintenance with an open work order or check-in, and of alarms of a maintenance class."""


class Quality(StrEnum):
    """How the state of a second is known."""

    MEASURED = "measured"
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
    """What is counted beside time, each in whole units: milliwatt-hours, pieces, cycles."""

    ENERGY = "energy"
    PARTS = "parts"
    CYCLES = "cycles"


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
