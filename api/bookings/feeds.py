"""Unguessable addresses of calendars, and what each shows through its owner's eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, or_, select

from api.access.scope import Role
from api.access.service import scopes_of
from api.access.tokens import TOKEN_MAX, digest, new_token
from api.audit.service import record
from api.bookings import reading
from api.bookings.tables import Booking, BookingChange, BookingFeed
from api.records.service import UnknownRecordError
from api.records.tables import Machine, Site
from shopfloor.periods import DAY, Period

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from api.access.scope import Scope
    from api.audit.service import Actor

PAST_DAYS = 30
"""How far back a calendar reaches; it has all that is to come."""
FEEDS_MAX = 50
"""Most open feeds of one firm, or of those who look after machines; one more is refused."""


class TooManyFeedsError(Exception):
    """There are as many feeds as there may be; the sentence says what to do."""


class Event(NamedTuple):
    """A booking as a calendar shows it.

    Attributes:
        id: of the booking.
        sequence: how often it was changed.
        changed: when that was done last.
        created: when it was made.
        machine: its name.
        site: name of the place.
        period: what it holds; what it last held, where it was given up.
        member: whose it is; empty for who may not know.
        note: for the member's own people.
        is_over: it was given up, or taken back.
    """

    id: str
    sequence: int
    changed: int
    created: int
    machine: str
    site: str
    period: Period
    member: str
    note: str
    is_over: bool


class Due(NamedTuple):
    """Something that is due on a day.

    Attributes:
        id: the same as long as it is the same work.
        at: an instant of the day.
        machine: its name.
        what: in words.
    """

    id: str
    at: int
    machine: str
    what: str


class Feed(NamedTuple):
    """What an address shows.

    Attributes:
        title: name of the calendar; empty for the maintenance plan.
        events: bookings by their start.
        plan_of: whose eyes see the maintenance plan; None where bookings are shown.
        due: the plan, the next first.
        now: when it was asked for.
    """

    title: str
    events: list[Event]
    plan_of: Scope | None = None
    due: Sequence[Due] = ()
    now: int = 0


def add_feed(session: Session, actor: Actor, scope: Scope, machine: str | None, *, now: int) -> tuple[BookingFeed, str]:
    """Make an address for a calendar program.

    Args:
        session: from `Records.writing`.
        actor: who makes it.
        scope: a member's shows its own bookings in full and others as busy; who looks after machines sees firms.
        machine: whose bookings; None for all of the member's, and the maintenance plan for who looks after machines.
        now: when.

    Returns:
        The feed, and the token, which is shown now and never again.

    Raises:
        UnknownRecordError: there is no such machine for the caller, or no firm whose bookings are meant.
        TooManyFeedsError: there are too many already.
    """
    if machine is not None:
        _visible(session, scope, machine)
    if machine is None and scope.role is not Role.MEMBER and not scope.sees_work:
        raise UnknownRecordError("member")
    member = scope.member if scope.role is Role.MEMBER else None
    same = select(func.count()).select_from(BookingFeed)
    same = same.where(BookingFeed.member_id == member if member else BookingFeed.member_id.is_(None))
    if (session.scalar(same.where(BookingFeed.revoked.is_(None))) or 0) >= FEEDS_MAX:
        raise TooManyFeedsError(f"there are {FEEDS_MAX} calendar addresses already: revoke one that nobody needs")
    token = new_token()
    feed = BookingFeed(
        id=token.id, sha256=token.sha256, member_id=member, machine_id=machine, created=now, who=actor.id, revoked=None
    )
    session.add(feed)
    record(session, actor, "add", f"booking-feeds/{token.id}", now=now, after={"machine": machine, "member": member})
    return feed, token.text


def revoke_feed(session: Session, actor: Actor, scope: Scope, feed_id: str, *, now: int) -> None:
    """Let an address show nothing from now on.

    Raises:
        UnknownRecordError: there is none that is the caller's.
    """
    feed = next((each for each in feeds(session, scope) if each.id == feed_id), None)
    if feed is None:
        raise UnknownRecordError(feed_id)
    feed.revoked = now
    record(session, actor, "revoke", f"booking-feeds/{feed_id}", now=now)


def feeds(session: Session, scope: Scope) -> list[BookingFeed]:
    """Return the open addresses of the caller's firm, or of those who look after its sites; all to an administrator."""
    wanted = select(BookingFeed).where(BookingFeed.revoked.is_(None)).order_by(BookingFeed.created, BookingFeed.id)
    if scope.role is not Role.ADMINISTRATOR:
        is_own = BookingFeed.member_id == scope.member if scope.member else BookingFeed.member_id.is_(None)
        wanted = wanted.where(is_own)
    sites = {row.id: row.site_id for row in session.scalars(select(Machine))} if scope.sites is not None else {}
    return [
        each
        for each in session.scalars(wanted)
        if scope.sites is None or not each.machine_id or scope.sees(sites[each.machine_id])
    ]


def by_token(session: Session, token: str, *, now: int) -> Feed:
    """Return what an address shows, as long as who made it may still see it.

    Raises:
        UnknownRecordError: no open feed has this token, or its maker was kept out, or lost the role, or the firm left.
    """
    wanted = select(BookingFeed).where(BookingFeed.sha256 == digest(token[:TOKEN_MAX]), BookingFeed.revoked.is_(None))
    feed = session.scalar(wanted)
    scopes = scopes_of(session, feed.who, now=now) if feed is not None else ()
    eyes = next((scope for scope in scopes if feed is not None and _may(session, scope, feed)), None)
    if feed is None or eyes is None:
        raise UnknownRecordError("feed")
    if feed.machine_id is None and feed.member_id is None:
        return Feed("", [], eyes, now=now)
    return _feed(session, feed.machine_id, feed.member_id, now=now, sees_all=feed.member_id is None)


def _may(session: Session, scope: Scope, feed: BookingFeed) -> bool:
    """Tell whether a scope would let its holder make a feed."""
    machine = session.get(Machine, feed.machine_id) if feed.machine_id else None
    is_of_firm = scope.role is Role.MEMBER and scope.member == feed.member_id
    is_of_staff = feed.member_id is None and scope.sees_work
    return (is_of_firm or is_of_staff) and (machine is None or scope.sees(machine.site_id))


def of_machine(session: Session, scope: Scope, machine: str, *, now: int) -> Feed:
    """Return the calendar of a machine as the caller may see it.

    Raises:
        UnknownRecordError: there is no such machine for the caller.
    """
    _visible(session, scope, machine)
    return _feed(session, machine, scope.member, now=now, sees_all=scope.sees_work)


def _visible(session: Session, scope: Scope, machine: str) -> None:
    row = session.get(Machine, machine)
    if row is None or not scope.sees(row.site_id):
        raise UnknownRecordError(machine)


def _feed(session: Session, machine: str | None, member: str | None, *, now: int, sees_all: bool) -> Feed:
    since = now - PAST_DAYS * DAY
    touched = select(BookingChange.booking_id).where(BookingChange.ends > since)
    wanted = (
        select(Booking, Machine.name, Site.name)
        .join(Machine, Machine.id == Booking.machine_id)
        .join(Site, Site.id == Machine.site_id)
        .where(or_(Booking.ends > since, Booking.id.in_(touched)))
    )
    wanted = wanted.where(Booking.machine_id == machine if machine else Booking.member_id == member)
    rows = session.execute(wanted.order_by(Booking.starts, Booking.id)).all()
    histories = {each.id: each.changes for each in reading.histories(session, [row.id for row, _, _ in rows])}
    events = []
    for row, name, site in rows:
        changes = histories[row.id]
        is_over = changes[-1].period.end == changes[-1].period.start
        last = next((each.period for each in reversed(changes) if each.period), changes[-1].period)
        is_known = sees_all or row.member_id == member
        events.append(
            Event(
                id=row.id,
                sequence=row.number,
                changed=changes[-1].at,
                created=changes[0].at,
                machine=name,
                site=site,
                period=last,
                member=row.member_id if is_known else "",
                note=row.note if is_known else "",
                is_over=is_over,
            )
        )
    name = session.get_one(Machine, machine).name if machine else member or ""
    return Feed(name, events)
