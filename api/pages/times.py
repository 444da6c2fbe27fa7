"""How pages write instants, ages and durations, in civil time and in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from babel.dates import format_date, get_day_names

from api.formats import LOCALES
from api.pages.words import NB
from shopfloor.periods import DAY, HOUR, MINUTE, SECOND, to_datetime

if TYPE_CHECKING:
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from api.pages.words import Words

_DURATION_DAYS_FROM = 2 * DAY


def local(stamp: int, zone: ZoneInfo) -> datetime:
    """Return an instant in civil time."""
    return to_datetime(stamp).astimezone(zone)


def day(value: date, say: Words) -> str:
    """Write a day as it is read in a list: `gio 19 nov`."""
    return format_date(value, "EEE d MMM", LOCALES[say.language])


def full_day(value: date, say: Words) -> str:
    """Write a day that may lie years back: `gio 19 nov 2026`."""
    return format_date(value, "EEE d MMM y", LOCALES[say.language])


def long_day(value: date, say: Words) -> str:
    """Write a day as a headline: `giovedì 19 novembre`."""
    return format_date(value, "EEEE d MMMM", LOCALES[say.language])


def weekdays(say: Words) -> list[str]:
    """Return the short names of the days of a week, Monday first: `lun`."""
    names = get_day_names("abbreviated", locale=LOCALES[say.language])
    return [names[number] for number in range(7)]


def month(value: date, say: Words) -> str:
    """Write a month as a headline: `novembre 2026`."""
    return format_date(value, "MMMM y", LOCALES[say.language])


def moment(stamp: int, today: date, zone: ZoneInfo, say: Words) -> str:
    """Write when: the time alone on the same civil day, else with the day, and the year when it is another one."""
    at = local(stamp, zone)
    if at.date() == today:
        return f"{at:%H:%M}"
    written = day(at, say) if at.year == today.year else full_day(at, say)
    return f"{written}, {at:%H:%M}"


def since(stamp: int, now: int, zone: ZoneInfo, say: Words) -> str:
    """Write since when: the time alone on the same civil day, else with the day."""
    today = local(now, zone).date()
    written = moment(stamp, today, zone, say)
    if local(stamp, zone).date() == today:
        return say("since %(time)s", time=written).replace(" ", NB)
    return say("since %(day)s", day=written)


def duration(nanoseconds: int, say: Words) -> str:
    """Write how long: `45 s`, `18 min`, `1 h 04 min`, `3 giorni`."""
    length = max(0, nanoseconds)
    if length < MINUTE:
        return f"{length // SECOND}{NB}s"
    if length < HOUR:
        return f"{length // MINUTE}{NB}min"
    if length < _DURATION_DAYS_FROM:
        return f"{length // HOUR}{NB}h{NB}{length % HOUR // MINUTE:02d}{NB}min"
    return say.plural("%(n)s day", "%(n)s days", length // DAY).replace(" ", NB)


def ago(nanoseconds: int, say: Words) -> str:
    """Write the age of a value: `2 s fa`."""
    return say("%(age)s ago", age=duration(nanoseconds, say))


def clock(minutes: int) -> str:
    """Write minutes as hours and minutes: `1:04`."""
    return f"{minutes // 60}:{minutes % 60:02d}"


def timer(seconds: int) -> str:
    """Write a running time: minutes and seconds up to an hour, then hours and minutes."""
    if seconds < HOUR // SECOND:
        return f"{seconds // 60:02d}:{seconds % 60:02d}"
    return clock(seconds // 60)
