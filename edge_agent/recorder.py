"""From what sources deliver to durable spool rows: stamped, packed, committed, and every loss written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from edge_agent.packing import packed
from edge_agent.refill import Refill
from edge_agent.spool import NewRow, Spool, SpoolFullError
from edge_agent.stamps import Known, stamp
from shopfloor import signals
from shopfloor.periods import SECOND, Period
from shopfloor.samples import Sample
from shopfloor.states import Hole
from shopfloor.wire import messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from shopfloor.samples import Reading
    from shopfloor.signals import SignalClass

HOLE_STAMPS = 1_000_000
"""Nanoseconds after the end of a hole within which its sample is stamped."""
UNSETTLED = 2 * SECOND
"""A change may be on its way for so long while a later one of another signal has arrived."""

log = structlog.get_logger(__name__)


class SpoolRecorder:
    """Keeps samples in the spool. Implements `edge_agent.ports.Recorder`.

    Args:
        spool: the open spool.
        publisher: the agent's PublisherId.
        writer_ids: DataSetWriterId by machine.
        clock: reads the present.
        spooled: called after each commit that added rows.
        in_flight: returns the rows that are on their way, which are not evicted.
        broken: called with a machine whose record samples were lost here: its observation has to begin anew.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        publisher: str,
        writer_ids: Mapping[str, int],
        clock: Callable[[], int],
        spooled: Callable[[], None],
        in_flight: Callable[[], frozenset[int]],
        broken: Callable[[str], None],
    ) -> None:
        self._spool = spool
        self._publisher = publisher
        self._writer_ids = writer_ids
        self._clock = clock
        self._spooled = spooled
        self._in_flight = in_flight
        self._broken = broken
        self._known: dict[str, dict[str, Known]] = spool.known()
        self._owed: dict[str, Hole] = {}

    def readings(self, machine: str, readings: Sequence[Reading], *, trusted: bool) -> None:
        """Stamp the values of one publish response and commit them to the spool."""
        samples, changed = stamp(machine, readings, self._known.get(machine, {}), trusted=trusted)
        if samples:
            self._keep(machine, samples, changed)

    def observed(self, machine: str, since: int, at: int) -> None:
        """Commit a proof of observation."""
        self._proof(machine, "observed", since, at)

    def unreachable(self, machine: str, since: int, at: int) -> None:
        """Commit a proof that the server did not answer."""
        self._proof(machine, "unreachable", since, at)

    def hole(self, hole: Hole) -> None:
        """Commit a hole; its sample is stamped with its end."""
        self._spool.count(hole.machine, "holes", 1)
        samples, changed = self._holes([hole])
        self._keep(hole.machine, samples, changed)

    def clock(self, machine: str, offset_seconds: float, at: int) -> None:
        """Commit the offset of the machine's clock."""
        known = Known(at, 0, offset_seconds, 0)
        sample = Sample(machine, "clock_offset_seconds", at, offset_seconds)
        self._keep(machine, [sample], {"clock_offset_seconds": known})

    def last_proof(self, machine: str) -> int | None:
        """Return up to when the watching of an earlier run is sure to be complete; None when there was none.

        That is the newest durable proof; a run that ended before its first one has at least what came before its last
        samples.
        """
        known = self._known.get(machine, {})
        if "observed" in known:
            return known["observed"].raw + known["observed"].ordinal
        return max(last.raw for last in known.values()) - UNSETTLED if known else None

    def signals(self, machine: str) -> list[str]:
        """Return the signals that the machine has spoken, sorted."""
        return sorted(self._known.get(machine, {}))

    def lasts(self, machine: str) -> Mapping[str, int]:
        """Return the stamp of the last value of each signal that the machine has spoken."""
        return {signal: known.raw + known.ordinal for signal, known in self._known.get(machine, {}).items()}

    def want_refill(self, refill: Refill) -> None:
        """Remember, over restarts too, that a hole is to be filled from the server's history."""
        self._spool.want_refill(refill.machine, refill.period, refill.encode())

    def refills(self, machine: str) -> list[Refill]:
        """Return the holes of a machine that wait to be filled, newest first."""
        return [Refill.decode(machine, period, spans) for period, spans in self._spool.refills(machine)]

    @property
    def has_room_for_history(self) -> bool:
        """Whether history may be read now without being in the way of what is live."""
        return self._spool.has_room_for_history

    def history(self, machine: str, samples: Sequence[Sample]) -> bool:
        """Keep what the server remembers, behind all that is live. Returns whether it was kept."""
        return self._put_history(self._pack(machine, samples, is_history=True))

    def refilled(self, refill: Refill, signals: Sequence[str]) -> bool:
        """Keep that history was read for these signals of a hole, and forget the refill. Returns whether it was."""
        samples, changed = self._apart("filled", refill.machine, refill.period.end, refill.records(signals))
        if not self._put_history(
            self._pack(refill.machine, samples, is_history=True),
            [(refill.machine, signal, known) for signal, known in changed.items()],
            refilled=(refill.machine, refill.period, refill.encode()),
        ):
            return False
        self._known.setdefault(refill.machine, {}).update(changed)
        return True

    def make_room(self, incoming_bytes: int = 0) -> None:
        """Evict what is too old or too much, and write down the holes, also those of rows that were damaged."""
        for hole in self._spool.take_damage():
            log.error("spool.damaged", machine=hole.machine, period=str(hole.period))
            self.hole(hole)
        evicted = self._spool.evict(
            self._clock(), spare=self._in_flight(), note=self._note, incoming_bytes=incoming_bytes
        )
        for item in evicted:
            log.warning(
                "spool.evicted",
                machine=item.hole.machine,
                signal_class=item.signal_class,
                cause=item.hole.cause,
                rows=len(item.rows),
                samples=item.samples,
                period=str(item.hole.period),
            )
            if item.signal_class == "record":
                self._forget(item.hole.machine)
        if evicted:
            self._spooled()

    def _proof(self, machine: str, signal: str, since: int, at: int) -> None:
        last = self._known.get(machine, {}).get(signal)
        if last is None or last.raw + last.ordinal < at:
            self._keep(machine, [Sample(machine, signal, at, since)], {signal: Known(at, 0, since, 0)})

    def _keep(self, machine: str, samples: list[Sample], changed: dict[str, Known]) -> None:
        rows = self._pack(machine, samples)
        self.make_room(sum(len(row.body) for row in rows))
        owed, owed_known = self._holes([self._owed[machine]]) if machine in self._owed else ([], {})
        try:
            self._put(machine, [*self._pack(machine, owed), *rows], {**owed_known, **changed})
        except SpoolFullError as error:
            self._owe(machine, samples, str(error))
            return
        self._owed.pop(machine, None)

    def _put(self, machine: str, rows: list[NewRow], changed: dict[str, Known]) -> None:
        self._spool.put(rows, [(machine, signal, known) for signal, known in changed.items()])
        self._known.setdefault(machine, {}).update(changed)
        self._spooled()

    def _put_history(
        self,
        rows: list[NewRow],
        known: Sequence[tuple[str, str, Known]] = (),
        *,
        refilled: tuple[str, Period, str] | None = None,
    ) -> bool:
        try:
            self._spool.put(rows, known, refilled=refilled)
        except SpoolFullError:
            return False
        self._spooled()
        return True

    def _pack(self, machine: str, samples: Iterable[Sample], *, is_history: bool = False) -> list[NewRow]:
        by_class: dict[SignalClass, list[Sample]] = {}
        for sample in samples:
            by_class.setdefault(signals.find(sample.signal).signal_class, []).append(sample)
        return [
            _row(machine, signal_class, body, is_history=is_history)
            for signal_class, members in by_class.items()
            for body in messages.pack(
                members,
                publisher=self._publisher,
                writer_group=signal_class,
                writer_id=self._writer_ids.get(machine, 0),
                is_historical=is_history,
            )
        ]

    def _holes(self, holes: Iterable[Hole]) -> tuple[list[Sample], dict[str, Known]]:
        """Make `hole` samples, kept apart where two end together: a sample with the stamp of another replaces it.

        Each is stamped within a millisecond after its end, by the number of its row, which no other hole has; holes of
        one row differ by an ordinal.
        """
        samples: list[Sample] = []
        changed: dict[str, Known] = {}
        for hole in holes:
            stamp = hole.period.end + self._spool.newest % HOLE_STAMPS
            made, last = self._apart("hole", hole.machine, stamp, [hole.encode()], changed)
            samples += made
            changed |= last
        return samples, changed

    def _apart(
        self, signal: str, machine: str, stamp: int, texts: Iterable[str], changed: Mapping[str, Known] | None = None
    ) -> tuple[list[Sample], dict[str, Known]]:
        """Make samples of one stamp, kept apart by an ordinal from one another and from the last one of the signal."""
        last = (changed or {}).get(signal) or self._known.get(machine, {}).get(signal)
        samples: list[Sample] = []
        for text in texts:
            ordinal = last.ordinal + 1 if last is not None and last.raw == stamp else 0
            last = Known(stamp, ordinal, text, 0)
            samples.append(Sample(machine, signal, stamp + ordinal, text))
        return samples, {signal: last} if samples and last is not None else {}

    def _note(self, hole: Hole) -> tuple[list[NewRow], list[tuple[str, str, Known]]]:
        """Make the row that writes a hole down, and the last value that goes with it."""
        samples, changed = self._holes([hole])
        self._known.setdefault(hole.machine, {}).update(changed)
        return self._pack(hole.machine, samples), [(hole.machine, signal, known) for signal, known in changed.items()]

    def _owe(self, machine: str, samples: Sequence[Sample], reason: str) -> None:
        """Remember a loss that cannot be written down yet: one hole from the first to the last lost sample."""
        stamps = [sample.stamp for sample in samples]
        starts = [Hole.decode(machine, str(each.value)).period.start for each in samples if each.signal == "hole"]
        period = Period(min(stamps + starts), max(stamps) + 1)
        owed = self._owed.get(machine)
        if owed is None:
            log.error("spool.full", machine=machine, reason=reason)
        else:
            period = Period(min(period.start, owed.period.start), max(period.end, owed.period.end))
        self._owed[machine] = Hole(machine, period, (), "spool_full")
        self._spool.count(machine, "spool_full_samples", len(samples))
        self._forget(machine)

    def _forget(self, machine: str) -> None:
        """Take the next values as new: what was known may be lost."""
        observed = self._known.get(machine, {}).get("observed")
        self._known[machine] = {"observed": observed} if observed else {}
        self._spool.forget(machine)
        self._broken(machine)


def _row(machine: str, signal_class: SignalClass, body: messages.Body, *, is_history: bool) -> NewRow:
    data, whole = packed(body.data)
    return NewRow(
        machine,
        signal_class,
        min(sample.stamp for sample in body.samples),
        max(sample.stamp for sample in body.samples),
        len(body.samples),
        data,
        is_hole=all(sample.signal == "hole" for sample in body.samples),
        is_history=is_history,
        whole=whole,
    )
