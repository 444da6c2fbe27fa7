"""Time bands and holidays in civil time, as data that a house can edit. Pure.

A second belongs to the band of its reading on the wall clock: on the night of 25 hours the repeated hour has its band
twice, on the night of 23 hours the missing hour has none.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shopfloor.errors import ExpectedError
from shopfloor.periods import SECOND, Period

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOLIDAY = "holiday"
DAY_KINDS = (*WEEKDAYS, HOLIDAY)
"""What a calendar gives bands to: the days of a week, and holidays whatever day they fall on."""
_QUARTER_MINUTES = 15
_QUARTER = _QUARTER_MINUTES * 60 * SECOND
_DAY_SECONDS = 86_400


class BadCalendarError(ExpectedError):
    """The calendar cannot be used; the sentence names the place and the mend."""


def civil_zone(name: str) -> ZoneInfo:
    """Return a civil zone.

    Raises:
        BadCalendarError: when no zone is called so.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadCalendarError(f"no time zone is called {name!r}: write an IANA name such as Europe/Rome") from error


@lru_cache(maxsize=8192)
def civil_day(day: date, zone: ZoneInfo) -> Period:
    """Return a civil day as instants: 23, 24 or 25 hours."""
    return Period(_midnight(day, zone), _midnight(day + timedelta(days=1), zone))


def day_of(instant: int, zone: ZoneInfo) -> date:
    """Return the civil day of an instant."""
    return _day_of_quarter(instant // _QUARTER, zone)


@lru_cache(maxsize=65_536)
def _day_of_quarter(quarter: int, zone: ZoneInfo) -> date:
    """Return the civil day of a quarter hour: every midnight of a zone of today lies between two of them."""
    return datetime.fromtimestamp(quarter * _QUARTER // SECOND, UTC).astimezone(zone).date()


def days_of(period: Period, zone: ZoneInfo) -> Sequence[tuple[date, Period]]:
    """Cut a period, which is not empty, at civil midnights."""
    day = day_of(period.start, zone)
    end = civil_day(day, zone).end
    if period.end <= end:  # as nearly always
        return ((day, period),)
    found = [(day, Period(period.start, end))]
    while end < period.end:
        day = day_of(end, zone)
        at, end = end, min(civil_day(day, zone).end, period.end)
        found.append((day, Period(at, end)))
    return found


def month_of(instant: int, zone: ZoneInfo) -> str:
    """Return the civil month of an instant, as `2026-10`."""
    return f"{day_of(instant, zone):%Y-%m}"


def civil_month(month: str, zone: ZoneInfo) -> Period:
    """Return a civil month as instants.

    Raises:
        BadCalendarError: when the text is no month like `2026-10`.
    """
    try:
        first = date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise BadCalendarError(f"{month!r} is no month: write it like 2026-10") from error
    following = (first + timedelta(days=31)).replace(day=1)
    return Period(_midnight(first, zone), _midnight(following, zone))


def next_month(month: str) -> str:
    """Return the month after one."""
    return f"{(date.fromisoformat(f'{month}-01') + timedelta(days=31)):%Y-%m}"


def _midnight(day: date, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, time(), zone).timestamp()) * SECOND


class Holiday(NamedTuple):
    """A day, or a day of every year, with the bands of a holiday.

    Attributes:
        month: 1 to 12; None for one that moves with Easter.
        day: of the month; for one that moves, days after Easter Sunday.
        first_year: it is none before.
        last_year: it is none after.
    """

    month: int | None
    day: int
    first_year: int = 1
    last_year: int = 9999

    def on(self, year: int) -> date | None:
        """Return the day on which it falls in a year, None when it does not."""
        if not self.first_year <= year <= self.last_year:
            return None
        if self.month is None:
            return easter(year) + timedelta(days=self.day)
        try:
            return date(year, self.month, self.day)
        except ValueError:
            return None


@lru_cache(maxsize=512)
def easter(year: int) -> date:
    """Return Easter Sunday of the Gregorian calendar, by the computus of Meeus, Jones and Butcher."""
    golden, century, rest = year % 19, year // 100, year % 100
    shift = (8 * century + 13) // 25
    epact = (19 * golden + century - century // 4 - shift + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - epact - rest % 4) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


class Hours(NamedTuple):
    """A band from a time of the day until the next row begins.

    Attributes:
        start: minutes after midnight on the wall clock, a multiple of 15.
        band: its name.
    """

    start: int
    band: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which band a second belongs to.

    Attributes:
        name: what tariffs call it.
        version: what a statement prints, so that an edited calendar is told from the old one.
        days: for each of `DAY_KINDS` the bands of the day, the first from midnight on.
        holidays: the days that count as holidays.

    Raises:
        BadCalendarError: a day without bands, hours that do not begin at midnight, do not ascend or are no quarters.
    """

    name: str
    version: str
    days: Mapping[str, Sequence[Hours]]
    holidays: Sequence[Holiday] = ()

    def __post_init__(self) -> None:
        for kind in DAY_KINDS:
            self._check(kind, self.days.get(kind, ()))
        unknown = sorted(set(self.days) - set(DAY_KINDS))
        if unknown:
            raise BadCalendarError(f"the calendar {self.name} has bands for {unknown[0]!r}: days are called "
                                   f"{', '.join(DAY_KINDS)}")  # fmt: skip

    def _check(self, kind: str, hours: Sequence[Hours]) -> None:
        place = f"the calendar {self.name}, {kind}"
        if not hours or hours[0].start != 0:
            raise BadCalendarError(f"{place}: the first band begins at 00:00, so that every second has one")
        starts = [each.start for each in hours]
        if starts != sorted(set(starts)) or starts[-1] >= _DAY_SECONDS // 60:
            raise BadCalendarError(f"{place}: the bands begin one after another, before 24:00")
        if any(start % _QUARTER_MINUTES for start in starts):
            raise BadCalendarError(f"{place}: bands begin on quarter hours, like energy is metered")
        if not all(each.band for each in hours):
            raise BadCalendarError(f"{place}: a band has no name")

    @property
    def bands(self) -> frozenset[str]:
        """The names of all its bands."""
        return frozenset(each.band for hours in self.days.values() for each in hours)

    def is_holiday(self, day: date) -> bool:
        """Tell whether a civil day has the bands of a holiday."""
        return any(each.on(day.year) == day for each in self.holidays)

    def cut(self, period: Period, zone: ZoneInfo) -> Iterator[tuple[date, Period, str]]:
        """Cut a period at midnights and into bands: adjoining parts in order, which together are the period."""
        for day, part in days_of(period, zone):
            for span, band in _bands_of(self, day, zone):
                if span.end <= part.start:
                    continue
                if span.start <= part.start and part.end <= span.end:  # as nearly always
                    yield day, part, band
                    break
                if part.end <= span.start:
                    break
                yield day, Period(max(span.start, part.start), min(span.end, part.end)), band

    def __hash__(self) -> int:
        return hash((self.name, self.version))


@lru_cache(maxsize=4096)
def _bands_of(calendar: Calendar, day: date, zone: ZoneInfo) -> tuple[tuple[Period, str], ...]:
    """Cut a civil day into bands by what the wall clock shows, in each of its spans of one offset."""
    hours = calendar.days[HOLIDAY if calendar.is_holiday(day) else WEEKDAYS[day.weekday()]]
    starts = [each.start * 60 for each in hours]
    found: list[tuple[Period, str]] = []
    for span, offset in offsets(civil_day(day, zone), zone):
        at = span.start
        while at < span.end:
            wall = (at // SECOND + offset) % _DAY_SECONDS
            index = bisect_right(starts, wall) - 1
            until = starts[index + 1] if index + 1 < len(starts) else _DAY_SECONDS
            end = min(at + (until - wall) * SECOND, span.end)
            found.append((Period(at, end), hours[index].band))
            at = end
    return tuple(found)


def offsets(period: Period, zone: ZoneInfo) -> Iterator[tuple[Period, int]]:
    """Cut a civil day where its offset from UTC, in seconds, changes, which it does once at most."""

    def offset(second: int) -> int:
        local = datetime.fromtimestamp(second, UTC).astimezone(zone)
        return int((local.utcoffset() or timedelta()).total_seconds())

    low, high = period.start // SECOND, period.end // SECOND - 1
    before, after = offset(low), offset(high)
    if before == after:
        yield period, before
        return
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset(middle) == before else (low, middle)
    yield Period(period.start, high * SECOND), before
    yield Period(high * SECOND, period.end), after
