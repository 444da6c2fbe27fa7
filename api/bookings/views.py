"""Bookings, free hours and locks as one caller may see them: the one place that decides what of another firm shows."""

from __future__ import annotations

from collections import defaultdict
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select

from api.bookings import reading
from api.bookings.facts import stage
from api.bookings.rules import Reason, RefusedBookingError
from api.bookings.slots import Free, Likeness, find_free
from api.bookings.tables import Booking, BookingChange, LockOut
from api.records.tables import Machine, Member, Site
from shopfloor.periods import DAY, INSTANT_MAX, MINUTE, Period, subtract, to_datetime

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy.orm import Session

    from api.access.scope import Scope
    from api.bookings.facts import History
    from api.bookings.rules import Rules

WINDOW_DAYS_MAX = 92
"""Longest period that one question about bookings is answered for."""
SEARCH_DAYS_MAX = 31
"""Longest period that free hours are looked for in."""


class Status(StrEnum):
    """How a booking stands, as its own people see it; everybody else's is `busy`."""

    BUSY = "busy"
    AHEAD = "ahead"
    RUNNING = "running"
    OVER = "over"
    CANCELLED = "cancelled"
    CANCELLED_LATE = "cancelled_late"
    FREED = "freed"


class Seen(NamedTuple):
    """A booking as one caller may see it.

    Attributes:
        id: None for another firm's.
        machine: identifier of the machine.
        member: whose it is, None for another firm's.
        period: what it holds; what it last held, where it was given up.
        status: see `Status`.
        binds: given up from then on it costs; None for another firm's.
        note: of its own people, None for another firm's.
        series: the bookings that were made together, None for one alone and for another firm's.
    """

    id: str | None
    machine: str
    member: str | None
    period: Period
    status: Status
    binds: int | None
    note: str | None
    series: str | None


class Place(NamedTuple):
    """A machine that can be booked.

    Attributes:
        id: identifier of the machine.
        name: its short name.
        kind: what it is.
        tariff_group: what it costs.
        site: identifier of the site.
        site_name: where it stands.
    """

    id: str
    name: str
    kind: str
    tariff_group: str
    site: str
    site_name: str

    @property
    def likeness(self) -> Likeness:
        """What makes it stand in for others."""
        return Likeness(self.kind, self.tariff_group)


def places(session: Session, scope: Scope, *, on: Period) -> list[Place]:
    """Return the machines that the caller may see and that are shared at some time of a period, by site and name."""
    rows = session.execute(select(Machine, Site.name).join(Site, Site.id == Machine.site_id)).all()
    found = [
        Place(row.id, row.name, row.kind, row.tariff_group, row.site_id, site)
        for row, site in rows
        if scope.sees(row.site_id) and any(reading.is_shared(row, Period(at, at + 1)) for at in (on.start, on.end - 1))
    ]
    return sorted(found, key=lambda each: (each.site_name, each.name, each.id))


def members(session: Session, *, on: Period) -> list[tuple[str, str]]:
    """Return the firms that are members at some time of a period, with their names: for who works at the desk."""
    first, last = to_datetime(on.start).date(), to_datetime(on.end - 1).date()
    rows = session.scalars(select(Member).where(Member.active_from <= last).order_by(Member.legal_name, Member.id))
    return [(row.id, row.legal_name) for row in rows if row.active_to is None or first < row.active_to]


def booked_by(session: Session, machine: str, period: Period) -> list[tuple[str, Period]]:
    """Return whose bookings of a machine hold something of a period, by their start: for who works at the machine."""
    wanted = select(Booking).where(
        Booking.machine_id == machine,
        Booking.ends > period.start,
        Booking.starts < period.end,
        Booking.ends > Booking.starts,
    )
    return [(row.member_id, Period(row.starts, row.ends)) for row in session.scalars(wanted.order_by(Booking.starts))]


def bounded(period: Period, *, days: int) -> Period:
    """Return a period that may be asked for.

    Raises:
        RefusedBookingError: it is longer than that, or empty.
    """
    if not period or period.end - period.start > days * DAY:
        raise RefusedBookingError(Reason.LONG, f"ask for a period of at most {days} days that ends after it begins")
    return period


def visible(
    session: Session,
    scope: Scope,
    period: Period,
    *,
    now: int,
    machines: Collection[str] | None = None,
    given_up: bool = False,
) -> list[Seen]:
    """Return the bookings of a period as the caller may see them, by their start.

    Args:
        session: of the records.
        scope: a member sees its own, and of others that the machine is busy.
        period: those that hold, or held, something of it.
        now: the present.
        machines: of these alone; None for all.
        given_up: also the caller's own that were given up or taken back.
    """
    wanted = select(Booking, Machine.site_id).join(Machine, Machine.id == Booking.machine_id)
    held = (Booking.ends > period.start) & (Booking.starts < period.end) & (Booking.ends > Booking.starts)
    if given_up:
        touched = select(BookingChange.booking_id).where(
            BookingChange.starts < period.end, BookingChange.ends > period.start
        )
        held |= (Booking.ends == Booking.starts) & Booking.id.in_(touched)
    rows = [
        row
        for row, site in session.execute(wanted.where(held))
        if scope.sees(site) and (machines is None or row.machine_id in machines)
    ]
    own = [row for row in rows if scope.sees_work_of(row.member_id)]
    histories = {each.id: each for each in reading.histories(session, [row.id for row in own])}
    found = [_seen(row, histories.get(row.id), now=now) for row in rows]
    shown = [each for each in found if each.period]
    return sorted(shown, key=lambda each: (each.period, each.machine, each.id or ""))


def details(session: Session, row: Booking, *, now: int) -> tuple[Seen, History]:
    """Return one of the caller's own bookings with its history."""
    [history] = reading.histories(session, [row.id])
    return _seen(row, history, now=now), history


def reasons(session: Session, booking_id: str) -> list[str]:
    """Return why each change of a booking was made, where the consortium made it."""
    wanted = select(BookingChange.reason).where(BookingChange.booking_id == booking_id)
    return list(session.scalars(wanted.order_by(BookingChange.number)))


def _seen(row: Booking, history: History | None, *, now: int) -> Seen:
    if history is None:
        # What is given up of another firm's shows nothing: only what is held makes a machine busy.
        period = Period(row.starts, row.ends)
        return Seen(None, row.machine_id, None, period, Status.BUSY, None, None, None)
    found = stage(history, now=now)
    status = Status.OVER if found is None else Status(found.value)
    period = next((each.period for each in reversed(history.changes) if each.period), Period(row.starts, row.ends))
    binds = history.changes[-1].binds
    return Seen(row.id, row.machine_id, row.member_id, period, status, binds, row.note, row.series_id)


class Found(NamedTuple):
    """Free hours, and the machine that has them."""

    place: Place
    free: Free


class Search(NamedTuple):
    """What free hours are looked for.

    Attributes:
        window: when.
        minutes: how long.
        like: a machine, itself and those that stand in for it; empty for any.
        kind: what they are, empty for any.
        site: where, empty for anywhere.
    """

    window: Period
    minutes: int
    like: str = ""
    kind: str = ""
    site: str = ""


def search(session: Session, scope: Scope, wanted: Search, rules: Rules, *, now: int) -> list[Found]:
    """Return the free hours in which a booking fits, the earliest first.

    Raises:
        RefusedBookingError: the period is too long, or there is no such machine.
    """
    window = bounded(wanted.window, days=SEARCH_DAYS_MAX)
    window = Period(min(max(window.start, now + rules.lead_minutes_min * MINUTE), window.end), window.end)
    candidates = chosen(places(session, scope, on=wanted.window), wanted)
    taken = taken_by_machine(session, [each.id for each in candidates], window)
    opened = reading.openings(session, [each.id for each in candidates])
    found = [
        Found(place, free)
        for place in candidates
        for free in find_free(
            place.id,
            opened[place.id].periods(window) if place.id in opened else [window],
            taken[place.id],
            minutes=wanted.minutes,
            step_minutes=rules.step_minutes,
        )
    ]
    return sorted(found, key=lambda each: (each.free.slot, each.place.site_name, each.place.name, each.place.id))


def chosen(candidates: Sequence[Place], wanted: Search) -> list[Place]:
    """Return the machines that a search is about.

    Raises:
        RefusedBookingError: the machine that others are to be like is none of them.
    """
    rest = [
        each
        for each in candidates
        if wanted.site in {"", each.site} and wanted.kind.casefold() in {"", each.kind.casefold()}
    ]
    if not wanted.like:
        return rest
    model = next((each for each in candidates if each.id == wanted.like), None)
    if model is None:
        raise RefusedBookingError(Reason.MACHINE, f"there is no machine {wanted.like!r}: choose one of the list")
    return [each for each in rest if each.id == model.id or model.likeness.fits(each.likeness)]


def taken_by_machine(session: Session, machines: Iterable[str], period: Period) -> dict[str, list[Period]]:
    """Return what of a period is booked or locked, by machine."""
    wanted = set(machines)
    found: dict[str, list[Period]] = defaultdict(list)
    for table in (Booking, LockOut):
        rows = session.execute(
            select(table.machine_id, table.starts, table.ends).where(
                table.ends > period.start, table.starts < period.end, table.ends > table.starts
            )
        )
        for machine, starts, ends in rows:
            if machine in wanted:
                found[machine].append(Period(starts, ends))
    return found


def locks(session: Session, scope: Scope, period: Period) -> list[LockOut]:
    """Return what is locked in a period at the caller's sites, by its start."""
    rows = session.execute(
        select(LockOut, Machine.site_id)
        .join(Machine, Machine.id == LockOut.machine_id)
        .where(LockOut.ends > period.start, LockOut.starts < period.end, LockOut.ends > LockOut.starts)
        .order_by(LockOut.starts, LockOut.id)
    )
    return [row for row, site in rows if scope.sees(site)]


class Occupancy(NamedTuple):
    """How long a machine is free, or taken, from an instant on.

    Attributes:
        is_free: nobody has booked it now, and it is not locked.
        until: when that ends; None when it does not within `SEARCH_DAYS_MAX`.
        is_own: it is the caller's booking that runs now.
        is_locked: it is a lock that runs now.
    """

    is_free: bool
    until: int | None
    is_own: bool = False
    is_locked: bool = False


def occupancy(session: Session, scope: Scope, machines: Collection[str], *, now: int) -> dict[str, Occupancy]:
    """Return for live pages whether machines are free, and until when: "free until", "booked until" and time left.

    Bookings of one member that adjoin, and locks, are taken together; opening hours are not asked for.
    """
    horizon = Period(now, min(now + SEARCH_DAYS_MAX * DAY, INSTANT_MAX))
    booked: dict[str, list[Seen]] = defaultdict(list)
    for each in visible(session, scope, horizon, now=now, machines=machines):
        booked[each.machine].append(each)
    locked: dict[str, list[Period]] = defaultdict(list)
    for lock in locks(session, scope, horizon):
        locked[lock.machine_id].append(Period(lock.starts, lock.ends))
    return {machine: _occupancy(horizon, booked[machine], locked[machine]) for machine in machines}


def _occupancy(horizon: Period, booked: Sequence[Seen], locked: Sequence[Period]) -> Occupancy:
    now = horizon.start
    running = next((each for each in booked if now in each.period), None)
    lock = next((each for each in locked if now in each), None)
    if running is None and lock is None:
        starts = [each.start for each in (*locked, *(seen.period for seen in booked))]
        return Occupancy(is_free=True, until=min(starts, default=None))
    alike = [each.period for each in booked if running is not None and each.member == running.member]
    free = next(subtract(horizon, [*locked, *alike]), None)
    until = None if free is None else free.start
    is_own = running is not None and running.status is not Status.BUSY
    return Occupancy(is_free=False, until=until, is_own=is_own, is_locked=lock is not None)
