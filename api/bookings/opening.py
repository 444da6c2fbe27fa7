"""When a machine is open, from the hours and days of a calendar in civil time. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from api.billing.calendars import civil_day, days_of, offsets
from shopfloor.periods import MINUTE, SECOND, Period, union

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

WORKED = "worked"
"""A day that is open although its day of the week is not; every other kind of day is closed."""
_DAY_SECONDS = 86_400
_EPOCH_DAY = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Opening:
    """The hours of a calendar.

    Attributes:
        zone: whose wall clocks.
        week: by day of the week, 0 for Monday, the minutes after midnight from and to which it is open.
        days: days that are unlike their day of the week, and of which kind.
    """

    zone: ZoneInfo
    week: Mapping[int, Sequence[tuple[int, int]]]
    days: Mapping[date, str]

    def periods(self, within: Period) -> list[Period]:
        """Return when it is open within a period, sorted and disjoint; hours that touch at midnight are one."""
        return union(
            part
            for day, _ in days_of(within, self.zone)
            for each in self._of_day(day)
            if (part := each.clip(within)) is not None
        )

    def around(self, period: Period) -> list[Period]:
        """Return when it is open on the days that a period touches and on those beside them."""
        return self.periods(Period(period.start - 2 * _DAY_SECONDS * SECOND, period.end + 2 * _DAY_SECONDS * SECOND))

    def _of_day(self, day: date) -> list[Period]:
        kind = self.days.get(day)
        if kind is not None and kind != WORKED:
            return []
        hours = self.week.get(day.weekday(), ())
        if kind == WORKED and not hours:  # a Saturday worked in addition has the hours of the first working day
            hours = next((self.week[weekday] for weekday in range(7) if self.week.get(weekday)), ())
        return [period for start, end in hours for period in _wall_periods(day, start, end, self.zone)]


@lru_cache(maxsize=4096)
def _wall_periods(day: date, start: int, end: int, zone: ZoneInfo) -> tuple[Period, ...]:
    """Return when wall clocks show minutes from `start` to `end` of a day: less or more of it where they are set."""
    midnight = (day - _EPOCH_DAY) // timedelta(days=1) * _DAY_SECONDS * SECOND
    found = []
    for span, offset in offsets(civil_day(day, zone), zone):
        begins = midnight + start * MINUTE - offset * SECOND
        part = Period(begins, begins + (end - start) * MINUTE).clip(span)
        if part is not None:
            found.append(part)
    return tuple(found)
