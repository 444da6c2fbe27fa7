"""The recorded Mazak as the product would have known it: deciding samples, counters, intervals."""

from __future__ import annotations

import os
from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from api.usage.counters import TIME_COUNTER, Reading, advances
from api.usage.intervals import Counters, Interval, Known, tile
from api.usage.policy import Policy
from shopfloor.periods import DAY, Period, from_datetime
from shopfloor.samples import Sample
from shopfloor.signals import DECIDING
from shopfloor.states import Coverage, State, timeline
from simulators.mazak import Mazak
from simulators.replay import mapped_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SHARED = Path(os.environ.get("OFFICINA_SHARED", Path(__file__).parents[5] / "shared"))
RECORDINGS = SHARED / "data" / "nist-sms-mazak01"
COUNTED = {"power_on_seconds": "powered", "automatic_seconds": "automatic", "cutting_seconds": "cutting"}


class Recording(NamedTuple):
    """What a recording says of states and of time, in order."""

    samples: list[Sample]
    readings: dict[str, list[Reading]]


def read(paths: Iterable[Path]) -> Recording:
    """Read what decides the state, and the counters of time in milliseconds."""
    samples: list[Sample] = []
    readings: dict[str, list[Reading]] = {name: [] for name in COUNTED.values()}
    for served in mapped_lines(paths, Mazak()):
        if served.signal in DECIDING:
            samples.append(Sample("mazak", served.signal, served.stamp, served.value))
        elif served.signal in COUNTED and isinstance(served.value, int | float):
            readings[COUNTED[served.signal]].append(Reading(served.stamp, round(served.value * 1000)))
    return Recording(sorted(samples, key=lambda sample: sample.stamp), readings)


def intervals(recording: Recording, period: Period) -> list[Interval]:
    """Tile a period; what the adapter calls unavailable is no value, and makes the state unknown."""
    stamps = [sample.stamp for sample in recording.samples]
    first, behind = bisect_left(stamps, period.start), bisect_left(stamps, period.end)
    last = {sample.signal: sample for sample in recording.samples[:first]}
    inside = recording.samples[first:behind]
    coverage = Coverage([Period(min(stamps[0], period.start), period.end)], [], [])
    stretches = timeline(period, last, inside, coverage, now=period.end)
    known = Known([*last.values(), *inside], Counters(recording.readings["powered"]))
    return tile(stretches, known, Policy())


def seconds(found: Iterable[Interval], *states: State) -> int:
    return sum(each.period.seconds for each in found if each.state in states)


def counted(readings: Sequence[Reading], period: Period) -> float:
    """Seconds by which a counter advanced between its first and last reading within a period."""
    inside = [each for each in readings if each.stamp in period]
    return sum(each.amount for each in advances(inside, TIME_COUNTER)) / 1000


def counted_in(readings: Sequence[Reading], found: Sequence[Interval], period: Period) -> dict[State, float]:
    """Seconds by which a counter advanced in a period, by the state of the machine when each step was read."""
    sums = dict.fromkeys(State, 0.0)
    at = 0
    for step in advances([each for each in readings if each.stamp in period], TIME_COUNTER):
        while found[at].period.end < step.period.end:
            at += 1
        sums[found[at].state] += step.amount / 1000
    return sums


def table(paths: Iterable[Path]) -> Iterator[str]:
    """The rows of docs/usage-mazak.md: processing seconds beside what the control counted, and where it counted."""
    for path in paths:
        recording, day = read([path]), day_of_file(path)
        found = intervals(recording, day)
        automatic = counted_in(recording.readings["automatic"], found, day)
        cutting = counted_in(recording.readings["cutting"], found, day)
        powered = sum(counted_in(recording.readings["powered"], found, day).values())
        known = seconds(found, *(set(State) - {State.UNKNOWN, State.OFF}))
        elsewhere = [automatic[state] for state in (State.SETUP, State.INTERRUPTED, State.IDLE, State.UNKNOWN)]
        figures = (
            seconds(found, State.PROCESSING), sum(automatic.values()), automatic[State.PROCESSING], *elsewhere,
            sum(cutting.values()), cutting[State.PROCESSING], known, powered,
        )  # fmt: skip
        name = path.name.split("-")[1]
        shown = " | ".join(f"{each:.0f}" for each in figures)
        yield f"| {name[:4]}-{name[4:6]}-{name[6:]} | {shown} | {reasons(figures)} |"


def reasons(figures: Sequence[float]) -> str:
    """The letters of docs/usage-mazak.md for each difference of more than one per cent."""
    processing, automatic, within, setup, interrupted, idle, _, cutting, _, known, powered = figures

    def matters(part: float, whole: float) -> bool:
        return abs(part) > max(abs(whole) / 100, 0.5)

    letters = {
        "S": matters(setup, automatic),
        "H": matters(interrupted, automatic),
        "I": matters(idle, automatic),
        "T": matters(within - processing, processing),
        "C": matters(processing - cutting, processing),
        "P": matters(powered - known, powered),
    }
    return " ".join(letter for letter, holds in letters.items() if holds)


def day_of_file(path: Path) -> Period:
    """The UTC day that a daily file is named after."""
    start = from_datetime(datetime.strptime(path.name.split("-")[1], "%Y%m%d").replace(tzinfo=UTC))
    return Period(start, start + DAY)


def days(first: datetime, last: datetime) -> Iterator[Period]:
    """Every UTC day between two."""
    at = first
    while at < last:
        yield Period(from_datetime(at), from_datetime(at + timedelta(days=1)))
        at += timedelta(days=1)
