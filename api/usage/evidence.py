"""What says who used a machine: jobs on the control, badges, bookings, approved corrections, maintenance. Pure.

Evidence is kept as it came; who pays is calculated from it and never edited in place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from api.usage.segments import Claim, Source
from shopfloor.errors import ExpectedError
from shopfloor.periods import SECOND, Period, union

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from api.usage.policy import Policy
    from shopfloor.states import State

REASON_LENGTH_MIN = 10
"""A correction says why in at least so many characters."""


class BadEvidenceError(ExpectedError):
    """Evidence contradicts itself or is incomplete; the sentence names it and the mend."""


class RuleKind(StrEnum):
    """How a rule reads a job id, strongest first."""

    EXACT = "exact"
    PREFIX = "prefix"
    PATTERN = "pattern"
    CUSTOMER = "customer"


class JobRule(NamedTuple):
    """Maps a job or order id to a member.

    Attributes:
        kind: `exact` compares the whole id, `prefix` its beginning, `pattern` is a regular expression for the whole id,
            `customer` a customer number that stands anywhere in the id as a run of digits of its own.
        text: what is looked for.
        member: who it maps to.
    """

    kind: RuleKind
    text: str
    member: str

    def matches(self, job: str) -> bool:
        """Tell whether the id is one of this rule's."""
        if self.kind is RuleKind.EXACT:
            return job == self.text
        if self.kind is RuleKind.PREFIX:
            return job.startswith(self.text)
        if self.kind is RuleKind.PATTERN:
            return re.fullmatch(self.text, job) is not None
        return self.text in re.findall(r"[0-9]+", job)


class JobRules:
    """The rules of a house. The strongest kind decides, the longest text among equals; a tie maps to nobody.

    Raises:
        BadEvidenceError: an empty or unreadable rule, or two that say the same of different members.
    """

    def __init__(self, rules: Iterable[JobRule]) -> None:
        """Take rules in any order."""
        self._rules = sorted(rules, key=lambda rule: (list(RuleKind).index(rule.kind), -len(rule.text), rule))
        for rule in self._rules:
            _check_rule(rule)
        for first, second in pairwise(self._rules):
            if first[:2] == second[:2] and first.member != second.member:
                raise BadEvidenceError(f"the job rule {first.kind} {first.text!r} maps to {first.member} and to "
                                       f"{second.member}: keep one")  # fmt: skip
        self._known: dict[str, str | None] = {}

    def member(self, job: str) -> str | None:
        """Return the member whose job it is, None when no rule or more than one member's says so."""
        if job not in self._known:
            if len(self._known) >= _JOBS_CACHED_MAX:
                self._known.clear()
            self._known[job] = self._find(job)
        return self._known[job]

    def _find(self, job: str) -> str | None:
        matching = [rule for rule in self._rules if rule.matches(job)]
        if not matching:
            return None
        best = matching[0]
        rivals = {rule.member for rule in matching if (rule.kind, len(rule.text)) == (best.kind, len(best.text))}
        return best.member if len(rivals) == 1 else None


_JOBS_CACHED_MAX = 65_536


def _check_rule(rule: JobRule) -> None:
    if not rule.text:
        raise BadEvidenceError(f"a job rule of {rule.member} is empty and would take every job: write what to look for")
    if rule.kind is RuleKind.PATTERN:
        try:
            re.compile(rule.text)
        except re.error as error:
            raise BadEvidenceError(f"the job rule {rule.text!r} is no regular expression: {error}") from error


class Job(NamedTuple):
    """A job or order id that the control showed for a while."""

    period: Period
    text: str


class Badge(NamedTuple):
    """A badge read at the machine, or a check-in.

    Attributes:
        at: when.
        member: whose; None for a check-out of whoever is there. A check-in for maintenance is the consortium's own,
            `CONSORTIUM`.
        is_out: a check-out.
    """

    at: int
    member: str | None
    is_out: bool = False


class Booking(NamedTuple):
    """A slot that a member has reserved.

    Attributes:
        period: when.
        member: whose.
        is_given_up: its member gave it up when that was too late to be free. It pays for the time in which the machine
            was off, and for nobody's use of it.
    """

    period: Period
    member: str
    is_given_up: bool = False


class Cause(StrEnum):
    """Why time is the consortium's."""

    WORK_ORDER = "work_order"
    ALARM = "alarm"


class Maintenance(NamedTuple):
    """A while in which maintenance is the consortium's (work order), or an interruption is (alarm of that class)."""

    period: Period
    cause: Cause


class Correction(NamedTuple):
    """A request to charge a period otherwise; what was recorded is kept.

    Attributes:
        period: the time that it is about.
        payer: who is to pay; None leaves that as it is.
        state: what the machine did in truth; None leaves that as it is.
        reason: why.
        requested_by: who asks.
        approved_by: who approved, another person; None while nobody has, and then it changes nothing.
        at: when it was approved, else asked for; the latest of those that overlap holds.
    """

    period: Period
    payer: str | None
    state: State | None
    reason: str
    requested_by: str
    approved_by: str | None
    at: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known about the use of one machine."""

    jobs: Sequence[Job] = ()
    badges: Sequence[Badge] = ()
    bookings: Sequence[Booking] = ()
    maintenance: Sequence[Maintenance] = ()
    corrections: Sequence[Correction] = ()

    def check(self, machine: str) -> None:
        """Refuse what nobody could charge by.

        Raises:
            BadEvidenceError: bookings that overlap, corrections without a reason, without a change or approved by who
                asked, two badges at one instant.
        """
        for first, second in pairwise(sorted(self.bookings)):
            if first.period.overlaps(second.period) and first != second:
                raise BadEvidenceError(f"{machine}: the bookings {first.period} of {first.member} and {second.period} "
                                       f"of {second.member} overlap: cancel or move one")  # fmt: skip
        for correction in self.corrections:
            _check_correction(machine, correction)
        arrivals = {badge for badge in self.badges if not badge.is_out}
        for one, other in pairwise(sorted(arrivals, key=lambda badge: badge.at)):
            if one.at == other.at:
                raise BadEvidenceError(f"{machine}: two badges are read at one instant, {one.member} and "
                                       f"{other.member}: nobody can say which was the later")  # fmt: skip


def _check_correction(machine: str, correction: Correction) -> None:
    place = f"{machine}: the correction of {correction.period}"
    if len(correction.reason.strip()) < REASON_LENGTH_MIN:
        raise BadEvidenceError(f"{place} has no reason: say in {REASON_LENGTH_MIN} characters or more why")
    if correction.payer is None and correction.state is None:
        raise BadEvidenceError(f"{place} changes nothing: name a payer, a state or both")
    if correction.approved_by == correction.requested_by:
        raise BadEvidenceError(f"{place} was approved by who asked for it, {correction.requested_by}: another person "
                               "has to approve it")  # fmt: skip


class Held(NamedTuple):
    """A claim on a machine for a while, and the evidence that it rests on."""

    period: Period
    payer: str
    claim: Claim
    source: Source


def presences(badges: Iterable[Badge], off: Iterable[Period], policy: Policy) -> list[Held]:
    """Turn badges and check-ins into the spans in which they hold, sorted and disjoint.

    One ends at its check-out, at another badge, when the machine has been off for `badge_off_seconds_max` since it
    began, or after `badge_seconds_max`, whatever comes first. A check-out that names another member changes nothing.
    """
    off = union(off)
    spans: list[Held] = []
    order = sorted(set(badges), key=lambda badge: (badge.at, not badge.is_out, badge.member or ""))
    for index, badge in enumerate(order):
        if badge.is_out or badge.member is None:
            continue
        ends = (later.at for later in order[index + 1 :] if not later.is_out or later.member in {None, badge.member})
        end = min(
            next(ends, badge.at + policy.badge_seconds_max * SECOND), badge.at + policy.badge_seconds_max * SECOND
        )
        held = Period(badge.at, _until_off(badge.at, end, off, policy.badge_off_seconds_max * SECOND))
        if held:
            spans.append(Held(held, badge.member, Claim.BADGE, Source("badge", badge.at)))
    return spans


def _until_off(start: int, end: int, off: Sequence[Period], patience: int) -> int:
    for each in off:
        if each.end > start and each.start < end:
            ended = max(each.start, start) + patience
            if ended <= min(each.end, end):
                return ended
    return end


def job_spans(jobs: Iterable[Job], rules: JobRules) -> list[Held]:
    """Turn ids on the control into claims of the members that the rules map them to; the others claim nothing."""
    return [
        Held(job.period, member, Claim.JOB, Source("job", job.period.start))
        for job in sorted(set(jobs))
        if (member := rules.member(job.text)) is not None
    ]
