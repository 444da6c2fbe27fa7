"""What is stored of watched machines, read in the order of event time; it notices what came late.

Machines that are up to date are read together, one question to the store for all of them. What was read is remembered
minute by minute as a digest: when a minute is read again and differs, something of it came late.
"""

from __future__ import annotations

from heapq import merge
from typing import TYPE_CHECKING, NamedTuple

from api.maintenance.stored import DAY_LIMIT, PROOFS, read_stored, spans
from shopfloor.periods import HOUR, MINUTE, SECOND, Period
from shopfloor.states import SILENCE_SECONDS_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from shopfloor.samples import Sample
    from shopfloor.states import Coverage
    from shopfloor.stores.port import Store

REMEMBERED = 26 * HOUR
"""How far back minutes are remembered, in nanoseconds; what comes later than that is told by its arrival mark."""
SILENCE = SILENCE_SECONDS_MAX * SECOND
_MASK = 2**64 - 1


class Batch(NamedTuple):
    """What was read of several machines at once.

    Attributes:
        period: that was asked for.
        samples: by machine, sorted by stamp and signal.
        coverage: by machine.
    """

    period: Period
    samples: Mapping[str, Sequence[Sample]]
    coverage: Mapping[str, Coverage]


def read_batch(store: Store, machines: Sequence[str], signals: Sequence[str], period: Period) -> Batch:
    """Read several machines over a short period.

    Raises:
        StoreUnavailableError: when the store does not answer.
    """
    found: dict[str, list[Sample]] = {}
    for sample in store.read(machines, signals, period, limit=DAY_LIMIT):
        found.setdefault(sample.machine, []).append(sample)
    return Batch(period, found, store.gaps(machines, period))


class Feed:
    """What is stored of one machine, or the proofs of an edge agent's machines; see `api.maintenance.watcher.Past`.

    Args:
        store: the telemetry store.
        name: what is watched.
        machines: it alone, or those of the agent.
        signals: that its rules have to be told, none for an agent.

    Attributes:
        events: service entries and deeds, sorted by stamp.
        first_day: first day of which anything is stored, None for nothing at all.
        proven_until: end of the newest proof of watching that was read, 0 for none.
        doubtful_since: nothing is proven from here to where it was read, and may still come; 0 for nowhere.
    """

    def __init__(self, store: Store, name: str, machines: Sequence[str], signals: Sequence[str]) -> None:
        self.name = name
        self.machines = tuple(machines)
        self.signals = tuple(signals)
        self.events: list[Sample] = []
        self.first_day: int | None = None
        self.proven_until = 0
        self.doubtful_since = 0
        self._store = store
        self._batch: Batch | None = None
        self._minutes: dict[int, int] = {}
        self._spans: list[tuple[int, int]] = []
        self._read_until = 0

    def begins(self) -> int | None:
        """Return the first instant of which anything is stored, None for nothing at all."""
        if self.first_day is None and self.events and self.name not in self.machines:
            return self.events[0].stamp  # what is found of an agent waits for no data of its machines
        return self.first_day

    def prefetch(self, batch: Batch) -> None:
        """Take what was read for this machine among others; the next `read` of that very period is answered from it."""
        self._batch = batch

    def read(self, start: int, end: int) -> Iterable[Sample]:
        """Return what lies in a period, in the order of stamp and signal."""
        batch, self._batch = self._batch, None
        if start < self._read_until:  # it is read anew
            self._minutes = {minute: each for minute, each in self._minutes.items() if minute * MINUTE < start}
            self._spans = [(begin, min(until, start)) for begin, until in self._spans if begin < start]
            self.proven_until = min(self.proven_until, start)
        self._read_until = end
        period = Period(start, end)
        if batch is not None and batch.period == period:
            samples: Iterable[Sample] = self._of(batch)
        else:
            samples = self._from_store(period)
        events = [each for each in self.events if start <= each.stamp < end]
        return merge(self._watched(samples, end), events, key=_order)

    def proofs_came_late(self, coverage: Mapping[str, Coverage], position: int) -> int:
        """Tell from where on proofs are there that were not when it was read; 0 for nowhere.

        Args:
            coverage: by machine, from `proven_until` on.
            position: up to where it was read.
        """
        known_until = self.proven_until + SILENCE
        late = [
            max(span.start, self.proven_until)
            for span in self._proofs(coverage)
            if span.start < position and span.end > known_until and position > known_until
        ]
        return min(late, default=0) if self.proven_until else 0

    def changed_since(self, start: int, end: int) -> int:
        """Read again what was read, and return from where on it differs; 0 when it does not.

        Raises:
            StoreUnavailableError: when the store does not answer.
        """
        start = start // MINUTE * MINUTE
        now: dict[int, int] = {}
        if self.signals:
            for sample in self._store.read(list(self.machines), self.signals, Period(start, end), limit=DAY_LIMIT):
                minute = sample.stamp // MINUTE
                now[minute] = (now.get(minute, 0) + _digest(sample)) & _MASK
        known = {minute: each for minute, each in self._minutes.items() if start // MINUTE <= minute <= end // MINUTE}
        different = [minute * MINUTE for minute in {*now, *known} if now.get(minute, 0) != known.get(minute, 0)]
        proven = [(span.start, span.end) for span in self._proofs(self._store.gaps(self.machines, Period(start, end)))]
        different += [begin for begin, _ in _gaps(proven, start, end) ^ _gaps(self._spans, start, end)]
        return max(min(different), 1) if different else 0

    def forget(self, before: int) -> None:
        """Forget the digests of what is long past."""
        self._minutes = {minute: digest for minute, digest in self._minutes.items() if minute >= before // MINUTE}
        self._spans = [span for span in self._spans if span[1] >= before]

    def _from_store(self, period: Period) -> Iterator[Sample]:
        if self.signals:
            yield from read_stored(self._store, self.name, self.signals, period)
            return
        for day in period.by_day():
            yield from sorted(spans(self.name, self._store.gaps(self.machines, day).values()), key=_order)

    def _of(self, batch: Batch) -> list[Sample]:
        own = batch.samples.get(self.name, ()) if self.signals else ()
        coverage = [batch.coverage[each] for each in self.machines if each in batch.coverage]
        return sorted([*own, *spans(self.name, coverage)], key=_order)

    def _proofs(self, coverage: Mapping[str, Coverage]) -> Iterator[Period]:
        for machine in self.machines:
            if (each := coverage.get(machine)) is not None:
                yield from (*each.observed, *each.unreachable)

    def _watched(self, samples: Iterable[Sample], end: int) -> Iterator[Sample]:
        """Pass samples on, and remember what they were."""
        remembered = end - REMEMBERED
        for sample in samples:
            if sample.signal in PROOFS:
                if isinstance(sample.value, int):
                    if self.proven_until and sample.stamp > self.proven_until + SILENCE and not self.doubtful_since:
                        self.doubtful_since = self.proven_until
                    self.proven_until = max(self.proven_until, sample.value)
                    if sample.value >= remembered:
                        self._prove(sample.stamp, sample.value)
            elif sample.stamp >= remembered:
                minute = sample.stamp // MINUTE
                self._minutes[minute] = (self._minutes.get(minute, 0) + _digest(sample)) & _MASK
            yield sample

    def _prove(self, start: int, end: int) -> None:
        if self._spans and self._spans[-1][0] <= start <= self._spans[-1][1] + SILENCE:
            begin, until = self._spans.pop()
            start, end = begin, max(until, end)
        self._spans.append((start, end))


def _gaps(spans: Iterable[tuple[int, int]], start: int, end: int) -> set[tuple[int, int]]:
    """Return the times within a period in which nothing was proven, but for short ones."""
    found: set[tuple[int, int]] = set()
    at = start
    for begin, until in sorted(spans):
        if begin > end:
            break
        if begin > at + SILENCE and until > start:
            found.add((at, begin))
        at = max(at, until)
    return found


def _digest(sample: Sample) -> int:
    return hash((sample.signal, sample.stamp, sample.value, sample.status))


def _order(sample: Sample) -> tuple[int, str]:
    return sample.stamp, sample.signal
