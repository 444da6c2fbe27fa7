"""The life of an alarm, after OPC 10000-9 (5.8) and ISA-18.2: what judgements, time and people make of it. Pure.

Delays count measured time: they stand still while nothing is known, and survive a restart. A return within the quiet
time is the same alarm. An alarm is closed when it has been quiet for long enough and the machine has worked since:
a machine that stands still, or is switched off, has not recovered.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from api.maintenance.judging import NEVER, Judgement, Verdict
from shopfloor.errors import ExpectedError
from shopfloor.periods import DAY, SECOND, format_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shopfloor.samples import Value

FLAPPING_RETURNS = 2
"""So many returns to normal within `FLAPPING_SECONDS` are flapping; then the off-delay is at least that long."""
FLAPPING_SECONDS = 1800
SHELVED_DAYS_MAX = 90
"""Longest that an alarm may be shelved at once (MaxTimeShelved)."""
WORKED_SECONDS = 3600.0
"""Work without the alarm that shows that the machine has recovered."""
_LOOK_AGAIN = DAY


class ActionRefusedError(ExpectedError):
    """What a person asked of an alarm cannot be done; the sentence says why."""


class What(StrEnum):
    """What became of an alarm."""

    RAISED = "raised"
    AGAIN = "again"
    RETURNED = "returned"
    CLOSED = "closed"
    ACKNOWLEDGED = "acknowledged"
    CONFIRMED = "confirmed"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"
    SUPPRESSED = "suppressed"
    RELEASED = "released"
    OUT_OF_SERVICE = "out_of_service"
    IN_SERVICE = "in_service"
    ASSIGNED = "assigned"


class Change(NamedTuple):
    """Something became of an alarm.

    Attributes:
        stamp: event time.
        machine: whose alarm; an edge's name for its own.
        rule: id of the rule.
        subject: see `Judgement`.
        what: see `What`.
        since: when the condition began; with machine, rule and subject it is the alarm's identity.
        severity: of the alarm.
        evidence: of the judgement that made the change.
        worked_seconds: how much the machine had worked by then.
        by: who, for what a person did.
    """

    stamp: int
    machine: str
    rule: str
    subject: str
    what: What
    since: int
    severity: str
    evidence: Mapping[str, Value]
    worked_seconds: float
    by: str = ""

    @property
    def alarm(self) -> str:
        """Identity of the alarm, the same whenever it is computed."""
        return f"{self.machine}/{self.rule}/{self.subject}/{format_instant(self.since)}"


@dataclass(frozen=True, slots=True)
class Terms:
    """How patient an alarm is, and how much it matters.

    Attributes:
        on_delay_seconds: measured time before it comes.
        off_delay_seconds: measured time before it goes.
        quiet_days: time without a return before it is closed.
        severity: see `api.maintenance.rules.Severity`.
        needs_work: the machine must have worked before it is closed; not for service dates and silence.
    """

    on_delay_seconds: float = 0.0
    off_delay_seconds: float = 0.0
    quiet_days: float = 7.0
    severity: str = "medium"
    needs_work: bool = True


@dataclass(slots=True)
class Alarm:
    """One condition of one machine, from its first judgement on. All state is here, as JSON can hold it.

    Attributes:
        machine: whose.
        rule: id of the rule.
        subject: see `Judgement`.
        verdict: the last.
        verdict_at: since when.
        counted: nanoseconds that the delay at hand has counted before that.
        since: when the condition of this alarm began; 0 for no alarm.
        active: between raised and returned.
        is_open: between raised and closed.
        returned_at: the last return.
        activations: how often the condition came, the first time included.
        returns: the last returns, for flapping.
        flaps: how often it was held because it flapped.
        acknowledged_by: who takes care, empty for nobody; a return of the condition asks again.
        confirmed_by: who says that the cause has been dealt with.
        shelved_until: 0 for not shelved.
        shelved_by: owner of the shelving.
        shelved_reason: why.
        suppressed_by: the cause that hides it, empty for none.
        out_of_service_by: who took it out of service, empty for nobody.
        assigned_to: whom.
        notes: what people wrote.
        worked: how much the machine had worked at its last activity.
        evidence: of the last active judgement.
        severity: of this alarm.
        on_delay: nanoseconds.
        next_look: when to look again whether it may be closed.
    """

    machine: str
    rule: str
    subject: str
    verdict: str = str(Verdict.UNKNOWN)
    verdict_at: int = 0
    counted: int = 0
    since: int = 0
    active: bool = False
    is_open: bool = False
    returned_at: int = 0
    activations: int = 0
    returns: list[int] = field(default_factory=list)
    flaps: int = 0
    acknowledged_by: str = ""
    confirmed_by: str = ""
    shelved_until: int = 0
    shelved_by: str = ""
    shelved_reason: str = ""
    suppressed_by: str = ""
    out_of_service_by: str = ""
    assigned_to: str = ""
    notes: list[str] = field(default_factory=list)
    worked: float = 0.0
    evidence: dict[str, Any] = field(default_factory=dict)
    severity: str = ""
    on_delay: int = 0
    next_look: int = 0

    @property
    def isa_state(self) -> str:
        """The state's letter in ISA-18.2.

        A normal, B unacknowledged, C acknowledged, D returned unacknowledged, E shelved, F suppressed, G out of
        service.
        """
        if self.out_of_service_by:
            return "G"
        if self.suppressed_by:
            return "F"
        if self.shelved_until:
            return "E"
        if not self.is_open:
            return "A"
        if self.active:
            return "C" if self.acknowledged_by else "B"
        return "A" if self.acknowledged_by else "D"

    @property
    def asks(self) -> bool:
        """Whether it asks for somebody now: active, and nobody has taken, shelved or hidden it."""
        return self.isa_state == "B"

    def judge(self, judgement: Judgement, terms: Terms, worked: float) -> list[Change]:
        """Take in a judgement.

        Args:
            judgement: not older than the last.
            terms: of its rule.
            worked: how much the machine has worked until now.
        """
        stamp, verdict = judgement.stamp, str(judgement.verdict)
        self._count(stamp)
        if verdict == Verdict.ACTIVE:
            self._become_active(judgement, terms, worked)
        elif verdict == Verdict.NORMAL and self.verdict != Verdict.NORMAL and not self._goes_on_returning:
            self.counted = 0
            if self.active:
                self._note_return(stamp)
        if verdict != Verdict.UNKNOWN and self.active:
            self.worked = worked
        self.verdict, self.verdict_at = verdict, stamp
        return self._turn(stamp, terms, worked)

    def deadline(self, terms: Terms) -> int:
        """Return when time alone changes it, `NEVER` for not."""
        found = [NEVER]
        if self.shelved_until:
            found.append(self.shelved_until)
        if self.verdict == Verdict.ACTIVE and not self.active:
            found.append(self.verdict_at + self.on_delay - self.counted)
        elif self.verdict == Verdict.NORMAL and self.active:
            found.append(self.verdict_at + self._off_delay(terms) - self.counted)
        elif self.is_open and not self.active and self.verdict != Verdict.ACTIVE:
            found.append(self.next_look)
        return min(found)

    def expire(self, stamp: int, terms: Terms, worked: float) -> list[Change]:
        """Take in that its deadline has come."""
        self._count(stamp)
        self.verdict_at = max(self.verdict_at, stamp)
        found: list[Change] = []
        if self.shelved_until and stamp >= self.shelved_until:
            found.append(self._unshelve(stamp, worked, by=""))
        found += self._turn(stamp, terms, worked)
        if not self.is_open or self.active or stamp < self.next_look:
            return found
        if terms.needs_work and worked - self.worked < WORKED_SECONDS:
            self.next_look = stamp + _LOOK_AGAIN
            return found
        return [*found, self.close(stamp, worked)]

    def close(self, stamp: int, worked: float, by: str = "") -> Change:
        """End it: it was quiet for long enough, or a service entry says that the cause has been dealt with."""
        change = self._change(stamp, What.CLOSED, worked, by)
        since_verdict = (self.verdict, self.verdict_at)
        kept = Alarm(self.machine, self.rule, self.subject, out_of_service_by=self.out_of_service_by)
        for name, value in asdict(kept).items():
            setattr(self, name, value)
        self.verdict, self.verdict_at = since_verdict
        if self.verdict == Verdict.ACTIVE:
            # What is closed while its condition stands must be normal once before it comes again.
            self.verdict = str(Verdict.UNKNOWN)
        return change

    # What people do.

    def acknowledge(self, stamp: int, by: str, note: str = "", worked: float = 0.0) -> Change:
        """Take charge.

        Raises:
            ActionRefusedError: when there is no open alarm, or somebody has taken it.
        """
        self._must_be_open("acknowledged")
        if self.acknowledged_by:
            raise ActionRefusedError(f"the alarm has been acknowledged by {self.acknowledged_by}")
        self.acknowledged_by = by
        if note:
            self.notes.append(f"{format_instant(stamp)} {by}: {note}")
        return self._change(stamp, What.ACKNOWLEDGED, worked, by)

    def confirm(self, stamp: int, by: str, worked: float = 0.0) -> Change:
        """Say that the cause has been dealt with.

        Raises:
            ActionRefusedError: when there is no open alarm, or nobody has acknowledged it yet.
        """
        self._must_be_open("confirmed")
        if not self.acknowledged_by:
            raise ActionRefusedError("acknowledge the alarm before you confirm that its cause has been dealt with")
        self.confirmed_by = by
        return self._change(stamp, What.CONFIRMED, worked, by)

    def shelve(self, stamp: int, *, until: int, by: str, reason: str, worked: float = 0.0) -> Change:
        """Put it aside until an instant; it is recorded all the same.

        Raises:
            ActionRefusedError: without a reason, an owner and an expiry within `SHELVED_DAYS_MAX`, or when there is no
                open alarm.
        """
        self._must_be_open("shelved")
        if not by.strip() or not reason.strip():
            raise ActionRefusedError("say who shelves the alarm, and why")
        if not stamp < until <= stamp + SHELVED_DAYS_MAX * DAY:
            raise ActionRefusedError(f"shelve it until a date that lies ahead, at most {SHELVED_DAYS_MAX} days")
        self.shelved_until, self.shelved_by, self.shelved_reason = until, by, reason
        return self._change(stamp, What.SHELVED, worked, by)

    def unshelve(self, stamp: int, by: str, worked: float = 0.0) -> Change:
        """Take it back before its time.

        Raises:
            ActionRefusedError: when it is not shelved.
        """
        if not self.shelved_until:
            raise ActionRefusedError("the alarm is not shelved")
        return self._unshelve(stamp, worked, by)

    def assign(self, stamp: int, to: str, by: str, worked: float = 0.0) -> Change:
        """Give it to somebody.

        Raises:
            ActionRefusedError: when there is no open alarm.
        """
        self._must_be_open("assigned")
        self.assigned_to = to
        return self._change(stamp, What.ASSIGNED, worked, by)

    def take_out_of_service(self, stamp: int, by: str, worked: float = 0.0) -> Change:
        """Stop asking for anybody because of this condition, until it is put in service again; staff decide so."""
        self.out_of_service_by = by
        return self._change(stamp, What.OUT_OF_SERVICE, worked, by)

    def put_in_service(self, stamp: int, by: str, worked: float = 0.0) -> Change:
        """Ask again.

        Raises:
            ActionRefusedError: when it is in service.
        """
        if not self.out_of_service_by:
            raise ActionRefusedError("the alarm is in service")
        self.out_of_service_by = ""
        return self._change(stamp, What.IN_SERVICE, worked, by)

    def suppress(self, stamp: int, cause: str, worked: float = 0.0) -> Change | None:
        """Hide it behind its cause; None when it is hidden already."""
        if self.suppressed_by == cause:
            return None
        self.suppressed_by = cause
        return self._change(stamp, What.SUPPRESSED if cause else What.RELEASED, worked)

    def save(self) -> dict[str, Any]:
        """Return the state as JSON can hold it."""
        return asdict(self)

    def _become_active(self, judgement: Judgement, terms: Terms, worked: float) -> None:
        is_back = self.verdict == Verdict.NORMAL
        if not self.active and self.counted == 0 and self.verdict != Verdict.ACTIVE:
            self.activations = self.activations + 1 if self.is_open else 1
            if not self.is_open:
                self.since = judgement.stamp
        elif self.active and is_back:
            self.activations += 1
        if is_back or self.active:
            self.counted = 0
        self.evidence = dict(judgement.evidence)
        self.severity = judgement.severity or terms.severity
        delay = judgement.on_delay_seconds if judgement.on_delay_seconds >= 0 else terms.on_delay_seconds
        self.on_delay = int(delay * SECOND)
        if self.is_open:
            self.worked = worked

    @property
    def _goes_on_returning(self) -> bool:
        """Whether it was normal before nothing was known: the off-delay stood still, and goes on."""
        return self.active and self.verdict == Verdict.UNKNOWN and self.counted > 0

    def _count(self, stamp: int) -> None:
        is_counting = (self.verdict == Verdict.ACTIVE and not self.active) or (
            self.verdict == Verdict.NORMAL and self.active
        )
        if is_counting:
            self.counted += stamp - self.verdict_at

    def _turn(self, stamp: int, terms: Terms, worked: float) -> list[Change]:
        """Raise or return it when its delay has been counted."""
        if self.verdict == Verdict.ACTIVE and not self.active and self.counted >= self.on_delay:
            self.active, self.counted, self.worked = True, 0, worked
            is_new = not self.is_open
            self.is_open = True
            if not is_new:
                self.acknowledged_by = self.confirmed_by = ""
            return [self._change(stamp, What.RAISED if is_new else What.AGAIN, worked)]
        if self.verdict == Verdict.NORMAL and self.active and self.counted >= self._off_delay(terms):
            self.active, self.counted, self.returned_at = False, 0, stamp
            self.next_look = stamp + int(terms.quiet_days * DAY)
            return [self._change(stamp, What.RETURNED, worked)]
        return []

    def _note_return(self, stamp: int) -> None:
        recent = [each for each in self.returns if each > stamp - FLAPPING_SECONDS * SECOND]
        self.returns = [*recent[-FLAPPING_RETURNS:], stamp]
        self.flaps += len(self.returns) > FLAPPING_RETURNS

    def _off_delay(self, terms: Terms) -> int:
        delay = int(terms.off_delay_seconds * SECOND)
        is_flapping = len(self.returns) > FLAPPING_RETURNS
        return max(delay, FLAPPING_SECONDS * SECOND) if is_flapping else delay

    def _unshelve(self, stamp: int, worked: float, by: str) -> Change:
        self.shelved_until, self.shelved_by, self.shelved_reason = 0, "", ""
        return self._change(stamp, What.UNSHELVED, worked, by)

    def _must_be_open(self, done: str) -> None:
        if not self.is_open:
            raise ActionRefusedError(f"there is no open alarm that could be {done}")

    def _change(self, stamp: int, what: What, worked: float, by: str = "") -> Change:
        return Change(stamp, self.machine, self.rule, self.subject, what, self.since or stamp,
                      self.severity or "medium", dict(self.evidence), worked, by)  # fmt: skip
