"""What somebody has to decide before a month is closed. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from api.usage.intervals import NOT_RUNNING
from api.usage.segments import UNATTRIBUTED, Claim, Quality, Segment
from shopfloor.periods import Period
from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable


class Reason(StrEnum):
    """Why a while has to be decided on."""

    UNATTRIBUTED = "unattributed"
    UNKNOWN = "unknown"


_NOT_AT_WORK = frozenset({*NOT_RUNNING, State.OUT_OF_SERVICE})


class Doubt(NamedTuple):
    """A while of one machine that is charged to nobody, although it was used or seems so.

    Attributes:
        machine: which.
        period: when.
        reason: nobody to pay, or nothing known.
        evidence: what speaks of use: claims, meters, or the states of the machine.
    """

    machine: str
    period: Period
    reason: Reason
    evidence: tuple[str, ...]


def doubts(segments: Iterable[Segment]) -> list[Doubt]:
    """List use that nobody pays, and unknown time with evidence of use: a claim, or a counter that advanced.

    Args:
        segments: of one machine, in order; neighbours with the same doubt are listed as one.
    """
    found: list[Doubt] = []
    for segment in segments:
        doubt = _doubt(segment)
        if doubt is None:
            continue
        last = found[-1] if found else None
        if last is not None and last.period.end == doubt.period.start and last[2:] == doubt[2:]:
            found[-1] = last._replace(period=Period(last.period.start, doubt.period.end))
        else:
            found.append(doubt)
    return found


def _doubt(segment: Segment) -> Doubt | None:
    is_unknown = segment.quality is Quality.UNKNOWN
    if not is_unknown and (segment.payer != UNATTRIBUTED or segment.claim is not Claim.NONE):
        return None  # as nearly always
    evidence = sorted({str(each.meter) for each in segment.metered})
    if is_unknown:
        if segment.claim in {Claim.JOB, Claim.BADGE, Claim.BOOKING}:
            evidence.append(segment.claim)
        return Doubt(segment.machine, segment.period, Reason.UNKNOWN, tuple(evidence)) if evidence else None
    if segment.state in _NOT_AT_WORK:
        return None
    return Doubt(segment.machine, segment.period, Reason.UNATTRIBUTED, (*evidence, segment.state))
