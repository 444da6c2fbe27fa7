"""What the database holds of bookings: who holds what, which hours are open, what is locked, and the whole history."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import select

from api.bookings.facts import Change, History, Kind, booked
from api.bookings.opening import Opening
from api.bookings.tables import Booking, BookingChange, LockOut
from api.records.tables import Calendar, CalendarDay, CalendarHours, CalendarMachine
from shopfloor.periods import Period, to_datetime

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

    from sqlalchemy.orm import Session

    from api.records.tables import Machine
    from api.usage import evidence


_AT_ONCE = 500
"""Identifiers in one question to the database."""


def bookings_of(session: Session, machine: str, period: Period) -> list[evidence.Booking]:
    """Return who has booked a machine, as evidence of its use: what was given up late is in it, as given up.

    Args:
        session: of the records.
        machine: identifier of the machine.
        period: bookings that touch it are returned whole.

    Returns:
        Sorted, and no two overlap: the same facts, the same answer, whenever somebody asks.
    """
    found = _histories_of(session, machine, period)
    bounds = [bound for each in found for change in each.changes for bound in (change.period.start, change.period.end)]
    if not bounds:
        return []
    # What was given up late may have been taken by a booking that does not touch the period itself.
    around = Period(min(bounds), max(bounds))
    locked = [Period(lock.starts, lock.ends) for lock in locks_of(session, machine, around)]
    found = _histories_of(session, machine, around)
    return [each for each in booked(found, machine, locked) if each.period.overlaps(period)]


def _histories_of(session: Session, machine: str, period: Period) -> list[History]:
    """Return the bookings that ever held a machine in a period."""
    ids = select(BookingChange.booking_id).where(
        BookingChange.machine_id == machine, BookingChange.starts < period.end, BookingChange.ends > period.start
    )
    return histories(session, session.scalars(ids.distinct()).all())


def histories(session: Session, booking_ids: Collection[str]) -> list[History]:
    """Return bookings with all that was done with them, by their identifiers."""
    ids = sorted(booking_ids)
    found: list[History] = []
    for first in range(0, len(ids), _AT_ONCE):
        rows = session.execute(
            select(BookingChange, Booking.member_id)
            .join(Booking, Booking.id == BookingChange.booking_id)
            .where(BookingChange.booking_id.in_(ids[first : first + _AT_ONCE]))
            .order_by(BookingChange.booking_id, BookingChange.number)
        ).all()
        for (booking_id, member), group in groupby(rows, key=lambda row: (row[0].booking_id, row[1])):
            found.append(History(booking_id, member, tuple(_change(row) for row, _ in group)))
    return found


def _change(row: BookingChange) -> Change:
    return Change(row.at, Kind(row.kind), row.machine_id, Period(row.starts, row.ends), row.binds)


def held_on(session: Session, machine: str, period: Period) -> list[Booking]:
    """Return the bookings that hold a machine at some time of a period, by their start."""
    return list(
        session.scalars(
            select(Booking)
            .where(Booking.machine_id == machine, Booking.ends > period.start, Booking.starts < period.end)
            .where(Booking.ends > Booking.starts)
            .order_by(Booking.starts)
        )
    )


def locks_of(session: Session, machine: str, period: Period) -> list[LockOut]:
    """Return what locks a machine at some time of a period, by its start."""
    return list(
        session.scalars(
            select(LockOut)
            .where(LockOut.machine_id == machine, LockOut.ends > period.start, LockOut.starts < period.end)
            .where(LockOut.ends > LockOut.starts)
            .order_by(LockOut.starts)
        )
    )


def is_shared(machine: Machine, period: Period) -> bool:
    """Tell whether a machine is shared on every day, in UTC, of a period."""
    first, last = to_datetime(period.start).date(), to_datetime(period.end - 1).date()
    has_come = machine.active_from is None or machine.active_from <= first
    return has_come and (machine.active_to is None or last < machine.active_to)


def opening_of(session: Session, machine: str) -> Opening | None:
    """Return when a machine is open; None for one without a calendar, which always is."""
    return openings(session, [machine]).get(machine)


def openings(session: Session, machines: Collection[str]) -> dict[str, Opening]:
    """Return when machines are open, without those that have no calendar and always are."""
    kept = session.execute(
        select(CalendarMachine.machine_id, Calendar).join(Calendar, Calendar.id == CalendarMachine.calendar_id)
    ).all()
    kept_to = {machine: calendar for machine, calendar in kept if machine in machines}
    ids = {calendar.id for calendar in kept_to.values()}
    weeks: dict[str, dict[int, list[tuple[int, int]]]] = {each: defaultdict(list) for each in ids}
    for hours in session.scalars(select(CalendarHours).where(CalendarHours.calendar_id.in_(ids))):
        weeks[hours.calendar_id][hours.weekday].append((hours.starts_minute, hours.ends_minute))
    days: dict[str, dict[date, str]] = {each: {} for each in ids}
    for day in session.scalars(select(CalendarDay).where(CalendarDay.calendar_id.in_(ids))):
        days[day.calendar_id][day.day] = day.kind
    found = {each.id: Opening(ZoneInfo(each.zone), weeks[each.id], days[each.id]) for each in kept_to.values()}
    return {machine: found[calendar.id] for machine, calendar in kept_to.items()}
