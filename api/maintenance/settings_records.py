"""What people set for messages: their channels and hours, the chain, planned windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select

from api.access.scope import Role
from api.access.tables import Grant, Person
from api.access.tokens import new_id
from api.audit.service import record
from api.maintenance import outbox_records
from api.maintenance.alarms import ActionRefusedError
from api.maintenance.channels import check_address
from api.maintenance.dispatch import PING, TEST
from api.maintenance.notifications import Message
from api.maintenance.outbox_records import short
from api.maintenance.tables import AttemptRow, ChannelRow, DeliveryRow, Duty, Escalation, PlannedWindow
from api.records.service import UnknownRecordError
from api.records.tables import Machine, Site

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from api.access.scope import Scope
    from api.audit.service import Actor

CHANNELS_MAX = 10
"""Most channels of one person."""
WINDOWS_MAX = 500
_STAFF = (Role.MAINTENANCE, Role.ADMINISTRATOR)


def channels_of(session: Session, person: str) -> Sequence[ChannelRow]:
    """Return a person's channels, by name."""
    wanted = select(ChannelRow).where(ChannelRow.person == person).order_by(ChannelRow.name, ChannelRow.id)
    return session.scalars(wanted).all()


def names(session: Session) -> dict[str, str]:
    """Return what channels are called, by id."""
    return {row.id: row.name for row in session.scalars(select(ChannelRow))}


def channel_of(session: Session, person: str, channel: str) -> ChannelRow:
    """Return a channel of a person.

    Raises:
        UnknownRecordError: there is none, or it is somebody else's.
    """
    row = session.get(ChannelRow, channel)
    if row is None or row.person != person:
        raise UnknownRecordError(channel)
    return row


def add_channel(session: Session, actor: Actor, person: str, values: Mapping[str, Any], *, now: int) -> ChannelRow:
    """Add a channel to a person's.

    Raises:
        ChannelError: the address cannot be read.
        ActionRefusedError: there are too many already.
    """
    check_address(values["address"])
    count = session.scalar(select(func.count()).where(ChannelRow.person == person)) or 0
    if count >= CHANNELS_MAX:
        raise ActionRefusedError(f"there are {CHANNELS_MAX} channels, and that is the limit: remove one first")
    row = ChannelRow(id=new_id(), person=person, **values)
    session.add(row)
    record(session, actor, "add", f"channels/{row.id}", now=now, after={"name": row.name, "service": service_of(row)})
    return row


def remove_channel(session: Session, actor: Actor, row: ChannelRow, *, now: int) -> None:
    """Remove a channel; what is queued for it is refused."""
    record(session, actor, "remove", f"channels/{row.id}", now=now, before={"name": row.name})
    session.delete(row)


def test_channel(session: Session, row: ChannelRow, *, now: int) -> None:
    """Queue a test message for a channel; the watch sends it within seconds."""
    key = f"{TEST}{row.id}"
    message = Message(f"{key}|{now}", key, "test", now, now, row.person, (row.id,), (), "low")
    outbox_records.add(session, [message])


def test_ping(session: Session, *, now: int) -> None:
    """Queue a call of the address that hears that Officina is alive; the watch makes it within seconds.

    Raises:
        ActionRefusedError: there is no address.
    """
    if not escalation(session).ping:
        raise ActionRefusedError("there is no address to be called")
    key = f"{TEST}{PING}"
    outbox_records.add(session, [Message(f"{key}|{now}", key, "test", now, now, "", (PING,), (), "low")])


def test_of(session: Session, channel: str) -> tuple[str | None, str]:
    """Return how the last test of a channel fared, and the channel's own words."""
    wanted = select(DeliveryRow).where(DeliveryRow.incident == short(f"{TEST}{channel}"))
    row = session.scalars(wanted.order_by(DeliveryRow.due.desc())).first()
    if row is None:
        return None, ""
    last = session.scalars(
        select(AttemptRow).where(AttemptRow.delivery == row.key).order_by(AttemptRow.number.desc())
    ).first()
    return row.status, last.words if last is not None else ""


def service_of(row: ChannelRow) -> str:
    """Return what kind of channel it is, the only part of its address that is shown."""
    return row.address.partition("://")[0]


def duty_of(session: Session, person: str) -> Duty:
    """Return when, and of what, a person is told."""
    return session.get(Duty, person) or Duty(person=person, least="low", shifts=[], quiet=[], on_call=[])


def set_duty(session: Session, actor: Actor, person: str, values: Mapping[str, Any], *, now: int) -> None:
    """Set when, and of what, a person is told."""
    row = duty_of(session, person)
    before = {name: getattr(row, name) for name in values}
    for name, value in values.items():
        setattr(row, name, value)
    session.add(row)
    record(session, actor, "change", f"duties/{person}", now=now, before=before, after=values)


def escalation(session: Session) -> Escalation:
    """Return who is told in which order."""
    return session.get(Escalation, 1) or Escalation(
        id=1, steps=[], step_minutes={}, ping="", ping_minutes=5, pinged=0, ping_answer=""
    )


class Somebody(NamedTuple):
    """Somebody who can be in the chain."""

    id: str
    name: str
    has_channel: bool


def staff(session: Session) -> list[Somebody]:
    """Return who can be in the chain, by name: people of maintenance and administration."""
    granted = select(Grant.person_id).where(Grant.role.in_(_STAFF))
    people = session.scalars(select(Person).where(Person.is_active, Person.id.in_(granted)))
    told = set(session.scalars(select(ChannelRow.person)))
    found = [Somebody(each.id, each.name or each.email, each.id in told) for each in people]
    return sorted(found, key=lambda each: each.name.casefold())


def set_escalation(session: Session, actor: Actor, values: Mapping[str, Any], *, now: int) -> None:
    """Set who is told in which order, and where the dead-man's ping goes.

    Raises:
        ActionRefusedError: somebody in the chain has no role that has to do with maintenance.
        ChannelError: the ping's address cannot be read.
    """
    known = set(session.scalars(select(Grant.person_id).where(Grant.role.in_(_STAFF), Grant.person_id.is_not(None))))
    if strangers := {person for step in values["steps"] for person in step} - known:
        raise ActionRefusedError(f"{', '.join(sorted(strangers))}: no such person of maintenance or administration")
    if values["ping"]:
        check_address(values["ping"])
    row = escalation(session)
    before = _shown(row, values)
    if values["ping"] is not None and values["ping"] != row.ping:
        row.pinged, row.ping_answer = 0, ""  # of another address
    for name, value in values.items():
        if value is not None:
            setattr(row, name, value)
    session.add(row)
    record(session, actor, "change", "escalation", now=now, before=before, after=_shown(row, values))


def _shown(row: Escalation, names: Iterable[str]) -> dict[str, Any]:
    """Return fields for the trail; the ping's address is a secret of whoever hears it."""
    return {name: getattr(row, name) for name in names if name != "ping"} | {"pings": bool(row.ping)}


def windows(session: Session, scope: Scope, *, now: int) -> list[PlannedWindow]:
    """Return the planned windows that are not over, of sites that a caller may see, the next first."""
    rows = session.scalars(select(PlannedWindow).where(PlannedWindow.end > now).order_by(PlannedWindow.start))
    return [row for row in rows if scope.sees(row.site)]


def add_window(session: Session, scope: Scope, actor: Actor, values: Mapping[str, Any], *, now: int) -> PlannedWindow:
    """Plan a time in which alarms wake nobody.

    Raises:
        UnknownRecordError: there is no such site or machine, or it is not the caller's to see.
        ActionRefusedError: it ends before it begins, or too many are planned.
    """
    if session.get(Site, values["site"]) is None or not scope.sees(values["site"]):
        raise UnknownRecordError(values["site"])
    machine = session.get(Machine, values["machine"]) if values["machine"] else None
    if values["machine"] and (machine is None or machine.site_id != values["site"]):
        raise UnknownRecordError(values["machine"])
    if values["end"] <= max(values["start"], now):
        raise ActionRefusedError("the window ends before it begins, or is over")
    count = session.scalar(select(func.count()).where(PlannedWindow.end > now)) or 0
    if count >= WINDOWS_MAX:
        raise ActionRefusedError(f"{WINDOWS_MAX} windows are planned, and that is the limit")
    row = PlannedWindow(by=actor.id, **values)
    session.add(row)
    session.flush()
    record(session, actor, "add", f"planned-windows/{row.id}", now=now, after=values)
    return row


def remove_window(session: Session, scope: Scope, actor: Actor, window: int, *, now: int) -> bool:
    """Take a planned window back; one that has begun ends now, and what came in it was still expected.

    Returns:
        Whether it had begun.

    Raises:
        UnknownRecordError: there is none, or it is not the caller's to see.
    """
    row = session.get(PlannedWindow, window)
    if row is None or not scope.sees(row.site):
        raise UnknownRecordError(str(window))
    if row.end <= now:
        return True
    has_begun = row.start < now
    if has_begun:
        before, row.end = row.end, now
        subject = f"planned-windows/{window}"
        record(session, actor, "change", subject, now=now, before={"end": before}, after={"end": now})
    else:
        record(session, actor, "remove", f"planned-windows/{window}", now=now, before={"reason": row.reason})
        session.delete(row)
    return has_begun
