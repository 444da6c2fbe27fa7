"""How maintenance fares: alarms against the usual targets, and how often and for how long machines fail. Pure.

Targets are those of EEMUA 191 and ISA-18.2 per operator position; for part-time staff they are upper bounds by far.
"""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from shopfloor.periods import DAY, HOUR, MINUTE, Period, union

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FLOOD_BEGINS, FLOOD_ENDS = 10, 5
"""A flood begins above so many alarms in ten minutes, and ends below so many (ISA-18.2)."""
PER_DAY_MAX = 144.0
"""Alarms a day that are very likely acceptable (IEC 62682:2014)."""
FLOOD_SHARE_MAX = 0.01
PEAK_HOUR_MAX, PEAK_MINUTE_MAX = 15, 2
"""Most alarms of an hour and of a minute (EEMUA 191)."""
INCIDENTS_PER_MACHINE_MONTH_MAX = 2.0
"""The shop floor's own target: new incidents of a machine in a month without a known cause."""
CHATTERING = 3
"""So many activations of one alarm within an hour are chattering."""
STALE = 30 * DAY
TOP = 10
_TEN_MINUTES = 10 * MINUTE
_MONTH_DAYS = 365.25 / 12


class Activation(NamedTuple):
    """An alarm that came."""

    stamp: int
    alarm: str
    severity: str


class AlarmFigures(NamedTuple):
    """Alarms of a period.

    Attributes:
        came: how many.
        per_day: mean.
        peak_ten_minutes: most within ten minutes.
        peak_hour: most within an hour.
        peak_minute: most within a minute.
        flood_share: share of the time in floods.
        severities: share of each severity.
        chattering: alarms that came and went often within an hour, with how often, the worst first.
        stale: incidents that have been open for more than 30 days.
        minutes_to_take: median from raised to taken, None when none was.
        incidents_per_machine_month: mean.
    """

    came: int
    per_day: float
    peak_ten_minutes: int
    flood_share: float
    severities: Mapping[str, float]
    chattering: Sequence[tuple[str, int]]
    stale: int
    minutes_to_take: float | None
    incidents_per_machine_month: float
    peak_hour: int
    peak_minute: int


class Reliability(NamedTuple):
    """How a machine held out over a period.

    Attributes:
        failures: grave incidents that began in it.
        down_seconds: in which one was active, overlaps counted once.
        mean_seconds_between: failures, None without one.
        mean_seconds_to_repair: None without one that ended.
        availability: share of the time without one.
    """

    failures: int
    down_seconds: int
    mean_seconds_between: float | None
    mean_seconds_to_repair: float | None
    availability: float


def alarm_figures(
    activations: Iterable[Activation],
    period: Period,
    *,
    taken_after: Sequence[int] = (),
    open_since: Sequence[int] = (),
    incidents: int = 0,
    machines: int = 1,
) -> AlarmFigures:
    """Count alarms.

    Args:
        activations: in any order; those outside of the period are left out.
        period: not empty.
        taken_after: nanoseconds from raised to taken of each incident that was.
        open_since: when each open incident began.
        incidents: that began in the period.
        machines: that were watched.
    """
    found = sorted(each for each in activations if each.stamp in period)
    days = (period.end - period.start) / DAY
    severities = Counter(each.severity for each in found)
    slots = Counter(each.stamp // _TEN_MINUTES for each in found)
    return AlarmFigures(
        len(found),
        len(found) / days,
        max(slots.values(), default=0),
        _flood_slots(slots) * _TEN_MINUTES / (period.end - period.start),
        {severity: count / len(found) for severity, count in severities.items()},
        _chattering(found),
        sum(period.end - since > STALE for since in open_since),
        median(taken_after) / MINUTE if taken_after else None,
        incidents / max(machines, 1) / days * _MONTH_DAYS,
        _peak(found, HOUR),
        _peak(found, MINUTE),
    )


def reliability(failures: Iterable[tuple[int, int | None]], period: Period) -> Reliability:
    """Tell how a machine held out.

    Args:
        failures: beginning and end of each, None while it lasts.
        period: not empty.
    """
    every = [(begin, end) for begin, end in failures if begin < period.end and (end is None or end > period.start)]
    spans = [Period(max(begin, period.start), min(end or period.end, period.end)) for begin, end in every]
    down = sum(span.end - span.start for span in union(spans))
    begun = [(begin, end) for begin, end in every if begin in period]
    ended = [end - begin for begin, end in begun if end is not None]
    whole = period.end - period.start
    second = 10**9
    return Reliability(
        len(begun),
        down // second,
        (whole - down) / len(begun) / second if begun else None,
        sum(ended) / len(ended) / second if ended else None,
        1.0 - down / whole,
    )


def _peak(found: Sequence[Activation], length: int) -> int:
    """Return the most that came within so long, wherever that begins; `found` is sorted."""
    most = first = 0
    for last, each in enumerate(found):
        while each.stamp - found[first].stamp >= length:
            first += 1
        most = max(most, last - first + 1)
    return most


def _flood_slots(slots: Counter[int]) -> int:
    """Count the ten minutes that lie in floods."""
    count, at, is_flood = 0, -1, False
    for slot in sorted(slots):
        if slot != at + 1:
            is_flood = False
        is_flood = slots[slot] > FLOOD_BEGINS or (is_flood and slots[slot] >= FLOOD_ENDS)
        count += is_flood
        at = slot
    return count


def _chattering(found: Sequence[Activation]) -> list[tuple[str, int]]:
    hours = Counter((each.alarm, each.stamp // HOUR) for each in found)
    worst: dict[str, int] = {}
    for (alarm, _), count in hours.items():
        if count >= CHATTERING:
            worst[alarm] = max(worst.get(alarm, 0), count)
    return sorted(worst.items(), key=lambda entry: (-entry[1], entry[0]))[:TOP]
