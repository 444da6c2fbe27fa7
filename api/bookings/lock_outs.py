"""Machines that nobody can book for a while: their bookings are freed, and their owners are told what else is free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from api.access.tokens import new_id
from api.audit.service import record
from api.bookings import reading
from api.bookings.facts import Change, Kind
from api.bookings.rules import Reason, RefusedBookingError, check_open
from api.bookings.service import keep
from api.bookings.slots import Likeness
from api.bookings.tables import BookingNotice, LockOut
from api.records.service import UnknownRecordError
from api.records.tables import Machine
from api.usage.service import concern
from shopfloor.periods import INSTANT_MAX, SECOND, Period, format_instant

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from api.access.scope import Scope
    from api.audit.service import Actor
    from api.bookings.tables import Booking

PROPOSALS_MAX = 5
"""Most machines that are proposed instead of one."""


def lock_out(session: Session, actor: Actor, machine: str, period: Period, reason: str, *, now: int) -> LockOut:
    """Lock a machine: nobody can book it, its bookings are freed, and their owners get a notice.

    What has begun keeps what has passed until the lock begins. The notice is kept in the same transaction, with the
    like machines that are free in the period that was lost.

    Args:
        session: from `Records.writing`.
        actor: who locks it.
        machine: identifier of the machine.
        period: from when until when; `INSTANT_MAX` for until it is released. What is over of it is left out.
        reason: why, as members read it.
        now: the present.

    Returns:
        The lock, by whose identifier it is released.

    Raises:
        RefusedBookingError: there is no such machine, or the period is over.
    """
    if session.get(Machine, machine) is None:
        raise RefusedBookingError(Reason.MACHINE, f"there is no machine {machine!r}: choose one of the list")
    if period.end <= now or not period:
        sentence = "a lock ends after it begins, and is not over: choose a later end"
        raise RefusedBookingError(Reason.PAST, sentence, period)
    period = Period(max(period.start, now // SECOND * SECOND), period.end)
    lock = LockOut(
        id=new_id(),
        machine_id=machine,
        starts=period.start,
        ends=period.end,
        reason=reason,
        created=now,
        who=actor.id,
    )
    session.add(lock)
    concern(session, machine, period)
    record(session, actor, "lock", f"machines/{machine}", now=now, after=_shown(lock))
    for row in reading.held_on(session, machine, period):
        _free(session, actor, row, lock, now=now)
    return lock


def release(session: Session, actor: Actor, lock_out_id: str, *, now: int) -> None:
    """End a lock now; who lost a booking to it that could still be had is told.

    Nothing happens when it is over already.

    Raises:
        UnknownRecordError: there is no such lock.
    """
    lock = session.get(LockOut, lock_out_id)
    if lock is None:
        raise UnknownRecordError(lock_out_id)
    if lock.ends <= now:
        return
    before = _shown(lock)
    concern(session, lock.machine_id, Period(lock.starts, lock.ends))
    lock.ends, lock.released = max(lock.starts, now // SECOND * SECOND), now
    session.flush()
    record(session, actor, "release", f"machines/{lock.machine_id}", now=now, before=before, after=_shown(lock))
    lost = select(BookingNotice).where(BookingNotice.lock_out_id == lock.id, BookingNotice.kind == "freed")
    for notice in session.scalars(lost.where(BookingNotice.ends > now)).all():
        left = Period(max(notice.starts, lock.ends), notice.ends)
        if left and is_free(session, notice.machine_id, left):
            _tell(session, lock, (notice.booking_id, notice.member_id), left, is_free_again=True, now=now)


def lock_of(session: Session, scope: Scope, lock_out_id: str) -> LockOut:
    """Return a lock at the caller's sites.

    Raises:
        UnknownRecordError: there is none.
    """
    lock = session.get(LockOut, lock_out_id)
    if lock is None or not scope.sees(session.get_one(Machine, lock.machine_id).site_id):
        raise UnknownRecordError(lock_out_id)
    return lock


def is_free(session: Session, machine: str, period: Period) -> bool:
    """Tell whether nobody holds a machine in a period, nothing locks it, and it is open."""
    if reading.held_on(session, machine, period) or reading.locks_of(session, machine, period):
        return False
    opening = reading.opening_of(session, machine)
    try:
        check_open(period, [period] if opening is None else opening.around(period))
    except RefusedBookingError:
        return False
    return True


def proposals(session: Session, machine: str, period: Period) -> list[str]:
    """Return like machines that are free in a period, those of the same site first."""
    own = session.get_one(Machine, machine)
    likeness = Likeness(own.kind, own.tariff_group)
    like = [
        each
        for each in session.scalars(select(Machine).where(Machine.id != machine))
        if likeness.fits(Likeness(each.kind, each.tariff_group))
        and reading.is_shared(each, period)
        and is_free(session, each.id, period)
    ]
    like.sort(key=lambda each: (each.site_id != own.site_id, each.name, each.id))
    return [each.id for each in like[:PROPOSALS_MAX]]


def notices(session: Session, scope: Scope) -> list[BookingNotice]:
    """Return what the caller's firm has not noted yet, the newest first; who works at the desk sees everybody's."""
    wanted = (
        select(BookingNotice, Machine.site_id)
        .join(Machine, Machine.id == BookingNotice.machine_id)
        .where(BookingNotice.read.is_(None))
        .order_by(BookingNotice.at.desc(), BookingNotice.id)
    )
    return [row for row, site in session.execute(wanted) if scope.sees(site) and scope.sees_work_of(row.member_id)]


def note_read(session: Session, actor: Actor, scope: Scope, notice_id: str, *, now: int) -> None:
    """Note that the owner knows.

    Raises:
        UnknownRecordError: there is no such notice for the caller.
    """
    notice = session.get(BookingNotice, notice_id)
    machine = None if notice is None else session.get(Machine, notice.machine_id)
    if notice is None or machine is None:
        raise UnknownRecordError(notice_id)
    if not (scope.sees(machine.site_id) and scope.sees_work_of(notice.member_id)):
        raise UnknownRecordError(notice_id)
    if notice.read is None:
        notice.read = now
        record(session, actor, "note", f"booking-notices/{notice_id}", now=now)


def _free(session: Session, actor: Actor, row: Booking, lock: LockOut, *, now: int) -> None:
    lost = Period(max(row.starts, lock.starts), row.ends)
    kept = Period(row.starts, max(row.starts, min(row.ends, lock.starts)))
    keep(session, actor, row, Change(now, Kind.FREED, row.machine_id, kept, now), reason=lock.reason)
    _tell(session, lock, (row.id, row.member_id), lost, is_free_again=False, now=now)


def _tell(
    session: Session, lock: LockOut, whose: tuple[str, str], period: Period, *, is_free_again: bool, now: int
) -> None:
    """Keep a notice for the owner of a booking: of what was lost, or of what can be had again."""
    booking, member = whose
    session.add(
        BookingNotice(
            id=new_id(),
            member_id=member,
            booking_id=booking,
            lock_out_id=lock.id,
            kind="released" if is_free_again else "freed",
            at=now,
            machine_id=lock.machine_id,
            starts=period.start,
            ends=period.end,
            reason=lock.reason,
            proposals=[lock.machine_id] if is_free_again else proposals(session, lock.machine_id, period),
        )
    )
    session.flush()


def _shown(lock: LockOut) -> dict[str, str]:
    until = "" if lock.ends >= INSTANT_MAX else format_instant(lock.ends)
    return {"lock": lock.id, "from": format_instant(lock.starts), "to": until, "reason": lock.reason}
