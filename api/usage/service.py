"""What people say of who used a machine: kept as it came, audited, and read as evidence."""

from __future__ import annotations

import secrets
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import or_, select, update

from api.access.scope import Role
from api.audit.service import record
from api.bookings.reading import bookings_of
from api.records.database import mark_changed
from api.records.rules import InvalidRecordError, Problem
from api.records.service import UnknownRecordError, values_of
from api.records.tables import Machine, Member
from api.usage.doubts import Reason
from api.usage.evidence import (
    REASON_LENGTH_MIN,
    BadEvidenceError,
    Badge,
    Cause,
    Correction,
    Evidence,
    JobRule,
    JobRules,
    Maintenance,
    RuleKind,
)
from api.usage.packing import unpack_work
from api.usage.segments import PAYERS, UNATTRIBUTED, payer_named
from api.usage.tables import BadgeOwner, CheckIn, CorrectionRequest, MaintenanceTime, MemberRule, UsageDay
from shopfloor.periods import DAY, INSTANT_MAX, SECOND, Period, to_datetime
from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date

    from sqlalchemy.orm import Session

    from api.access.scope import Scope
    from api.audit.service import Actor
    from api.records.base import Base
    from api.records.database import Records

RULES_MAX = 20_000
ROWS_MAX = 2_000
"""Most rows of one answer; ask for a shorter period."""
LATE_DAYS_MAX = 400
"""How far back evidence may be entered."""
CHANGED = "usage"
"""What every process is told has changed when evidence was."""


class Presence(NamedTuple):
    """A check-in or check-out as it is entered."""

    machine: str
    at: int
    payer: str | None
    is_out: bool


class Wish(NamedTuple):
    """A correction as it is asked for."""

    machine: str
    period: Period
    payer: str | None
    state: str | None
    reason: str


# What days have to be built again.


def concern(session: Session, machine: str, period: Period) -> None:
    """Let the days that a change of evidence touches be built again."""
    first, last = to_datetime(period.start - DAY).date(), _day(period.end + DAY)
    session.execute(
        update(UsageDay)
        .where(UsageDay.machine_id == machine, UsageDay.day >= first, UsageDay.day <= last)
        .values(is_stale=True)
    )
    mark_changed(session, CHANGED)


def is_concerned(session: Session, machines: Sequence[str], first: date, last: date) -> bool:
    """Tell whether a kept day of some machines does not hold yet what was said of it since."""
    wanted = select(UsageDay.day).where(
        UsageDay.machine_id.in_(machines), UsageDay.day >= first, UsageDay.day <= last, UsageDay.is_stale
    )
    return session.scalars(wanted.limit(1)).first() is not None


def _day(instant: int) -> date:
    return to_datetime(min(instant, INSTANT_MAX - DAY)).date()


def _concern_texts(session: Session, is_other: Callable[[str], bool]) -> None:
    """Let the days be built again on which a machine showed a text that means something else now."""
    known: dict[str, bool] = {}
    rows = session.execute(select(UsageDay.machine_id, UsageDay.day, UsageDay.texts)).all()
    for machine, day, texts in rows:
        for text in texts:
            if text not in known:
                known[text] = is_other(text)
        if any(known[text] for text in texts):
            wanted = (UsageDay.machine_id == machine) & (UsageDay.day == day)
            session.execute(update(UsageDay).where(wanted).values(is_stale=True))
    mark_changed(session, CHANGED)


# Checks.


def _check_machine(session: Session, scope: Scope, machine: str) -> list[Problem]:
    """Find out whether there is a machine for the caller: one at another site is as none."""
    row = session.get(Machine, machine)
    return [] if row is not None and scope.sees(row.site_id) else [Problem("machine", "there is no such machine")]


def _check_payer(
    session: Session, payer: str | None, field: str = "payer", *, scope: Scope | None = None
) -> list[Problem]:
    """Find out whether somebody can pay; a member is not told by the answer which other firms there are."""
    is_foreign = scope is not None and scope.role is Role.MEMBER and payer != scope.member
    if payer is None or payer in PAYERS or (not is_foreign and session.get(Member, payer) is not None):
        return []
    return [Problem(field, f"there is no member {payer!r}: name one, or {' or '.join(PAYERS)}")]


def _check_time(field: str, at: int, now: int) -> list[Problem]:
    if at > now:
        return [Problem(field, "it lies in the future: enter what has happened")]
    if at < now - LATE_DAYS_MAX * DAY:
        return [Problem(field, f"it is more than {LATE_DAYS_MAX} days ago")]
    return []


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise InvalidRecordError(problems)


def new_id() -> str:
    """Return an identifier that nobody can guess."""
    return secrets.token_hex(8)


# Check-ins.


def check_in(session: Session, actor: Actor, scope: Scope, said: Presence, *, now: int) -> CheckIn:
    """Keep who uses a machine from an instant on.

    Raises:
        InvalidRecordError: naming everything that is wrong.
        UnknownRecordError: a member speaks for another firm.
    """
    if scope.role is Role.MEMBER and said.payer != scope.member:
        raise UnknownRecordError(said.payer or "")
    problems = [
        *_check_machine(session, scope, said.machine),
        *_check_payer(session, said.payer),
        *_check_time("at", said.at, now),
    ]
    if said.payer is None and not said.is_out:
        problems.append(Problem("payer", "say for whom: a member, or consortium for maintenance"))
    same = select(CheckIn).where(CheckIn.machine_id == said.machine, CheckIn.at == said.at)
    if session.scalars(same).first() is not None:
        problems.append(Problem("at", "somebody checked in or out at this very instant: give another one"))
    _refuse(problems)
    row = CheckIn(
        id=new_id(),
        machine_id=said.machine,
        at=said.at,
        payer=said.payer,
        is_out=said.is_out,
        by=actor.id,
        entered=now,
    )
    session.add(row)
    record(session, actor, "check out" if said.is_out else "check in", f"machines/{said.machine}", now=now,
           after={"at": said.at, "payer": said.payer})  # fmt: skip
    concern(session, said.machine, Period(said.at, said.at + DAY))
    return row


def free_instant(session: Session, machine: str, at: int) -> int:
    """Return an instant of the same second at which nobody checked in or out."""
    wanted = select(CheckIn.at).where(CheckIn.machine_id == machine, CheckIn.at >= at, CheckIn.at < at + SECOND)
    taken = set(session.scalars(wanted))
    return next(each for each in range(at, at + SECOND) if each not in taken)


def check_ins(records: Records, scope: Scope, machine: str | None, period: Period) -> list[CheckIn]:
    """Return the check-ins of a period that a caller may see, the oldest first: a member sees its own."""
    wanted = select(CheckIn).where(CheckIn.at >= period.start, CheckIn.at < period.end)
    if machine is not None:
        wanted = wanted.where(CheckIn.machine_id == machine)
    if scope.role is Role.MEMBER:
        wanted = wanted.where(CheckIn.payer == scope.member)
    with records.reading() as session:
        return list(session.scalars(_at_sites(wanted, CheckIn, scope).order_by(CheckIn.at, CheckIn.id).limit(ROWS_MAX)))


def _at_sites(wanted: Any, table: Any, scope: Scope) -> Any:
    if scope.sites is None:
        return wanted
    return wanted.where(table.machine_id.in_(select(Machine.id).where(Machine.site_id.in_(scope.sites))))


# Job rules and badges.


def job_rules(session: Session) -> JobRules:
    """Return which member a job or order id means."""
    rows = session.scalars(select(MemberRule))
    return JobRules(JobRule(RuleKind(row.kind), row.text, row.member_id) for row in rows)


def add_rule(session: Session, actor: Actor, rule: JobRule, *, now: int) -> MemberRule:
    """Keep a rule.

    Raises:
        InvalidRecordError: it is empty, unreadable or contradicts another one.
    """
    problems = _check_payer(session, rule.member, "member")
    if rule.member in PAYERS:
        problems.append(Problem("member", "a job is a member's"))
    before = list(session.scalars(select(MemberRule)))
    if len(before) >= RULES_MAX:
        problems.append(Problem("", f"there are {RULES_MAX} rules, and that is the limit"))
    _refuse(problems)
    kept = [JobRule(RuleKind(row.kind), row.text, row.member_id) for row in before]
    if any(each[:2] == rule[:2] for each in kept):
        raise InvalidRecordError([Problem("text", "there is such a rule: remove it first")])
    try:
        old, new = JobRules(kept), JobRules([*kept, rule])
    except BadEvidenceError as error:
        raise InvalidRecordError([Problem("text", str(error))]) from error
    row = MemberRule(id=new_id(), kind=rule.kind.value, text=rule.text, member_id=rule.member, added=now)
    session.add(row)
    record(session, actor, "add", f"job-rules/{row.id}", now=now, after=values_of(row))
    _concern_texts(session, lambda text: old.member(text) != new.member(text))
    return row


def remove_rule(session: Session, actor: Actor, rule_id: str, *, now: int) -> None:
    """Remove a rule; what it decided is decided again.

    Raises:
        UnknownRecordError: there is none.
    """
    row = _found(session, MemberRule, rule_id)
    rows = list(session.scalars(select(MemberRule)))
    old = JobRules(JobRule(RuleKind(each.kind), each.text, each.member_id) for each in rows)
    new = JobRules(JobRule(RuleKind(each.kind), each.text, each.member_id) for each in rows if each.id != rule_id)
    record(session, actor, "remove", f"job-rules/{rule_id}", now=now, before=values_of(row))
    session.delete(row)
    _concern_texts(session, lambda text: old.member(text) != new.member(text))


def rules(records: Records) -> list[MemberRule]:
    """Return every rule, by its identifier."""
    with records.reading() as session:
        return list(session.scalars(select(MemberRule).order_by(MemberRule.id)))


def unknown_jobs(session: Session, since: date) -> list[tuple[str, set[str], date]]:
    """Return the jobs, or the orders of what has no job, that machines worked on from a day on while nobody paid.

    Returns:
        What the control said, the machines that did, and the last such day; the newest first.
    """
    known = job_rules(session)
    machines: dict[str, set[str]] = {}
    last: dict[str, date] = {}
    wanted = select(UsageDay.machine_id, UsageDay.day, UsageDay.doubts, UsageDay.work)
    for machine, day, held, body in session.execute(wanted.where(UsageDay.day >= since, UsageDay.has_doubts)):
        unpaid = [Period(start, end) for start, end, reason, _ in held if reason == Reason.UNATTRIBUTED]
        for work in unpack_work(body):
            text = work.job or work.order
            if text and known.member(text) is None and any(work.period.overlaps(each) for each in unpaid):
                machines.setdefault(text, set()).add(machine)
                last[text] = max(day, last.get(text, day))
    newest = sorted(last, key=lambda text: (last[text], text), reverse=True)
    return [(text, machines[text], last[text]) for text in newest]


def badges(records: Records) -> list[BadgeOwner]:
    """Return whose each badge is, by badge and time."""
    with records.reading() as session:
        rows = session.scalars(select(BadgeOwner))
        return sorted(rows, key=lambda row: f"{row.badge}\n{row.since:020d}")


def badge_owner(session: Session) -> Callable[[str, int], str | None]:
    """Return whose badges are when: the payer, None for nobody's."""
    owners: dict[str, list[tuple[int, str]]] = {}
    for row in session.scalars(select(BadgeOwner).order_by(BadgeOwner.badge, BadgeOwner.since)):
        owners.setdefault(row.badge, []).append((row.since, payer_named(row.payer)))

    def owner(badge: str, at: int) -> str | None:
        rows = owners.get(badge, [])
        index = bisect_right([since for since, _ in rows], at) - 1
        payer = rows[index][1] if index >= 0 else UNATTRIBUTED
        return None if payer == UNATTRIBUTED else payer

    return owner


def give_badge(session: Session, actor: Actor, badge: str, payer: str, since: int, *, now: int) -> BadgeOwner:
    """Keep whose a badge is from an instant on.

    Raises:
        InvalidRecordError: naming everything that is wrong.
    """
    _refuse([*_check_payer(session, payer), *_check_time("since", since, now)])
    row = session.get(BadgeOwner, (badge, since))
    before = None if row is None else values_of(row)
    if row is None:
        row = BadgeOwner(badge=badge, since=since, payer=payer)
        session.add(row)
    row.payer = payer
    record(session, actor, "give", "badges", now=now, before=before, after=values_of(row))
    _concern_texts(session, lambda text: text == badge)
    return row


# Corrections.


def ask_correction(session: Session, actor: Actor, scope: Scope, wish: Wish, *, now: int) -> CorrectionRequest:
    """Keep a request to charge a period otherwise.

    Raises:
        InvalidRecordError: naming everything that is wrong.
    """
    problems = [
        *_check_machine(session, scope, wish.machine),
        *_check_payer(session, wish.payer, scope=scope),
        *_check_time("from", wish.period.start, now),
        *_check_time("to", wish.period.end, now),
    ]
    if wish.payer is None and wish.state is None:
        problems.append(Problem("payer", "it changes nothing: name a payer, a state or both"))
    if len(wish.reason.strip()) < REASON_LENGTH_MIN:
        problems.append(Problem("reason", f"say in {REASON_LENGTH_MIN} characters or more why"))
    if not wish.period:
        problems.append(Problem("to", "it ends when it starts"))
    _refuse(problems)
    row = CorrectionRequest(
        id=new_id(),
        machine_id=wish.machine,
        starts=wish.period.start,
        ends=wish.period.end,
        payer=wish.payer,
        state=wish.state,
        reason=wish.reason.strip(),
        member_id=scope.member,
        requested_by=actor.id,
        requested=now,
    )
    session.add(row)
    record(session, actor, "request", f"corrections/{row.id}", now=now, after=values_of(row))
    return row


def decide_correction(
    session: Session, actor: Actor, correction_id: str, reason: str, *, approve: bool, now: int
) -> CorrectionRequest:
    """Approve or refuse a request; the original stays as it was.

    Raises:
        UnknownRecordError: there is none.
        InvalidRecordError: it is decided already, or who asked would approve.
    """
    row: CorrectionRequest = _found(session, CorrectionRequest, correction_id)
    if row.is_approved is not None:
        raise InvalidRecordError([Problem("", "it is decided already: ask for another correction")])
    if row.requested_by == actor.id:
        raise InvalidRecordError([Problem("", "another person than the one who asked has to decide")])
    row.is_approved, row.decided_by, row.decided, row.decision_reason = approve, actor.id, now, reason.strip()
    after = {"is_approved": approve, "decision_reason": row.decision_reason}
    record(session, actor, "approve" if approve else "refuse", f"corrections/{row.id}", now=now, after=after)
    if approve:
        concern(session, row.machine_id, Period(row.starts, row.ends))
    return row


def corrections(records: Records, scope: Scope, *, only_open: bool) -> list[CorrectionRequest]:
    """Return the requests that a caller may see, the newest first: a member sees those of its firm."""
    wanted = select(CorrectionRequest)
    if only_open:
        wanted = wanted.where(CorrectionRequest.is_approved.is_(None))
    if scope.role is Role.MEMBER:
        wanted = wanted.where(CorrectionRequest.member_id == scope.member)
    order = (CorrectionRequest.requested.desc(), CorrectionRequest.id)
    with records.reading() as session:
        return list(session.scalars(_at_sites(wanted, CorrectionRequest, scope).order_by(*order).limit(ROWS_MAX)))


def waiting_corrections(session: Session) -> dict[str, list[Period]]:
    """Return the whiles of each machine of which a correction waits for somebody to decide, in order."""
    wanted = select(CorrectionRequest).where(CorrectionRequest.is_approved.is_(None))
    found: dict[str, list[Period]] = {}
    for row in session.scalars(wanted.order_by(CorrectionRequest.starts)):
        found.setdefault(row.machine_id, []).append(Period(row.starts, row.ends))
    return found


# Maintenance.


def add_maintenance(
    session: Session, actor: Actor, scope: Scope, values: Mapping[str, Any], *, now: int
) -> MaintenanceTime:
    """Keep a while that is the consortium's.

    Args:
        session: from `Records.writing`.
        actor: who says so.
        scope: of who says so: machines at other sites are as none.
        values: machine_id, starts, ends (None while it goes on), cause, note.
        now: when.

    Raises:
        InvalidRecordError: naming everything that is wrong.
    """
    problems = [*_check_machine(session, scope, values["machine_id"]), *_check_time("from", values["starts"], now)]
    if values["ends"] is not None and values["ends"] <= values["starts"]:
        problems.append(Problem("to", "it ends before it starts"))
    _refuse(problems)
    row = MaintenanceTime(id=new_id(), by=actor.id, entered=now, **values)
    session.add(row)
    record(session, actor, "add", f"maintenance-times/{row.id}", now=now, after=values_of(row))
    concern(session, row.machine_id, Period(row.starts, row.ends or now))
    return row


def end_maintenance(
    session: Session, actor: Actor, scope: Scope, time_id: str, ends: int, *, now: int
) -> MaintenanceTime:
    """Keep when a while that goes on has ended.

    Raises:
        UnknownRecordError: there is none, or its machine is not the caller's to see.
        InvalidRecordError: it has ended already, or would end before it began.
    """
    row: MaintenanceTime = _found(session, MaintenanceTime, time_id)
    if _check_machine(session, scope, row.machine_id):
        raise UnknownRecordError(time_id)
    if row.ends is not None:
        raise InvalidRecordError([Problem("", "it has ended already: ask for a correction")])
    if ends <= row.starts:
        raise InvalidRecordError([Problem("to", "it ends before it starts")])
    _refuse(_check_time("to", ends, now))
    row.ends = ends
    record(session, actor, "end", f"maintenance-times/{row.id}", now=now, after={"ends": ends})
    concern(session, row.machine_id, Period(row.starts, max(now, ends)))
    return row


def maintenance_times(records: Records, scope: Scope, period: Period) -> list[MaintenanceTime]:
    """Return the whiles of the consortium that touch a period, the oldest first."""
    wanted = select(MaintenanceTime).where(
        MaintenanceTime.starts < period.end, or_(MaintenanceTime.ends.is_(None), MaintenanceTime.ends > period.start)
    )
    with records.reading() as session:
        rows = _at_sites(wanted, MaintenanceTime, scope).order_by(MaintenanceTime.starts, MaintenanceTime.id)
        return list(session.scalars(rows.limit(ROWS_MAX)))


def _found(session: Session, table: type[Base], row_id: str) -> Any:
    row = session.get(table, row_id) if row_id.isalnum() and row_id.isascii() else None
    if row is None:
        raise UnknownRecordError(row_id)
    return row


# Evidence.


def badge_of(row: CheckIn) -> Badge:
    """Return a check-in as evidence."""
    return Badge(row.at, None if row.payer is None else payer_named(row.payer), row.is_out)


def evidence_of(session: Session, machine: str, period: Period) -> Evidence:
    """Return what people said of the use of one machine that may concern a period."""
    reach = Period(period.start - 2 * DAY, period.end)
    said = select(CheckIn).where(CheckIn.machine_id == machine, CheckIn.at >= reach.start, CheckIn.at < reach.end)
    asked = select(CorrectionRequest).where(
        CorrectionRequest.machine_id == machine,
        CorrectionRequest.is_approved.is_(True),
        CorrectionRequest.starts < reach.end,
        CorrectionRequest.ends > reach.start,
    )
    kept = select(MaintenanceTime).where(
        MaintenanceTime.machine_id == machine,
        MaintenanceTime.starts < reach.end,
        or_(MaintenanceTime.ends.is_(None), MaintenanceTime.ends > reach.start),
    )
    return Evidence(
        badges=[badge_of(row) for row in session.scalars(said)],
        bookings=bookings_of(session, machine, reach),
        maintenance=[
            Maintenance(Period(row.starts, INSTANT_MAX if row.ends is None else row.ends), Cause(row.cause))
            for row in session.scalars(kept)
        ],
        corrections=_approved(session.scalars(asked)),
    )


def _approved(rows: Iterable[CorrectionRequest]) -> list[Correction]:
    return [
        Correction(
            period=Period(row.starts, row.ends),
            payer=None if row.payer is None else payer_named(row.payer),
            state=None if row.state is None else State(row.state),
            reason=row.reason,
            requested_by=row.requested_by,
            approved_by=row.decided_by,
            at=row.decided or row.requested,
        )
        for row in rows
    ]
