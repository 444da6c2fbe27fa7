"""Instants and half-open periods.

An instant is an `int`: nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted. Civil time never appears here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SECOND = 1_000_000_000
"""Nanoseconds in a second."""
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
"""Nanoseconds in a UTC day."""

INSTANT_MIN = -(2**63)
INSTANT_MAX = 2**63 - 1
"""What a 64-bit count of nanoseconds holds: 1677-09-21 to 2262-04-11."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_TIME_BEFORE = datetime(1700, 1, 1, tzinfo=UTC)  # OPC UA writes "no time" as 0001-01-01 or 1601-01-01
_PREFIX = len("2026-11-22T11:04:41")
_TICKS_DIGITS = 7
_TICKS_LENGTH = len("2026-11-22T11:04:41.1234567Z")  # as agents write it, in steps of 100 ns
_NANO_DIGITS = 9
_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_CACHE_MAX = 4096
_seconds_of_prefix: dict[str, int] = {}
_prefix_of_seconds: dict[int, str] = {}


class InvalidInstantError(ValueError):
    """The text is no RFC 3339 instant, has no zone, or lies outside of the years 1700 to 2262."""


def parse_instant(text: str) -> int:
    """Read an RFC 3339 instant with up to nine digits of a second.

    Args:
        text: for example `2026-11-22T11:04:41.1234567Z`; an offset such as `+01:00` is accepted.

    Raises:
        InvalidInstantError: naming what was read.
    """
    seconds = _seconds_of_prefix.get(text[:_PREFIX])
    if seconds is None or len(text) != _TICKS_LENGTH or text[-1] != "Z" or text[_PREFIX] != ".":
        return _parse_any(text)
    ticks = text[_PREFIX + 1 : -1]
    if not (ticks.isascii() and ticks.isdigit()):
        return _parse_any(text)
    return seconds * SECOND + int(ticks) * 100


def parse_instants(texts: Sequence[str]) -> list[int]:
    """Read many instants at once: of one second and in steps of 100 ns, as those of one message mostly are, quickly.

    Raises:
        InvalidInstantError: naming the first that cannot be read.
    """
    if set(map(len, texts)) != {_TICKS_LENGTH}:
        return list(map(parse_instant, texts))
    head = texts[0][: _PREFIX + 1]
    seconds = _seconds_of_prefix.get(head[:-1], 0)
    joined = "".join(texts)
    digits = joined.replace(head, str(seconds))
    ticks = digits.split("Z")
    is_uniform = (
        seconds > 0
        and joined[_PREFIX::_TICKS_LENGTH] == "." * len(texts)  # the only dot of each text ends its head
        and joined[_TICKS_LENGTH - 1 :: _TICKS_LENGTH] == "Z" * len(texts)
        and len(ticks) == len(texts) + 1
        and len(digits) == (len(str(seconds)) + _TICKS_DIGITS + 1) * len(texts)
        and digits.isascii()
        and digits.isalnum()
    )
    if not is_uniform:
        return list(map(parse_instant, texts))
    try:
        return [tick * 100 for tick in map(int, ticks[:-1])]
    except ValueError:  # a letter where a digit belongs
        return list(map(parse_instant, texts))


def _parse_any(text: str) -> int:
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise InvalidInstantError(f"{text!r} is no RFC 3339 instant: write it like 2026-11-22T11:04:41Z")
    head, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(head + zone.upper())
        since = moment - _EPOCH
    except (ValueError, OverflowError) as error:
        raise InvalidInstantError(f"{text!r} is no RFC 3339 instant") from error
    seconds = since.days * 86_400 + since.seconds
    stamp = seconds * SECOND + int((fraction or "0")[:_NANO_DIGITS].ljust(_NANO_DIGITS, "0"))
    if moment < _NO_TIME_BEFORE or stamp > INSTANT_MAX:
        raise InvalidInstantError(f"{text!r} lies outside of the years 1700 to 2262")
    if zone == "Z" and seconds < INSTANT_MAX // SECOND:
        if len(_seconds_of_prefix) >= _CACHE_MAX:
            _seconds_of_prefix.clear()
        _seconds_of_prefix[head] = seconds
    return stamp


def _prefix(seconds: int) -> str:
    prefix = _prefix_of_seconds.get(seconds)
    if prefix is None:
        if len(_prefix_of_seconds) >= _CACHE_MAX:
            _prefix_of_seconds.clear()
        prefix = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
        _prefix_of_seconds[seconds] = prefix
    return prefix


def format_instant(stamp: int) -> str:
    """Write an instant as RFC 3339 in UTC with as many digits as it needs: none, 3, 6 or 9."""
    seconds, fraction = divmod(stamp, SECOND)
    if not fraction:
        return _prefix(seconds) + "Z"
    digits = f"{fraction:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{_prefix(seconds)}.{digits}Z"


def format_ticks(stamp: int) -> tuple[str, int]:
    """Split an instant as OPC UA carries it (OPC 10000-6, 5.2.2.5 and 5.2.2.17).

    Returns:
        The DateTime text in steps of 100 ns, and the rest in SourcePicoseconds (steps of 10 ps).
    """
    seconds, fraction = divmod(stamp, SECOND)
    ticks, rest = divmod(fraction, 100)
    return f"{_prefix(seconds)}.{ticks:07d}Z", rest * 100


def from_datetime(moment: datetime) -> int:
    """Convert an aware datetime to an instant, exact to the microsecond.

    Raises:
        InvalidInstantError: when the datetime has no zone.
    """
    if moment.tzinfo is None:
        raise InvalidInstantError(f"{moment.isoformat()} has no zone")
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1_000


def to_datetime(stamp: int, zone: timezone = UTC) -> datetime:
    """Convert an instant to an aware datetime, truncated to the microsecond."""
    return (_EPOCH + timedelta(microseconds=stamp // 1_000)).astimezone(zone)


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A half-open span `[start, end)` of instants. Empty when `start == end`.

    Raises:
        ValueError: when it would end before it starts.
    """

    start: int
    end: int

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"the period ends ({format_instant(self.end)}) before it starts "
                             f"({format_instant(self.start)})")  # fmt: skip

    def __bool__(self) -> bool:
        return self.end > self.start

    def __contains__(self, instant: int) -> bool:
        return self.start <= instant < self.end

    def __str__(self) -> str:
        return f"{format_instant(self.start)}/{format_instant(self.end)}"

    @property
    def seconds(self) -> int:
        """Whole real seconds: each boundary is truncated to its second, so that adjoining periods add exactly."""
        return self.end // SECOND - self.start // SECOND

    def overlaps(self, other: Period) -> bool:
        """Tell whether the two share an instant."""
        return self.start < other.end and other.start < self.end

    def clip(self, other: Period) -> Period | None:
        """Return what both share, or None when they share nothing."""
        if other.start <= self.start < self.end <= other.end:
            return self
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Period(start, end) if start < end else None

    def days(self) -> range:
        """Return the UTC days that the period touches, as days since 1970-01-01."""
        return range(self.start // DAY, -(-self.end // DAY))

    def by_day(self) -> Iterator[Period]:
        """Yield the part of each UTC day that the period touches."""
        for day in self.days():
            yield Period(max(self.start, day * DAY), min(self.end, (day + 1) * DAY))


def union(periods: Iterable[Period]) -> list[Period]:
    """Merge periods that overlap or touch; the result is sorted and disjoint."""
    merged: list[Period] = []
    for period in sorted(periods):
        if merged and period.start <= merged[-1].end:
            if period.end > merged[-1].end:
                merged[-1] = Period(merged[-1].start, period.end)
        elif period:
            merged.append(period)
    return merged


def subtract(whole: Period, parts: Iterable[Period]) -> Iterator[Period]:
    """Yield what is left of `whole` without `parts`, in order."""
    at = whole.start
    for part in union(parts):
        if part.start > at and at < whole.end:
            yield Period(at, min(part.start, whole.end))
        at = max(at, part.end)
    if at < whole.end:
        yield Period(at, whole.end)
