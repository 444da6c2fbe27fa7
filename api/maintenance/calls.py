"""Calls of the person at the machine: somebody is wanted there now. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from api.maintenance.judging import Evaluator, Facts, Judgement, Verdict
from shopfloor.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.maintenance.rules import Rule

CALL = "call"
"""Signal of a call: its value is a `Said` as JSON, its stamp when somebody called, or took the call back."""


class Said(NamedTuple):
    """Somebody called, or took the call back.

    Attributes:
        call: identifier of the call.
        is_over: nobody is wanted any more.
        by: who said so.
        note: what they wrote.
    """

    call: str
    is_over: bool
    by: str
    note: str = ""

    def sample(self, machine: str, stamp: int) -> Sample:
        """Return it as a sample of the machine."""
        return Sample(machine, CALL, stamp, json.dumps(self))


class CallEvaluator(Evaluator):
    """Says each call, one subject for each; it is over when it was taken back, or when somebody has closed it."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule, "", (CALL,))

    def take(self, sample: Sample, facts: Facts) -> Sequence[Judgement]:  # noqa: ARG002 - the base asks
        """Take what was said at the machine."""
        said = Said(*json.loads(str(sample.value)))
        verdict = Verdict.NORMAL if said.is_over else Verdict.ACTIVE
        return (Judgement(sample.stamp, self.rule.id, said.call, verdict, {"by": said.by, "note": said.note}),)

    def expire(self, stamp: int, facts: Facts) -> Sequence[Judgement]:  # noqa: ARG002 - the base asks
        """Do nothing: a call waits for a person."""
        return ()
