"""Prices, contests, budgets and what becomes of statements: checked, audited, in one transaction each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, func, select

from api.access.scope import Role
from api.audit.service import record
from api.billing.pricelist import KINDS, BadPriceError, Entry, PriceList, check_change, read_prices, table_of
from api.billing.tables import Budget, IssuedStatement, LineContest, MonthClosing, PriceEntry, StatementEvent
from api.records.rules import InvalidRecordError, Problem
from api.records.service import UnknownRecordError, values_of
from api.records.tables import Machine, Member
from api.usage.evidence import REASON_LENGTH_MIN
from api.usage.service import new_id
from api.usage.tables import UsageDay
from shopfloor.signals import is_identifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date
    from decimal import Decimal
    from zoneinfo import ZoneInfo

    from sqlalchemy.orm import Session

    from api.access.scope import Scope
    from api.audit.service import Actor
    from api.billing.stating import Contested
    from api.records.database import Records

ENTRIES_MAX = 5_000
TEXT_MAX = 20_000
"""Longest entry of the price list."""
ROWS_MAX = 5_000
EVENTS = ("sent", "rejected", "accepted", "paid", "unpaid")
"""What may become of a statement. It is sent again under its number after a rejection; a payment may be taken back."""


class Fate(NamedTuple):
    """What has become of a statement.

    Attributes:
        is_paid: whether the last word is that it is paid.
        exchange: `sent`, `rejected` or `accepted` by the exchange system, empty while it was not sent.
    """

    is_paid: bool
    exchange: str


# The price list.


def last_closed(session: Session) -> str | None:
    """Return the last month that is closed, as `2026-10`."""
    return session.scalar(select(func.max(MonthClosing.month)))


def entries(session: Session) -> list[Entry]:
    """Return every entry of the price list."""
    rows = session.scalars(select(PriceEntry))
    found = [Entry(row.id, row.kind, row.text) for row in rows]
    return sorted(found, key=lambda entry: (KINDS.index(entry.kind), entry.id))


def changed(session: Session, zone: ZoneInfo, wanted: Sequence[Entry], removed: Iterable[str] = ()) -> PriceList:
    """Return the price list as it would be, with some entries added, replaced or removed.

    Args:
        session: of the records.
        zone: of times without an offset.
        wanted: entries; one with the identifier of a kept one takes its place.
        removed: identifiers of entries that go.

    Raises:
        BadScenarioError: naming the entry, the place, the reason and the mend.
    """
    members, machines = set(session.scalars(select(Member.id))), set(session.scalars(select(Machine.id)))
    kept = {entry.id: entry for entry in entries(session)}
    for entry in wanted:
        calendars = [each for each in kept.values() if each.kind == "calendars" and each.id != entry.id]
        read_prices([*(calendars if entry.kind == "tariffs" else ()), entry], zone, members, machines)
    before = read_prices(kept.values(), zone, members)
    gone = {*removed, *(entry.id for entry in wanted)}
    after = read_prices([*(each for each in kept.values() if each.id not in gone), *wanted], zone, members)
    check_change(before, after, last_closed(session), zone)
    return after


def read_tried(session: Session, zone: ZoneInfo, tried: Iterable[Entry], members: Iterable[str]) -> PriceList:
    """Return a price list that is tried and not kept, checked against the machines that there are.

    Raises:
        BadScenarioError: naming the entry, the place, the reason and the mend.
    """
    machines = set(session.scalars(select(Machine.id)))
    return read_prices(tried, zone, members, machines)


def put_entry(session: Session, actor: Actor, zone: ZoneInfo, entry: Entry, *, now: int) -> PriceEntry:
    """Keep an entry of the price list; one without identifier gets one.

    Raises:
        BadScenarioError: naming the entry, the place, the reason and the mend.
        UnknownRecordError: there is none with its identifier.
    """
    row = session.get(PriceEntry, entry.id) if entry.id else None
    if entry.id and row is None:
        raise UnknownRecordError(entry.id)
    if row is not None and row.kind != entry.kind:
        raise BadPriceError(f"{entry.kind}: the entry is one of {row.kind}: remove it and add another")
    if row is None and (session.scalar(select(func.count()).select_from(PriceEntry)) or 0) >= ENTRIES_MAX:
        raise BadPriceError(f"{entry.kind}: there are {ENTRIES_MAX} entries, and that is the limit")
    before = None if row is None else {"text": row.text}
    wanted = entry if entry.id else entry._replace(id=new_id())
    changed(session, zone, [wanted])
    if row is None:
        row = PriceEntry(id=wanted.id, kind=wanted.kind)
        session.add(row)
    row.text, row.by, row.changed = wanted.text, actor.id, now
    action = "add" if before is None else "change"
    record(session, actor, action, f"tariffs/{row.id}", now=now, before=before, after={"text": row.text})
    return row


def remove_entry(session: Session, actor: Actor, zone: ZoneInfo, entry_id: str, *, now: int) -> None:
    """Remove an entry that no closed month was charged by.

    Raises:
        BadScenarioError: it is used, or another entry needs it.
        UnknownRecordError: there is none.
    """
    row = entry(session, entry_id)
    changed(session, zone, [], [entry_id])
    record(session, actor, "remove", f"tariffs/{entry_id}", now=now, before={"kind": row.kind, "text": row.text})
    session.delete(row)


def entry(session: Session, entry_id: str) -> PriceEntry:
    """Return an entry of the price list.

    Raises:
        UnknownRecordError: there is none.
    """
    row = session.get(PriceEntry, entry_id) if entry_id.isalnum() else None
    if row is None:
        raise UnknownRecordError(entry_id)
    return row


def name_of(kept: Entry) -> str:
    """Return what an entry is called: its name, item or section."""
    table = table_of(kept)
    return str(next((table[key] for key in ("name", "item", "section") if key in table), ""))


# What things are called.


def member_names(session: Session) -> dict[str, str]:
    """Return what member firms are called, by their identifiers."""
    return {row.id: row.legal_name for row in session.execute(select(Member.id, Member.legal_name))}


def member_groups(session: Session) -> set[str]:
    """Return the groups of members, by which tariffs are told apart; empty for those in none."""
    return set(session.scalars(select(Member.group_name).distinct()))


def machine_names(session: Session) -> dict[str, str]:
    """Return what machines are called and what they are, by their identifiers."""
    rows = session.execute(select(Machine.id, Machine.name, Machine.kind))
    return {row.id: f"{row.name or row.id} {row.kind or ''}".strip() for row in rows}


# Contests.


def contest(session: Session, actor: Actor, scope: Scope, line: Contested, reason: str, *, now: int) -> LineContest:
    """Keep that a member contests a line: it stays out of the statement until somebody has decided.

    Raises:
        InvalidRecordError: the month is closed, or the line is contested already.
        UnknownRecordError: it is another member's line.
    """
    if scope.role is Role.MEMBER and scope.member != line.member:
        raise UnknownRecordError(line.member)
    problems = []
    if session.get(MonthClosing, line.month) is not None:
        problems.append(
            Problem("month", f"{line.month} is closed: ask for a correction, which comes with the next one")
        )
    if len(reason.strip()) < REASON_LENGTH_MIN:
        problems.append(Problem("reason", f"say in {REASON_LENGTH_MIN} characters or more why"))
    same = select(LineContest).where(
        LineContest.month == line.month,
        LineContest.member_id == line.member,
        LineContest.reference == line.reference,
        LineContest.decided_by.is_(None),
    )
    if session.scalars(same).first() is not None:
        problems.append(Problem("reference", "this line is contested already"))
    if problems:
        raise InvalidRecordError(problems)
    row = LineContest(
        id=new_id(),
        member_id=line.member,
        month=line.month,
        reference=line.reference,
        reason=reason.strip(),
        by=actor.id,
        at=now,
    )
    session.add(row)
    record(session, actor, "contest", f"contests/{row.id}", now=now, after=values_of(row))
    return row


def decide_contest(session: Session, actor: Actor, contest_id: str, decision: str, *, now: int) -> LineContest:
    """Decide on a contest: the line, as it is calculated then, comes on the next statement that is closed.

    Raises:
        UnknownRecordError: there is none.
        InvalidRecordError: it is decided already, without a reason, or by who contested.
    """
    row = session.get(LineContest, contest_id) if contest_id.isalnum() else None
    if row is None:
        raise UnknownRecordError(contest_id)
    problems = []
    if row.decided_by is not None:
        problems.append(Problem("", "it is decided already"))
    if row.by == actor.id:
        problems.append(Problem("", "another person than the one who contested has to decide"))
    if len(decision.strip()) < REASON_LENGTH_MIN:
        problems.append(Problem("reason", f"say in {REASON_LENGTH_MIN} characters or more why"))
    if problems:
        raise InvalidRecordError(problems)
    before = {"decision": row.decision, "decided_by": row.decided_by}
    row.decision, row.decided_by, row.decided = decision.strip(), actor.id, now
    after = {"decision": row.decision, "decided_by": row.decided_by}
    record(session, actor, "decide", f"contests/{row.id}", now=now, before=before, after=after)
    return row


def contests(records: Records, scope: Scope, *, only_open: bool) -> list[LineContest]:
    """Return the contests that a caller may see, by identifier: a member sees its own."""
    wanted = select(LineContest)
    if only_open:
        wanted = wanted.where(LineContest.decided_by.is_(None))
    if scope.role is Role.MEMBER:
        wanted = wanted.where(LineContest.member_id == scope.member)
    with records.reading() as session:
        return list(session.scalars(wanted.order_by(LineContest.id).limit(ROWS_MAX)))


# Statements.


def statements(
    records: Records, scope: Scope, *, month: str | None = None, member: str | None = None
) -> list[IssuedStatement]:
    """Return the closed statements that a caller may see, by number: a member sees its own."""
    wanted = select(IssuedStatement)
    if scope.role is not Role.ADMINISTRATOR:
        wanted = wanted.where(IssuedStatement.member_id == (scope.member or ""))
    if month is not None:
        wanted = wanted.where(IssuedStatement.closing == month)
    if member is not None:
        wanted = wanted.where(IssuedStatement.member_id == member)
    with records.reading() as session:
        return list(session.scalars(wanted.order_by(IssuedStatement.number)))


def statement(session: Session, scope: Scope, number: str) -> IssuedStatement:
    """Return a closed statement.

    Raises:
        UnknownRecordError: there is none, or it is not the caller's to see.
    """
    is_number = number.isascii() and number.isdecimal() and len(number) <= 9  # noqa: PLR2004 - of a 32-bit column
    row = session.get(IssuedStatement, int(number)) if is_number else None
    if row is None or not scope.sees_member(row.member_id):
        raise UnknownRecordError(number)
    return row


def fates(session: Session, numbers: Iterable[int] | None = None) -> dict[int, Fate]:
    """Return what has become of statements, by number; those to which nothing happened are left out."""
    wanted = select(StatementEvent).order_by(StatementEvent.entered, StatementEvent.id)
    if numbers is not None:
        wanted = wanted.where(StatementEvent.number.in_(list(numbers)))
    found: dict[int, Fate] = {}
    for row in session.scalars(wanted):
        fate = found.get(row.number, Fate(is_paid=False, exchange=""))
        if row.kind in {"paid", "unpaid"}:
            found[row.number] = fate._replace(is_paid=row.kind == "paid")
        else:
            found[row.number] = fate._replace(exchange=row.kind)
    return found


def events(session: Session, number: int) -> list[StatementEvent]:
    """Return what has become of a statement, the oldest first."""
    wanted = select(StatementEvent).where(StatementEvent.number == number)
    return list(session.scalars(wanted.order_by(StatementEvent.entered, StatementEvent.id)))


def add_event(
    session: Session, actor: Actor, number: int, kind: str, *, day: date, note: str, now: int
) -> StatementEvent:
    """Keep what has become of a statement; the statement itself stays as it is.

    Raises:
        InvalidRecordError: it does not follow from what happened before.
    """
    fate = fates(session, [number]).get(number, Fate(is_paid=False, exchange=""))
    refused = {
        "paid": "it is paid already" if fate.is_paid else "",
        "unpaid": "" if fate.is_paid else "it is not paid",
        "sent": "it is sent, and not rejected" if fate.exchange in {"sent", "accepted"} else "",
        "rejected": "" if fate.exchange == "sent" else "it is not sent",
        "accepted": "" if fate.exchange == "sent" else "it is not sent",
    }[kind]
    if refused:
        raise InvalidRecordError([Problem("kind", refused)])
    row = StatementEvent(id=new_id(), number=number, kind=kind, day=day, note=note.strip(), by=actor.id, entered=now)
    session.add(row)
    record(session, actor, kind, f"statements/{number}", now=now, after={"day": day, "note": row.note})
    return row


def closings(records: Records) -> list[tuple[MonthClosing, int]]:
    """Return the closed months, the oldest first, each with how many statements it has."""
    counts = select(IssuedStatement.closing, func.count()).group_by(IssuedStatement.closing)
    with records.reading() as session:
        by_month = dict(session.execute(counts).all())
        rows = session.scalars(select(MonthClosing).order_by(MonthClosing.month))
        return [(row, by_month.get(row.month, 0)) for row in rows]


# Budgets.


def check_member(session: Session, scope: Scope, member: str) -> None:
    """Refuse a member that there is not, or that the caller may not know of.

    Raises:
        UnknownRecordError: so it is.
    """
    if not is_identifier(member) or not scope.sees_member(member) or session.get(Member, member) is None:
        raise UnknownRecordError(member)


def put_budget(
    session: Session, actor: Actor, member: str, amount: Decimal | None, warn_percent: int, *, now: int
) -> None:
    """Keep what a member means to spend in a month; None for no budget.

    Raises:
        UnknownRecordError: there is no such member.
    """
    if session.get(Member, member) is None:
        raise UnknownRecordError(member)
    row = session.get(Budget, member)
    before = None if row is None else {"amount": str(row.amount), "warn_percent": row.warn_percent}
    session.execute(delete(Budget).where(Budget.member_id == member))
    if amount is not None:
        session.add(Budget(member_id=member, amount=amount, warn_percent=warn_percent))
    after = {"amount": None if amount is None else str(amount), "warn_percent": warn_percent}
    record(session, actor, "budget", f"members/{member}", now=now, before=before, after=after)


def budget(session: Session, member: str) -> Budget | None:
    """Return what a member means to spend in a month."""
    return session.get(Budget, member)


# What somebody has to decide.


def doubtful_days(session: Session, scope: Scope, since: date) -> list[Any]:
    """Return machine, day and doubts of the kept days that hold any, the oldest first."""
    wanted = select(UsageDay.machine_id, UsageDay.day, UsageDay.doubts).where(
        UsageDay.day >= since, UsageDay.has_doubts
    )
    if scope.sites is not None:
        wanted = wanted.where(UsageDay.machine_id.in_(select(Machine.id).where(Machine.site_id.in_(scope.sites))))
    return list(session.execute(wanted.order_by(UsageDay.day, UsageDay.machine_id).limit(ROWS_MAX)))
