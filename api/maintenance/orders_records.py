"""Work orders, the plan, spares and history: what is to be done, what was, and what that changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select

from api.audit.service import record
from api.bookings import lock_outs
from api.maintenance import alerts_records, rulebook
from api.maintenance.alarms import ActionRefusedError, What
from api.maintenance.figures import Activation, Reliability, alarm_figures, reliability
from api.maintenance.rules import Service, begins_anew
from api.maintenance.tables import AlarmChange, DeedRow, IncidentRow, ServiceEntry, Spare, Watched, WorkOrder
from api.records.service import UnknownRecordError
from api.records.tables import Machine
from shopfloor.periods import DAY, INSTANT_MAX, Period

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from api.access.scope import Scope
    from api.audit.service import Actor

LISTED_MAX = 2_000
CODES_LISTED_MAX = 100
YEAR = 365 * DAY
OPEN = ("open", "in_progress")


class Done(NamedTuple):
    """Work that was done.

    Attributes:
        at: when, also long ago.
        text: what was done.
        minutes: of work.
        parts: objects with name, quantity and, from stock, spare.
        by_name: who enters it.
    """

    at: int
    text: str
    minutes: int
    parts: Sequence[Mapping[str, Any]]
    by_name: str


def machine_of(session: Session, scope: Scope, machine: str) -> Machine:
    """Return a machine that a caller may see.

    Raises:
        UnknownRecordError: there is none, or it is not the caller's to see.
    """
    row = session.get(Machine, machine)
    if row is None or not scope.sees(row.site_id):
        raise UnknownRecordError(machine)
    return row


def listed(session: Session, scope: Scope, *, state: str | None, machine: str | None) -> list[WorkOrder]:
    """Return work orders that a caller may see, the newest first."""
    names = [row.id for row in session.scalars(select(Machine)) if scope.sees(row.site_id)]
    wanted = select(WorkOrder).where(WorkOrder.machine.in_(names))
    if state == "open":
        wanted = wanted.where(WorkOrder.state.in_(OPEN))
    elif state is not None:
        wanted = wanted.where(WorkOrder.state == state)
    if machine is not None:
        wanted = wanted.where(WorkOrder.machine == machine)
    return list(session.scalars(wanted.order_by(WorkOrder.number.desc()).limit(LISTED_MAX)))


def one(session: Session, scope: Scope, number: int) -> WorkOrder:
    """Return a work order that a caller may see.

    Raises:
        UnknownRecordError: there is none, or it is not the caller's to see.
    """
    row = session.get(WorkOrder, number)
    if row is None:
        raise UnknownRecordError(str(number))
    machine_of(session, scope, row.machine)
    return row


def open_order(session: Session, scope: Scope, actor: Actor, values: Mapping[str, Any], *, now: int) -> WorkOrder:
    """Open a work order, from an alert, from the plan, or by itself.

    Args:
        session: from `Records.writing`.
        scope: of the caller.
        actor: who opens it.
        values: machine, title, text, incident, rule, due, assignee.
        now: when.

    Raises:
        UnknownRecordError: there is no such machine or alert, or it is not the caller's to see.
        ActionRefusedError: the alert is not of this machine, or no work on it begins the rule anew.
    """
    machine_of(session, scope, values["machine"])
    if values["incident"]:
        seen = alerts_records.one(session, scope, values["incident"])
        if seen.row.name != values["machine"]:
            raise ActionRefusedError("the alert is of another machine")
    if values["rule"]:
        known = {rule.id: rule for rule in rulebook.read(session).every(values["machine"])}
        renewed = [name for name, rule in known.items() if begins_anew(rule)]
        if values["rule"] not in renewed:
            raise ActionRefusedError(f"{values['rule']!r} begins anew with no work: it is one of {', '.join(renewed)}")
    number = (session.scalar(select(func.max(WorkOrder.number))) or 0) + 1
    row = WorkOrder(number=number, opened=now, opened_by=actor.id, state="open", parts=[], **values)
    session.add(row)
    session.flush()
    record(session, actor, "add", f"work-orders/{number}", now=now, after={"machine": row.machine, "title": row.title})
    return row


def change(session: Session, actor: Actor, row: WorkOrder, values: Mapping[str, Any], *, now: int) -> None:
    """Change a work order that is not closed.

    Raises:
        ActionRefusedError: it is closed or cancelled.
    """
    _must_be_open(row)
    before = {name: getattr(row, name) for name in values}
    for name, value in values.items():
        setattr(row, name, value)
    record(session, actor, "change", f"work-orders/{row.number}", now=now, before=before, after=values)


def close(session: Session, actor: Actor, scope: Scope, row: WorkOrder, done: Done, *, now: int) -> None:
    """Close a work order: its counter starts anew at the time of the work, its alert is closed, stock goes down.

    Raises:
        ActionRefusedError: it is closed already, or the work lies ahead.
    """
    _must_be_open(row)
    if row.lock_out is not None and row.released is None:
        raise ActionRefusedError("the machine is locked out: give it back first, with what was checked")
    if done.at > now:
        raise ActionRefusedError("the work lies ahead: close the order when it is done")
    row.state, row.done, row.closed, row.closed_by = "closed", done.at, now, actor.id
    row.text = f"{row.text}\n{done.text}".strip() if done.text else row.text
    row.minutes += done.minutes
    row.parts = [*row.parts, *(dict(each) for each in done.parts)]
    for each in done.parts:
        spare = session.get(Spare, each["spare"]) if each.get("spare") else None
        if spare is not None:
            spare.stock = max(0, spare.stock - int(each["quantity"]))
    rule = row.rule
    if row.incident:
        seen = alerts_records.one(session, scope, row.incident)
        rule = rule or _service_of(session, seen.row)
        if not seen.row.closed and seen.row.withdrawn is None:
            at = max(done.at, seen.row.raised + 1)
            doing = alerts_records.Doing("close", actor.id, done.by_name, f"work order {row.number}", at=at)
            alerts_records.act(session, actor, seen, doing, now=now)
    if rule:
        session.add(ServiceEntry(name=row.machine, rule=rule, at=done.at, entered=now, by=actor.id))
    record(session, actor, "close", f"work-orders/{row.number}", now=now, after={"done": done.at, "rule": rule})
    session.flush()


def lock_out(session: Session, actor: Actor, row: WorkOrder, reason: str, *, now: int) -> None:
    """Lock the machine out until it is given back: nobody can book it, and who had booked it is told.

    Raises:
        ActionRefusedError: the order is over, or holds a lock already.
    """
    _must_be_open(row)
    if row.lock_out is not None and row.released is None:
        raise ActionRefusedError(f"work order {row.number} has locked the machine out already")
    lock = lock_outs.lock_out(session, actor, row.machine, Period(now, INSTANT_MAX), reason, now=now)
    session.flush()
    row.lock_out, row.released, row.return_check = lock.id, None, ""
    record(session, actor, "lock-out", f"work-orders/{row.number}", now=now, after={"reason": reason})


def give_back(session: Session, actor: Actor, row: WorkOrder, check: str, *, now: int) -> None:
    """Give the machine back after a check, which stays on record.

    Raises:
        ActionRefusedError: the order holds no lock.
    """
    if row.lock_out is None or row.released is not None:
        raise ActionRefusedError(f"work order {row.number} has not locked the machine out")
    lock_outs.release(session, actor, row.lock_out, now=now)
    row.released, row.return_check = now, check
    record(session, actor, "give-back", f"work-orders/{row.number}", now=now, after={"check": check})


def plan(session: Session, scope: Scope, machine: str | None = None) -> list[dict[str, Any]]:
    """Return the services of the plan, the next first: as the watch has seen them a quarter of an hour ago at most."""
    known = alerts_records.places(session, scope)
    rows = session.scalars(select(Watched).where(Watched.name.in_([machine] if machine else list(known))))
    book = rulebook.read(session)
    found = []
    for row in rows:
        titles = {rule.id: rule for rule in book.every(row.name)}
        for each in row.plan if row.name in known else ():
            rule = titles.get(each["rule"])
            found.append(each | {"machine": row.name, "title": rule.title_it or rule.title if rule else each["rule"]})
    return sorted(found, key=lambda each: (each["due"] is None, each["due"] or 0, each["machine"], each["rule"]))


class Held(NamedTuple):
    """How a machine held out.

    Attributes:
        since: when the period begins: later than asked where nobody watched before.
        is_short: nobody watched before.
        now: over the period.
        before: over the period of the same length before, None where that was not watched throughout.
    """

    since: int
    is_short: bool
    now: Reliability
    before: Reliability | None


def reliability_of(session: Session, machine: str, *, now: int) -> Reliability:
    """Tell how a machine held out over the last year, by its grave incidents."""
    return held_out(session, [machine], days=YEAR // DAY, now=now)[machine].now


def held_out(session: Session, machines: Sequence[str], *, days: int, now: int) -> dict[str, Held]:
    """Tell how machines held out over the last days, by their grave incidents."""
    wanted = select(IncidentRow).where(
        IncidentRow.name.in_(machines), IncidentRow.severity == "high", IncidentRow.withdrawn.is_(None)
    )
    failures: dict[str, list[tuple[int, int | None]]] = {machine: [] for machine in machines}
    for row in session.scalars(wanted):
        failures[row.name].append((row.since, row.returned or row.closed or None))
    watched = _watched(session, machines)
    return {name: _held(failures[name], watched.get(name, now), days * DAY, now) for name in machines}


def _held(failures: Sequence[tuple[int, int | None]], watched: int, length: int, now: int) -> Held:
    first = min([watched, *(begin for begin, _ in failures)])
    asked = now - length
    since = max(asked, min(first, now - DAY))
    before = reliability(failures, Period(asked - length, asked)) if first <= asked - length else None
    return Held(since, first > asked, reliability(failures, Period(since, now)), before)


def _watched(session: Session, names: Sequence[str]) -> dict[str, int]:
    """Return since when each is watched."""
    return {row.name: row.since for row in session.scalars(select(Watched).where(Watched.name.in_(names)))}


def spares(session: Session, machine: str | None) -> list[Spare]:
    """Return the spare parts of a machine, and those for every machine."""
    return list(
        session.scalars(
            select(Spare).where((Spare.machine == machine) | Spare.machine.is_(None)).order_by(Spare.name, Spare.id)
        )
    )


def _service_of(session: Session, row: IncidentRow) -> str:
    """Return the rule of a service whose being due an alert says, empty for another alert."""
    rule = next((each for each in rulebook.read(session).every(row.name) if each.id == row.rule), None)
    return rule.id if rule is not None and isinstance(rule.how, Service) else ""


def _must_be_open(row: WorkOrder) -> None:
    if row.state not in OPEN:
        raise ActionRefusedError(f"work order {row.number} is {row.state}: open another one")


def unknown_codes(session: Session, names: Sequence[str]) -> dict[str, int]:
    """Return how often controls said what the class map does not know, the most frequent first."""
    found: dict[str, int] = {}
    for row in session.scalars(select(Watched).where(Watched.name.in_(names))):
        for code, count in row.unknown_codes.items():
            found[code] = found.get(code, 0) + count
    return dict(sorted(found.items(), key=lambda entry: -entry[1])[:CODES_LISTED_MAX])


def add_spare(session: Session, scope: Scope, actor: Actor, values: Mapping[str, Any], *, now: int) -> Spare:
    """Keep a spare part.

    Raises:
        UnknownRecordError: there is no such machine, or it is not the caller's to see.
    """
    if values["machine"]:
        machine_of(session, scope, values["machine"])
    row = Spare(**values)
    session.add(row)
    session.flush()
    record(session, actor, "add", f"spares/{row.id}", now=now, after=values)
    return row


def figures(session: Session, scope: Scope, *, days: int, now: int) -> dict[str, Any]:
    """Return how alarms and messages of the last days fared, over what a caller may see.

    Days on which nobody watched and nothing came count for nothing: a mean over them would be too good.
    """
    period = Period(now - days * DAY, now)
    names = list(alerts_records.places(session, scope))
    wanted = select(AlarmChange).where(
        AlarmChange.name.in_(names), AlarmChange.withdrawn.is_(None), AlarmChange.stamp >= period.start,
        AlarmChange.what.in_([str(What.RAISED), str(What.AGAIN)]),
    )  # fmt: skip
    came = [Activation(row.stamp, f"{row.name}: {row.rule}", row.severity) for row in session.scalars(wanted)]
    holds = select(IncidentRow).where(IncidentRow.name.in_(names), IncidentRow.withdrawn.is_(None))
    begun = {row.id: row.raised for row in session.scalars(holds.where(IncidentRow.raised >= period.start))}
    taken = select(DeedRow).where(DeedRow.incident.in_(list(begun)), DeedRow.kind == "take")
    after = [max(0, deed.at - begun[deed.incident]) for deed in session.scalars(taken)]
    still = [row.since for row in session.scalars(holds.where(IncidentRow.closed == 0))]
    machines = sum(not name.startswith("edge/") for name in names)
    first = min([now, *_watched(session, names).values(), *begun.values(), *(each.stamp for each in came)])
    period = Period(max(period.start, min(first, now - DAY)), now)
    found = alarm_figures(came, period, taken_after=after, open_since=still, incidents=len(begun), machines=machines)
    return {
        **found._asdict(),
        "since": period.start,
        "severities": dict(found.severities),
        "chattering": [{"alarm": alarm, "times": times} for alarm, times in found.chattering],
        "deliveries": dict(alerts_records.delivery_counts(session)),
        "unknown_codes": unknown_codes(session, names),
    }
