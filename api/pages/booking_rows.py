"""The booking calendar as shapes and texts: a line of time for each machine of a day, or each day of a machine."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from api.bookings.civil import wall_time
from api.bookings.facts import Kind, Outcome
from api.bookings.rules import Reason
from api.bookings.views import Status
from api.pages import times
from api.pages.words import mark
from shopfloor.periods import HOUR, INSTANT_MAX, Period, subtract

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from zoneinfo import ZoneInfo

    from api.bookings.tables import LockOut
    from api.bookings.views import Occupancy, Seen
    from api.pages.words import Words

DASH = "\N{EN DASH}"
TICK_HOURS = 3
STATUSES = {
    Status.BUSY: mark("Busy"),
    Status.AHEAD: mark("Booked"),
    Status.RUNNING: mark("Running now"),
    Status.OVER: mark("Over"),
    Status.CANCELLED: mark("Given up"),
    Status.CANCELLED_LATE: mark("Given up late"),
    Status.FREED: mark("Taken back"),
}
"""What the state of a booking is called."""


OUTCOMES = {
    Outcome.USED: mark("used"),
    Outcome.NO_SHOW: mark("nobody came"),
    Outcome.EXCUSED: mark("not used: the machine was out of order, in maintenance or without data"),
    Outcome.USED_BY_OTHERS: mark("used by others"),
}
"""What became of a booking that is over, where that says more than its state."""


REFUSALS = {
    Reason.EMPTY: ("end", mark("A booking ends after it begins: choose a later end.")),
    Reason.STEP: ("start", mark("Bookings begin and end on steps of %(limit)s minutes: choose such times.")),
    Reason.SHORT: ("end", mark("A booking takes %(limit)s minutes or more: choose a later end.")),
    Reason.LONG: ("end", mark("A booking takes %(limit)s hours at most: book the rest in another one.")),
    Reason.PAST: ("start", mark("This time is over: choose one that is still to come.")),
    Reason.LEAD: ("start", mark("It is too soon: book from %(moment)s on.")),
    Reason.AHEAD: ("day", mark("It is too far ahead: bookings begin within %(limit)s days.")),
    Reason.CLOSED: ("start", mark("The machine is closed then. Opening hours: %(span)s. Choose a time within them.")),
    Reason.TAKEN: ("start", mark("The machine is booked already: %(span)s. Choose another time or machine.")),
    Reason.LOCKED: ("start", mark("The machine is locked: %(span)s. Choose another time or machine.")),
    Reason.STARTED: ("start", mark("This booking has begun: only its end can be changed now.")),
    Reason.OVER: ("start", mark("This booking is over, or was given up: make a new one.")),
    Reason.MACHINE: ("machine", mark("Choose a machine of the list that is shared on that day.")),
    Reason.MEMBER: ("member", mark("Choose a firm that is a member on that day.")),
    Reason.WEEKS: ("weeks", mark("A booking is repeated for %(limit)s weeks at most: choose fewer.")),
}
"""By reason: at which field of the form it is said, and what."""
CHANGES = {
    Kind.MADE: mark("booked"),
    Kind.CHANGED: mark("changed"),
    Kind.CANCELLED: mark("given up"),
    Kind.FREED: mark("taken back by the consortium"),
}
"""What was done with a booking, in words."""


class Block(NamedTuple):
    """A piece of a line of time.

    Attributes:
        look: `own`, `busy`, `lock`, `closed` or `free`.
        x: where it begins, in percent.
        width: in percent.
        title: what it is, in words.
        href: where it leads; empty for nowhere.
    """

    look: str
    x: str
    width: str
    title: str
    href: str


class Tick(NamedTuple):
    """A full hour of the wall clock."""

    x: str
    text: str


class Line(NamedTuple):
    """A line of time, ready to be shown.

    Attributes:
        name: of the machine, or of the day.
        detail: second line.
        href: where the name leads.
        blocks: in order.
        ticks: full hours.
        now: where the present is, empty when it is not on the line.
        spoken: all of it in words.
        remark: text beside it.
    """

    name: str
    detail: str
    href: str
    blocks: list[Block]
    ticks: list[Tick]
    now: str
    spoken: str
    remark: str


class Clockwork(NamedTuple):
    """What times are written with.

    Attributes:
        now: the present.
        zone: civil time.
        say: in the reader's language.
    """

    now: int
    zone: ZoneInfo
    say: Words

    def span(self, period: Period) -> str:
        """Write a period: the day, then from and to; with a second day where it ends on another one."""
        start, end = times.local(period.start, self.zone), times.local(period.end, self.zone)
        if period.end >= INSTANT_MAX:
            return self.say(
                "from %(moment)s until it is released", moment=f"{times.day(start, self.say)}, {start:%H:%M}"
            )
        is_midnight = (end.hour, end.minute) == (0, 0)
        last = end - timedelta(seconds=1) if is_midnight else end
        clock = "24:00" if is_midnight else f"{end:%H:%M}"
        day = f"{times.day(start, self.say)}, {start:%H:%M}{DASH}"
        return f"{day}{clock}" if start.date() == last.date() else f"{day}{times.day(last, self.say)}, {clock}"

    def clock_span(self, period: Period, day: Period) -> str:
        """Write the part of a period that lies on a day, without the day."""
        part = period.clip(day) or period
        start, end = times.local(part.start, self.zone), times.local(part.end, self.zone)
        return f"{start:%H:%M}{DASH}" + ("24:00" if part.end == day.end else f"{end:%H:%M}")

    def until(self, stamp: int) -> str:
        """Write until when: the time alone today, else with the day."""
        is_today = times.local(stamp, self.zone).date() == times.local(self.now, self.zone).date()
        if is_today:
            return self.say("until %(time)s", time=self.moment(stamp))
        return self.say("until %(day)s", day=self.moment(stamp))

    def moment(self, stamp: int) -> str:
        """Write an instant: the time alone today, else with the day."""
        return times.moment(stamp, times.local(self.now, self.zone).date(), self.zone, self.say)


class Taken(NamedTuple):
    """What is known of a machine on a day.

    Attributes:
        machine: which.
        seen: its bookings, as the reader may see them.
        locks: what locks it.
        opened: when it is open; None for always.
        own: the reader's firm, empty for who looks after machines.
        may_book: the reader may book it.
    """

    machine: str
    seen: Sequence[Seen]
    locks: Sequence[LockOut]
    opened: Sequence[Period] | None
    own: str
    may_book: bool


def line(taken: Taken, day: Period, clock: Clockwork, *, name: str, detail: str, href: str, remark: str = "") -> Line:
    """Lay out one day of one machine."""
    blocks = sorted(_blocks(taken, day, clock), key=lambda block: float(block.x[:-1]))
    said = [block.title for block in blocks if block.look in {"own", "busy", "lock"}] or [clock.say("nothing booked")]
    return Line(
        name=name,
        detail=detail,
        href=href,
        blocks=blocks,
        ticks=ticks(day, clock),
        now=_x(clock.now, day) if clock.now in day else "",
        spoken=f"{name}: {'; '.join(said)}",
        remark=remark,
    )


def ticks(day: Period, clock: Clockwork) -> list[Tick]:
    """Return the full hours of a day, also one of 23 or 25 hours."""
    found = []
    for at in range(day.start, day.end, HOUR):
        wall = wall_time(at, clock.zone)
        if wall.hour % TICK_HOURS == 0 and not wall.fold:
            found.append(Tick(_x(at, day), f"{wall:%H}"))
    return [*found, Tick("100%", "24")]


def _blocks(taken: Taken, day: Period, clock: Clockwork) -> Iterable[Block]:
    used: list[Period] = []
    for each in taken.seen:
        part = each.period.clip(day)
        if part is not None:
            used.append(part)
            look = "own" if each.member is not None and each.member == taken.own else "busy"
            who = each.member or clock.say("another firm")
            yield _block(
                look, part, day, f"{clock.clock_span(part, day)} {who}", f"/bookings/{each.id}" if each.id else ""
            )
    for lock in taken.locks:
        part = Period(lock.starts, lock.ends).clip(day)
        if part is not None:
            used.append(part)
            text = clock.say("%(time)s locked: %(reason)s", time=clock.clock_span(part, day), reason=lock.reason)
            yield _block("lock", part, day, text, "")
    opened = [day] if taken.opened is None else [part for each in taken.opened if (part := each.clip(day)) is not None]
    for closed in subtract(day, opened):
        yield _block("closed", closed, day, clock.say("%(time)s closed", time=clock.clock_span(closed, day)), "")
    if taken.may_book:
        for hours in opened:
            for free in subtract(hours, [*used, Period(min(day.start, clock.now), max(day.start, clock.now))]):
                yield _free(taken.machine, free, day, clock)


def _free(machine: str, free: Period, day: Period, clock: Clockwork) -> Block:
    """Return free hours, which lead to the form: an hour from where they begin."""
    text = clock.say("%(time)s free: book it", time=clock.clock_span(free, day))
    return _block(
        "free", free, day, text, new_address(machine, Period(free.start, min(free.end, free.start + HOUR)), clock.zone)
    )


def new_address(machine: str, slot: Period, zone: ZoneInfo) -> str:
    """Return the address of the form with which a slot is booked, in civil time."""
    start, end = wall_time(slot.start, zone), wall_time(slot.end, zone)
    quarter = -(-start.minute // 15) * 15 - start.minute
    start += timedelta(minutes=quarter)
    end += timedelta(minutes=-(end.minute % 15))
    if end <= start:
        end = start + timedelta(hours=1)
    fields = {
        "machine": machine,
        "day": f"{start:%Y-%m-%d}",
        "start": f"{start:%H:%M}",
        "end_day": f"{end:%Y-%m-%d}",
        "end": f"{end:%H:%M}",
    }
    return f"/bookings/new?{urlencode(fields)}"


def _block(look: str, part: Period, day: Period, title: str, href: str) -> Block:
    width = (part.end - part.start) / (day.end - day.start) * 100
    return Block(look, _x(part.start, day), f"{width:.3f}%", title, href)


def _x(instant: int, day: Period) -> str:
    return f"{(instant - day.start) / (day.end - day.start) * 100:.3f}%"


def occupied(found: Occupancy, clock: Clockwork) -> str:
    """Write how long a machine is free or taken, and how much is left of a booking that runs."""
    if found.until is None:
        free_or_taken = clock.say("locked") if found.is_locked else clock.say("booked")
        return clock.say("free") if found.is_free else free_or_taken
    until = clock.until(found.until)
    if found.is_free:
        return clock.say("free %(until)s", until=until)
    if found.is_locked:
        return clock.say("locked %(until)s", until=until)
    left = times.duration(found.until - clock.now, clock.say)
    if found.is_own:
        return clock.say("yours %(until)s, %(left)s left", until=until, left=left)
    return clock.say("booked %(until)s, %(left)s left", until=until, left=left)


def length(day: Period, say: Words) -> str:
    """Say that a day has not 24 hours; empty for one that has."""
    hours = (day.end - day.start) // HOUR
    return "" if hours == 24 else say("%(hours)s hours: the clocks are set", hours=hours)  # noqa: PLR2004
