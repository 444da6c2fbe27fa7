"""The calendars of machines: opening hours, holidays, and which machines keep to them."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import delete, select

from api.audit.service import record
from api.records.rules import InvalidRecordError, Problem, site_problems
from api.records.service import UnknownRecordError
from api.records.tables import Calendar, CalendarDay, CalendarHours, CalendarMachine, Machine
from api.records.versions import ANYHOW
from shopfloor.signals import is_identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from api.access.scope import Scope
    from api.audit.service import Actor
    from api.records.versions import Guard

CALENDARS_MAX = 200
"""Most calendars; one more is refused."""


def calendars(session: Session, scope: Scope) -> list[dict[str, Any]]:
    """Return every calendar, by its identifier, with those of its machines that the caller may see."""
    return [_values(session, scope, row) for row in session.scalars(select(Calendar).order_by(Calendar.id))]


def calendar(session: Session, scope: Scope, calendar_id: str) -> dict[str, Any]:
    """Return one calendar.

    Raises:
        UnknownRecordError: there is none.
    """
    row = session.get(Calendar, calendar_id) if is_identifier(calendar_id) else None
    if row is None:
        raise UnknownRecordError(calendar_id)
    return _values(session, scope, row)


def put_calendar(
    session: Session,
    actor: Actor,
    scope: Scope,
    calendar_id: str,
    values: Mapping[str, Any],
    *,
    now: int,
    guard: Guard = ANYHOW,
) -> bool:
    """Keep a calendar, in place of what was kept under its identifier. Bookings that are made already stay.

    Args:
        session: from `Records.writing`.
        actor: who does it.
        scope: what they may see.
        calendar_id: its identifier.
        values: every field.
        now: when.
        guard: what is expected to be there.

    Returns:
        Whether there was none.

    Raises:
        InvalidRecordError: naming everything that is wrong.
        ChangedMeanwhileError: there is not what is expected.
        VersionNeededError: what is expected has to be said.
    """
    if wrong := site_problems({"id": calendar_id}):
        raise InvalidRecordError(wrong)
    row = session.get(Calendar, calendar_id)
    guard.check(None if row is None else _values(session, scope, row))
    problems = [*_problems(values), *_machine_problems(session, calendar_id, values["machines"])]
    if row is None and not problems and len(session.scalars(select(Calendar.id)).all()) >= CALENDARS_MAX:
        problems.append(Problem("", f"there are {CALENDARS_MAX} calendars, and that is the limit"))
    if problems:
        raise InvalidRecordError(problems)
    before = None if row is None else _values(session, scope, row)
    if row is None:
        session.add(Calendar(id=calendar_id, name=values["name"], zone=values["zone"]))
    else:
        row.name, row.zone = values["name"], values["zone"]
    session.flush()
    for table in (CalendarHours, CalendarDay, CalendarMachine):
        session.execute(delete(table).where(table.calendar_id == calendar_id))
    session.add_all(CalendarHours(calendar_id=calendar_id, **each) for each in values["hours"])
    session.add_all(
        CalendarDay(calendar_id=calendar_id, **(each | {"day": date.fromisoformat(each["day"])}))
        for each in values["days"]
    )
    session.add_all(CalendarMachine(calendar_id=calendar_id, machine_id=each) for each in values["machines"])
    record(
        session,
        actor,
        "add" if before is None else "change",
        f"calendars/{calendar_id}",
        now=now,
        before=before,
        after=dict(values),
    )
    return before is None


def remove_calendar(
    session: Session, actor: Actor, scope: Scope, calendar_id: str, *, now: int, guard: Guard = ANYHOW
) -> None:
    """Remove a calendar: its machines are open at any time from now on.

    Raises:
        UnknownRecordError: there is none.
        ChangedMeanwhileError: there is not what is expected.
        VersionNeededError: what is expected has to be said.
    """
    before = calendar(session, scope, calendar_id)
    guard.check(before)
    session.delete(session.get_one(Calendar, calendar_id))
    record(session, actor, "remove", f"calendars/{calendar_id}", now=now, before=before)


def _values(session: Session, scope: Scope, row: Calendar) -> dict[str, Any]:
    hours = select(CalendarHours).where(CalendarHours.calendar_id == row.id)
    days = select(CalendarDay).where(CalendarDay.calendar_id == row.id).order_by(CalendarDay.day)
    machines = (
        select(Machine.id, Machine.site_id)
        .join(CalendarMachine, CalendarMachine.machine_id == Machine.id)
        .where(CalendarMachine.calendar_id == row.id)
        .order_by(Machine.id)
    )
    return {
        "id": row.id,
        "name": row.name,
        "zone": row.zone,
        "hours": [
            {"weekday": each.weekday, "starts_minute": each.starts_minute, "ends_minute": each.ends_minute}
            for each in session.scalars(hours.order_by(CalendarHours.weekday, CalendarHours.starts_minute))
        ],
        "days": [{"day": each.day.isoformat(), "kind": each.kind, "name": each.name} for each in session.scalars(days)],
        "machines": [machine for machine, site in session.execute(machines) if scope.sees(site)],
    }


def _problems(values: Mapping[str, Any]) -> list[Problem]:
    problems = []
    try:
        ZoneInfo(values["zone"])
    except (ZoneInfoNotFoundError, ValueError, OSError):
        problems.append(Problem("zone", f"no time zone is called {values['zone']!r}: write one such as Europe/Rome"))
    spans = sorted((each["weekday"], each["starts_minute"], each["ends_minute"]) for each in values["hours"])
    if any(start >= end for _, start, end in spans):
        problems.append(Problem("hours", "hours end after they begin: over midnight, write them on two days"))
    if any(one[0] == other[0] and other[1] < one[2] for one, other in pairwise(spans)):
        problems.append(Problem("hours", "two spans of one day overlap: write them as one"))
    days = [each["day"] for each in values["days"]]
    if len(set(days)) < len(days):
        problems.append(Problem("days", "a day is named twice: keep one"))
    for day in days:
        try:
            date.fromisoformat(day)
        except ValueError:
            problems.append(Problem("days", f"there is no day {day}: write it like 2026-12-08"))
    return problems


def _machine_problems(session: Session, calendar_id: str, machines: list[str]) -> list[Problem]:
    problems = (
        [] if len(set(machines)) == len(machines) else [Problem("machines", "a machine is named twice: keep one")]
    )
    for machine in sorted(set(machines)):
        other = session.get(CalendarMachine, machine)
        if session.get(Machine, machine) is None:
            problems.append(Problem("machines", f"there is no machine {machine!r}: add it first"))
        elif other is not None and other.calendar_id != calendar_id:
            problems.append(
                Problem("machines", f"{machine} keeps to {other.calendar_id}: take it out of that one first")
            )
    return problems
