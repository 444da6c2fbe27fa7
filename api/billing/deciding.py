"""Deciding who used a machine: like whiles are one question, and one answer holds for all of them."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from api.billing.previews import open_since
from api.billing.service import doubtful_days
from api.records.rules import InvalidRecordError, Problem
from api.usage import service as usage
from api.usage.doubts import Reason
from api.usage.evidence import JobRule, RuleKind
from api.usage.segments import PAYERS
from shopfloor.periods import SECOND, Period, subtract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy.orm import Session

    from api.access.scope import Scope
    from api.audit.service import Actor
    from api.billing.ledger import Ledger
    from api.usage.segments import Work

WHILES_MAX = 500
"""Most whiles of one answer; the rest are asked about again."""
TRIES_MAX = 5
"""How often days are brought up to date while what people say of them goes on changing."""


class While(NamedTuple):
    """A time of one machine that is in doubt."""

    machine: str
    period: Period


class Question(NamedTuple):
    """Something that one answer decides.

    Attributes:
        key: names it, the same as long as it is open.
        reason: nobody to pay, or nothing known.
        job: id that the control showed and no rule maps to a member; empty for none.
        whiles: what it is about, the oldest first; without a job all of one machine.
        evidence: what speaks of use.
    """

    key: str
    reason: Reason
    job: str
    whiles: tuple[While, ...]
    evidence: tuple[str, ...]

    @property
    def seconds(self) -> int:
        """How long it is about, in all."""
        return sum(each.period.seconds for each in self.whiles)


class Answer(NamedTuple):
    """What somebody decides.

    Attributes:
        payer: a member, `consortium`, or for unknown time also `nobody`.
        is_rule: keep for the job, so that later whiles of it are not asked about again.
        state: what the machine did in truth, for unknown time.
        why: the reason, for unknown time.
    """

    payer: str
    is_rule: bool = False
    state: str = ""
    why: str = ""


def questions(ledger: Ledger, scope: Scope, *, now: int) -> list[Question]:
    """Return what has to be decided of the use of machines, the longest first."""
    with ledger.records.reading() as session:
        return _questions(session, ledger, scope, now)


def _questions(session: Session, ledger: Ledger, scope: Scope, now: int) -> list[Question]:
    found: dict[tuple[str, str, str], tuple[list[While], set[str]]] = {}
    since, today = open_since(session, ledger, now)
    works: dict[str, list[Work]] = {}
    waiting = usage.waiting_corrections(session)
    for machine, _, doubts in doubtful_days(session, scope, since):
        if machine not in works:
            works[machine] = ledger.usage.work(session, machine, since, today)
        for start, end, reason, evidence in doubts:
            asked_for = waiting.get(machine, []) if reason == Reason.UNKNOWN else []
            for part in subtract(Period(start, end), asked_for):
                for period, job in _by_job(part, works[machine]):
                    asked = (reason, job, "" if job and reason == Reason.UNATTRIBUTED else machine)
                    whiles, said = found.setdefault(asked, ([], set()))
                    whiles.append(While(machine, period))
                    said.update(evidence)
    rows = [
        Question(_key(asked), Reason(asked[0]), asked[1], tuple(_joined(whiles)), tuple(sorted(said)))
        for asked, (whiles, said) in found.items()
    ]
    return sorted(rows, key=lambda each: (-each.seconds, each.key))


def _key(asked: Sequence[str]) -> str:
    return sha256("\n".join(asked).encode()).hexdigest()[:16]


def _by_job(period: Period, works: Iterable[Work]) -> Iterator[tuple[Period, str]]:
    """Cut a while where the control began to show another job; whose second it began in is not asked about."""
    clipped = ((each.period.clip(period), each.job) for each in works if each.job)
    shown = [(part, job) for part, job in clipped if part is not None and part.seconds]
    yield from shown
    yield from ((part, "") for part in subtract(period, [part for part, _ in shown]) if part.seconds)


def _joined(whiles: Iterable[While]) -> list[While]:
    """Join whiles that touch: a session goes on while the state of its machine changes."""
    joined: list[While] = []
    for machine, period in sorted(whiles):
        last = joined[-1] if joined else None
        if last is not None and last.machine == machine and last.period.end >= period.start:
            joined[-1] = While(machine, Period(last.period.start, max(last.period.end, period.end)))
        else:
            joined.append(While(machine, period))
    return sorted(joined, key=lambda each: (each.period.start, each.machine))


def decide(ledger: Ledger, actor: Actor, scope: Scope, key: str, answer: Answer, *, now: int) -> int:
    """Answer a question and bring what follows from it up to date.

    Unattributed time becomes a rule for its job, or is entered as check-ins; for unknown time corrections are asked
    for, which another person approves. Nothing is removed: who was wrong asks for a correction. A question has one
    answer: it is read in the transaction that answers it, from days that hold all that was said before.

    Returns:
        How many whiles it was about; 0 when the question is not open any more.

    Raises:
        InvalidRecordError: the answer cannot be kept; it says why.
    """
    for _ in range(TRIES_MAX):
        with ledger.records.writing() as session:
            days = open_since(session, ledger, now)
            open_ones = _questions(session, ledger, scope, now)
            question = next((each for each in open_ones if each.key == key), None)
            if question is None:
                return 0
            whiles = question.whiles[:WHILES_MAX]
            machines = sorted({each.machine for each in whiles})
            is_current = not usage.is_concerned(session, machines, *days)
            if is_current:
                longest = ledger.usage.policy.badge_seconds_max * SECOND
                _keep(session, actor, scope, question, answer, longest=longest, now=now)
        ledger.usage.refresh(machines, *days, now=now)
        if is_current:
            return len(whiles)
    return 0


def _keep(
    session: Session, actor: Actor, scope: Scope, question: Question, answer: Answer, *, longest: int, now: int
) -> None:
    whiles = question.whiles[:WHILES_MAX]
    if question.reason is Reason.UNKNOWN:
        _ask(session, actor, scope, whiles, answer, now=now)
    elif answer.is_rule and question.job and answer.payer not in PAYERS:
        usage.add_rule(session, actor, JobRule(RuleKind.EXACT, question.job, answer.payer), now=now)
    else:
        enter(session, actor, scope, whiles, answer.payer, longest=longest, now=now)


def _ask(session: Session, actor: Actor, scope: Scope, whiles: Iterable[While], answer: Answer, *, now: int) -> None:
    if not answer.state:
        raise InvalidRecordError([Problem("state", "say what the machine did")])
    for machine, period in whiles:
        wish = usage.Wish(machine, period, answer.payer, answer.state, answer.why)
        usage.ask_correction(session, actor, scope, wish, now=now)


def enter(
    session: Session, actor: Actor, scope: Scope, whiles: Iterable[While], payer: str, *, longest: int, now: int
) -> None:
    """Enter who was there, again where a check-in would end by itself, after the nanoseconds of `longest`.

    Raises:
        InvalidRecordError: nobody was named, or cannot be entered.
    """
    if not payer:
        raise InvalidRecordError([Problem("payer", "say who pays")])
    for machine, period in whiles:
        for start in range(period.start, period.end, longest):
            said = usage.Presence(machine, usage.free_instant(session, machine, start), payer, is_out=False)
            usage.check_in(session, actor, scope, said, now=now)
            session.flush()
        out = usage.Presence(machine, usage.free_instant(session, machine, period.end), None, is_out=True)
        usage.check_in(session, actor, scope, out, now=now)
        session.flush()
