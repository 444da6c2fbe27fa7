"""Closing a month: refused while something is open, else one transaction that keeps its statements for ever.

What was rated is checked again within the transaction: a process that is killed at any point has closed nothing, and
the next one comes to the same bytes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, insert, select, update

from api.audit.service import record
from api.billing import posting
from api.billing.calendars import civil_month, day_of, next_month
from api.billing.statements import to_data
from api.billing.stating import MachineUse, state_month
from api.billing.tables import IssuedStatement, LineContest, MonthClosing, PriceEntry, RatedSegments
from api.records.service import values_of
from api.records.tables import Change, Consortium, Machine, Member
from api.usage.doubts import doubts
from api.usage.intervals import NOT_RUNNING
from api.usage.segments import CONSORTIUM, UNATTRIBUTED, Quality
from api.usage.service import CHANGED
from api.usage.tables import UsagePart
from shopfloor.errors import ExpectedError
from shopfloor.hashed_log import START, Entry, canonical, seal
from shopfloor.periods import DAY, Period, format_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from sqlalchemy.orm import Session

    from api.audit.service import Actor
    from api.billing.ledger import Ledger
    from api.billing.statements import Statement
    from api.usage.doubts import Doubt
    from api.usage.segments import Segment

TRIES_MAX = 3
"""So often a closing starts again when something changes while it calculates."""
PROBLEMS_MAX = 500
"""Most reasons that a refusal names."""
INSERT_ROWS = 5_000
ASKED_ROWS = 500
WATCHING = ("observed", "unreachable")
"""What tells that an agent has sent what it had of a machine."""
EVERY = "*"
"""Every machine, where unknown time is accepted."""
_SHOWN = 5
_ONE_DAY = timedelta(days=1)


class ClosingRefusedError(ExpectedError):
    """A month cannot be closed yet.

    Attributes:
        problems: each with its place, such as a machine and a period, and what to do.
    """

    def __init__(self, month: str, problems: Sequence[tuple[str, str]]) -> None:
        shown = "; ".join(f"{place}: {what}" for place, what in problems[:_SHOWN])
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        super().__init__(f"{month} cannot be closed: {shown}{more}")
        self.problems = list(problems[:PROBLEMS_MAX])


class Closed(NamedTuple):
    """What a closing has done.

    Attributes:
        month: as `2026-10`.
        statements: how many there are.
        is_new: False when the month was closed before, and nothing was done.
    """

    month: str
    statements: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be closed.

    Attributes:
        month: as `2026-10`.
        issued: date of the statements; None for the day of the closing.
        accepted: reason by machine, `EVERY` for all, why unknown time without evidence of use is accepted.
    """

    month: str
    issued: date | None = None
    accepted: Mapping[str, str] | None = None


class _Calculated(NamedTuple):
    """A month, calculated and not yet kept."""

    number: int
    ground: dict[str, Any]
    statements: list[Statement]
    rated: list[tuple[str, str, str]]
    doubts: list[Doubt]
    hours: dict[str, Hours]


class Hours(NamedTuple):
    """The seconds of one machine in a month, told apart by who pays; together they are the length of the month."""

    members: int
    consortium: int
    unattributed: int
    off: int
    unknown: int


class Amount(NamedTuple):
    """What a statement of an open month comes to."""

    member: str
    seconds: int
    net: Decimal
    tax: Decimal
    total: Decimal


class Standing(NamedTuple):
    """How far an open month is from its closing.

    Attributes:
        refusal: why it is too early to ask, empty when it is not.
        amounts: of the statements that the closing would issue.
        doubts: how many times of use somebody has to decide on first.
        doubt_seconds: how long they are together.
        hours: of each machine.
        unsent: the machines of which nothing has come since the end of the month, with the instant of the last.
    """

    refusal: str
    amounts: list[Amount]
    doubts: int
    doubt_seconds: int
    hours: dict[str, Hours]
    unsent: list[tuple[str, int]]

    @property
    def unknown(self) -> dict[str, int]:
        """Seconds by machine of which nothing is known: those without evidence of use are accepted with a reason."""
        return _unknown(self.hours)

    @property
    def is_ready(self) -> bool:
        """Tell whether nothing but the acceptance of unknown time stands in the way."""
        return not (self.refusal or self.doubts or self.unsent)

    def to_data(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        amounts = [[*each[:2], *map(str, each[2:])] for each in self.amounts]
        return self._asdict() | {"amounts": amounts, "hours": {name: list(each) for name, each in self.hours.items()}}

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Standing:
        """Return it from what `to_data` wrote."""
        amounts = [Amount(*each[:2], *map(Decimal, each[2:])) for each in data["amounts"]]
        hours = {name: Hours(*each) for name, each in data["hours"].items()}
        unsent = [(machine, stamp) for machine, stamp in data["unsent"]]
        return cls(data["refusal"], amounts, data["doubts"], data["doubt_seconds"], hours, unsent)


def close(
    ledger: Ledger,
    actor: Actor,
    order: Order,
    *,
    now: int,
    tell: Callable[[str, int, int], None] = lambda _step, _done, _all: None,
) -> Closed:
    """Close a month; one that is closed stays as it is.

    Args:
        ledger: of the house.
        actor: who closes.
        order: what.
        now: the present.
        tell: told of progress: what is done, how many of how many machines.

    Raises:
        ClosingRefusedError: something is open; it says what.
        UnpricedError: there is use that no tariff covers.
        StoreUnavailableError: the store did not answer.
        RecordsUnavailableError: the records did not.
    """
    month = order.month
    period = civil_month(month, ledger.zone)
    with ledger.records.reading() as session:
        done = _statements_of(session, month)
        if session.get(MonthClosing, month) is not None:
            return Closed(month, done, is_new=False)
        _refuse_early(session, ledger, month, period, now)
        first = session.scalar(select(func.min(MonthClosing.month))) or month
    machines = ledger.usage.machines()
    _refresh(ledger, first, month, now, tell)
    for _ in range(TRIES_MAX):
        with ledger.records.reading() as session:
            found = _calculate(session, ledger, order, tell)
        unsent = [(machine, _last_heard(stamp)) for machine, stamp in _unsent(ledger, machines, period)]
        problems = [*unsent, *_problems(found, order.accepted or {})]
        if problems:
            raise ClosingRefusedError(month, problems)
        if _keep(ledger, actor, order, found, now=now):
            return Closed(month, len(found.statements), is_new=True)
    raise ClosingRefusedError(month, [("", "samples or evidence go on changing while it is calculated: try again")])


def stand(
    ledger: Ledger,
    month: str,
    *,
    now: int,
    tell: Callable[[str, int, int], None] = lambda _step, _done, _all: None,
) -> Standing:
    """Look at what a closing would do, and at what stands in its way; nothing is kept but current segments.

    Args:
        ledger: of the house.
        month: as `2026-10`, not closed.
        now: the present.
        tell: told of progress: what is done, how many of how many machines.

    Raises:
        UnpricedError: there is use that no tariff covers.
        StoreUnavailableError: the store did not answer.
    """
    period = civil_month(month, ledger.zone)
    refusal = ""
    with ledger.records.reading() as session:
        first = session.scalar(select(func.min(MonthClosing.month))) or month
        try:
            _refuse_early(session, ledger, month, period, now)
        except ClosingRefusedError as error:
            refusal = error.problems[0][1]
    machines = ledger.usage.machines()
    _refresh(ledger, min(first, month), month, now, tell)
    with ledger.records.reading() as session:
        found = _calculate(session, ledger, Order(month), tell)
    unsent = list(_unsent(ledger, machines, period))
    amounts = [
        Amount(each.member, sum(spent.seconds for spent in each.spent), each.net, each.tax, each.total)
        for each in found.statements
    ]
    doubtful = sum(each.period.seconds for each in found.doubts)
    return Standing(refusal, amounts, len(found.doubts), doubtful, found.hours, unsent)


def _refresh(
    ledger: Ledger,
    first: str,
    month: str,
    now: int,
    tell: Callable[[str, int, int], None] = lambda _step, _done, _all: None,
) -> None:
    """Bring the segments of the months from the first to the last up to date."""
    begin, last = ledger.days(first)[0] - _ONE_DAY, ledger.days(month)[1] + _ONE_DAY
    machines = ledger.usage.machines()
    ledger.usage.refresh(machines, begin, last, now=now, tell=lambda done, of: tell("segments", done, of))


def _refuse_early(session: Session, ledger: Ledger, month: str, period: Period, now: int) -> None:
    latest = session.scalar(select(func.max(MonthClosing.month)))
    if latest is not None and month != next_month(latest):
        raise ClosingRefusedError(month, [("", f"the next month to close is {next_month(latest)}")])
    if period.end > now:
        raise ClosingRefusedError(month, [("", "it is not over yet")])
    until = period.end + ledger.review_days * DAY
    if until > now:
        raise ClosingRefusedError(month, [("", f"members may contest its lines until {format_instant(until)}")])
    if session.get(Consortium, 1) is None:
        raise ClosingRefusedError(month, [("", "the consortium is not filled in: who issues the statements?")])


def basis(session: Session) -> str:
    """Return what a look at an open month began from: when it is another one, somebody has decided something since."""
    numbers = (
        session.scalar(select(Change.number).where(Change.name == CHANGED)),
        session.scalar(select(func.count()).select_from(PriceEntry)),
        session.scalar(select(func.max(PriceEntry.changed))),
        session.scalar(select(func.count()).select_from(LineContest)),
        session.scalar(select(func.max(LineContest.decided))),
        session.scalar(select(func.count()).select_from(MonthClosing)),
    )
    return "/".join(str(each or 0) for each in numbers)


def _unsent(ledger: Ledger, machines: Sequence[str], period: Period) -> Iterator[tuple[str, int]]:
    """Yield the machines of which nothing has come since the end of the period: their agent may still hold data."""
    told = ledger.usage.store.last(machines, WATCHING, 2**63 - 1)
    for machine in machines:
        stamps = [sample.stamp for (name, _), sample in told.items() if name == machine]
        if stamps and period.start <= max(stamps) < period.end:
            yield machine, max(stamps)


def _last_heard(stamp: int) -> str:
    return (f"its agent was last heard of at {format_instant(stamp)}, and may hold what it has not sent: connect it, "
            "or end the machine in the records")  # fmt: skip


def _calculate(
    session: Session,
    ledger: Ledger,
    order: Order,
    tell: Callable[[str, int, int], None] = lambda _step, _done, _all: None,
) -> _Calculated:
    """Rate the month, and again what has changed in earlier ones."""
    month = order.month
    number = session.scalar(select(Change.number).where(Change.name == CHANGED)) or 0
    ground, prices = ledger.ground(session, month)
    terms = ground.terms()
    use = MachineUse()
    rated: list[tuple[str, str, str]] = []
    doubtful: list[Doubt] = []
    hours: dict[str, Hours] = {}
    machines = list(session.scalars(select(Machine.id).order_by(Machine.id)))
    for done, machine in enumerate(machines, 1):
        digests, segments = ledger.kept(session, month, machine)
        use.take(machine, segments, terms)
        rated += [(month, machine, digest) for digest in digests]
        inside = [each for each in segments if each.period.overlaps(terms.period)]
        doubtful += doubts(inside)
        hours[machine] = _hours(inside, terms.period)
        tell("rating", done, len(machines))
    again = ledger.again(session, month, prices)
    for name, each in again.items():
        for machine in sorted(each.machines):
            rated += [(name, machine, digest) for digest in ledger.kept(session, name, machine)[0]]
    held = ledger.contested(session)
    statements = state_month(ground, use, again, held, versions=prices.versions)
    recorded = {
        "groups": dict(ground.groups),
        "machines": machines,
        "policy": asdict(ground.policy),
        "entries": [list(each) for each in prices.entries],
        "again": {name: sorted(each.machines) for name, each in sorted(again.items())},
        "held": sorted(map(list, held)),
        "versions": prices.versions,
    }
    return _Calculated(number, recorded, statements, rated, doubtful, hours)


def _hours(segments: Iterable[Segment], period: Period) -> Hours:
    spent: Counter[str] = Counter()
    for each in segments:
        inside = each.period.clip(period)
        if inside is None:
            continue
        if each.quality is Quality.UNKNOWN:
            kind = "unknown"
        elif each.payer not in {CONSORTIUM, UNATTRIBUTED}:
            kind = "members"
        elif each.state in NOT_RUNNING:
            kind = "off"
        else:
            kind = "consortium" if each.payer == CONSORTIUM else "unattributed"
        spent[kind] += inside.seconds
    return Hours(*(spent[name] for name in Hours._fields))


def _unknown(hours: Mapping[str, Hours]) -> dict[str, int]:
    return {machine: each.unknown for machine, each in hours.items() if each.unknown}


def _sentence(doubt: Doubt) -> str:
    return (f"{doubt.reason} from {format_instant(doubt.period.start)} to {format_instant(doubt.period.end)} "
            f"({', '.join(doubt.evidence)}): say who pays, by a check-in or a correction")  # fmt: skip


def _problems(found: _Calculated, accepted: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield from ((doubt.machine, _sentence(doubt)) for doubt in found.doubts)
    for machine, unknown in _unknown(found.hours).items():
        if not (accepted.get(machine) or accepted.get(EVERY)):
            yield machine, f"{unknown} s are unknown, without evidence of use: accept them with a reason"


def _statements_of(session: Session, month: str) -> int:
    wanted = select(func.count()).select_from(IssuedStatement).where(IssuedStatement.closing == month)
    return session.scalar(wanted) or 0


def _keep(ledger: Ledger, actor: Actor, order: Order, found: _Calculated, *, now: int) -> bool:
    """Keep everything, unless something that was rated is not current any more. Returns whether it was kept."""
    month = order.month
    with ledger.records.writing() as session:
        if session.get(MonthClosing, month) is not None:
            return True
        if not _is_current(session, found):
            return False
        issued = order.issued or day_of(now, ledger.zone)
        accepted = dict(order.accepted or {})
        session.add(MonthClosing(month=month, issued=issued, closed=now, by=actor.id, ground=found.ground,
                                 accepted=accepted))  # fmt: skip
        session.flush()
        rows = [
            {"closing": month, "month": name, "machine_id": machine, "digest": digest}
            for name, machine, digest in found.rated
        ]
        for start in range(0, len(rows), INSERT_ROWS):
            session.execute(insert(RatedSegments), rows[start : start + INSERT_ROWS])
        pinned = select(RatedSegments.digest).where(RatedSegments.closing == month)
        session.execute(update(UsagePart).where(UsagePart.digest.in_(pinned)).values(is_pinned=True))
        _number(session, month, issued, found.statements)
        if ledger.mails:
            posting.queue(session, actor, posting.rows_of(session, month), now=now)
        record(session, actor, "close", f"closings/{month}", now=now,
               after={"statements": len(found.statements), "accepted": accepted})  # fmt: skip
    return True


def _is_current(session: Session, found: _Calculated) -> bool:
    """Tell whether evidence and segments are still those that were rated."""
    if (session.scalar(select(Change.number).where(Change.name == CHANGED)) or 0) != found.number:
        return False
    digests = sorted({digest for _, _, digest in found.rated})
    current = 0
    for start in range(0, len(digests), ASKED_ROWS):
        asked = UsagePart.digest.in_(digests[start : start + ASKED_ROWS])
        current += session.scalar(select(func.count()).where(UsagePart.is_current, asked)) or 0
    return current == len(digests)


def _number(session: Session, month: str, issued: date, statements: Sequence[Statement]) -> None:
    """Give each statement its number, without a gap, and chain it to the one before."""
    last = session.execute(
        select(IssuedStatement.number, IssuedStatement.body, IssuedStatement.digest)
        .order_by(IssuedStatement.number.desc())
        .limit(1)
    ).one_or_none()
    entry = Entry(*last) if last else START
    of_year = select(func.max(IssuedStatement.sequence)).where(IssuedStatement.year == issued.year)
    sequence = session.scalar(of_year) or 0
    issuer = _plain(session.get(Consortium, 1))
    for statement in statements:
        sequence += 1
        entry = seal(entry, body_of(session, statement, issued, sequence, issuer))
        session.add(
            IssuedStatement(
                number=entry.number,
                year=issued.year,
                sequence=sequence,
                closing=month,
                member_id=statement.member,
                net=statement.net,
                total=statement.total,
                body=entry.body,
                digest=entry.digest,
            )
        )
    session.flush()


def body_of(session: Session, statement: Statement, issued: date, sequence: int, issuer: Mapping[str, Any]) -> str:
    """Return what is chained of a statement: number, date, who issues it to whom, names of machines, all lines."""
    return canonical(
        {
            "number": f"{sequence}/{issued.year}",
            "issued": issued.isoformat(),
            "issuer": issuer,
            "customer": _plain(session.get(Member, statement.member)),
            "machines": _names(session, statement),
            "statement": to_data(statement),
        }
    )


def _names(session: Session, statement: Statement) -> dict[str, str]:
    """Return what the machines of a statement are called: as part of it, a later name changes no document."""
    ids = {line.machine for line in statement.lines} | {spent.machine for spent in statement.spent}
    return dict(session.execute(select(Machine.id, Machine.name).where(Machine.id.in_(ids)).order_by(Machine.id)).all())


def _plain(row: Any) -> dict[str, Any]:
    """Return a firm as JSON has it."""
    values = values_of(row)
    return {
        name: value if isinstance(value, str | int | None) else str(value)
        for name, value in values.items()
        if not name.startswith("active_")
    }
