"""The four stages in the records: what the watch reads when it begins, and what it writes down as it goes on."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, func, select

from api.access.personal import ERASED
from api.access.tables import Person
from api.maintenance.alarms import Change, What
from api.maintenance.calls import Said
from api.maintenance.deeds import Deed
from api.maintenance.findings import Found
from api.maintenance.following import Kept
from api.maintenance.incidents import Incident, IncidentFold
from api.maintenance.outbox_records import short
from api.maintenance.service import SERVICED
from api.maintenance.tables import (
    SUBJECT_MAX,
    AlarmChange,
    ConditionRow,
    DeedRow,
    EdgeFinding,
    IncidentRow,
    MaintenanceCall,
    PlannedWindow,
    ServiceEntry,
    Watched,
    WatchState,
)
from api.maintenance.watcher import PAST_SECONDS, State, identity
from shopfloor.periods import DAY, SECOND
from shopfloor.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from api.maintenance.judging import Judgement
    from api.maintenance.watcher import Outcome

CONDITION_DAYS = 90
"""How long what rules said is kept; alarms and incidents are kept for ever."""
LOOK_BACK_DAYS = 60
"""Incidents that were closed longer ago are not computed again, unless something of their time comes to light."""
_STATES_LEVEL = 1
_COMING = (What.RAISED, What.AGAIN)


def load(session: Session, name: str) -> Kept | None:
    """Return what is kept of a machine or agent, None when it was never watched."""
    row = session.get(Watched, name)
    if row is None:
        return None
    states = session.scalars(select(WatchState).where(WatchState.name == name).order_by(WatchState.position))
    wanted = select(AlarmChange).where(AlarmChange.name == name, AlarmChange.withdrawn.is_(None))
    said = session.scalars(wanted.order_by(AlarmChange.stamp, AlarmChange.id))
    return Kept(
        row.since,
        row.arrived,
        [State(each.position, zlib.decompress(each.state).decode()) for each in states],
        [change_of(each) for each in said],
        [each for each in events(session) if each.machine == name],
    )


def begin(session: Session, name: str, now: int) -> None:
    """Note that the watching of a machine or agent begins."""
    session.add(Watched(name=name, since=now))
    session.flush()


def keep_states(session: Session, name: str, states: Sequence[State], kept: Collection[int]) -> None:
    """Keep these states of a fold in place of others.

    Args:
        session: from `Leader.writing`.
        name: whose.
        states: that are wanted.
        kept: positions of those that are there.
    """
    wanted = {each.position for each in states}
    session.execute(delete(WatchState).where(WatchState.name == name, WatchState.position.not_in(wanted)))
    session.add_all(
        WatchState(name=name, position=each.position, state=zlib.compress(each.text.encode(), _STATES_LEVEL))
        for each in states
        if each.position not in kept
    )


def keep_judgements(session: Session, name: str, judgements: Iterable[Judgement]) -> None:
    """Write down what rules said."""
    session.add_all(
        ConditionRow(
            name=name, stamp=each.stamp, rule=each.rule, subject=each.subject[:SUBJECT_MAX],
            verdict=str(each.verdict), evidence=dict(each.evidence), severity=each.severity,
        )
        for each in judgements
    )  # fmt: skip


def forget_judgements(session: Session, name: str, since: int) -> None:
    """Drop what rules said from an instant on: it is judged again."""
    session.execute(delete(ConditionRow).where(ConditionRow.name == name, ConditionRow.stamp >= since))


def tidy(session: Session, now: int) -> None:
    """Drop what rules said long ago."""
    session.execute(delete(ConditionRow).where(ConditionRow.stamp < now - CONDITION_DAYS * DAY))


def keep_changes(session: Session, name: str, outcome: Outcome, now: int) -> None:
    """Write down what became of alarms, and mark what later data have taken back."""
    gone = {identity(change) for change in outcome.withdrawn}
    if gone:
        stamps = {change.stamp for change in outcome.withdrawn}
        wanted = select(AlarmChange).where(AlarmChange.name == name, AlarmChange.withdrawn.is_(None))
        for row in session.scalars(wanted.where(AlarmChange.stamp >= min(stamps), AlarmChange.stamp <= max(stamps))):
            if identity(change_of(row)) in gone:
                row.withdrawn = now
    session.add_all(
        AlarmChange(
            name=name, stamp=each.stamp, rule=each.rule, subject=each.subject[:SUBJECT_MAX], what=str(each.what),
            since=each.since, severity=each.severity, evidence=dict(each.evidence),
            worked_seconds=each.worked_seconds, by=each.by, known=now,
        )
        for each in (*outcome.past, *outcome.fresh)
    )  # fmt: skip
    session.flush()


def change_of(row: AlarmChange) -> Change:
    """Return what became of an alarm, as it was written down."""
    return Change(row.stamp, row.name, row.rule, row.subject, What(row.what), row.since, row.severity, row.evidence,
                  row.worked_seconds, row.by)  # fmt: skip


class Gathered(NamedTuple):
    """The incidents of an agent and its machines, computed from their alarms.

    Attributes:
        incidents: by id, those of the time that was looked at.
        of_change: incident of each change, by the change's identity.
        withdrawn: ids of incidents that were there and are not any more.
        fresh: ids of incidents that were not there.
    """

    incidents: Mapping[str, Incident]
    of_change: Mapping[tuple[str, str, int], Incident]
    withdrawn: Sequence[str]
    fresh: Collection[str]


def gather(session: Session, edge: str, machines: Sequence[str], oldest: int, now: int) -> Gathered:
    """Compute the incidents of an agent and its machines anew from their alarms, and keep them.

    Args:
        session: from `Leader.writing`.
        edge: name of the agent.
        machines: names of its machines.
        oldest: stamp of the oldest change that is new or was taken back.
        now: the present.
    """
    names = [edge, *machines]
    horizon = _horizon(session, names, min(oldest, now - LOOK_BACK_DAYS * DAY))
    wanted = select(AlarmChange).where(AlarmChange.name.in_(names), AlarmChange.withdrawn.is_(None))
    fold = IncidentFold(dict.fromkeys(machines, edge))
    changes = sorted((change_of(row) for row in session.scalars(wanted.where(AlarmChange.since >= horizon))),
                     key=fold.order)  # fmt: skip
    of_change = {identity(change): incident for incident, change in fold.take(changes)}
    incidents = {short(each.id): each for each in fold.incidents}
    there = session.scalars(
        select(IncidentRow).where(
            IncidentRow.name.in_(names), IncidentRow.since >= horizon, IncidentRow.withdrawn.is_(None)
        )
    )
    rows = {row.id: row for row in there}
    withdrawn = [each for each in rows if each not in incidents]
    for each in withdrawn:
        rows[each].withdrawn = now
    fresh = set()
    for number, incident in incidents.items():
        row = rows.get(number) or session.get(IncidentRow, number)
        if row is None:
            fresh.add(number)
            row = IncidentRow(id=number, key=incident.id, name=incident.machine, known=now, told={})
            watched = session.get(Watched, incident.machine)
            is_history = watched is not None and incident.first.stamp < watched.since
            is_late = now - incident.first.stamp > PAST_SECONDS * SECOND
            row.is_past = is_history or (is_late and not incident.is_active)
            session.add(row)
        elif row.withdrawn is not None:
            fresh.add(number)
            row.withdrawn = None
        incident.payer = row.payer or ""
        _write(row, incident)
    session.flush()
    return Gathered(incidents, of_change, withdrawn, fresh)


def _horizon(session: Session, names: Sequence[str], start: int) -> int:
    """Return from where on incidents are computed again: none that is open or lasts beyond it begins before it."""
    while True:
        earlier = session.scalar(
            select(func.min(IncidentRow.since)).where(
                IncidentRow.name.in_(names),
                IncidentRow.withdrawn.is_(None),
                (IncidentRow.closed == 0) | (IncidentRow.closed >= start),
            )
        )
        if earlier is None or earlier >= start:
            return start
        start = earlier


def _write(row: IncidentRow, incident: Incident) -> None:
    values: dict[str, Any] = {
        "rule": incident.first.rule,
        "subject": incident.first.subject[:SUBJECT_MAX],
        "severity": incident.severity,
        "since": incident.since,
        "raised": incident.first.stamp,
        "activity": incident.activity,
        "activations": incident.activations,
        "returned": incident.returned_at,
        "closed": incident.closed_at,
        "alarms": [list(change) for change in incident.alarms.values()],
        "hides": sorted(incident.hides),
    }
    for name, value in values.items():
        if getattr(row, name) != value:
            setattr(row, name, value)


def incident_of(row: IncidentRow) -> Incident:
    """Return an incident as it was written down."""
    alarms = [Change(*each)._replace(what=What(each[4])) for each in row.alarms]
    first = next(
        (each for each in alarms if (each.rule, each.subject, each.since) == (row.rule, row.subject, row.since)),
        alarms[0],
    )._replace(stamp=row.raised)
    incident = Incident(row.name, first, row.severity, {each.alarm: each for each in alarms}, row.activity,
                        row.activations, 0.0, row.returned, row.closed, set(row.hides))  # fmt: skip
    incident.payer = row.payer
    return incident


def told_of(session: Session, now: int) -> list[tuple[Incident, dict[str, Any]]]:
    """Return the incidents of which something is still to be said, with what has been."""
    wanted = select(IncidentRow).where(IncidentRow.withdrawn.is_(None))
    recent = (IncidentRow.closed == 0) | (IncidentRow.closed > now - DAY)
    return [(incident_of(row), row.told) for row in session.scalars(wanted.where(recent)) if row.told]


def keep_told(session: Session, incident: str, told: Mapping[str, Any]) -> None:
    """Write down what has been said of an incident."""
    row = session.get(IncidentRow, incident)
    if row is not None and row.told != told:
        row.told = dict(told)


def key_of(session: Session, incident: str) -> str:
    """Return the key of an incident by its id, empty for none."""
    row = session.get(IncidentRow, incident)
    return row.key if row is not None else ""


def keep_payer(session: Session, incident: str, payer: str) -> None:
    """Write down whose job ran when an incident began."""
    row = session.get(IncidentRow, incident)
    if row is not None and payer:
        row.payer = payer


class Entries(NamedTuple):
    """Up to which number each kind of entry was read, and how many people were erased by then."""

    deed: int = 0
    service: int = 0
    call: int = 0
    finding: int = 0
    erased: int = 0


def newest_entries(session: Session) -> Entries:
    """Return the numbers of the newest deed, service entry, call and finding, and how many people were erased."""
    tables = (DeedRow, ServiceEntry, MaintenanceCall, EdgeFinding)
    erased = select(func.count()).select_from(Person).where(Person.email.like(ERASED.format("%")))
    deed, service, call, finding = (session.scalar(select(func.max(each.id))) or 0 for each in tables)
    return Entries(deed, service, call, finding, session.scalar(erased) or 0)


def events(session: Session, since: Entries = Entries()) -> list[Sample]:  # noqa: B008 - it is never changed
    """Return deeds, service entries, calls and findings after some, as samples of what they are about."""
    deeds = select(DeedRow).where(DeedRow.id > since.deed, DeedRow.kind != "comment").order_by(DeedRow.id)
    found = [
        Deed(row.kind, tuple((rule, subject) for rule, subject in row.alarms), row.by, row.note, row.until,
             row.assignee).sample(row.name, row.at)
        for row in session.scalars(deeds)
    ]  # fmt: skip
    entries = select(ServiceEntry).where(ServiceEntry.id > since.service).order_by(ServiceEntry.id)
    for entry in session.scalars(entries):
        value = f"{entry.rule}|{entry.used}" if entry.used else entry.rule
        found.append(Sample(entry.name, SERVICED, entry.at, value))
    calls = select(MaintenanceCall).where(MaintenanceCall.id > since.call).order_by(MaintenanceCall.id)
    found += [
        Said(row.call, row.is_over, row.by_name, row.note).sample(row.machine_id, row.at)
        for row in session.scalars(calls)
    ]
    findings = select(EdgeFinding).where(EdgeFinding.id > since.finding).order_by(EdgeFinding.id)
    found += [
        Found(row.of, row.subject, row.severity, row.evidence, row.is_over).sample(row.name, row.at)
        for row in session.scalars(findings)
    ]
    return found


def windows(session: Session, since: int) -> list[PlannedWindow]:
    """Return the planned windows that end after an instant."""
    return list(session.scalars(select(PlannedWindow).where(PlannedWindow.end > since)))
