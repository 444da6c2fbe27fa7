"""Whether closed statements are what they were, and what the store says of them today."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import select

from api.billing.calendars import next_month
from api.billing.ledger import TamperedError, policy_of
from api.billing.money import ZERO
from api.billing.pricelist import Entry, read_prices
from api.billing.statements import to_data
from api.billing.stating import Again, Contested, MachineUse, MonthGround, state_month
from api.billing.tables import IssuedStatement, MonthClosing
from api.usage.packing import pack
from api.usage.reading import civil_days
from api.usage.tables import UsagePart
from shopfloor.hashed_log import BrokenLogError, canonical, verify
from shopfloor.hashed_log import Entry as LogEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.orm import Session

    from api.billing.ledger import Ledger
    from api.billing.statements import Line, Statement
    from api.usage.reading import BuiltDay


@dataclass(slots=True)
class Verdict:
    """What a verification has found.

    Attributes:
        statements: how many were looked at.
        newest: number and digest of the newest statement; note them elsewhere.
        faults: what is not as it has to be; empty when all is well.
        adjusted: euros by month that later statements have adjusted, of all members together.
        pending: the same that the next closing will adjust.
    """

    statements: int = 0
    newest: tuple[int, str] = (0, "")
    faults: list[str] = field(default_factory=list)
    adjusted: dict[str, Decimal] = field(default_factory=dict)
    pending: dict[str, Decimal] = field(default_factory=dict)


def verify_all(
    ledger: Ledger,
    *,
    now: int,
    with_store: bool = True,
    tell: Callable[[str, int, int], None] = lambda _step, _done, _all: None,
) -> Verdict:
    """Prove the chain, rate every statement again to the same bytes, and compare with the store.

    Args:
        ledger: of the house.
        now: the present.
        with_store: also build the segments of closed months again from the store.
        tell: told of progress.

    Raises:
        StoreUnavailableError: the store did not answer.
    """
    verdict = Verdict()
    with ledger.records.reading() as session:
        _chain(session, verdict)
        months = list(session.scalars(select(MonthClosing.month).order_by(MonthClosing.month)))
        for done, month in enumerate(months, 1):
            verdict.faults += _rated_again(session, ledger, month)
            tell("rating", done, len(months))
    if with_store and months and not verdict.faults:
        _store(ledger, months, verdict, now, tell)
    return verdict


def _chain(session: Session, verdict: Verdict) -> None:
    wanted = select(IssuedStatement.number, IssuedStatement.body, IssuedStatement.digest)
    entries = [LogEntry(*row) for row in session.execute(wanted.order_by(IssuedStatement.number))]
    try:
        last = verify(entries)
    except BrokenLogError as error:
        verdict.faults.append(f"the chain of statements: {error}")
        return
    verdict.statements, verdict.newest = len(entries), (last.number, last.digest)


def _rated_again(session: Session, ledger: Ledger, month: str) -> Iterator[str]:
    """Rate a closed month from what was recorded with it, and compare byte by byte."""
    closing = session.get_one(MonthClosing, month)
    try:
        statements = {each.member: each for each in _stated(session, ledger, closing)}
    except TamperedError as error:
        yield str(error)
        return
    rows = session.scalars(
        select(IssuedStatement).where(IssuedStatement.closing == month).order_by(IssuedStatement.number)
    )
    for row in rows:
        again = statements.pop(row.member_id, None)
        stored = json.loads(row.body)
        if again is None or canonical({**stored, "statement": to_data(again)}) != row.body:
            yield f"{month}, {row.member_id}: statement {stored['number']} is not what its segments and prices give"
    for member in statements:
        yield f"{month}, {member}: there is no statement, and its segments give one"


def _stated(session: Session, ledger: Ledger, closing: MonthClosing) -> list[Statement]:
    recorded = closing.ground
    entries = [Entry(*each) for each in recorded["entries"]]

    def ground_of(month: str) -> MonthGround:
        own = session.get_one(MonthClosing, month).ground
        prices = read_prices(entries, ledger.zone, own["groups"])
        return MonthGround(month, own["groups"], prices.book, prices.common, policy_of(own["policy"]))

    def used(month: str, machines: Sequence[str]) -> MachineUse:
        use, terms = MachineUse(), ground_of(month).terms()
        for machine in machines:
            use.take(machine, ledger.frozen(session, closing.month, month, machine), terms)
        return use

    charged = ledger.charged(session, closing.month, set(recorded["again"]))
    again = {
        month: Again(ground_of(month), charged.get(month, []), frozenset(machines), used(month, machines))
        for month, machines in recorded["again"].items()
    }
    held = frozenset(Contested(*each) for each in recorded["held"])
    use = used(closing.month, recorded["machines"])
    return state_month(ground_of(closing.month), use, again, held, versions=recorded["versions"])


def _store(
    ledger: Ledger, months: Sequence[str], verdict: Verdict, now: int, tell: Callable[[str, int, int], None]
) -> None:
    """Build closed months again from the store: what differs has to be what the next closing will adjust."""
    usage = ledger.usage
    machines = usage.machines()
    usage.refresh(machines, ledger.days(months[0])[0], ledger.days(months[-1])[1], now=now)
    fresh = {month: MachineUse() for month in months}
    for done, machine in enumerate(machines, 1):
        for month in months:
            built = usage.fresh(machine, list(civil_days(*ledger.days(month))), now=now)
            with ledger.records.reading() as session:
                verdict.faults += [fault for each in built if (fault := _kept_otherwise(session, machine, each))]
                ground, _ = ledger.ground(session, month)
                fresh[month].take(machine, ledger.kept(session, month, machine)[1], ground.terms())
        tell("store", done, len(machines))
    with ledger.records.reading() as session:
        _compare(session, ledger, fresh, frozenset(machines), verdict)


def _kept_otherwise(session: Session, machine: str, built: BuiltDay) -> str:
    """Return what is wrong with the kept segments of a day; empty when nothing is, or nothing is kept."""
    day = built.day.day
    digests = {packed.digest for packed in pack(machine, day, built.day.segments)}
    wanted = select(UsagePart.digest).where(UsagePart.is_current, UsagePart.machine_id == machine, UsagePart.day == day)
    kept = set(session.scalars(wanted))
    return f"{machine}, {day}: kept segments are not what the store gives" if kept and kept != digests else ""


def _compare(
    session: Session, ledger: Ledger, fresh: Mapping[str, MachineUse], machines: frozenset[str], verdict: Verdict
) -> None:
    """Hold what is right today, less what was charged, against what the next closing would adjust."""
    months = list(fresh)
    following = next_month(months[-1])
    held = ledger.contested(session)
    charged = ledger.charged(session, following, set(months))
    ground, prices = ledger.ground(session, following)
    grounds = {month: ledger.ground(session, month)[0] for month in months}
    again = ledger.again(session, following, prices)
    pending = _sum(
        line for each in state_month(ground, MachineUse(), again, held) for line in each.lines if line.corrects
    )
    everything = {month: Again(grounds[month], charged.get(month, []), machines, fresh[month]) for month in months}
    right = _sum(
        line for each in state_month(ground, MachineUse(), everything, held) for line in each.lines if line.corrects
    )
    for key in sorted(pending.keys() | right.keys()):
        if pending.get(key, ZERO) != right.get(key, ZERO):
            difference, adjusted = right.get(key, ZERO), pending.get(key, ZERO)
            place = ", ".join(key)
            verdict.faults.append(
                f"{place}: the store gives a difference of {difference}, {adjusted} is to be adjusted"
            )
    originals = _originals(session)
    for month in months:
        was = sum((line.amount for line in charged.get(month, ())), ZERO)
        verdict.adjusted[month] = was - originals.get(month, ZERO)
        verdict.pending[month] = sum((amount for key, amount in right.items() if key[0] == month), ZERO)


def _originals(session: Session) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for body in session.scalars(select(IssuedStatement.body)):
        for line in json.loads(body)["statement"]["lines"]:
            if line["corrects"] is None:
                found[line["month"]] = found.get(line["month"], ZERO) + Decimal(line["amount"])
    return found


def _sum(lines: Iterable[Line]) -> dict[tuple[str, str, str], Decimal]:
    sums: dict[tuple[str, str, str], Decimal] = {}
    for line in lines:
        key = (line.month, line.member, line.reference)
        sums[key] = sums.get(key, ZERO) + line.amount
    return {key: amount for key, amount in sums.items() if amount}
