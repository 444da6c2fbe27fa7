"""When a workshop works: shifts, pauses, Saturdays, holidays, in civil time. Pure.

Instants are integer nanoseconds UTC; a civil day has 23, 24 or 25 hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

SECOND = 1_000_000_000
"""Nanoseconds."""

_SATURDAY, _SUNDAY = 5, 6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Span(NamedTuple):
    """A stretch of work, half-open."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Shift:
    """A working shift in civil time, with one pause in which the machine stays on.

    Attributes:
        start: when the work begins.
        end: when it ends, on the same day.
        pause: when the pause begins; None for a shift without one.
        pause_minutes: how long it lasts.
    """

    start: time
    end: time
    pause: time | None = None
    pause_minutes: int = 30


EARLY = Shift(time(6), time(14), time(11, 30))
LATE = Shift(time(14), time(22), time(18, 30))
SATURDAY = Shift(time(6, 30), time(12, 30))


@dataclass(frozen=True, slots=True)
class Calendar:
    """The working days of a workshop.

    Attributes:
        zone: IANA name of the civil zone.
        shifts: the shifts from Monday to Friday.
        saturday: the shift of a Saturday that is worked.
        closures: first and last days on which nobody works, beside the public holidays of Italy.
        busy_from: from this civil day on the workshop works round the clock on every day, so that a demonstration that
            starts at night or on a Sunday shows machines at work; the days before keep the ordinary calendar.
    """

    zone: str = "Europe/Rome"
    shifts: tuple[Shift, ...] = (EARLY, LATE)
    saturday: Shift = SATURDAY
    closures: tuple[tuple[date, date], ...] = ()
    busy_from: date | None = None

    def day_of(self, stamp: int) -> date:
        """Return the civil day of an instant."""
        return (_EPOCH + timedelta(seconds=stamp // SECOND)).astimezone(ZoneInfo(self.zone)).date()

    def bounds(self, day: date) -> Span:
        """Return the civil day as instants."""
        return Span(self._instant(day, time()), self._instant(day + timedelta(days=1), time()))

    def is_busy(self, day: date) -> bool:
        """Tell whether this day is worked round the clock."""
        return self.busy_from is not None and day >= self.busy_from

    def shifts_on(self, day: date) -> tuple[Shift, ...]:
        """Return the shifts that may be worked on this day: none on Sundays, holidays and in closures."""
        closed = any(first <= day <= last for first, last in self.closures)
        if closed or day.weekday() == _SUNDAY or day in italian_holidays(day.year):
            return ()
        return (self.saturday,) if day.weekday() == _SATURDAY else self.shifts

    def spans(self, day: date, shift: Shift) -> tuple[Span, ...]:
        """Return the working spans of a shift on this day: two when it has a pause."""
        start, end = self._instant(day, shift.start), self._instant(day, shift.end)
        if shift.pause is None:
            return (Span(start, end),)
        pause = self._instant(day, shift.pause)
        return Span(start, pause), Span(pause + shift.pause_minutes * 60 * SECOND, end)

    def _instant(self, day: date, at: time) -> int:
        local = datetime.combine(day, at, tzinfo=ZoneInfo(self.zone))
        return (local - _EPOCH) // timedelta(seconds=1) * SECOND


@lru_cache(maxsize=64)
def italian_holidays(year: int) -> frozenset[date]:
    """Return the public holidays of Italy (law 260/1949 as amended), local patron saints left out."""
    fixed = ((1, 1), (1, 6), (4, 25), (5, 1), (6, 2), (8, 15), (11, 1), (12, 8), (12, 25), (12, 26))
    easter = _easter(year)
    return frozenset({date(year, month, day) for month, day in fixed} | {easter, easter + timedelta(days=1)})


def _easter(year: int) -> date:
    # The Gregorian computus: epact, then the Sunday after the paschal full moon.
    golden = year % 19
    century = year // 100
    correction = (century - century // 4 - (8 * century + 13) // 25 + 19 * golden + 15) % 30
    moon = correction - (correction // 28) * (1 - (29 // (correction + 1)) * ((21 - golden) // 11))
    weekday = (year + year // 4 + moon + 2 - century + century // 4) % 7
    offset = moon - weekday
    month = 3 + (offset + 40) // 44
    return date(year, month, offset + 28 - 31 * (month // 4))
