"""Which spool rows are on their way: the sending window, as a pure state machine.

It holds at most `ROWS_MAX` rows or `BYTES_MAX` bytes that were sent and not yet said to be stored. A quarter of it is
for backlog, the rest for live rows, so that neither delays the other. What was read from a server's history is backlog
from the start, and goes behind all other backlog. A row leaves the window only when a collector
says that it is stored, or when it is dead.

A row is dead when the rest of the chain works and it does not: the broker took it ten times while rows sent after it
were stored, or the connection broke three times while it and nothing else was on its way. An outage alone never kills a
row: a row that may have broken a connection is tried alone, so that the innocent are cleared by the broker's PUBACK.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from shopfloor.periods import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROWS_MAX = 256
BYTES_MAX = 8 * 1024 * 1024
BACKLOG_SHARE = 4
"""One part in so many is for backlog."""
RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 10, 300
"""An unacknowledged row is sent again after the first, doubling up to the second."""
TAKEN_MAX = 10
BREAKS_MAX = 3
_SUSPECT_BREAKS = 2

Lane = Literal["live", "backlog"]
Source = Literal["live", "backlog", "history"]
SOURCES: tuple[Source, ...] = ("live", "backlog", "history")
"""Where new rows are taken from, in this order; history has what backlog leaves of its share."""


class SpoolRow(NamedTuple):
    """A row that waits in the spool: its number and the size of its body in bytes."""

    n: int
    size: int


class Waiting(Protocol):
    """The spool, as the window sees it."""

    def waiting(self, after: int, until: int, limit: int, *, history: bool = False) -> Sequence[SpoolRow]:
        """Return the rows with `after < n <= until`, lowest first, at most `limit`: those of history or all others."""

    @property
    def newest(self) -> int:
        """The highest row number ever given out, 0 before the first."""


class Send(NamedTuple):
    """Publish this row now; `again` when an earlier sending is overdue for its acknowledgement."""

    n: int
    again: bool = False


class Kill(NamedTuple):
    """Move this row to the dead table."""

    n: int
    reason: str


@dataclass(slots=True)
class _Flight:
    n: int
    size: int
    lane: Lane
    sent_at: int | None = None
    order: int = 0
    retry_at: int = 0
    wait_seconds: int = RETRY_SECONDS_MIN
    accepted: bool = False
    taken: int = 0
    breaks: int = 0
    breaks_alone: int = 0

    @property
    def is_suspect(self) -> bool:
        return self.breaks >= _SUSPECT_BREAKS or self.breaks_alone > 0

    def clear(self) -> None:
        self.accepted = True
        self.breaks = self.breaks_alone = 0


class Window:
    """The window of one process. Nothing of it outlives the process: what was not stored is sent again.

    Args:
        epoch: of the spool; acknowledgements of another epoch are not ours.
    """

    def __init__(self, epoch: str) -> None:
        self._epoch = epoch
        self._flights: dict[int, _Flight] = {}
        self._usage: dict[Lane, list[int]] = {"live": [0, 0], "backlog": [0, 0]}
        self._connected = False
        self._boundary = 0
        self._at: dict[Source, int] = dict.fromkeys(SOURCES, 0)
        self._sends = 0
        self._newest_stored_order = 0
        self._dead: set[int] = set()

    @property
    def in_flight(self) -> frozenset[int]:
        """Rows that were sent and are not yet said to be stored."""
        return frozenset(self._flights)

    def connected(self, newest: int) -> None:
        """The broker works: it has taken this agent's status on a new connection. What is spooled by now is backlog."""
        self._connected = True
        self._boundary = self._at["live"] = newest
        for flight in self._flights.values():
            flight.sent_at = None

    def disconnected(self) -> list[Kill]:
        """The connection is gone. Returns the row that broke it, if one is certain to have."""
        if not self._connected:
            return []
        self._connected = False
        open_flights = [each for each in self._flights.values() if each.sent_at is not None and not each.accepted]
        for flight in open_flights:
            flight.breaks += 1
        if len(open_flights) != 1:
            return []
        [flight] = open_flights
        flight.breaks_alone += 1
        if flight.breaks_alone < BREAKS_MAX:
            return []
        return [self._kill(flight, f"the connection broke {BREAKS_MAX} times while it alone was on its way")]

    def accepted(self, n: int) -> None:
        """The broker took the row (PUBACK). That is no proof of storage, but it did not break the connection."""
        flight = self._flights.get(n)
        if flight is not None:
            flight.clear()

    def stored(self, epoch: str, ranges: Iterable[tuple[int, int]], now: int) -> list[int]:
        """A collector spoke. Returns the rows to delete: only of this epoch, only what this process has sent.

        An acknowledgement without rows is the hello of a collector that has just started: what was sent before may have
        been lost with another one, and is due at once.
        """
        ranges = list(ranges)
        if epoch != self._epoch and (epoch or ranges):
            return []
        if not ranges:
            for flight in self._flights.values():
                if flight.sent_at is not None:
                    flight.wait_seconds = RETRY_SECONDS_MIN
                    flight.retry_at = now
            return []
        done = [n for n in self._sent_ever() if any(first <= n <= last for first, last in ranges)]
        for n in done:
            if n in self._flights:
                self._newest_stored_order = max(self._newest_stored_order, self._flights[n].order)
        self.forget(done)
        return done

    def forget(self, rows: Iterable[int]) -> None:
        """Drop rows that are no longer in the spool."""
        for n in rows:
            self._dead.discard(n)
            if n in self._flights:
                self._land(self._flights[n])

    def step(self, spool: Waiting, now: int) -> list[Send | Kill]:
        """Decide what to do now: send again what is due, then new rows as far as there is room, live ones first."""
        if not self._connected:
            return []
        suspects = [each for each in self._flights.values() if each.is_suspect]
        if suspects:
            return self._probe(suspects, now)
        due = [each for each in self._flights.values() if each.sent_at is None or now >= each.retry_at]
        actions = [self._again(flight, now) for flight in sorted(due, key=lambda each: each.n)]
        for source in SOURCES:
            actions += self._draw(spool, source, now)
        return actions

    def next_due(self) -> int | None:
        """Return when `step` has something to do by the clock alone; None when only an event can bring that."""
        if not self._connected or not self._flights:
            return None
        flights = list(self._flights.values())
        if any(each.is_suspect for each in flights):
            flights = [each for each in flights if each.sent_at is not None and not each.accepted] or flights
        return min(0 if each.sent_at is None else each.retry_at for each in flights)

    def _sent_ever(self) -> set[int]:
        return self._dead | self._flights.keys()

    def _probe(self, suspects: list[_Flight], now: int) -> list[Send | Kill]:
        """Send one suspect with nothing else on its way, so that a break tells who did it."""
        on_their_way = [each for each in self._flights.values() if each.sent_at is not None and not each.accepted]
        for flight in on_their_way:
            if now >= flight.retry_at:
                flight.clear()  # the connection has lived with it for long enough
        if on_their_way:
            return []
        return [self._again(min(suspects, key=lambda each: each.n), now)]

    def _again(self, flight: _Flight, now: int) -> Send | Kill:
        if flight.sent_at is not None:
            if flight.accepted and self._newest_stored_order > flight.order:
                flight.taken += 1
                if flight.taken >= TAKEN_MAX:
                    return self._kill(flight, f"the broker took it {TAKEN_MAX} times and no collector stored it")
            flight.wait_seconds = min(flight.wait_seconds * 2, RETRY_SECONDS_MAX)
            return self._sent(flight, now, again=True)
        return self._sent(flight, now)

    def _sent(self, flight: _Flight, now: int, *, again: bool = False) -> Send:
        self._sends += 1
        flight.order = self._sends
        flight.sent_at = now
        flight.retry_at = now + flight.wait_seconds * SECOND
        flight.accepted = False
        return Send(flight.n, again)

    def _draw(self, spool: Waiting, source: Source, now: int) -> list[Send | Kill]:
        """Take rows that were never sent, from where the last ones of their source were taken."""
        lane: Lane = "live" if source == "live" else "backlog"
        rows_max = ROWS_MAX // BACKLOG_SHARE
        bytes_max = BYTES_MAX // BACKLOG_SHARE
        if lane == "live":
            rows_max, bytes_max = ROWS_MAX - rows_max, BYTES_MAX - bytes_max
            if spool.newest - self._at["live"] > rows_max:
                # Live rows that have waited behind a full window are live no more: the newest ones go first.
                self._boundary = self._at["live"] = spool.newest - rows_max
        usage = self._usage[lane]
        after, until = self._at[source], self._boundary if source == "backlog" else spool.newest
        actions: list[Send | Kill] = []
        while after < until and usage[0] < rows_max and usage[1] < bytes_max:
            rows = spool.waiting(after, until, rows_max - usage[0], history=source == "history")
            if not rows:
                after = until
            for row in rows:
                if usage[1] and usage[1] + row.size > bytes_max:
                    until = after
                    break
                after = row.n
                if row.n not in self._flights and row.n not in self._dead:
                    flight = _Flight(row.n, row.size, lane)
                    self._flights[row.n] = flight
                    usage[0] += 1
                    usage[1] += row.size
                    actions.append(self._sent(flight, now))
        self._at[source] = after
        return actions

    def _kill(self, flight: _Flight, reason: str) -> Kill:
        self._dead.add(flight.n)
        self._land(flight)
        return Kill(flight.n, reason)

    def _land(self, flight: _Flight) -> None:
        del self._flights[flight.n]
        usage = self._usage[flight.lane]
        usage[0] -= 1
        usage[1] -= flight.size
