"""What is found of an edge agent by what it says: ends of certificates, another one of its name, its clock. Pure.

A finding is an alert of the agent; `api.maintenance.heard` makes it of what the agent says.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from api.maintenance.judging import Evaluator, Facts, Judgement, Verdict
from shopfloor.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from api.maintenance.rules import Finding, Rule
    from shopfloor.samples import Value

FINDING = "finding"
"""Signal of a finding: its value is a `Found` as JSON, its stamp when it was made, or was over."""
CERTIFICATE, CLOCK, IDENTITY = "certificate", "clock", "identity"


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
