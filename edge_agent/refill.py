"""What of a hole may be filled from the history that a server keeps. Pure.

Only what lies strictly between two values that were delivered live is asked for, so that history never stands beside,
or in the place of, what is known already. A filled hole stays a hole: a server's history may be thinned, so it is no
proof of watching, and the state within stays unknown.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from shopfloor.periods import Period
from shopfloor.samples import Sample
from shopfloor.states import Hole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from shopfloor.samples import Value

GRAIN = 1_000_000
"""Histories round times to the millisecond: what is nearer to a live value may be that value, and is left out."""
NAMES_MAX = 50
"""Signals that one `filled` record names."""
_NOT_FILLED = frozenset({"clock", "bad_status"})
"""Causes of holes in which the server's own times or values are in doubt."""
_OF_THE_ITEM = "overflow"
_FLAGS = 0x0000_FFFF
"""The part of a StatusCode that holds flags of its delivery, not the quality (OPC 10000-4, 7.38.1)."""


class Refill(NamedTuple):
    """A hole that is to be filled.

    Attributes:
        machine: whose.
        period: of the hole.
        spans: by signal, what to ask for; values on its bounds are not wanted.
    """

    machine: str
    period: Period
    spans: Mapping[str, Period]

    def encode(self) -> str:
        """Write the spans as text."""
        return json.dumps({signal: [span.start, span.end] for signal, span in self.spans.items()})

    @classmethod
    def decode(cls, machine: str, period: Period, text: str) -> Refill:
        """Read what `encode` wrote."""
        return cls(machine, period, {signal: Period(*span) for signal, span in json.loads(text).items()})

    def records(self, signals: Iterable[str]) -> list[str]:
        """Return the texts of the `filled` samples that name these signals."""
        names = sorted(signals)
        parts = (tuple(names[at : at + NAMES_MAX]) for at in range(0, len(names), NAMES_MAX))
        return [Hole(self.machine, self.period, part, "history").encode() for part in parts]


def plan(hole: Hole, before: Mapping[str, int], first: Mapping[str, int]) -> Refill | None:
    """Decide what to ask the server for, to fill a hole.

    Args:
        hole: stamped by the machine's own clock.
        before: stamp of each signal's last value before the connection that ended the hole.
        first: stamp of each signal's first value over that connection.

    Returns:
        None when there is nothing to ask for.
    """
    if hole.cause in _NOT_FILLED:
        return None
    spans: dict[str, Period] = {}
    for signal in hole.signals or first:
        start, end = hole.period.start, hole.period.end
        if hole.cause != _OF_THE_ITEM:
            if signal not in first:
                continue
            start, end = max(start, before.get(signal, start)), min(end, first[signal])
        if end - start > 2 * GRAIN:
            spans[signal] = Period(start + GRAIN, end - GRAIN)
    return Refill(hole.machine, hole.period, spans) if spans else None


class Remembered(NamedTuple):
    """One value of a history, converted.

    Attributes:
        stamp: source time, None when the server has none.
        value: None where the status has none.
        status: StatusCode.
    """

    stamp: int | None
    value: Value | None
    status: int


class Filling:
    """Turns the pages of one signal's history into samples.

    Args:
        machine: whose.
        signal: which.
        span: what was asked for.
    """

    def __init__(self, machine: str, signal: str, span: Period) -> None:
        self._machine = machine
        self._signal = signal
        self._span = span
        self._ordinal = 0
        self._known = 0
        self._last = span.start
        self.reached = span.start

    def again(self) -> None:
        """Expect that the next page begins with the values of the last time anew."""
        self._known = self._ordinal + 1

    def samples(self, values: Iterable[Remembered]) -> Iterator[Sample]:
        """Take in a page, oldest value first. What lies outside of the span or out of order is left out.

        Values of one time are kept apart by a nanosecond, as live ones are; so are those that such a one would meet.
        """
        for stamp, value, status in values:
            if stamp is None or not self._span.start < stamp < self._span.end or stamp < self.reached:
                continue
            if stamp == self.reached and self._known:
                self._known -= 1
                continue
            self._known = 0
            self._ordinal = self._ordinal + 1 if stamp == self.reached else 0
            self.reached = stamp
            self._last = max(stamp, self._last + 1)
            yield Sample(self._machine, self._signal, self._last, value, status & ~_FLAGS)
