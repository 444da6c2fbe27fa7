"""Making, changing and giving up bookings: checked, kept as history and audited, in one transaction each."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select

from api.access.scope import Role
from api.access.tokens import new_id
from api.audit.service import record
from api.bookings import reading
from api.bookings.civil import instant_of, wall_time
from api.bookings.facts import Change, Kind
from api.bookings.rules import BookingConflictError, Reason, RefusedBookingError, check_open, check_period
from api.bookings.tables import Booking, BookingChange
from api.records.service import UnknownRecordError
from api.records.tables import Machine, Member
from api.usage.service import concern
from shopfloor.periods import INSTANT_MAX, SECOND, Period, format_instant, to_datetime

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from sqlalchemy.orm import Session

    from api.access.scope import Scope
    from api.audit.service import Actor
    from api.bookings.rules import Rules

DESK = frozenset({Role.ADMINISTRATOR, Role.OPERATOR})
"""Roles that book for any member."""
_ACTIONS = {Kind.MADE: "add", Kind.CHANGED: "change", Kind.CANCELLED: "cancel", Kind.FREED: "free"}


class Wish(NamedTuple):
    """What somebody wants to book.

    Attributes:
        machine: which.
        member: for whom; empty for the caller's own firm.
        start: first instant.
        end: first instant after.
        note: for the member's own people.
    """

    machine: str
    member: str
    start: int
    end: int
    note: str = ""


class Clerk(NamedTuple):
    """Who books, by which rules, and when.

    Attributes:
        actor: as the audit trail has it.
        scope: what the caller may see.
        rules: of the consortium.
        zone: civil time in which a week has seven days.
        now: the present.
    """

    actor: Actor
    scope: Scope
    rules: Rules
    zone: ZoneInfo
    now: int

    def change(self, kind: Kind, machine: str, period: Period) -> Change:
        """Return the fact that a booking holds something from now on."""
        return Change(self.now, kind, machine, period, self.rules.binds(period.start, now=self.now))


def book(session: Session, clerk: Clerk, wish: Wish, *, weeks: int = 1) -> list[Booking]:
    """Book a machine, also for several weeks at the same time of the wall clock: all of it, or nothing.

    Args:
        session: from `Records.writing`, where one writes at a time: so no two bookings ever overlap.
        clerk: who books.
        wish: what.
        weeks: how many times, week after week.

    Raises:
        RefusedBookingError: saying what stands against it, and when.
        BookingConflictError: somebody else has the machine then, or it is locked.
        WallTimeError: in one of the weeks clocks are set over it.
    """
    member = _member_of(session, clerk.scope, wish.member)
    machine = machine_of(session, clerk.scope, wish.machine)
    if not 1 <= weeks <= clerk.rules.series_weeks_max:
        sentence = f"a booking is repeated for {clerk.rules.series_weeks_max} weeks at most: choose fewer"
        raise RefusedBookingError(Reason.WEEKS, sentence, limit=clerk.rules.series_weeks_max)
    series = new_id() if weeks > 1 else None
    made = []
    for bounds in _repeated(wish.start, wish.end, weeks, clerk.zone):
        period = _checked(session, clerk, machine, member, bounds)
        row = Booking(id=new_id(), member_id=member.id, note=wish.note, series_id=series, number=-1)
        keep(session, clerk.actor, row, clerk.change(Kind.MADE, machine.id, period))
        made.append(row)
    return made


def change(
    session: Session,
    clerk: Clerk,
    booking_id: str,
    *,
    machine: str | None = None,
    start: int | None = None,
    end: int | None = None,
    note: str | None = None,
) -> Booking:
    """Move a booking, make it longer or shorter, or change its note; what is not given stays.

    One that has begun can only end otherwise, and not in the past.

    Raises:
        UnknownRecordError: there is none that is the caller's to change.
        RefusedBookingError: saying what stands against it.
        BookingConflictError: somebody else has the machine then, or it is locked.
    """
    row = own(session, clerk.scope, booking_id)
    _refuse_over(row, now=clerk.now)
    wanted = (
        row.machine_id if machine is None else machine,
        row.starts if start is None else start,
        row.ends if end is None else end,
    )
    if note is not None and note != row.note:
        before, row.note = {"note": row.note}, note
        record(session, clerk.actor, "change", f"bookings/{row.id}", now=clerk.now, before=before, after={"note": note})
    if wanted == (row.machine_id, row.starts, row.ends):
        return row
    if row.starts <= clerk.now and wanted[:2] != (row.machine_id, row.starts):
        sentence = "this booking has begun: only its end can be changed now"
        raise RefusedBookingError(Reason.STARTED, sentence, Period(row.starts, row.ends))
    member = session.get_one(Member, row.member_id)
    place = machine_of(session, clerk.scope, wanted[0])
    period = _checked(session, clerk, place, member, wanted[1:], instead_of=row)
    keep(session, clerk.actor, row, clerk.change(Kind.CHANGED, place.id, period))
    return row


def cancel(session: Session, clerk: Clerk, booking_id: str, *, following: bool = False) -> list[Booking]:
    """Give a booking up from now on.

    Args:
        session: from `Records.writing`.
        clerk: who gives it up.
        booking_id: which.
        following: also those of its series that come after it.

    Raises:
        UnknownRecordError: there is none that is the caller's to change.
        RefusedBookingError: it is over, or was given up before.
    """
    first = own(session, clerk.scope, booking_id)
    _refuse_over(first, now=clerk.now)
    rows = [first]
    if following and first.series_id is not None:
        later = select(Booking).where(Booking.series_id == first.series_id, Booking.starts > first.starts)
        rows += session.scalars(later.where(Booking.ends > Booking.starts).order_by(Booking.starts)).all()
    for row in rows:
        keep(session, clerk.actor, row, clerk.change(Kind.CANCELLED, row.machine_id, _until(row, clerk.now)))
    return rows


def own(session: Session, scope: Scope, booking_id: str) -> Booking:
    """Return a booking whose details the caller may see.

    Raises:
        UnknownRecordError: there is none, or it is not the caller's.
    """
    found = session.execute(
        select(Booking, Machine.site_id).join(Machine, Machine.id == Booking.machine_id).where(Booking.id == booking_id)
    ).one_or_none()
    if found is None or not scope.sees(found[1]) or not scope.sees_work_of(found[0].member_id):
        raise UnknownRecordError(booking_id)
    return found[0]


def _until(row: Booking, now: int) -> Period:
    """Return what was held of a booking until now, to the whole second."""
    return Period(row.starts, max(row.starts, min(row.ends, now // SECOND * SECOND)))


def _refuse_over(row: Booking, *, now: int) -> None:
    if row.kind in {Kind.CANCELLED, Kind.FREED}:
        raise RefusedBookingError(Reason.OVER, "this booking was given up: make a new one")
    if row.ends <= now:
        period = Period(row.starts, row.ends)
        raise RefusedBookingError(Reason.OVER, "this booking is over, and stays as it was", period)


def keep(session: Session, actor: Actor, row: Booking, change: Change, *, reason: str = "") -> None:
    """Keep what a booking holds from now on, with its history and an entry of the audit trail."""
    before = None if row.number < 0 else _shown(row)
    if before is not None:
        concern(session, row.machine_id, Period(row.starts, row.ends))
    concern(session, change.machine, change.period)
    row.machine_id, row.kind = change.machine, change.kind.value
    row.starts, row.ends = change.period.start, change.period.end
    row.number += 1
    session.add(row)
    session.flush()
    session.add(
        BookingChange(
            booking_id=row.id,
            number=row.number,
            at=change.at,
            kind=change.kind.value,
            machine_id=change.machine,
            starts=change.period.start,
            ends=change.period.end,
            binds=change.binds,
            who=actor.id,
            reason=reason,
        )
    )
    after = _shown(row) | ({"reason": reason} if reason else {})
    record(session, actor, _ACTIONS[change.kind], f"bookings/{row.id}", now=change.at, before=before, after=after)


def _shown(row: Booking) -> dict[str, str]:
    return {
        "machine": row.machine_id,
        "member": row.member_id,
        "from": format_instant(row.starts),
        "to": format_instant(row.ends),
    }


def _repeated(start: int, end: int, weeks: int, zone: ZoneInfo) -> Iterable[tuple[int, int]]:
    """Yield a period once a week at the same time of the wall clock."""
    yield start, end
    for week in range(1, weeks):
        walls = (wall_time(bound, zone) + timedelta(weeks=week) for bound in (start, end))
        first, last = (instant_of(wall.replace(fold=0), zone) for wall in walls)
        yield first, last


def _checked(
    session: Session,
    clerk: Clerk,
    machine: Machine,
    member: Member,
    bounds: tuple[int, int],
    *,
    instead_of: Booking | None = None,
) -> Period:
    """Return a period that may be booked, or refuse it."""
    has_begun = instead_of is not None and instead_of.starts <= clerk.now
    is_staff = clerk.scope.role in DESK
    period = check_period(*bounds, clerk.rules, now=clerk.now, is_staff=is_staff, has_begun=has_begun)
    _refuse_inactive(machine, member, period)
    opening = reading.opening_of(session, machine.id)
    if opening is not None and not is_staff:
        check_open(period, opening.around(period))
    for lock in reading.locks_of(session, machine.id, period):
        until = "it is released" if lock.ends >= INSTANT_MAX else format_instant(lock.ends)
        sentence = f"the machine is locked from {format_instant(lock.starts)} until {until} ({lock.reason})"
        raise BookingConflictError(
            Reason.LOCKED, f"{sentence}: choose another time or machine", Period(lock.starts, lock.ends)
        )
    for other in reading.held_on(session, machine.id, period):
        if instead_of is None or other.id != instead_of.id:
            theirs = Period(other.starts, other.ends)
            sentence = f"the machine is booked from {format_instant(theirs.start)} to {format_instant(theirs.end)}"
            raise BookingConflictError(Reason.TAKEN, f"{sentence}: choose another time or machine", theirs)
    return period


def _refuse_inactive(machine: Machine, member: Member, period: Period) -> None:
    """Refuse a day, in UTC, on which the machine is not shared, or the firm no member."""
    if not reading.is_shared(machine, period):
        raise RefusedBookingError(Reason.MACHINE, f"{machine.name} is not shared on that day: choose another", period)
    first, last = to_datetime(period.start).date(), to_datetime(period.end - 1).date()
    if first < member.active_from or (member.active_to is not None and last >= member.active_to):
        raise RefusedBookingError(Reason.MEMBER, f"{member.id} is no member on that day: choose another", period)


def machine_of(session: Session, scope: Scope, machine_id: str) -> Machine:
    """Return a machine that the caller may see.

    Raises:
        RefusedBookingError: there is none.
    """
    machine = session.get(Machine, machine_id)
    if machine is None or not scope.sees(machine.site_id):
        raise RefusedBookingError(Reason.MACHINE, f"there is no machine {machine_id!r}: choose one of the list")
    return machine


def _member_of(session: Session, scope: Scope, member_id: str) -> Member:
    """Return whom a caller books for: a member its own firm alone, whoever works at the desk any."""
    if scope.role is Role.MEMBER:
        if member_id not in {"", scope.member}:
            raise RefusedBookingError(Reason.MEMBER, "you book for your own firm alone: leave the member out")
        member_id = scope.member or ""
    member = session.get(Member, member_id) if scope.role in {Role.MEMBER, *DESK} else None
    if member is None:
        raise RefusedBookingError(Reason.MEMBER, f"there is no member {member_id!r}: name the firm that books")
    return member
