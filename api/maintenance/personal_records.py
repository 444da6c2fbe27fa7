"""What maintenance knows of a person by name, taken away: how they are told, and how its log calls them."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from api.maintenance.tables import (
    AlarmChange,
    AttemptRow,
    ChannelRow,
    ConditionRow,
    DeedRow,
    DeliveryRow,
    Duty,
    Escalation,
    IncidentRow,
    MaintenanceCall,
    WatchState,
    WorkOrder,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.orm import Session

    from api.access.tables import Person


ERASED = "person:"
"""What stands in place of a name begins with it; the identifier follows."""


def erase(session: Session, person: Person) -> None:
    """Erase how a person is told, and put the identifier where the log has the name.

    Args:
        session: from `Records.writing`.
        person: whose name and address still stand in their row.
    """
    actor = f"{ERASED}{person.id}"
    names = {name for name in (person.name, person.email) if name}
    _untold(session, person.id)
    by_them = [
        select(DeedRow.name).where((DeedRow.by == actor) | DeedRow.assignee.in_(names)),
        select(MaintenanceCall.machine_id).where(MaintenanceCall.by == actor),
    ]
    places = sorted({name for wanted in by_them for name in session.scalars(wanted)})
    session.execute(update(DeedRow).where(DeedRow.by == actor).values(by_name=actor))
    session.execute(update(MaintenanceCall).where(MaintenanceCall.by == actor).values(by_name=actor))
    session.execute(update(DeedRow).where(DeedRow.assignee.in_(names)).values(assignee=actor))
    session.execute(update(WorkOrder).where(WorkOrder.assignee.in_(names)).values(assignee=actor))
    _unnamed(session, places, names, actor)


def _untold(session: Session, person: str) -> None:
    """Remove channels and duties; that something was sent stays on record, what a server answered to it does not."""
    channels = select(ChannelRow.id).where(ChannelRow.person == person)
    deliveries = select(DeliveryRow.key).where(DeliveryRow.channel.in_(channels))
    session.execute(update(AttemptRow).where(AttemptRow.delivery.in_(deliveries)).values(words=""))
    session.execute(delete(ChannelRow).where(ChannelRow.person == person))
    session.execute(delete(Duty).where(Duty.person == person))
    chain = session.get(Escalation, 1)
    if chain is not None:
        steps = [[each for each in step if each != person] for step in chain.steps]
        chain.steps = [step for step in steps if step]


def _unnamed(session: Session, places: Sequence[str], names: Collection[str], actor: str) -> None:
    """Let what the watch wrote of machines where the person did something tell the identifier."""
    session.execute(update(AlarmChange).where(AlarmChange.name.in_(places), AlarmChange.by.in_(names)).values(by=actor))
    for change in session.scalars(select(AlarmChange).where(AlarmChange.name.in_(places))):
        change.evidence = _renamed(change.evidence, names, actor)
    for condition in session.scalars(select(ConditionRow).where(ConditionRow.name.in_(places))):
        condition.evidence = _renamed(condition.evidence, names, actor)
    incidents = list(session.scalars(select(IncidentRow).where(IncidentRow.name.in_(places))))
    for incident in incidents:
        incident.alarms = _renamed(incident.alarms, names, actor)
        incident.told = _renamed(incident.told, names, actor)
    told = select(DeliveryRow).where(DeliveryRow.incident.in_(each.id for each in incidents))
    for delivery in session.scalars(told):
        delivery.message = _reworded(delivery.message, names, actor)
    for state in session.scalars(select(WatchState).where(WatchState.name.in_(places))):
        text = zlib.decompress(state.state).decode()
        if (other := _reworded(text, names, actor)) != text:
            state.state = zlib.compress(other.encode())


def _renamed(value: Any, names: Collection[str], actor: str) -> Any:
    """Return plain values with the identifier in place of every string that is the name, whole."""
    match value:
        case str():
            return actor if value in names else value
        case list():
            return [_renamed(each, names, actor) for each in value]
        case dict():
            return {key: _renamed(each, names, actor) for key, each in value.items()}
        case _:
            return value


def _reworded(text: str, names: Collection[str], actor: str) -> str:
    """Do so in JSON that is kept as text, and leave every other byte of it."""
    for name in names:
        for is_ascii in (True, False):
            text = text.replace(json.dumps(name, ensure_ascii=is_ascii), json.dumps(actor))
    return text
