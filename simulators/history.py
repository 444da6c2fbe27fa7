"""Fills in what the demonstration's machines did before it was first started: three months, through the store's port.

Newest days first, so that the pages fill from today backwards. It may be stopped and goes on where it was.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import msgspec

from shopfloor.periods import DAY, HOUR, Period
from shopfloor.samples import Minute, Slice
from shopfloor.signals import SIGNALS, find
from simulators import workshop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from shopfloor.samples import Value
    from shopfloor.stores.port import Store
    from simulators.machine import Machine

COUNTER_SECONDS = 600
"""Grid of the counters in the past; the live machines tell theirs every ten seconds."""
RAW_SECONDS = 1.0
MINUTE_STEP_SECONDS = 20.0
"""Step of the samples that a minute of the past is made of."""
NEWEST_DAYS = 7
"""Filled before all others, the newest first: what people look at first."""
BATCH = 4_000
"""Slices or minutes in one write: short enough that live samples do not wait behind it."""


class Progress(msgspec.Struct):
    """How far the history is filled: how many days are done, by machine, in the order of `days_back`."""

    days: dict[str, int] = msgspec.field(default_factory=dict)


def fill(
    store: Store,
    *,
    started: int,
    progress_file: Path,
    clock: Callable[[], int],
    tell: Callable[[int, int], None],
) -> None:
    """Write the history up to the first start: the last days, then the others in the order in which they were.

    Args:
        store: the telemetry store.
        started: first start of the demonstration, where the live machines take over.
        progress_file: where it notes how far it is.
        clock: reads the present.
        tell: told after each day of a machine: how many of how many are done.

    Raises:
        StoreUnavailableError: call it again later.
    """
    progress = _read(progress_file)
    machines = {place.identity.id: workshop.machine(place, started) for place in workshop.PLACES}
    total = len(machines) * workshop.HISTORY_DAYS
    for number, back in enumerate(days_back()):
        for name, machine in machines.items():
            if progress.days.get(name, 0) > number:
                continue
            period = Period(started - (back + 1) * DAY, started - back * DAY)
            fill_day(store, name, machine, period, raw=back == 0, clock=clock)
            progress.days[name] = number + 1
            progress_file.write_bytes(msgspec.json.encode(progress))
            tell(sum(progress.days.values()), total)


def days_back() -> list[int]:
    """Return the days of the history in the order in which they are filled, counted back from the first start.

    What is learnt from them is learnt forwards: older data after newer ones would have it learnt again and again.
    """
    return [*range(NEWEST_DAYS), *reversed(range(NEWEST_DAYS, workshop.HISTORY_DAYS))]


def _read(path: Path) -> Progress:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Progress)
    except (OSError, msgspec.DecodeError):
        return Progress()


def fill_day(store: Store, name: str, machine: Machine, period: Period, *, raw: bool, clock: Callable[[], int]) -> None:
    """Write one day of one machine; what is there already stays as it is.

    Args:
        store: the telemetry store.
        name: the machine.
        machine: its model.
        period: the day.
        raw: every sample of its gauges too, beside their minutes.
        clock: reads the present.
    """
    for minutes in _batches(_minutes(name, machine, period)):
        store.write([], minutes, now=clock())
    if raw:
        for batch in _batches(_gauges(name, machine, period)):
            store.write(batch, now=clock())
    for batch in _batches(_records(name, machine, period)):  # last: they mark the day as arrived, minutes do not
        store.write(batch, now=clock())


def _records(name: str, machine: Machine, period: Period) -> Iterator[Slice]:
    """Go over the record signals: the state at the start, every change, and the proof that all of it was observed."""
    first = {signal: value for signal, value in machine.records(period.start).items() if signal in SIGNALS}
    yield Slice(name, period.start, {signal: _typed(signal, value) for signal, value in first.items()})
    for change in machine.changes(period.start + 1, period.end, counter_seconds=COUNTER_SECONDS):
        if change.signal in SIGNALS:
            yield Slice(name, change.stamp, {change.signal: _typed(change.signal, change.value)})
    for stamp in range(period.start + HOUR, period.end + 1, HOUR):
        yield Slice(name, stamp, {"observed": period.start})


def _gauges(name: str, machine: Machine, period: Period) -> Iterator[Slice]:
    for stamp, gauges in machine.samples(period.start, period.end, step_seconds=RAW_SECONDS):
        yield Slice(name, stamp, {signal: value for signal, value in gauges.items() if signal in SIGNALS})


def _minutes(name: str, machine: Machine, period: Period) -> Iterator[Minute]:
    for each in machine.minutes(period.start, period.end, step_seconds=MINUTE_STEP_SECONDS):
        if each.signal in SIGNALS:
            yield Minute(name, each.signal, each.stamp, each.samples, each.low, each.mean, each.high)


def _typed(signal: str, value: Value) -> Value:
    """Give a number of the model the type of its signal."""
    kind = find(signal).type
    if kind == "Double":
        return float(value)
    return int(value) if kind in {"Int32", "UInt32", "Int64"} and not isinstance(value, bool) else value


_Item = TypeVar("_Item")


def _batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch
