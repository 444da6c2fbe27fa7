"""What every evaluator shares: verdicts, what the machine told last, gates, and state that can be written down. Pure.

An evaluator is a fold over one machine's samples in the order of their stamps. It is asked with each sample of its
signals, and at its deadline, an instant at which time alone changes its mind; samples of that very instant come first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from shopfloor.periods import INSTANT_MAX, SECOND
from shopfloor.states import SILENCE_SECONDS_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from api.maintenance.rules import Rule
    from shopfloor.samples import Sample, Value

NEVER = INSTANT_MAX
"""No deadline."""
SILENCE = SILENCE_SECONDS_MAX * SECOND


class Verdict(StrEnum):
    """What a rule says of a condition."""

    ACTIVE = "active"
    NORMAL = "normal"
    UNKNOWN = "unknown"
    """Nothing is known: no data, or not in the state that the rule judges. Delays stand still."""


class Judgement(NamedTuple):
    """A verdict from an instant on.

    Attributes:
        stamp: event time.
        rule: id of the rule.
        subject: what it is about: a signal, a tool, a code of the control; empty for the machine.
        verdict: see `Verdict`.
        evidence: what it was judged by: value, limit, window, state.
        severity: in place of the rule's, empty for the rule's.
        on_delay_seconds: in place of the rule's, negative for the rule's.
    """

    stamp: int
    rule: str
    subject: str
    verdict: Verdict
    evidence: Mapping[str, Value]
    severity: str = ""
    on_delay_seconds: float = -1.0


class Facts:
    """What a machine told last, how long it is known to be watched, and how much it has worked.

    Attributes:
        values: last Good value by signal.
        stamps: its stamp.
        watched_until: end of the last proof of observation.
        has_proofs: whether proofs come at all; recordings have none.
        worked_seconds: in all, by the best witness: cutting, else operating hours, else the time in which it executed;
            what says none of these is taken to work all the time.
    """

    _WITNESSES = ("cutting_seconds", "operation_seconds")
    _STEP_BACK_SECONDS = 60.0

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.stamps: dict[str, int] = {}
        self.watched_until = 0
        self.has_proofs = False
        self.worked_seconds = 0.0
        self._executing_since = 0
        self._witness = ""
        self._counter = 0.0
        self._says_work = False
        self._last = 0

    def take(self, sample: Sample) -> None:
        """Take in a sample, before the evaluators are asked."""
        signal, value = sample.signal, sample.value
        if not self._says_work:
            if self._last:
                self.worked_seconds += (sample.stamp - self._last) / SECOND
            self._last = sample.stamp
            self._says_work = value is not None and (signal == "item_state" or signal in self._WITNESSES)
        if signal == "observed":
            # The value is when the watching began; a reader of the past writes its end there, one proof for all.
            self.has_proofs = True
            self.watched_until = max(self.watched_until, sample.stamp, value if isinstance(value, int) else 0)
        if value is None or sample.status:
            self.values.pop(signal, None)
            if signal == "item_state":
                self._execute(sample.stamp, executes=False)
            return
        self.values[signal] = value
        self.stamps[signal] = sample.stamp
        if signal == "item_state":
            self._execute(sample.stamp, executes=value == 3)  # noqa: PLR2004 - Executing, OPC 40001-1, 12
        elif signal in self._WITNESSES and isinstance(value, int | float) and not isinstance(value, bool):
            self._count(signal, float(value))

    def holds(self, signal: str, hold_seconds: float) -> int:
        """Return until when the last value of a signal holds."""
        return max(self.stamps.get(signal, 0) + int(hold_seconds * SECOND),
                   self.watched_until + SILENCE if self.has_proofs else 0)  # fmt: skip

    def _execute(self, stamp: int, *, executes: bool) -> None:
        if self._executing_since and not self._witness:
            self.worked_seconds += (stamp - self._executing_since) / SECOND
        self._executing_since = stamp if executes else 0

    def _count(self, signal: str, value: float) -> None:
        if signal != self._witness:
            if self._witness == self._WITNESSES[0]:
                return
            self._witness, self._counter = signal, value
        rise = value - self._counter
        if rise > 0:
            self.worked_seconds += rise
        if rise > 0 or rise < -self._STEP_BACK_SECONDS:
            self._counter = value

    def save(self) -> dict[str, Any]:
        """Return the state as JSON can hold it."""
        return dict(vars(self))

    def load(self, kept: Mapping[str, Any]) -> None:
        """Take up a state that was saved."""
        vars(self).update(kept)


class Evaluator(ABC):
    """A rule at work on one machine.

    Args:
        rule: what to judge.
        subject: what the judgements are about, usually the signal.
        signals: what it has to be told, beside the signals of its gates.

    Attributes:
        deadline: when it has to be asked although nothing was said; `NEVER` for not.
    """

    KEPT: ClassVar[tuple[str, ...]] = ()
    """Attributes that make up the state of the kind, as JSON can hold them."""
    _COMMON: ClassVar[tuple[str, ...]] = ("deadline", "verdict", "open_since")

    def __init__(self, rule: Rule, subject: str = "", signals: Sequence[str] = ()) -> None:
        self.rule = rule
        self.subject = subject
        self.signals = frozenset(signals) | {gate.signal for gate in rule.when}
        self.deadline = NEVER
        self.verdict: str = ""
        self.open_since = 0
        self._settle = int(rule.settle_seconds * SECOND)

    @abstractmethod
    def take(self, sample: Sample, facts: Facts) -> Sequence[Judgement]:
        """Take in a sample of one of its signals; the facts know it already."""

    @abstractmethod
    def expire(self, stamp: int, facts: Facts) -> Sequence[Judgement]:
        """Take in that its deadline has come."""

    def is_open(self, stamp: int, facts: Facts) -> bool:
        """Tell whether all gates are open and have been for long enough."""
        for gate in self.rule.when:
            value = facts.values.get(gate.signal)
            is_lost = value is None and gate.signal in facts.stamps  # it was told before: a gate is not open for that
            if is_lost or not gate.admits(value):
                self.open_since = 0
                return False
        if not self.open_since:
            self.open_since = stamp
        return stamp - self.open_since >= self._settle

    def say(self, stamp: int, verdict: Verdict, evidence: Mapping[str, Value]) -> Sequence[Judgement]:
        """Return a judgement when it says something new, else nothing."""
        if verdict == self.verdict or (not self.verdict and verdict is Verdict.UNKNOWN):
            return ()
        self.verdict = str(verdict)
        return (Judgement(stamp, self.rule.id, self.subject, verdict, evidence),)

    def number(self, value: Value | None) -> float | None:
        """Return a value as a number, None when it is none or stands for none."""
        if isinstance(value, str | bool) or value is None or value in self.rule.missing:
            return None
        return float(value)

    def save(self) -> dict[str, Any]:
        """Return the state as JSON can hold it."""
        return {name: getattr(self, name) for name in (*self._COMMON, *self.KEPT)}

    def load(self, kept: Mapping[str, Any]) -> None:
        """Take up a state that was saved by the same rule of the same version."""
        for name in (*self._COMMON, *self.KEPT):
            setattr(self, name, kept[name])
