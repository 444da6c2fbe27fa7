"""Rules and alarms of one machine as one fold over its samples, with a state that can be written down. Pure.

Live and backtest are this same fold: given the same samples in the order of stamp and signal it makes the same changes,
however they are cut into batches and wherever it is stopped, saved and restored. Time passes only through stamps.
"""

from __future__ import annotations

import heapq
import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from api.maintenance.alarms import Alarm, Change, Terms
from api.maintenance.baseline import BaselineEvaluator
from api.maintenance.calls import CallEvaluator
from api.maintenance.conditions import Class, ClassMap, ConditionsEvaluator
from api.maintenance.deeds import DEED, perform
from api.maintenance.findings import FindingEvaluator
from api.maintenance.judging import NEVER, Evaluator, Facts, Judgement
from api.maintenance.limits import (
    FrozenEvaluator,
    LimitEvaluator,
    RateEvaluator,
    SilenceEvaluator,
    ZonesEvaluator,
)
from api.maintenance.lives import LivesEvaluator
from api.maintenance.rules import (
    Baseline,
    Call,
    Conditions,
    Finding,
    Frozen,
    Limit,
    Lives,
    Rate,
    Service,
    Silence,
    Trend,
    Zones,
)
from api.maintenance.service import ServiceEvaluator
from api.maintenance.trend import TrendEvaluator

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from api.maintenance.rules import How, Rule
    from shopfloor.samples import Sample

ALARMS_MAX = 2_000
"""Most alarms of one machine that are kept; a closed one gives way first."""


class OutOfOrderError(ValueError):
    """A sample is older than what has been taken in: restore an earlier state and take in all from there again."""


RULES_CHANGED = "rules"
"""Who closed an alarm whose rule is not at work any more."""
_EVALUATORS: Mapping[type[How], tuple[type[Any], bool]] = MappingProxyType(
    {
        Limit: (LimitEvaluator, True),
        Zones: (ZonesEvaluator, True),
        Rate: (RateEvaluator, True),
        Frozen: (FrozenEvaluator, True),
        Baseline: (BaselineEvaluator, True),
        Trend: (TrendEvaluator, True),
        Lives: (LivesEvaluator, True),
        Service: (ServiceEvaluator, False),
        Silence: (SilenceEvaluator, False),
    },
)
"""Evaluators by way of judging, and whether they judge a signal or the machine."""


def evaluator_for(rule: Rule, signal: str, classes: ClassMap) -> Evaluator:
    """Return a rule at work on a signal; the signal is empty for rules about the machine."""
    if isinstance(rule.how, Conditions):
        return ConditionsEvaluator(rule, classes)
    if isinstance(rule.how, Call):
        return CallEvaluator(rule)
    if isinstance(rule.how, Finding):
        return FindingEvaluator(rule, rule.how)
    kind, is_about_signal = _EVALUATORS[type(rule.how)]
    evaluator: Evaluator = kind(rule, signal, rule.how) if is_about_signal else kind(rule, rule.how)
    return evaluator


def terms_of(rule: Rule) -> Terms:
    """Return how patient a rule's alarms are."""
    return Terms(
        on_delay_seconds=rule.on_delay_seconds,
        off_delay_seconds=rule.off_delay_seconds,
        quiet_days=rule.quiet_days,
        severity=rule.severity,
        needs_work=not isinstance(rule.how, Service | Silence | Call | Finding),
    )


def _kinship(rule: Rule) -> str:
    """Return what has to be the same for a rule to go on with what an earlier version of it learnt."""
    how = rule.how
    parts: list[object] = [type(how).__name__, rule.signal]
    if isinstance(how, Baseline):
        parts += [rule.when, rule.missing, sorted(how.bands.items()), how.step_seconds, how.apart]
    elif isinstance(how, Trend):
        parts += [rule.when, rule.missing, how.limit, how.falling]
    return repr(parts)


class MachineFold:
    """What is known of one machine's maintenance.

    Args:
        machine: its identifier; an edge's publisher id for the edge's own silence.
        rules: enabled ones of its kind.
        classes: of the controls' alarms.
        maker: of its control.

    Attributes:
        position: everything before this instant has been taken in.
        facts: what the machine told last.
        alarms: by rule and subject.
        judgements: since the last `drain`, when `keeps_judgements`.
    """

    def __init__(
        self,
        machine: str,
        rules: Sequence[Rule],
        classes: Sequence[Class] = (),
        maker: str = "",
        *,
        keeps_judgements: bool = False,
    ) -> None:
        self.machine = machine
        self.rules = {rule.id: rule for rule in rules}
        self.position = 0
        self.facts = Facts()
        self.alarms: dict[tuple[str, str], Alarm] = {}
        self.judgements: list[Judgement] = []
        self.keeps_judgements = keeps_judgements
        self._terms = {rule.id: terms_of(rule) for rule in rules}
        self._classes = ClassMap(classes, maker)
        self._changes: list[Change] = []
        self._evaluators: dict[tuple[str, str], Evaluator] = {}
        self._listeners: dict[str, list[tuple[tuple[str, str], Evaluator]]] = {}
        self._met: set[str] = set()
        self._due: list[tuple[int, int, tuple[str, str]]] = []  # deadline, 0 evaluator or 1 alarm, key
        self._scheduled: dict[tuple[int, tuple[str, str]], int] = {}
        self._doer = _Doer(self)
        self._listeners[DEED] = [(_DOER, self._doer)]
        for rule in rules:
            if isinstance(rule.how, Service | Silence | Conditions | Call | Finding):
                self._adopt(rule, "")

    def take(self, samples: Iterable[Sample]) -> None:
        """Take in samples in the order of stamp and signal; those of one stamp are one, and come in one call.

        Raises:
            OutOfOrderError: when one is older than `position`.
        """
        slice_: list[Sample] = []
        at = self.position
        for sample in samples:
            if sample.stamp != at:
                if slice_:
                    self._take_slice(slice_)
                    slice_ = []
                at = sample.stamp
                if at < self.position:
                    raise OutOfOrderError(f"{self.machine}: {sample.signal} at {at} is older than {self.position}")
            slice_.append(sample)
        if slice_:
            self._take_slice(slice_)

    def _take_slice(self, samples: Sequence[Sample]) -> None:
        """Take in what was told at one instant: a rule sees a value with the state that was told beside it."""
        stamp, facts, listeners = samples[0].stamp, self.facts, self._listeners
        if self._due and self._due[0][0] < stamp:
            self._pass(stamp)
        self.position = stamp
        for sample in samples:
            facts.take(sample)
            if sample.signal not in self._met:
                self._meet(sample.signal)
        for sample in samples:
            for key, evaluator in listeners.get(sample.signal, ()):
                judgements = evaluator.take(sample, facts)
                if judgements:
                    self._hear(judgements)
                if evaluator.deadline < self._scheduled.get((0, key), NEVER):
                    self._schedule(0, key, evaluator.deadline)

    def advance(self, instant: int) -> None:
        """Let time pass: nothing older than the instant will come any more, as far as is known."""
        if instant > self.position:
            self._pass(instant)
            self.position = instant

    def drain(self) -> list[Change]:
        """Return what became of the alarms since the last call, in the order of event time."""
        changes, self._changes = self._changes, []
        return changes

    def act(self, change: Change | None, key: tuple[str, str]) -> None:
        """Note what a person's action on an alarm of `alarms` made of it."""
        if change is not None:
            self._changes.append(change)
        self._look_at(key)

    def services(self) -> dict[str, ServiceEvaluator]:
        """Return the service work of the machine by rule."""
        return {key[0]: each for key, each in self._evaluators.items() if isinstance(each, ServiceEvaluator)}

    def unknown_codes(self) -> dict[str, int]:
        """Return how often the control said what the class map does not know, by item, code and text."""
        found: dict[str, int] = {}
        for each in self._evaluators.values():
            if isinstance(each, ConditionsEvaluator):
                found |= each.unknown
        return found

    def save(self) -> str:
        """Write the state down; what was not drained is not part of it."""
        state = {
            "rules": {rule.id: _kinship(rule) for rule in self.rules.values()},
            "position": self.position,
            "facts": self.facts.save(),
            "met": sorted(self._met),
            "evaluators": [[*key, each.save()] for key, each in self._evaluators.items()],
            "alarms": [each.save() for each in self.alarms.values()],
        }
        return json.dumps(state, separators=(",", ":"))

    def load(self, text: str) -> None:
        """Take up a state that was saved, also by earlier versions of the rules.

        A rule whose numbers have changed goes on with what it has learnt and metered, and judges by the new numbers
        from here on; one that looks at something else begins anew; alarms of a rule that is not at work any more are
        closed.
        """
        state: dict[str, Any] = json.loads(text)
        self.facts.load(state["facts"])
        self.position = state["position"]
        self._met = set(state["met"])
        self._due, self._scheduled, self._changes, self.judgements = [], {}, [], []
        self._evaluators, self._listeners = {}, {DEED: [(_DOER, self._doer)]}
        for rule_id, signal, kept in state["evaluators"]:
            rule = self.rules.get(rule_id)
            if rule is not None and state["rules"].get(rule_id) == _kinship(rule):
                self._adopt(rule, signal).load(kept)
        self._adopt_new()
        self.alarms = {(each["rule"], each["subject"]): Alarm(**each) for each in state["alarms"]}
        for key in [key for key in self.alarms if key[0] not in self.rules]:
            alarm = self.alarms.pop(key)
            if alarm.is_open:
                self._changes.append(alarm.close(self.position, self.facts.worked_seconds, by=RULES_CHANGED))
        for key, evaluator in self._evaluators.items():
            if evaluator.deadline < NEVER:
                self._schedule(0, key, evaluator.deadline)
        for key in self.alarms:
            self._look_at(key)

    def _adopt_new(self) -> None:
        """Set rules to work that the saved state does not know."""
        for rule in self.rules.values():
            signals = [each for each in sorted(self._met) if rule.judges(each)] if rule.signal else [""]
            for signal in signals:
                if (rule.id, signal) not in self._evaluators:
                    self._adopt(rule, signal)

    def _meet(self, signal: str) -> None:
        """Set the rules that judge a signal to work when it is first told."""
        self._met.add(signal)
        for rule in self.rules.values():
            if rule.signal and rule.judges(signal):
                self._adopt(rule, signal)

    def _adopt(self, rule: Rule, signal: str) -> Evaluator:
        key = (rule.id, signal)
        evaluator = evaluator_for(rule, signal, self._classes)
        self._evaluators[key] = evaluator
        for each in evaluator.signals:
            listeners = self._listeners.setdefault(each, [])
            listeners.append((key, evaluator))
            listeners.sort(key=lambda entry: entry[0])
        return evaluator

    def _pass(self, instant: int) -> None:
        """Come to every deadline before an instant, in order."""
        due = self._due
        while due and due[0][0] < instant:
            stamp, kind, key = heapq.heappop(due)
            if self._scheduled.get((kind, key)) != stamp:
                continue
            del self._scheduled[kind, key]
            if kind:
                self._expire_alarm(stamp, key)
            else:
                self._expire_evaluator(stamp, key)

    def _expire_evaluator(self, stamp: int, key: tuple[str, str]) -> None:
        evaluator = self._evaluators[key]
        if evaluator.deadline <= stamp:
            self._hear(evaluator.expire(stamp, self.facts))
        if evaluator.deadline < NEVER:
            self._schedule(0, key, evaluator.deadline)

    def _expire_alarm(self, stamp: int, key: tuple[str, str]) -> None:
        alarm, terms = self.alarms[key], self._terms[key[0]]
        if alarm.deadline(terms) <= stamp:
            self._changes += alarm.expire(stamp, terms, self.facts.worked_seconds)
        self._look_at(key)

    def _hear(self, judgements: Sequence[Judgement]) -> None:
        for judgement in judgements:
            if self.keeps_judgements:
                self.judgements.append(judgement)
            key = (judgement.rule, judgement.subject)
            alarm = self.alarms.get(key)
            if alarm is None:
                self._make_room()
                alarm = self.alarms[key] = Alarm(self.machine, *key)
            self._changes += alarm.judge(judgement, self._terms[key[0]], self.facts.worked_seconds)
            self._look_at(key)

    def _make_room(self) -> None:
        if len(self.alarms) >= ALARMS_MAX:
            idle = next((key for key, each in self.alarms.items() if not each.is_open), None)
            self.alarms.pop(idle if idle is not None else next(iter(self.alarms)))

    def _look_at(self, key: tuple[str, str]) -> None:
        deadline = self.alarms[key].deadline(self._terms[key[0]]) if key in self.alarms else NEVER
        if deadline < self._scheduled.get((1, key), NEVER):
            self._schedule(1, key, deadline)

    def _schedule(self, kind: int, key: tuple[str, str], deadline: int) -> None:
        self._scheduled[kind, key] = deadline
        heapq.heappush(self._due, (deadline, kind, key))


_DOER = ("", "")


class _Doer(Evaluator):
    """Listens for what people did, and does it to the alarms."""

    def __init__(self, fold: MachineFold) -> None:
        self.deadline = NEVER
        self._fold = fold

    def take(self, sample: Sample, facts: Facts) -> Sequence[Judgement]:
        """Do it."""
        for key, change in perform(str(sample.value), self._fold.alarms, sample.stamp, facts.worked_seconds):
            self._fold.act(change, key)
        return ()

    def expire(self, stamp: int, facts: Facts) -> Sequence[Judgement]:
        """Do nothing: it has no deadline."""
        del stamp, facts
        return ()
