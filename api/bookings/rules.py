"""What may be booked: quarter hours, limits, opening hours. Pure; conflicts are found where bookings are kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from shopfloor.periods import DAY, HOUR, MINUTE, Period, format_instant

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a consortium lets its members book.

    Attributes:
        step_minutes: bookings begin and end on multiples of this past the hour.
        lead_minutes_min: how long before its start a booking is made at the latest; 0 also for one that begins now.
        length_minutes_min: no booking is shorter.
        length_hours_max: no booking is longer.
        ahead_days_max: how far ahead a booking may begin.
        free_cancel_hours: what is given up later than this before its start still costs what unused time costs.
        grace_minutes: but for so long after it was made or changed it can be given up without cost, until it begins.
        series_weeks_max: how many weeks a booking may be repeated.
    """

    step_minutes: int = 15
    lead_minutes_min: int = 0
    length_minutes_min: int = 15
    length_hours_max: int = 72
    ahead_days_max: int = 180
    free_cancel_hours: int = 24
    grace_minutes: int = 15
    series_weeks_max: int = 26

    def binds(self, start: int, *, now: int) -> int:
        """Return from when on giving up a booking that is made or changed now still costs: a stored fact of it."""
        free_until = max(start - self.free_cancel_hours * HOUR, now + self.grace_minutes * MINUTE)
        return max(now, min(start, free_until))


class Reason(StrEnum):
    """Why a booking is refused."""

    EMPTY = "empty"
    STEP = "step"
    SHORT = "short"
    LONG = "long"
    PAST = "past"
    LEAD = "lead"
    AHEAD = "ahead"
    CLOSED = "closed"
    TAKEN = "taken"
    LOCKED = "locked"
    STARTED = "started"
    OVER = "over"
    MACHINE = "machine"
    MEMBER = "member"
    WEEKS = "weeks"


class RefusedBookingError(ValueError):
    """A machine cannot be booked so; the sentence says why and what to do.

    Attributes:
        reason: why, for pages that say it in their own words.
        period: when the trouble is: of the booking in the way, of the closed hours, or of what was asked for.
        limit: the figure of the rule that it breaks, 0 where there is none.
    """

    def __init__(self, reason: Reason, sentence: str, period: Period | None = None, limit: int = 0) -> None:
        super().__init__(sentence)
        self.reason, self.period, self.limit = reason, period, limit


class BookingConflictError(RefusedBookingError):
    """Somebody else has the machine then, or it is locked."""


def check_period(
    start: int, end: int, rules: Rules, *, now: int, is_staff: bool = False, has_begun: bool = False
) -> Period:
    """Return the period of a booking, or refuse it.

    Args:
        start: first instant.
        end: first instant after it.
        rules: what may be booked.
        now: the present.
        is_staff: who looks after machines may book without lead time, and however far ahead.
        has_begun: it is a booking that has begun and is to end otherwise.

    Raises:
        RefusedBookingError: saying which rule it breaks, and the mend.
    """
    if end <= start:
        raise RefusedBookingError(Reason.EMPTY, "a booking ends after it begins: choose a later end")
    period = Period(start, end)
    step = rules.step_minutes * MINUTE
    if start % step or end % step:
        sentence = f"bookings begin and end on steps of {rules.step_minutes} minutes: choose such times"
        raise RefusedBookingError(Reason.STEP, sentence, period, rules.step_minutes)
    if end - start < rules.length_minutes_min * MINUTE:
        sentence = f"a booking takes {rules.length_minutes_min} minutes or more: choose a later end"
        raise RefusedBookingError(Reason.SHORT, sentence, period, rules.length_minutes_min)
    if end - start > rules.length_hours_max * HOUR:
        sentence = f"a booking takes {rules.length_hours_max} hours at most: book what lies beyond in another one"
        raise RefusedBookingError(Reason.LONG, sentence, period, rules.length_hours_max)
    if end <= now:
        raise RefusedBookingError(Reason.PAST, "this time is over: choose one that is still to come", period)
    if not has_begun:
        _check_distance(period, rules, now=now, is_staff=is_staff)
    return period


def _check_distance(period: Period, rules: Rules, *, now: int, is_staff: bool) -> None:
    """Refuse what begins too soon or too late: the step that is running may still be booked."""
    soonest = now + (0 if is_staff else rules.lead_minutes_min * MINUTE)
    soonest -= soonest % (rules.step_minutes * MINUTE)
    if period.start < soonest:
        reason = Reason.PAST if is_staff or not rules.lead_minutes_min else Reason.LEAD
        sentence = f"a booking begins at {format_instant(soonest)} or later: choose a later start"
        raise RefusedBookingError(reason, sentence, Period(soonest, soonest), rules.lead_minutes_min)
    latest = now + rules.ahead_days_max * DAY
    if period.start > latest and not is_staff:
        sentence = f"a booking begins within {rules.ahead_days_max} days: choose an earlier start"
        raise RefusedBookingError(Reason.AHEAD, sentence, Period(latest, latest), rules.ahead_days_max)


def check_open(period: Period, opened: Sequence[Period]) -> None:
    """Refuse a booking that reaches into hours in which the machine cannot be used.

    Args:
        period: of the booking.
        opened: when the machine is open around it, sorted and disjoint.

    Raises:
        RefusedBookingError: naming the open hours next to it.
    """
    if any(each.start <= period.start and period.end <= each.end for each in opened):
        return
    touching = [each for each in opened if each.overlaps(period)]
    if touching:
        sentence = f"the machine is open from {format_instant(touching[0].start)} to {format_instant(touching[0].end)}"
        raise RefusedBookingError(Reason.CLOSED, f"{sentence}: book within these hours", touching[0])
    raise RefusedBookingError(Reason.CLOSED, "the machine is closed then: choose a day and hours when it is open")
