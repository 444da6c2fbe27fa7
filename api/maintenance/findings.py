"""What is found of an edge agent by what it says: ends of certificates, another one of its name, its clock. Pure.

A finding is an alert of the agent. The end of a certificate is one for each step: 30, 7 and 1 days ahead, and ended.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from api.maintenance.judging import Evaluator, Facts, Judgement, Verdict
from shopfloor.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from api.edges.identity import Run
    from api.maintenance.rules import Finding, Rule
    from shopfloor.samples import Value
    from shopfloor.wire.edge import Health

FINDING = "finding"
"""Signal of a finding: its value is a `Found` as JSON, its stamp when it was made, or was over."""
CERTIFICATE, IDENTITY = "certificate", "identity"
WARN_DAYS = (1, 7, 30)
"""How many days before its end a certificate is warned of."""
_SEVERITIES = ("high", "high", "medium", "low")


class Found(NamedTuple):
    """Something was found of an agent, or is over.

    Attributes:
        of: what kind of finding, as a rule names it.
        subject: what it is about; one alert each.
        severity: how grave.
        evidence: what it was found by.
        is_over: whether it is over.
    """

    of: str
    subject: str
    severity: str
    evidence: Mapping[str, Value]
    is_over: bool = False

    def sample(self, name: str, stamp: int) -> Sample:
        """Return it as a sample of the agent."""
        return Sample(name, FINDING, stamp, json.dumps(self))


def findings_of(health: Health) -> dict[tuple[str, str], Found]:
    """Return what an agent's health gives to find, by kind and subject."""
    found = [each for each in _ends(health) if each is not None]
    return {(each.of, each.subject): each for each in found}


def doubles_found(both: Sequence[Run]) -> dict[tuple[str, str], Found]:
    """Return the finding that two agents live under one name; which of them spoke last makes no other one of it."""
    ones = sorted(f"{run.host} ({run.epoch})" for run in both)
    found = Found(IDENTITY, " + ".join(ones), "high", {"first": ones[0], "second": ones[1]})
    return {(found.of, found.subject): found}


def _ends(health: Health) -> Iterator[Found | None]:
    if health.certificates:
        first = min(health.certificates, key=lambda each: each.days)
        yield _end("agent", first.file, first.days)
    if health.broker_days is not None:
        yield _end("broker", "", health.broker_days)
    for machine in health.machines:
        if machine.certificate_days is not None:
            yield _end("machine", machine.machine, machine.certificate_days)


def _end(whose: str, name: str, days: int) -> Found | None:
    """Return the step that a certificate has come to, None for none."""
    steps = (-1, *WARN_DAYS)
    step = next((number for number, limit in enumerate(steps) if days <= limit), None)
    if step is None:
        return None
    subject = "|".join((whose, name, str(max(0, steps[step]))))
    return Found(CERTIFICATE, subject, _SEVERITIES[step], {"whose": whose, "name": name, "days_left": days})


class FindingEvaluator(Evaluator):
    """Says each finding of its kind, one subject for each, until it is over."""

    def __init__(self, rule: Rule, how: Finding) -> None:
        super().__init__(rule, "", (FINDING,))
        self.how = how

    def take(self, sample: Sample, facts: Facts) -> Sequence[Judgement]:  # noqa: ARG002 - the base asks
        """Take what was found."""
        found = Found(*json.loads(str(sample.value)))
        if found.of != self.how.of:
            return ()
        verdict = Verdict.NORMAL if found.is_over else Verdict.ACTIVE
        return (Judgement(sample.stamp, self.rule.id, found.subject, verdict, found.evidence, found.severity),)

    def expire(self, stamp: int, facts: Facts) -> Sequence[Judgement]:  # noqa: ARG002 - the base asks
        """Do nothing: it is over when somebody says so."""
        return ()
