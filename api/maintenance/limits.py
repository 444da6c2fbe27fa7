"""Evaluators of plain measured values: limits, vibration zones, rate of change, frozen gauges, silence. Pure."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from api.maintenance.judging import NEVER, Evaluator, Facts, Judgement, Verdict
from shopfloor.periods import HOUR, SECOND, format_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.maintenance.rules import Frozen, Limit, Rate, Rule, Silence, Zones
    from shopfloor.samples import Sample, Value

RATE_POINTS_MAX = 64
"""Most points of a span that a rate is drawn from; denser samples are thinned to the span's share."""
SUBJECTS_MAX = 200
"""Most things that one rule tells apart on one machine; the one not heard of for longest is forgotten."""


class _Gated(Evaluator):
    """One that judges the last value of its signal while its gates are open and the value holds."""

    def __init__(self, rule: Rule, signal: str, more: tuple[str, ...] = ()) -> None:
        super().__init__(rule, signal, (signal, *more))
        self.signal = signal

    def take(self, sample: Sample, facts: Facts) -> Sequence[Judgement]:
        """Judge the value, or what the gates have become."""
        return self._look(sample.stamp, facts, is_new=sample.signal == self.signal)

    def expire(self, stamp: int, facts: Facts) -> Sequence[Judgement]:
        """Judge again: the gates have settled, or the value does not hold any more."""
        return self._look(stamp, facts, is_new=False)

    def _look(self, stamp: int, facts: Facts, *, is_new: bool) -> Sequence[Judgement]:
        value = self.number(facts.values.get(self.signal))
        if value is None:
            # A value that stands for none changes nothing; one that is bad ends knowledge.
            if self.signal in facts.values:
                return ()
            self.deadline = NEVER
            return self.lost(stamp)
        if not self.is_open(stamp, facts):
            self.deadline = self.open_since + self._settle if self.open_since else NEVER
            return self.lost(stamp)
        until = facts.holds(self.signal, self.rule.hold_seconds)
        if stamp >= until:
            self.deadline = NEVER
            return self.lost(stamp)
        self.deadline = until
        return self.judge(stamp, value, facts, is_new=is_new)

    def lost(self, stamp: int) -> Sequence[Judgement]:
        """Say that nothing is known."""
        return self.say(stamp, Verdict.UNKNOWN, {}) if self.verdict else ()

    @abstractmethod
    def judge(self, stamp: int, value: float, facts: Facts, *, is_new: bool) -> Sequence[Judgement]:
        """Judge a value that holds."""


class LimitEvaluator(_Gated):
    """A value beyond a limit, each subject of its own."""

    KEPT = ("subjects",)

    def __init__(self, rule: Rule, signal: str, how: Limit) -> None:
        super().__init__(rule, signal, (how.subject_signal,) if how.subject_signal else ())
        self.how = how
        self.subjects: dict[str, str] = {}

    def judge(self, stamp: int, value: float, facts: Facts, *, is_new: bool) -> Sequence[Judgement]:
        """Judge with hysteresis."""
        how = self.how
        subject = self.subject
        if how.subject_signal:
            if not is_new:  # the value may still be of the subject before
                return ()
            subject = f"{self.subject}|{facts.values.get(how.subject_signal, '')}"
        was = self.subjects.get(subject, "")
        slack = how.deadband if was == Verdict.ACTIVE else 0.0
        is_high = how.high is not None and value > how.high - slack
        is_low = how.low is not None and value < how.low + slack
        verdict = Verdict.ACTIVE if is_high or is_low else Verdict.NORMAL
        if verdict == was:
            return ()
        self.verdict = str(verdict)
        if len(self.subjects) >= SUBJECTS_MAX and subject not in self.subjects:
            del self.subjects[next(iter(self.subjects))]
        self.subjects.pop(subject, None)
        self.subjects[subject] = str(verdict)
        limit = how.low if is_low or how.high is None else how.high
        evidence: dict[str, Value] = {"value": value, "unit": self.rule.unit}
        if limit is not None:
            evidence["limit"] = limit
        return (Judgement(stamp, self.rule.id, subject, verdict, evidence),)

    def lost(self, stamp: int) -> Sequence[Judgement]:
        """Say of every subject that nothing is known."""
        known = [each for each, verdict in self.subjects.items() if verdict != Verdict.UNKNOWN]
        self.verdict = str(Verdict.UNKNOWN)
        for each in known:
            self.subjects[each] = str(Verdict.UNKNOWN)
        return tuple(Judgement(stamp, self.rule.id, each, Verdict.UNKNOWN, {}) for each in known)


class ZonesEvaluator(_Gated):
    """Vibration severity: subjects `…|C` and `…|D`, the latter of high severity."""

    KEPT = ("zones",)
    _SEVERITY = ("medium", "high")

    def __init__(self, rule: Rule, signal: str, how: Zones) -> None:
        super().__init__(rule, signal)
        self.how = how
        self.zones: list[str] = ["", ""]

    def judge(self, stamp: int, value: float, facts: Facts, *, is_new: bool) -> Sequence[Judgement]:  # noqa: ARG002
        """Judge both boundaries."""
        found: list[Judgement] = []
        for number, limit in enumerate(self.how.limits):
            slack = self.how.deadband if self.zones[number] == Verdict.ACTIVE else 0.0
            verdict = Verdict.ACTIVE if value > limit - slack else Verdict.NORMAL
            if verdict != self.zones[number]:
                self.verdict = self.zones[number] = str(verdict)
                found.append(self._about(stamp, number, verdict, value))
        return found

    def lost(self, stamp: int) -> Sequence[Judgement]:
        """Say of both zones that nothing is known."""
        known = [number for number, verdict in enumerate(self.zones) if verdict and verdict != Verdict.UNKNOWN]
        for number in known:
            self.zones[number] = str(Verdict.UNKNOWN)
        return tuple(self._about(stamp, number, Verdict.UNKNOWN, None) for number in known)

    def _about(self, stamp: int, number: int, verdict: Verdict, value: float | None) -> Judgement:
        evidence: dict[str, Value] = {"limit": self.how.limits[number], "unit": self.rule.unit, "zone": "CD"[number]}
        if value is not None:
            evidence["value"] = value
        subject = f"{self.signal}|{'CD'[number]}"
        return Judgement(stamp, self.rule.id, subject, verdict, evidence, self._SEVERITY[number])


class RateEvaluator(_Gated):
    """The mean change over a span, from its first value to its last."""

    KEPT = ("points",)

    def __init__(self, rule: Rule, signal: str, how: Rate) -> None:
        super().__init__(rule, signal)
        self.how = how
        self.points: list[list[float]] = []  # [stamp, value]
        self._span = int(how.span_seconds * SECOND)

    def judge(self, stamp: int, value: float, facts: Facts, *, is_new: bool) -> Sequence[Judgement]:  # noqa: ARG002
        """Judge the span that ends here; samples closer than its share are left out."""
        if not is_new or (self.points and stamp - self.points[-1][0] < self._span // RATE_POINTS_MAX):
            return ()
        self.points.append([stamp, value])
        while len(self.points) > 1 and self.points[1][0] <= stamp - self._span:
            del self.points[0]
        begun, first = self.points[0]
        if stamp - begun < self._span:
            return ()
        per_hour = (value - first) / ((stamp - begun) / HOUR)
        how = self.how
        is_fast = (how.rise is not None and per_hour > how.rise) or (how.fall is not None and -per_hour > how.fall)
        limit = how.rise if how.fall is None or (per_hour > 0 and how.rise is not None) else how.fall
        evidence: dict[str, Value] = {"value": value, "unit": self.rule.unit, "per_hour": round(per_hour, 3)}
        if limit is not None:
            evidence["limit_per_hour"] = limit
        return self.say(stamp, Verdict.ACTIVE if is_fast else Verdict.NORMAL, evidence)

    def lost(self, stamp: int) -> Sequence[Judgement]:
        """Forget the span: a rate is not drawn across what is not known."""
        self.points.clear()
        return super().lost(stamp)


class FrozenEvaluator(Evaluator):
    """A gauge that always moved, and now does not change while the machine works."""

    KEPT = ("changes", "value", "still", "counting_since", "told")

    def __init__(self, rule: Rule, signal: str, how: Frozen) -> None:
        super().__init__(rule, signal, (signal,))
        self.signal = signal
        self.how = how
        self.changes = 0
        self.value: float | None = None
        self.still = 0  # nanoseconds of open gates without a change
        self.counting_since = 0
        self.told = 0  # stamp of the last sample, changed or not

    def take(self, sample: Sample, facts: Facts) -> Sequence[Judgement]:
        """Count the time without a change, while the gates are open and the watching is proven."""
        found: Sequence[Judgement] = ()
        if sample.signal == self.signal:
            self.told = sample.stamp
            value = self.number(sample.value)
            if value is not None and value != self.value:
                self.value = value
                self.changes = min(self.changes + 1, self.how.changes)
                self.still, self.counting_since = 0, 0
                found = self.say(sample.stamp, Verdict.NORMAL, {"value": value, "unit": self.rule.unit})
        self._count(sample.stamp, facts)
        return found

    def expire(self, stamp: int, facts: Facts) -> Sequence[Judgement]:
        """Say that it stands still, when it does and knowledge has lasted until here."""
        known_until = facts.watched_until + SECOND if facts.has_proofs else stamp
        self._count(stamp, facts)
        if self.still < self.how.still_seconds * SECOND:
            return ()
        self.deadline, self.counting_since = NEVER, 0
        if known_until < stamp - int(self.rule.hold_seconds * SECOND):
            return ()
        repeats = self.told > stamp - int(self.how.still_seconds * SECOND)
        evidence: dict[str, Value] = {"what": "frozen" if repeats else "stale", "unit": self.rule.unit,
                                      "last_told": format_instant(self.told)}  # fmt: skip
        if self.value is not None:
            evidence["value"] = self.value
        return self.say(stamp, Verdict.ACTIVE, evidence)

    def _count(self, stamp: int, facts: Facts) -> None:
        if self.counting_since:
            self.still += stamp - self.counting_since
        is_counting = self.is_open(stamp, facts) and self.changes >= self.how.changes
        self.counting_since = stamp if is_counting else 0
        left = int(self.how.still_seconds * SECOND) - self.still
        self.deadline = stamp + max(left, 0) if is_counting and self.verdict != Verdict.ACTIVE else NEVER


class SilenceEvaluator(Evaluator):
    """No proof comes any more. A machine that never gave one, as in a recording, is not judged."""

    KEPT = ("last",)

    def __init__(self, rule: Rule, how: Silence) -> None:
        super().__init__(rule, "", ("observed", "unreachable"))
        self.how = how
        self.last = 0

    def take(self, sample: Sample, facts: Facts) -> Sequence[Judgement]:  # noqa: ARG002 - the base asks
        """Take a proof: it is not silent."""
        until = sample.value if isinstance(sample.value, int) and not isinstance(sample.value, bool) else 0
        self.last = max(self.last, sample.stamp, until)
        self.deadline = self.last + int(self.how.seconds * SECOND)
        return self.say(sample.stamp, Verdict.NORMAL, {"last_proof": format_instant(self.last)})

    def expire(self, stamp: int, facts: Facts) -> Sequence[Judgement]:  # noqa: ARG002 - the base asks
        """Say that it is silent."""
        self.deadline = NEVER
        return self.say(stamp, Verdict.ACTIVE, {"last_proof": format_instant(self.last)})
