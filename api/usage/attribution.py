"""One payer per second: the strongest claim that exists, else nobody's. Pure."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from api.usage.evidence import Cause, Held, job_spans, presences
from api.usage.layers import Layers
from api.usage.segments import CONSORTIUM, UNATTRIBUTED, Claim, Quality, Segment, Source
from shopfloor.periods import Period
from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from api.usage.evidence import Booking, Correction, Evidence, JobRules
    from api.usage.intervals import Interval
    from api.usage.policy import Policy


def attribute(
    machine: str,
    intervals: Sequence[Interval],
    evidence: Evidence,
    rules: JobRules,
    policy: Policy,
    *,
    cuts: Collection[int] = (),
) -> list[Segment]:
    """Give every second of a machine its payer.

    Args:
        machine: identifier of the machine.
        intervals: adjoining, on whole seconds.
        evidence: of this machine; may reach beyond the intervals. Each boundary is cut to its second.
        rules: which member a job id means.
        policy: precedence of claims, and when badges end.
        cuts: where segments are never joined, such as the midnights at which intervals were cut.

    Returns:
        Adjoining segments that tile what the intervals tile; the same whatever order the evidence is in.

    Raises:
        BadEvidenceError: see `Evidence.check`.
    """
    evidence.check(machine)
    off = [each.period for each in intervals if each.state is State.OFF]
    judge = _Judge(machine, evidence, rules, policy, off)
    segments: list[Segment] = []
    for interval in intervals:
        for period in judge.cut(interval.period):
            _append(segments, judge.segment(interval, period), cuts)
    return segments


class _Judge:
    """Knows every claim on one machine, and decides."""

    def __init__(
        self, machine: str, evidence: Evidence, rules: JobRules, policy: Policy, off: Sequence[Period]
    ) -> None:
        self._machine, self._precedence = machine, policy.payer_precedence
        approved = [each for each in evidence.corrections if each.approved_by is not None]
        approved.sort(key=lambda each: (each.at, each.period, each.payer or "", each.state or ""))
        self._edits = Layers((each.period, each) for each in approved if each.state is not None)
        self._corrections = Layers((each.period, each) for each in approved if each.payer is not None)
        self._jobs = _painted(job_spans(evidence.jobs, rules))
        self._badges = _painted(presences(evidence.badges, off, policy))
        self._bookings = _painted(_booked(each for each in evidence.bookings if not each.is_given_up))
        self._given_up = _painted(_booked(each for each in evidence.bookings if each.is_given_up))
        self._orders = Layers((each.period, each) for each in evidence.maintenance if each.cause is Cause.WORK_ORDER)
        self._alarms = Layers((each.period, each) for each in evidence.maintenance if each.cause is Cause.ALARM)
        layers = (
            self._edits, self._corrections, self._jobs, self._badges, self._bookings, self._given_up, self._orders,
            self._alarms,
        )  # fmt: skip
        self._bounds = sorted({bound for layer in layers for bound in layer.bounds})

    def cut(self, period: Period) -> Iterator[Period]:
        """Cut a period wherever evidence begins or ends."""
        at = period.start
        for bound in self._bounds[bisect_right(self._bounds, at) :]:
            if bound >= period.end:
                break
            yield Period(at, bound)
            at = bound
        yield Period(at, period.end)

    def segment(self, interval: Interval, period: Period) -> Segment:
        """Decide who pays for a period in which no evidence begins or ends."""
        at = period.start
        state, quality, sources = interval.state, interval.quality, interval.sources
        edit = self._edits.at(at)
        if edit is not None and edit.state is not None:
            state, quality = edit.state, Quality.EDITED
            sources = (*sources, Source("correction", edit.at))
        booked = self._bookings.at(at) or (self._given_up.at(at) if state is State.OFF else None)
        best = self._best(at, state, booked)
        return Segment(
            machine=self._machine,
            period=period,
            state=state,
            quality=quality,
            payer=UNATTRIBUTED if best is None else best.payer,
            claim=Claim.NONE if best is None else best.claim,
            booked=None if booked is None else booked.payer,
            is_clock_doubtful=interval.is_clock_doubtful,
            sources=sources if best is None or best.source in sources else (*sources, best.source),
        )

    def _best(self, at: int, state: State, booked: Held | None) -> Held | None:
        correction = self._corrections.at(at)
        badge = self._badges.at(at)
        claims = {
            Claim.CORRECTION: correction and _corrects(correction),
            Claim.CONSORTIUM: self._house(at, state, badge),
            Claim.JOB: self._jobs.at(at),
            Claim.BADGE: badge,
            Claim.BOOKING: booked,
        }
        return next((claim for each in self._precedence if (claim := claims[each]) is not None), None)

    def _house(self, at: int, state: State, badge: Held | None) -> Held | None:
        """Maintenance is the consortium's with a work order or a check-in; an interruption with such an alarm."""
        if state is State.MAINTENANCE:
            order = self._orders.at(at)
            if order is not None:
                source = Source("work_order", order.period.start)
                return Held(order.period, CONSORTIUM, Claim.CONSORTIUM, source)
            if badge is not None and badge.payer == CONSORTIUM:
                return badge._replace(claim=Claim.CONSORTIUM)
        alarm = self._alarms.at(at) if state is State.INTERRUPTED else None
        if alarm is None:
            return None
        return Held(alarm.period, CONSORTIUM, Claim.CONSORTIUM, Source("alarm", alarm.period.start))


def _corrects(correction: Correction) -> Held:
    payer = correction.payer or UNATTRIBUTED
    return Held(correction.period, payer, Claim.CORRECTION, Source("correction", correction.at))


def _booked(bookings: Iterable[Booking]) -> list[Held]:
    return [Held(each.period, each.member, Claim.BOOKING, Source("booking", each.period.start)) for each in bookings]


def _painted(held: Iterable[Held]) -> Layers[Held]:
    return Layers((each.period, each) for each in sorted(held))


def _append(segments: list[Segment], segment: Segment, cuts: Collection[int]) -> None:
    """Join neighbours that differ in nothing, whatever evidence without effect begins between them."""
    if segments and segment.period.start not in cuts:
        last = segments[-1]
        alike = last._replace(period=segment.period, sources=segment.sources)
        if alike == segment and last.period.end == segment.period.start:
            sources = tuple(sorted({*last.sources, *segment.sources}))
            segments[-1] = last._replace(period=Period(last.period.start, segment.period.end), sources=sources)
            return
    segments.append(segment)
