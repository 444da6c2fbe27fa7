"""Moving everything from one telemetry store into another: by machine and day, counted, compared, resumable."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from shopfloor.errors import ExpectedError
from shopfloor.periods import DAY, HOUR, INSTANT_MIN, Period
from shopfloor.samples import Minute, slices
from shopfloor.signals import find
from shopfloor.stores.values import MINUTE_SECONDS, NUMBERS

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence

    from shopfloor.samples import Sample
    from shopfloor.stores.port import Arrival, Listed, Store

SAMPLES_MAX = 20_000_000
"""More samples of one machine and hour than any machine says."""


class Copied(NamedTuple):
    """One machine's UTC day.

    Attributes:
        machine: whose.
        day: as days since 1970-01-01.
        at: the arrival in the source that it was copied up to.
        samples: how many are in the target now, each compared with the source's.
        minutes: how many stored minutes.
        expired: raw gauges that the target keeps no longer; their minutes are there.
    """

    machine: str
    day: int
    at: int
    samples: int
    minutes: int
    expired: int


class CopyError(ExpectedError):
    """The target does not hold what was written to it; the sentence says where."""


def copy(
    source: Listed,
    target: Store,
    *,
    done: Container[tuple[str, int, int]] = (),
    gauges_since: int = INSTANT_MIN,
    clock: Callable[[], int],
) -> Iterator[Copied]:
    """Copy what the target does not have yet, the oldest arrival first.

    Args:
        source: is only read.
        target: what is there already is overwritten with itself.
        done: machine, day and arrival of what was copied before; a day that was written to since is copied again.
        gauges_since: raw gauges before it are left out, because the target would expire them at once.
        clock: the present; the target marks the arrival of each day with it.

    Yields:
        Each day, once it is in the target and was read back.

    Raises:
        CopyError: the target refused samples, or gives back others than were written.
        StoreUnavailableError, StoreRefusedError: one of the two does not answer; call again with what is done.
    """
    contents = source.contents()
    for arrival in source.arrivals(INSTANT_MIN):
        if (arrival.machine, arrival.day, arrival.at) in done or arrival.machine not in contents:
            continue
        signals = contents[arrival.machine]
        yield _copy_day(source, target, arrival, signals, gauges_since=gauges_since, clock=clock)


def _copy_day(
    source: Store,
    target: Store,
    arrival: Arrival,
    signals: Sequence[str],
    *,
    gauges_since: int,
    clock: Callable[[], int],
) -> Copied:
    day = Period(arrival.day * DAY, (arrival.day + 1) * DAY)
    gauges = [name for name in signals if find(name).signal_class == "gauge"]
    minutes = _minutes(source, arrival.machine, gauges, day)
    samples = expired = 0
    for period in _hours(day):
        found = source.read([arrival.machine], signals, period, limit=SAMPLES_MAX)
        kept = [sample for sample in found if sample.stamp >= gauges_since or not _is_gauge(sample)]
        expired += len(found) - len(kept)
        if kept:
            _write(target, kept, clock())
            _compare(target, arrival.machine, signals, period, kept)
        samples += len(kept)
    target.write((), minutes, now=clock())
    return Copied(arrival.machine, arrival.day, arrival.at, samples, len(minutes), expired)


def _write(target: Store, samples: Sequence[Sample], now: int) -> None:
    rejections = target.write(slices(samples), now=now)
    if rejections:
        first = rejections[0]
        raise CopyError(
            f"the target takes {len(rejections)} samples of {first.sample.machine} not, the first one "
            f"{first.sample.signal} because {first.reason}: mend the target, and copy again"
        )


def _compare(target: Store, machine: str, signals: Sequence[str], period: Period, written: Iterable[Sample]) -> None:
    """Read back what was written: the target may hold more, but not less and nothing else in its place."""
    held = set(target.read([machine], signals, period, limit=SAMPLES_MAX))
    missing = [sample for sample in written if sample not in held and not _is_thinned(sample)]
    if missing:
        raise CopyError(
            f"the target gives back other samples of {machine} than were written, {len(missing)} of them, the first "
            f"one {missing[0].signal} at {missing[0].stamp}: see its disk and log, and copy again"
        )


def _is_thinned(sample: Sample) -> bool:
    """Tell whether a store may keep only the newest proof of the span that this one proves."""
    return sample.signal in {"observed", "unreachable"}


def _minutes(source: Store, machine: str, gauges: Sequence[str], day: Period) -> list[Minute]:
    numeric = [name for name in gauges if find(name).type in NUMBERS]
    reduced = source.reduce(machine, numeric, day, step_seconds=MINUTE_SECONDS) if numeric else {}
    return [
        Minute(machine, signal, each.stamp, each.n, each.minimum, each.mean, each.maximum)
        for signal, steps in reduced.items()
        for each in steps
    ]


def _hours(day: Period) -> Iterator[Period]:
    for start in range(day.start, day.end, HOUR):
        yield Period(start, start + HOUR)


def _is_gauge(sample: Sample) -> bool:
    return find(sample.signal).signal_class == "gauge"


def total(days: Iterable[Copied]) -> dict[str, tuple[int, int, int]]:
    """Sum samples, minutes and expired gauges by machine."""
    ordered = sorted(days, key=attrgetter("machine"))
    found = {}
    for machine, group in groupby(ordered, key=attrgetter("machine")):
        own = list(group)
        found[machine] = (sum(d.samples for d in own), sum(d.minutes for d in own), sum(d.expired for d in own))
    return found
