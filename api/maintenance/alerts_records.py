"""Alerts as people see and handle them: scope first, then what the watch wrote, then what people did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import ColumnElement, false, or_, select

from api.access.permissions import Rule as Demand
from api.access.permissions import allows
from api.access.scope import Role
from api.access.service import scopes_of
from api.audit.service import record
from api.maintenance import outbox_records, roster, rulebook, wording
from api.maintenance.alarms import SHELVED_DAYS_MAX, ActionRefusedError, What
from api.maintenance.following import EDGE
from api.maintenance.tables import DeedRow, DeliveryRow, Duty, IncidentRow, WorkOrder
from api.records.service import UnknownRecordError
from api.records.tables import EdgeAgent, Machine
from shopfloor.periods import DAY, HOUR, MINUTE, to_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from sqlalchemy.orm import Session

    from api.access.scope import Caller, Scope
    from api.audit.service import Actor
    from api.maintenance.links import Link
    from api.maintenance.rules import Rule

LISTED_MAX = 2_000
"""Most alerts that a list goes back to."""
SHIFT_HOURS = 8
"""A shift of somebody whose shifts are not known."""
_LONGEST_SHIFT_MINUTES = 24 * 60
_COMING = (What.RAISED, What.AGAIN)


class Place(NamedTuple):
    """What an alert is of, as people call it.

    Attributes:
        machine: its id, None for an agent.
        edge: the agent's id, None for a machine.
        name: what people call it.
        site: where it is.
    """

    machine: str | None
    edge: str | None
    name: str
    site: str


class Doing(NamedTuple):
    """What somebody does with an alert.

    Attributes:
        kind: see `api.maintenance.deeds.Kind`, or `comment`.
        by: who: `person:ID` or `key:ID`.
        by_name: what people call them.
        note: what they write.
        until: end of a shelving.
        to: to whom it is assigned.
        at: when, also long ago; None for now.
    """

    kind: str
    by: str
    by_name: str
    note: str = ""
    until: int = 0
    to: str = ""
    at: int | None = None


class Wish(NamedTuple):
    """What somebody wants to do with an alert, as a form or a program says it.

    Attributes:
        kind: see `api.maintenance.deeds.Kind`, or `comment`.
        note: what they write.
        shelve_for: `hour` or `shift`, None where `until` says it.
        until: end of a shelving.
        to: to whom it is assigned.
    """

    kind: str
    note: str = ""
    shelve_for: str | None = None
    until: int = 0
    to: str = ""


class Held(NamedTuple):
    """How people hold an alert.

    Attributes:
        taken_by: who takes care of it, empty for nobody.
        shelved_until: 0 for not shelved.
        shelved_reason: why.
        assigned_to: whom.
    """

    taken_by: str = ""
    shelved_until: int = 0
    shelved_reason: str = ""
    assigned_to: str = ""


class Deed(NamedTuple):
    """What somebody did with an alert.

    Attributes:
        kind: see `api.maintenance.deeds.Kind`, or `comment`.
        at: when.
        by_name: who, as people call them.
        note: what they wrote.
        until: end of a shelving, 0 for none.
        assignee: to whom it was assigned.
    """

    kind: str
    at: int
    by_name: str
    note: str
    until: int
    assignee: str


STAFF = "maintenance"
"""Stands for every name in what a member firm reads of an alert: that somebody cares is its matter, who is not."""


class Seen(NamedTuple):
    """An alert, ready to be shown to who asked for it."""

    row: IncidentRow
    place: Place
    held: Held
    rule: Rule | None


def places(session: Session, scope: Scope) -> dict[str, Place]:
    """Return everything that is watched and that a caller may see, by its name in the stages."""
    found = {
        row.id: Place(row.id, None, row.name, row.site_id)
        for row in session.scalars(select(Machine))
        if scope.sees(row.site_id)
    }
    for row in session.scalars(select(EdgeAgent)):
        if scope.sees(row.site_id):
            found[f"{EDGE}{row.id}"] = Place(None, row.id, row.name or row.id, row.site_id)
    return found


def listed(session: Session, scope: Scope, *, state: str, machine: str | None) -> list[Seen]:
    """Return alerts that a caller may see, the newest first.

    Args:
        session: reads the records.
        scope: of the caller.
        state: `open` for those that ask for somebody or may come back, `closed`, `past` for those that were known too
            late to be sent, `all`.
        machine: only of this one.
    """
    known = places(session, scope)
    names = [name for name in known if machine is None or name == machine]
    wanted = select(IncidentRow).where(IncidentRow.name.in_(names), _of_state(state), _may_see(scope))
    rows = session.scalars(wanted.order_by(IncidentRow.since.desc(), IncidentRow.id).limit(LISTED_MAX)).all()
    book = rulebook.read(session)
    held = held_of(session, rows)
    return [Seen(row, known[row.name], _told(scope, held.get(row.id)), _rule(book, row)) for row in rows]


def one(session: Session, scope: Scope, alert: str) -> Seen:
    """Return an alert that a caller may see.

    Raises:
        UnknownRecordError: there is none, or it is not the caller's to see.
    """
    row = session.get(IncidentRow, alert)
    place = places(session, scope).get(row.name) if row is not None else None
    is_theirs = scope.role is not Role.MEMBER or (row is not None and row.payer == scope.member)
    if row is None or place is None or not is_theirs:
        raise UnknownRecordError(alert)
    return Seen(row, place, _told(scope, held_of(session, [row]).get(row.id)), _rule(rulebook.read(session), row))


def _told(scope: Scope, held: Held | None) -> Held:
    """Return how people hold an alert, as a caller may know it: what staff write to one another is theirs."""
    if held is None or scope.role is not Role.MEMBER:
        return held or Held()
    taken, assigned = (STAFF if name else "" for name in (held.taken_by, held.assigned_to))
    return Held(taken, held.shelved_until, "", assigned)


def deeds_of(session: Session, scope: Scope, alert: str) -> list[Deed]:
    """Return what people did with an alert, as a caller may know it, in the order in which it was entered."""
    rows = session.scalars(select(DeedRow).where(DeedRow.incident == alert).order_by(DeedRow.id))
    if scope.role is Role.MEMBER:
        return [Deed(row.kind, row.at, STAFF, "", row.until, STAFF if row.assignee else "") for row in rows]
    return [Deed(row.kind, row.at, row.by_name, row.note, row.until, row.assignee) for row in rows]


def orders_of(session: Session, alert: str) -> list[tuple[int, str]]:
    """Return number and title of each work order of an alert."""
    wanted = select(WorkOrder).where(WorkOrder.incident == alert).order_by(WorkOrder.number)
    return [(row.number, row.title) for row in session.scalars(wanted)]


def handle(session: Session, caller: Caller, actor: Actor, alert: str, wish: Wish, *, zone: ZoneInfo, now: int) -> None:
    """Do what a caller wants with an alert that it may see.

    Args:
        session: from `Records.writing`.
        caller: who wants it.
        actor: the same, for the audit trail.
        alert: which.
        wish: what is wanted.
        zone: civil time, in which shifts end.
        now: when.

    Raises:
        UnknownRecordError: there is none, or it is not the caller's to see.
        ActionRefusedError: it cannot be done to this alert as it is; the sentence says why.
    """
    seen = one(session, caller.scope, alert)
    until = wish.until if wish.kind == "shelve" else 0
    if wish.kind == "shelve" and wish.shelve_for is not None:
        until = shelved_until(session, caller.id.removeprefix("person:"), wish.shelve_for, zone, now=now)
    act(session, actor, seen, Doing(wish.kind, caller.id, caller.name, wish.note, until, wish.to), now=now)


def act(session: Session, actor: Actor, seen: Seen, doing: Doing, *, now: int) -> None:
    """Do something with an alert; the watch does it to its alarms within seconds.

    Args:
        session: from `Records.writing`.
        actor: who, for the audit trail.
        seen: what is handled.
        doing: what is done.
        now: when it is entered.

    Raises:
        ActionRefusedError: it cannot be done to this alert as it is; the sentence says why.
    """
    _check(seen, doing, now)
    row = seen.row
    session.add(
        DeedRow(
            incident=row.id, name=row.name, at=doing.at if doing.at is not None else now, entered=now, kind=doing.kind,
            by=doing.by, by_name=doing.by_name, note=doing.note, until=doing.until, assignee=doing.to,
            alarms=[[each[2], each[3]] for each in row.alarms if each[4] != str(What.CLOSED)],
        )
    )  # fmt: skip
    if doing.kind in {"take", "shelve", "close"}:
        outbox_records.cancel(session, row.id)
    after = (
        {"note": doing.note} | ({"until": doing.until} if doing.until else {}) | ({"to": doing.to} if doing.to else {})
    )
    record(session, actor, doing.kind, f"alerts/{row.id}", now=now, after=after)
    session.flush()


def tap(session: Session, actor: Actor, link: Link, *, now: int) -> None:
    """Do what a one-tap link says, once, in the name of whom it was sent to.

    Raises:
        UnknownRecordError: whom it was sent to looks after this no more.
        ActionRefusedError: it was used before, or cannot be done any more.
    """
    row = session.get(IncidentRow, outbox_records.short(link.incident))
    scopes = [each for each in scopes_of(session, actor.id, now=now) if allows(Demand.CARE, each.role)]
    if row is not None and not any(row.name in places(session, each) for each in scopes):
        raise UnknownRecordError(row.id)
    if row is None or row.withdrawn is not None:
        raise ActionRefusedError("later data have taken this alert back: there is nothing to do")
    if not outbox_records.use_link(session, link.id, link.until):
        raise ActionRefusedError("this link was used before: open the alert in Officina instead")
    name = roster.name_of(session, link.person)
    place = Place(None, None, row.name, "")
    seen = Seen(row, place, held_of(session, [row]).get(row.id, Held()), None)
    by = f"person:{link.person}"
    doing = Doing("take", by, name) if link.deed == "mine" else Doing("shelve", by, name, "not now", now + HOUR)
    act(session, actor, seen, doing, now=now)


def shelved_until(session: Session, person: str, how_long: str, zone: ZoneInfo, *, now: int) -> int:
    """Return the end of an hour, or of a person's shift."""
    if how_long == "hour":
        return now + HOUR
    duty = session.get(Duty, person)
    shifts = roster.hours(duty.shifts) if duty is not None else ()
    if not shifts:
        return now + SHIFT_HOURS * HOUR
    at = (now // MINUTE + 1) * MINUTE
    was_in = False
    for _ in range(7 * _LONGEST_SHIFT_MINUTES):
        local = to_datetime(at).astimezone(zone)
        is_in = any(each.holds(local.weekday(), local.hour * 60 + local.minute) for each in shifts)
        if was_in and not is_in:
            return at
        was_in = was_in or is_in
        at += MINUTE
    return now + SHIFT_HOURS * HOUR


def title_of(rule: Rule | None, row: IncidentRow, language: str = "it") -> str:
    """Return what an alert is about, in words."""
    first = next((each for each in row.alarms if (each[2], each[3]) == (row.rule, row.subject)), None)
    return wording.title_of(rule, row.rule, row.subject, first[7] if first else {}, language)


def _check(seen: Seen, doing: Doing, now: int) -> None:
    row, held = seen.row, seen.held
    if doing.kind == "comment":
        if not doing.note:
            raise ActionRefusedError("write what you have to say in note")
        return
    if row.withdrawn is not None or row.closed:
        raise ActionRefusedError("the alert is over: write a comment instead")
    if doing.kind == "take" and held.taken_by:
        raise ActionRefusedError(f"{held.taken_by} has taken it: assign it, or write a comment")
    if doing.kind == "assign" and not doing.to:
        raise ActionRefusedError("say in `to` whom it is assigned to")
    if doing.kind == "unshelve" and not held.shelved_until:
        raise ActionRefusedError("the alert is not shelved")
    if doing.kind == "shelve":
        if not doing.note:
            raise ActionRefusedError("say in note why it is shelved")
        if not now < doing.until <= now + SHELVED_DAYS_MAX * DAY:
            raise ActionRefusedError(f"shelve it until a date that lies ahead, at most {SHELVED_DAYS_MAX} days")


def held_of(session: Session, rows: Sequence[IncidentRow]) -> dict[str, Held]:
    """Return how people hold alerts: what they did last, unless the condition has come back since."""
    wanted = select(DeedRow).where(DeedRow.incident.in_([row.id for row in rows]), DeedRow.kind != "comment")
    again = {row.id: max((each[0] for each in row.alarms if each[4] == str(What.AGAIN)), default=0) for row in rows}
    found: dict[str, Held] = {}
    for deed in session.scalars(wanted.order_by(DeedRow.id)):
        held = found.get(deed.incident, Held())
        if deed.kind == "take":
            held = held._replace(taken_by=deed.by_name if deed.at >= again[deed.incident] else "")
        elif deed.kind == "shelve":
            held = held._replace(shelved_until=deed.until, shelved_reason=deed.note)
        elif deed.kind == "unshelve":
            held = held._replace(shelved_until=0, shelved_reason="")
        elif deed.kind == "assign":
            held = held._replace(assigned_to=deed.assignee)
        found[deed.incident] = held
    return found


def _of_state(state: str) -> ColumnElement[bool]:
    holds = IncidentRow.withdrawn.is_(None)
    return {
        "open": holds & (IncidentRow.closed == 0) & IncidentRow.is_past.is_(False),
        "closed": holds & (IncidentRow.closed != 0),
        "past": holds & IncidentRow.is_past.is_(True),
        "all": or_(holds, IncidentRow.withdrawn.is_not(None)),
    }[state]


def _may_see(scope: Scope) -> ColumnElement[bool]:
    """A firm learns about its own running job alone."""
    if scope.role is not Role.MEMBER:
        return or_(IncidentRow.payer == "", IncidentRow.payer != "")
    return (IncidentRow.payer == scope.member) if scope.member else false()


def _rule(book: rulebook.Rulebook, row: IncidentRow) -> Rule | None:
    return next((rule for rule in book.every(row.name) if rule.id == row.rule), None)


def delivery_counts(session: Session) -> Mapping[str, int]:
    """Count deliveries by status."""
    found: dict[str, int] = {}
    for status in session.scalars(select(DeliveryRow.status)):
        found[status] = found.get(status, 0) + 1
    return found


def entry(deed: DeedRow) -> dict[str, Any]:
    """Return a deed as plain values."""
    return {"kind": deed.kind, "at": deed.at, "by": deed.by_name, "note": deed.note, "until": deed.until or None,
            "to": deed.assignee}  # fmt: skip
