"""The job in hand, joined from whatever a machine tells of it, so that each change is one consistent set. Pure.

Sources, best first: the job orders of OPC 40001-3 JobManagement (list and events), then the deprecated Production tree
of OPC 40501-1 (ActiveProgram and the job that it names, transition events). While a job order is in hand it alone says
what is stored; the program is the one that is really running, where the machine tells it, else the order's work master.
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING

from edge_agent.isa95 import INTERRUPTED, RUNNING
from edge_agent.nodemap import BAD_NO_DATA
from edge_agent.notifications import NodeIdentity, Structure
from shopfloor.samples import Reading
from shopfloor.signals import SIGNALS, NotANumberError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edge_agent.isa95 import Job
    from edge_agent.notifications import Field
    from shopfloor.samples import Value

SET = ("job", "order", "customer_order", "program", "execution_mode")
"""What a change of job is told by: always all of them, at one stamp."""
DETAILS = ("job_name", "job_state", "runs_planned", "runs_completed", "job_parts", "job_parts_good")
"""What is told of a job besides, when it changes."""
JOINED = frozenset((*SET, *DETAILS))
_PARAMETERS = {
    "order": "OrderNumbers",
    "customer_order": "CustomerOrderNumbers",
    "execution_mode": "JobExecutionMode",
    "job_name": "JobName",
    "runs_planned": "RunsPlanned",
    "job_parts": "ProducedQuantity",
    "job_parts_good": "GoodQuantity",
}
"""Signals and the ids of the parameters that tell them (OPC 40001-3, 7.2, Table 1)."""
_OF_THE_JOB = JOINED - {"program"}
"""What another job has of its own: while it is not told, it is not known. The program holds on until another runs."""
_HISTORY_MAX = 64
_RESPONSES_MAX = 256


class JobJoin:
    """Follows the job in hand of one machine."""

    def __init__(self) -> None:
        self._plain: dict[str, Reading] = {}
        self._orders: dict[str, Job] = {}
        self._responses: dict[str, Job] = {}
        self._in_hand: Job | None = None
        self._listed = 0
        self._history: list[tuple[int, dict[str, Value]]] = []
        self._spoken: set[str] = set()

    def forget_session(self) -> None:
        """Forget what is told anew when a session begins."""
        self._orders.clear()
        self._responses.clear()
        self._listed = 0

    # The Production tree

    def plain(self, readings: Sequence[Reading]) -> list[Reading]:
        """Take in values of the Production tree and return what is to be stored of them, in order."""
        kept: list[Reading] = []
        for reading in readings:
            before = self._plain.get(reading.signal)
            self._plain[reading.signal] = reading
            if self._in_hand is not None:
                if reading.signal == "program" and reading.value:
                    kept += self._say(self._facts(self._in_hand), _at(reading), reading.received)
                continue
            kept.append(reading)
            if reading.signal == "job" and (before is None or before.value != reading.value):
                kept += self._beside(reading)
        return kept

    def _beside(self, job: Reading) -> list[Reading]:
        """Repeat, at the stamp of a new job, what holds on; its orders follow, read from the job's own node."""
        known = [self._plain[signal] for signal in ("program", "execution_mode") if signal in self._plain]
        return [each._replace(source=job.source, server=job.server, received=job.received)
                for each in known if _at(each) < _at(job) and not each.status >> 31]  # fmt: skip

    def transition(self, facts: Mapping[str, Value], stamp: int, received: int) -> list[Reading]:
        """Take in that a job or program of the Production tree began, with what the event says of it."""
        known = self._plain.get("job")
        if "job" in facts and known is not None and known.value != facts["job"] and _at(known) <= stamp:
            for signal in _OF_THE_JOB - facts.keys():
                if signal in self._plain and _at(self._plain[signal]) < stamp:
                    del self._plain[signal]
        for signal, value in facts.items():
            before = self._plain.get(signal)
            if before is None or _at(before) <= stamp:
                self._plain[signal] = Reading(signal, value, 0, stamp, None, received)
        if self._in_hand is not None:
            return []
        said = {signal: reading.value for signal, reading in self._plain.items()
                if signal in JOINED and reading.value is not None and _at(reading) <= stamp}  # fmt: skip
        return [Reading(signal, value, 0, stamp, None, received)
                for signal, value in {**said, **facts}.items() if signal in SET or signal in facts]  # fmt: skip

    # JobManagement

    def listed(self, jobs: Iterable[Job], stamp: int, received: int) -> list[Reading]:
        """Take in a whole JobOrderList."""
        self._orders = {job.identifier: job for job in jobs if job.identifier}
        self._listed = stamp
        return self._choose(stamp, received)

    def responded(self, responses: Iterable[Job], stamp: int, received: int) -> list[Reading]:
        """Take in a whole JobOrderResponseList."""
        self._responses = {job.identifier: job for job in responses if job.identifier}
        return self._choose(stamp, received) if self._in_hand is not None else []

    def status(self, job: Job, response: Job | None, stamp: int, received: int) -> list[Reading]:
        """Take in an ISA95JobOrderStatusEvent."""
        if response is not None:
            self._responses[job.identifier] = response
            if len(self._responses) > _RESPONSES_MAX:
                self._responses.pop(next(iter(self._responses)))
        if stamp < self._listed:
            return self._late(job, stamp, received)
        known = self._orders.get(job.identifier)
        if known is not None and not job.parameters and not job.programs:
            job = known._replace(state=job.state)
        self._orders[job.identifier] = job
        return self._choose(stamp, received)

    def _late(self, job: Job, stamp: int, received: int) -> list[Reading]:
        """Take in what happened before the list as it is now: a job that came in hand and went between two looks."""
        before = self._before(stamp)
        was_in_hand = before is not None and before.get("job") == job.identifier
        if job.state in {RUNNING, INTERRUPTED}:
            return self._say(self._facts(job), stamp, received)
        return self._say({"job": "", "order": "", "customer_order": ""}, stamp, received) if was_in_hand else []

    def _choose(self, stamp: int, received: int) -> list[Reading]:
        """Choose the job in hand: the one that was, while it runs, else one that runs, else one that is interrupted."""
        was = self._in_hand
        for state in (RUNNING, INTERRUPTED):
            found = [job for job in self._orders.values() if job.state == state]
            same = [job for job in found if was is not None and job.identifier == was.identifier]
            if found:
                self._in_hand = (same or found)[0]
                return self._say(self._facts(self._in_hand), stamp, received)
        self._in_hand = None
        if was is None and not self._history:
            return []
        return self._say(self._plain_facts(), stamp, received)

    def _plain_facts(self) -> dict[str, Value]:
        """Return what the Production tree says, for when no job order is in hand."""
        return {signal: reading.value for signal, reading in self._plain.items() if reading.value is not None}

    def _facts(self, job: Job) -> dict[str, Value]:
        response = self._responses.get(job.identifier)
        told = {**job.parameters, **(response.parameters if response else {})}
        program = self._plain.get("program")
        found: dict[str, object] = {
            "job": job.identifier,
            "order": "",
            "customer_order": "",
            "program": (program.value if program else None) or (job.programs[0] if job.programs else None),
            "job_state": job.state or None,
            **{signal: _one(told[name]) for signal, name in _PARAMETERS.items() if name in told},
        }
        if not found.get("runs_planned"):
            found.pop("runs_planned", None)  # OPC 40001-3: 0 is unknown
        return {signal: value for signal, raw in found.items() if (value := _accepted(signal, raw)) is not None}

    # Saying it

    def _before(self, stamp: int) -> dict[str, Value] | None:
        return next((facts for at, facts in reversed(self._history) if at <= stamp), None)

    def _say(self, facts: dict[str, Value], stamp: int, received: int) -> list[Reading]:
        """Say the whole set when any of it changed, and of the details what changed."""
        before = self._before(stamp)
        if before == facts:
            return []
        insort(self._history, (stamp, facts), key=lambda each: each[0])
        del self._history[:-_HISTORY_MAX]
        job_changed = before is None or any(before.get(signal) != facts.get(signal) for signal in SET)
        signals = [signal for signal in SET if job_changed]
        signals += [signal for signal in DETAILS if before is None or before.get(signal) != facts.get(signal)
                    or (job_changed and signal in facts)]  # fmt: skip
        known = facts.keys() | self._spoken | {"job", "order", "customer_order"}
        said = [_reading(signal, facts.get(signal), stamp, received) for signal in signals if signal in known]
        self._spoken.update(each.signal for each in said)
        return said


def _at(reading: Reading) -> int:
    return reading.source if reading.source is not None else reading.received


def _reading(signal: str, value: Value | None, stamp: int, received: int) -> Reading:
    if value is None and SIGNALS[signal].type == "String":
        value = ""
    return Reading(signal, value, 0 if value is not None else BAD_NO_DATA, stamp, None, received)


def _one(value: Field) -> object:
    """Return a parameter as one value: several orders of one job are told together."""
    if not isinstance(value, tuple) or isinstance(value, NodeIdentity | Structure):
        return value
    return ", ".join(each for each in value if isinstance(each, str)) if len(value) != 1 else value[0]


def _accepted(signal: str, raw: object) -> Value | None:
    if raw is None:
        return None
    try:
        return SIGNALS[signal].accept(raw)
    except (WrongTypeError, NotANumberError):
        return None
