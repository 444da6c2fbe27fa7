"""Tools, and parts of the machine, that are used up by the control's own counters. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.maintenance.judging import Evaluator, Facts, Judgement, Verdict
from shopfloor.entries import Life, Tool, decode_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from api.maintenance.rules import Lives, Rule
    from shopfloor.samples import Sample, Value

TOOLS = "tools"
"""Signal of the tools that the machine has; the one in the spindle is judged."""
TOOL_IN_SPINDLE = "tool_number"
SUBJECTS_MAX = 400
"""Most measures of life that one rule tells apart on one machine."""


def left_percent(life: Life) -> float | None:
    """Return how much of a life is left, below 0 beyond its end; None where the control does not tell enough."""
    if life.value is None:
        return None
    if life.counts_up is False:
        start, limit = life.start, life.limit if life.limit is not None else 0.0
        return None if start is None or start == limit else 100.0 * (life.value - limit) / (start - limit)
    start, limit_up = life.start if life.start is not None else 0.0, life.limit
    return None if limit_up is None or limit_up == start else 100.0 * (limit_up - life.value) / (limit_up - start)


class LivesEvaluator(Evaluator):
    """Judges every measure of life by what is left of it, or by the control's own warning."""

    KEPT = ("left", "said")

    def __init__(self, rule: Rule, signal: str, how: Lives) -> None:
        super().__init__(rule, signal, (signal, TOOL_IN_SPINDLE) if signal == TOOLS else (signal,))
        self.signal = signal
        self.how = how
        self.left: dict[str, list[float | str | bool]] = {}  # subject: [percent left, value, unit, the control warns]
        self.said: dict[str, str] = {}

    def take(self, sample: Sample, facts: Facts) -> Sequence[Judgement]:
        """Take what is left, or what the gates and the spindle have become."""
        if sample.signal == self.signal:
            if sample.value is None or sample.status:
                self.left = {}
            else:
                try:
                    self.left = dict(list(self._read(str(sample.value)))[:SUBJECTS_MAX])
                except ValueError:  # nothing that can be read: nothing new is known
                    return ()
        is_open = self.is_open(sample.stamp, facts)
        in_spindle = f"{facts.values.get(TOOL_IN_SPINDLE, '')}|"
        found: list[Judgement] = []
        for subject in dict.fromkeys((*self.left, *self.said)):
            concerns = is_open and (self.signal != TOOLS or subject.startswith(in_spindle))
            found += self._judge(sample.stamp, subject, concerns=concerns)
        return found

    def expire(self, stamp: int, facts: Facts) -> Sequence[Judgement]:  # noqa: ARG002 - the base asks
        """Do nothing: what is left changes when it is told."""
        return ()

    def _read(self, text: str) -> Iterator[tuple[str, list[float | str | bool]]]:
        if self.signal == TOOLS:
            tools, _ = decode_all(Tool, text)
            named = [(f"{each.number if each.number is not None else each.id}|{life.id}", life)
                     for each in tools if not each.removed for life in each.life]  # fmt: skip
        else:
            lives, _ = decode_all(Life, text)
            named = [(life.id, life) for life in lives]
        for subject, life in named:
            left = left_percent(life)
            if left is not None and life.value is not None:
                yield subject, [round(left, 2), life.value, life.unit, _warns(life)]

    def _judge(self, stamp: int, subject: str, *, concerns: bool) -> Sequence[Judgement]:
        told = self.left.get(subject)
        evidence: dict[str, Value] = {}
        if told is None or not concerns:
            verdict = Verdict.UNKNOWN
        else:
            left, value, unit, warns = told
            is_used_up = isinstance(left, float) and (
                left <= self.how.least_percent or (self.how.warns and bool(warns))
            )
            verdict = Verdict.ACTIVE if is_used_up else Verdict.NORMAL
            evidence = {"left": left, "value": value, "unit": unit, "limit": self.how.least_percent}
        was = self.said.get(subject, str(Verdict.UNKNOWN))
        if verdict == was:
            return ()
        if verdict is Verdict.UNKNOWN:
            del self.said[subject]
        else:
            self.said[subject] = str(verdict)
        return (Judgement(stamp, self.rule.id, subject, verdict, evidence),)


def _warns(life: Life) -> bool:
    if life.warning is None or life.value is None:
        return False
    return life.value <= life.warning if life.counts_up is False else life.value >= life.warning
