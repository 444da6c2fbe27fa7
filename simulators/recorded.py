"""What a store would hold of a recorded machine if an agent had watched it: its record samples, proofs and holes.

The watching is followed by the agent's own rules (`edge_agent.observation`): it breaks while a deciding item is not
Good. A recording that says nothing for an hour was not being made, whatever its machine did: that is a hole too.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from edge_agent.observation import Observation, Proof
from shopfloor.periods import HOUR
from shopfloor.samples import BAD_NO_COMMUNICATION, GOOD, Sample, slices
from shopfloor.signals import DECIDING, SIGNALS, find
from shopfloor.states import Hole
from simulators.adapter_log import Tally
from simulators.recordings import ADDED, mapped_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from edge_agent.observation import Event
    from shopfloor.stores.port import Store
    from simulators.recordings import Recording
    from simulators.tree import Served

SILENCE_MAX = HOUR
"""Longest time without a line in which the recording is taken to have gone on."""
BATCH = 5_000
"""Samples in one write."""


class Loaded(NamedTuple):
    """What was written.

    Attributes:
        samples: values of the machine.
        proofs: of its watching.
        holes: in its watching.
        tally: what became of the lines.
    """

    samples: int
    proofs: int
    holes: int
    tally: Tally


def load(store: Store, recording: Recording, paths: Sequence[Path], machine: str, *, now: int) -> Loaded:
    """Write what is kept for ever of a recording into a store.

    Gauges are left out: their raw samples expire after ninety days, and nothing is charged by them.

    Args:
        store: where to.
        recording: whose items the files have.
        paths: the files, in the order of time.
        machine: identifier of the machine.
        now: the present.

    Raises:
        OSError: when a file cannot be read.
        StoreUnavailableError: part may have been written; load it again.
    """
    tally, counts = Tally(), {"samples": 0, "observed": 0, "hole": 0}
    samples = recorded_samples(machine, recording, mapped_lines(paths, recording, tally))
    while batch := list(islice(samples, BATCH)):
        store.write(slices(batch), now=now)
        for sample in batch:
            counts[sample.signal if sample.signal in counts else "samples"] += 1
    return Loaded(counts["samples"], counts["observed"], counts["hole"], tally)


def recorded_samples(machine: str, recording: Recording, values: Iterable[Served]) -> Iterator[Sample]:
    """Go over the record samples that an agent would have stored of these values, its proofs and holes among them."""
    deciding = {each.signal for each in recording.variables} & set(DECIDING)
    watching = _Watching(machine, deciding)
    last: dict[str, tuple[int, int]] = {}
    for value in values:
        name = value.signal if value.signal in SIGNALS else ADDED[value.signal]
        yield from watching.hear(value)
        if find(name).signal_class != "record":
            continue
        raw, ordinal = last.get(name, (0, 0))
        last[name] = value.stamp, ordinal + 1 if value.stamp == raw else 0
        status = GOOD if value.value is not None else BAD_NO_COMMUNICATION
        yield Sample(machine, name, sum(last[name]), value.value, status)
    yield from watching.end()


class _Watching:
    """Follows the observation of a recorded machine, line by line."""

    def __init__(self, machine: str, deciding: set[str]) -> None:
        self._machine = machine
        self._deciding = deciding
        self._observation = Observation(None, 0)
        self._values: dict[str, bool] = dict.fromkeys(deciding, False)
        self._now = 0

    def hear(self, value: Served) -> Iterator[Sample]:
        """Take in a value, and yield what it proves."""
        if self._now and value.stamp - self._now > SILENCE_MAX:
            yield from self._encode(self._observation.alive(self._now))
            yield from self._encode(self._observation.lost("recording"))
            yield from self._begin(value.stamp)
        elif not self._now:
            yield from self._begin(value.stamp)
        self._now = max(self._now, value.stamp)
        if value.signal in self._deciding:
            yield from self._encode(self._observation.alive(value.stamp))
            self._values[value.signal] = value.value is not None
            yield from self._said(value.signal)

    def end(self) -> Iterator[Sample]:
        """End the recording."""
        yield from self._encode(self._observation.alive(self._now))
        yield from self._encode(self._observation.lost("recording"))

    def _begin(self, now: int) -> Iterator[Sample]:
        self._now = now
        yield from self._encode(self._observation.subscribed(self._deciding, now))
        for signal in sorted(self._deciding):
            yield from self._said(signal)

    def _said(self, signal: str) -> Iterator[Sample]:
        good, now = self._values[signal], self._now
        yield from self._encode(self._observation.said(signal, good=good, stamp=now, now=now, latest=now))

    def _encode(self, events: Iterable[Event]) -> Iterator[Sample]:
        for event in events:
            if isinstance(event, Proof):
                yield Sample(self._machine, "observed", event.at, event.since)
            else:
                hole = Hole(self._machine, event.period, event.signals, event.cause)
                yield Sample(self._machine, "hole", event.period.end, hole.encode())
