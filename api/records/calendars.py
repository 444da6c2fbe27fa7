"""Calendars: which hours are worked on which day of the week, and the days that are unlike theirs."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from api.audit.service import record
from api.records.rules import InvalidRecordError, Problem, site_problems
from api.records.service import RecordInUseError, UnknownRecordError
from api.records.tables import Calendar, CalendarDay, CalendarHours
from api.records.versions import ANYHOW
from shopfloor.signals import is_identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from api.audit.service import Actor
    from api.records.versions import Guard

CALENDARS_MAX = 200


def clock_of(minute: int) -> str:
    """Write a minute of the day as its wall clock shows it: `08:00`; the end of the day is `24:00`."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def minute_of(clock: str) -> int:
    """Read `08:00` as minutes from midnight."""
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


def values_of(session: Session, row: Calendar) -> dict[str, Any]:
    """Return a calendar as HTTP and the audit trail have it: hours and days in their order."""
    hours = session.scalars(
        select(CalendarHours)
        .where(CalendarHours.calendar_id == row.id)
        .order_by(CalendarHours.weekday, CalendarHours.starts_minute)
    )
    days = session.scalars(select(CalendarDay).where(CalendarDay.calendar_id == row.id).order_by(CalendarDay.day))
    return {
        "id": row.id,
        "name": row.name,
        "zone": row.zone,
        "hours": [
            {"weekday": each.weekday, "starts": clock_of(each.starts_minute), "ends": clock_of(each.ends_minute)}
            for each in hours
        ],
        "days": [{"day": each.day.isoformat(), "kind": each.kind, "name": each.name} for each in days],
    }


def every(session: Session) -> list[dict[str, Any]]:
    """Return every calendar, by id: everybody who is in the records may see when work is done."""
    return [values_of(session, each) for each in session.scalars(select(Calendar).order_by(Calendar.id))]


def one(session: Session, calendar_id: str) -> dict[str, Any]:
    """Return a calendar.

    Raises:
        UnknownRecordError: there is none of this id.
    """
    return values_of(session, _find(session, calendar_id))


def put(
    session: Session, actor: Actor, values: Mapping[str, Any], *, now: int, guard: Guard = ANYHOW
) -> tuple[str, dict[str, Any]]:
    """Keep a calendar in place of the one that was kept under its id.

    Args:
        session: from `Records.writing`.
        actor: who does it.
        values: as `values_of` returns them, in any order.
        now: when.
        guard: what is expected to be there.

    Returns:
        `add`, `change` or `same`, and the calendar as it is kept.

    Raises:
        InvalidRecordError: naming everything that is wrong.
        ChangedMeanwhileError: there is not what is expected.
    """
    row = session.get(Calendar, values["id"])
    before = values_of(session, row) if row is not None else None
    guard.check(before)
    problems = _problems(values)
    if row is None and (session.scalar(select(func.count()).select_from(Calendar)) or 0) >= CALENDARS_MAX:
        problems.append(Problem("", f"there are {CALENDARS_MAX} calendars, and that is the limit"))
    if problems:
        raise InvalidRecordError(problems)
    if row is None:
        row = Calendar(id=values["id"], name=values["name"], zone=values["zone"])
        session.add(row)
    row.name, row.zone = values["name"], values["zone"]
    session.flush()
    _replace(session, row.id, values)
    after = values_of(session, row)
    changed = [name for name in after if before is None or before[name] != after[name]]
    if not changed:
        return "same", after
    action = "change" if before is not None else "add"
    old = {name: before[name] for name in changed} if before is not None else None
    new = {name: after[name] for name in changed}
    record(session, actor, action, f"calendars/{row.id}", now=now, before=old, after=new)
    return action, after


def remove(session: Session, actor: Actor, calendar_id: str, *, now: int, guard: Guard = ANYHOW) -> None:
    """Remove a calendar that nothing follows.

    Raises:
        UnknownRecordError: there is none of this id.
        RecordInUseError: something follows it.
        ChangedMeanwhileError: there is not what is expected.
    """
    row = _find(session, calendar_id)
    before = values_of(session, row)
    guard.check(before)
    session.delete(row)
    try:
        session.flush()
    except IntegrityError as error:
        raise RecordInUseError("machines follow it: give them another calendar first") from error
    record(session, actor, "remove", f"calendars/{calendar_id}", now=now, before=before)


def _find(session: Session, calendar_id: str) -> Calendar:
    row = session.get(Calendar, calendar_id) if is_identifier(calendar_id) else None
    if row is None:
        raise UnknownRecordError(calendar_id)
    return row


def _replace(session: Session, calendar_id: str, values: Mapping[str, Any]) -> None:
    session.execute(delete(CalendarHours).where(CalendarHours.calendar_id == calendar_id))
    session.execute(delete(CalendarDay).where(CalendarDay.calendar_id == calendar_id))
    session.expire_all()
    session.add_all(
        CalendarHours(
            calendar_id=calendar_id,
            weekday=each["weekday"],
            starts_minute=minute_of(each["starts"]),
            ends_minute=minute_of(each["ends"]),
        )
        for each in values["hours"]
    )
    session.add_all(CalendarDay(calendar_id=calendar_id, **each) for each in values["days"])
    session.flush()


def _problems(values: Mapping[str, Any]) -> list[Problem]:
    problems = site_problems(values)  # its id and its zone, by the same rules as everywhere
    spans = sorted((each["weekday"], minute_of(each["starts"]), minute_of(each["ends"])) for each in values["hours"])
    for weekday, start, end in spans:
        if end <= start:
            problems.append(
                Problem("hours", f"{clock_of(start)} to {clock_of(end)} on weekday {weekday} ends before it begins")
            )
    for (weekday, _, end), (following, start, _) in pairwise(spans):
        if weekday == following and start < end:
            problems.append(
                Problem("hours", f"two spans of weekday {weekday} overlap at {clock_of(start)}: join or part them")
            )
    days = [each["day"] for each in values["days"]]
    problems += [Problem("days", f"{day} is named twice: keep one of them") for day in sorted(_doubles(days))]
    return problems


def _doubles(days: list[Any]) -> set[Any]:
    return {day for day in days if days.count(day) > 1} if len(set(days)) < len(days) else set()
