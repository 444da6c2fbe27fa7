"""What the store knows of machines, read for the history and to begin the live view. Calls block."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shopfloor.periods import DAY, SECOND, Period, format_instant
from shopfloor.signals import DECIDING, find
from shopfloor.states import SILENCE_SECONDS_MAX, Coverage, Stretch, timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shopfloor.samples import Sample, Value
    from shopfloor.stores.port import Store

STATE_SAMPLES_MAX = 100_000
"""Most changes of state signals that one answer is derived from; beyond it the range has to be narrowed."""
LOOKBACK_DAYS = (2, 8, 32)
"""How far back the beginning of a state that fills the live window is looked for, step by step."""
SHOWN = ("program", "job", "order", "parts", "alarm", "observed")
"""Signals whose last value is read when the live view begins; gauges come with the next message."""

NOTHING_KNOWN = Coverage((), (), ())


class TooMuchDataError(ValueError):
    """The range holds more than one answer may; the sentence says what to do."""


def shown_value(sample: Sample) -> Value | None:
    """Return a value as the API shows it: an instant in RFC 3339, anything else as it is."""
    if isinstance(sample.value, int) and find(sample.signal).type == "DateTime":
        return format_instant(sample.value)
    return sample.value


class Memory(NamedTuple):
    """What the store knows of some machines at the start of the live view.

    Attributes:
        samples: last values, and the changes within the window.
        coverage: what is known of the watching, by machine.
    """

    samples: list[Sample]
    coverage: dict[str, Coverage]


def read_states(store: Store, machine: str, period: Period, *, now: int) -> list[Stretch]:
    """Tile a period of one machine with states.

    Raises:
        TooMuchDataError: when it holds more than `STATE_SAMPLES_MAX` changes.
        StoreUnavailableError: the store did not answer.
    """
    span = period.clip(Period(min(period.start, now), now))
    if span is None:
        return []
    last = {signal: sample for (_, signal), sample in store.last([machine], DECIDING, span.start).items()}
    changes = store.read([machine], DECIDING, span, limit=STATE_SAMPLES_MAX + 1)
    if len(changes) > STATE_SAMPLES_MAX:
        raise TooMuchDataError(f"the range holds more than {STATE_SAMPLES_MAX} changes of state: ask for a shorter one")
    watched = _watched(last, span, now)
    coverage = store.gaps([machine], watched).get(machine, NOTHING_KNOWN)
    return timeline(span, last, changes, coverage, now=now)


def read_memory(store: Store, machines: Sequence[str], window: Period) -> Memory:
    """Read what the live view begins with: the deciding signals of the window, and the last values shown."""
    last = store.last(machines, DECIDING, window.start)
    shown = store.last(machines, SHOWN, window.end)
    changes = store.read(machines, DECIDING, window, limit=STATE_SAMPLES_MAX)
    oldest = min((sample.stamp for sample in last.values()), default=window.start)
    coverage = store.gaps(machines, Period(min(oldest, window.start), window.end))
    return Memory([*last.values(), *shown.values(), *changes], dict(coverage))


def read_beginning(store: Store, machine: str, at: int) -> Stretch | None:
    """Find how the state that a machine was in just before an instant began.

    Returns:
        That stretch, which ends at the instant; None when it began further back than anybody looks.
    """
    for days in LOOKBACK_DAYS:
        stretches = read_states(store, machine, Period(at - days * DAY, at), now=at)
        if len(stretches) > 1:
            return stretches[-1]
    return None


def _watched(last: dict[str, Sample], span: Period, now: int) -> Period:
    """Return the period whose watching decides a span: since the oldest value that holds at its start.

    Near the present it reaches to the present, because a span of observation may still be going on.
    """
    oldest = min((sample.stamp for sample in last.values()), default=span.start)
    near = now - span.end <= SILENCE_SECONDS_MAX * SECOND
    return Period(min(oldest, span.start), max(span.end, now) if near else span.end)
