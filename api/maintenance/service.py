"""Service that is due by the machine's own counter, by the calendar, or by whichever comes first. Pure.

Use is metered from the differences of the counter, so that unrecorded days count. Small steps back are reordering; a
big drop asks a question and never makes a negative interval. A meter that is met in mid-life starts at its first
reading: nothing is overdue because the machine is old.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from api.maintenance.judging import Evaluator, Facts, Judgement, Verdict
from shopfloor.periods import DAY, format_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.maintenance.rules import Rule, Service
    from shopfloor.samples import Sample, Value

SERVICED = "serviced"
"""Signal of a service entry: its value is the rule's id, or `rule|use` where so much use had gone by since the service
when it was entered, as for a baseline in mid-life. Its stamp is when the work was done."""
REPLACED_AFTER = 3
"""So many readings below, each rising, make a big drop a counter that was replaced."""
_NOT_TOLD = -1.0


class Due(NamedTuple):
    """When a service is due.

    Attributes:
        used: since the last service, in the unit of the counter.
        left: until the next; None for the calendar alone.
        at: forecast instant; None when there is no use to rest on and no calendar.
        by: `counter` or `calendar`, whichever comes first.
        by_counter: forecast instant of the counter alone, None without recent use.
    """

    used: float
    left: float | None
    at: int | None
    by: str
    by_counter: int | None


class ServiceEvaluator(Evaluator):
    """One piece of service work on one machine.

    Subjects: the empty one from the lead on, `overdue`, and `counter` for the question of a counter that fell.
    """

    KEPT = ("meter", "counter", "used", "total", "since", "days", "doubt", "told", "now")

    def __init__(self, rule: Rule, how: Service) -> None:
        super().__init__(rule, "", (*how.counters, SERVICED))
        self.how = how
        self.meter = ""
        self.counter = _NOT_TOLD
        self.used = 0.0  # since the last service
        self.total = 0.0  # metered in all
        self.since = 0  # the last service, or when it was first met
        self.days: list[list[float]] = []  # [day, metered in all at its end]
        self.doubt: list[float] = []  # readings after a big drop
        self.told: dict[str, str] = {}
        self.now = 0

    def take(self, sample: Sample, facts: Facts) -> Sequence[Judgement]:  # noqa: ARG002 - the base asks
        """Meter a reading, or take in that the work was done."""
        if sample.signal == SERVICED:
            self._begin(sample.stamp)
            return self._serviced(sample)
        value = self.number(sample.value)
        if value is None or sample.status or value < 0:
            return ()
        self._begin(sample.stamp)
        counters = self.how.counters
        if self.meter and counters.index(self.meter) < counters.index(sample.signal):
            return ()
        if self.meter != sample.signal:
            self.meter, self.counter, self.doubt = sample.signal, value, []
            self._note_day(sample.stamp // DAY)
            return ()
        before = self.used
        found = self._read(sample.stamp, value)
        if self.used > before:
            self._note_day(sample.stamp // DAY)
        return [*found, *self._judge(sample.stamp)] if self.used >= self.how.interval > before else found

    def expire(self, stamp: int, facts: Facts) -> Sequence[Judgement]:  # noqa: ARG002 - the base asks
        """Judge once a day: time has gone by."""
        self.deadline = (stamp // DAY + 1) * DAY
        return self._judge(stamp)

    def due(self, stamp: int) -> Due:
        """Return when it is due, judged at an instant."""
        how = self.how
        by_calendar = self.since + int(how.interval_days * DAY) if how.interval_days and self.since else None
        if not how.interval:
            return Due(self.used, None, by_calendar, "calendar", None)
        left = how.interval - self.used
        by_counter = None
        if left <= 0:
            by_counter = stamp
        elif (rate := self._per_day(stamp)) > 0 and left / rate < 36_500:  # noqa: PLR2004 - a century is never
            by_counter = stamp + int(left / rate * DAY)
        if by_calendar is not None and (by_counter is None or by_calendar < by_counter):
            return Due(self.used, left, by_calendar, "calendar", by_counter)
        return Due(self.used, left, by_counter, "counter", by_counter)

    def _per_day(self, stamp: int) -> float:
        """Return the mean use per calendar day lately; days without data are within."""
        day = stamp // DAY
        first = next((each for each in self.days if each[0] >= day - self.how.recent_days), None)
        if first is None or day - first[0] < 1:
            return 0.0
        before = [each for each in self.days if each[0] < first[0]]
        base = before[-1] if before else first
        return (self.total - base[1]) / max(day - base[0], 1.0)

    def _note_day(self, day: int) -> None:
        if self.days and self.days[-1][0] == day:
            self.days[-1][1] = self.total
            return
        self.days.append([float(day), self.total])
        while len(self.days) > 1 and self.days[1][0] <= day - self.how.recent_days:
            del self.days[0]

    def _begin(self, stamp: int) -> None:
        if not self.since:
            self.since = stamp
            self.deadline = (stamp // DAY + 1) * DAY

    def _read(self, stamp: int, value: float) -> Sequence[Judgement]:
        rise = value - self.counter
        if rise >= 0:
            self.doubt = []
            self._add(rise)
            self.counter = value
            return ()
        if -rise <= self.how.step_back:
            return ()  # out of order: the reading before stays
        if self.doubt and not value > self.doubt[-1]:
            self.doubt = [value]
            return ()
        self.doubt.append(value)
        if len(self.doubt) < REPLACED_AFTER:
            return ()
        evidence: dict[str, Value] = {"before": self.counter, "now": value, "meter": self.meter}
        self._add(value - self.doubt[0])
        self.counter, self.doubt = value, []
        return self._tell(stamp, "counter", Verdict.ACTIVE, evidence)

    def _add(self, rise: float) -> None:
        self.used += rise
        self.total += rise

    def _serviced(self, sample: Sample) -> Sequence[Judgement]:
        rule, _, used = str(sample.value).partition("|")
        if rule != self.rule.id:
            return ()
        self.since = sample.stamp
        self.used = float(used) if used else 0.0
        found = [*self._tell(sample.stamp, "counter", Verdict.NORMAL, {})] if "counter" in self.told else []
        return [*found, *self._judge(sample.stamp)]

    def _judge(self, stamp: int) -> Sequence[Judgement]:
        due = self.due(stamp)
        evidence: dict[str, Value] = {"used": round(due.used, 3), "by": due.by, "unit": self.rule.unit}
        if self.how.interval:
            evidence["interval"] = self.how.interval
        if self.how.interval_days:
            evidence["interval_days"] = self.how.interval_days
        if due.at is not None:
            evidence["due"] = format_instant(due.at // DAY * DAY)
        lead = int(self.how.lead_days * DAY)
        is_near = due.at is not None and due.at - stamp <= lead
        is_over = due.at is not None and due.at <= stamp
        return [
            *self._tell(stamp, "", Verdict.ACTIVE if is_near else Verdict.NORMAL, evidence),
            *self._tell(stamp, "overdue", Verdict.ACTIVE if is_over else Verdict.NORMAL, evidence),
        ]

    def _tell(self, stamp: int, subject: str, verdict: Verdict, evidence: dict[str, Value]) -> Sequence[Judgement]:
        if self.told.get(subject, str(Verdict.NORMAL)) == verdict:
            return ()
        self.told[subject] = str(verdict)
        severity = "medium" if subject == "overdue" else "low"
        return (Judgement(stamp, self.rule.id, subject, verdict, evidence, severity),)
