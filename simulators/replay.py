"""Recordings of real machines played through the same server as the models.

Every line of a mapped item is served as a value of its own with its own stamp, in the order of the lines; `UNAVAILABLE`
is a status, not a text.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from simulators.adapter_log import Tally
from simulators.recordings import Recording, mapped_lines
from simulators.tree import Identity, Served, Variable
from simulators.workdays import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from simulators.machine import PlannedJob

_HEAD_VALUES = 5000
_LEAP_SECONDS = 6 * 3600.0
_MICROSECOND = 1000


@dataclass(frozen=True, slots=True)
class Pace:
    """How a recording is played.

    Attributes:
        speed: seconds of the recording in a second.
        moved_to_now: shift all stamps by one constant, so that the recording begins now; else they stay as recorded,
            and the agent has to trust the machine's clock.
        start: instant in the recording at which to begin; values before it are not served one by one, the last of each
            signal is there from the beginning. None plays everything: what lies more than six hours before the rest,
            as the old states that head a daily file do, is served at once.
        gap_seconds_max: longer gaps in the recording are skipped; None waits for their end. A recording that is moved
            to now skips none, lest its stamps run ahead of the clock.
        burst: most values of one signal within `burst_seconds`, whatever the speed. Where the recording is denser, it
            is played slower until it has caught up. The default keeps below a queue of 100 values at a publishing
            interval of a second.
        burst_seconds: see `burst`.
    """

    speed: float = 1.0
    moved_to_now: bool = False
    start: int | None = None
    gap_seconds_max: float | None = _LEAP_SECONDS
    burst: int = 30
    burst_seconds: float = 0.5


class Replay:
    """A recording as a source for a server.

    Args:
        paths: files of the recording, in the order of time.
        recording: whose items they have, for example `recordings.MAZAK`.
        identity: who the machine is.
        pace: how it is played.
        held: play nothing before `begin` is called.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        recording: Recording,
        identity: Identity,
        pace: Pace,
        *,
        held: bool = False,
    ) -> None:
        self.identity = identity
        self.variables: tuple[Variable, ...] = recording.variables
        self.tally = Tally()
        self.finished = False
        self._paths = paths
        self._recording = recording
        self._pace = pace
        self._held = held
        self._values: Iterator[Served] = iter(())
        self._next: Served | None = None
        self._shift = 0
        self._opened = 0
        self._played_from = 0
        self._played_to = 0
        self._burst_began = 0
        self._burst_counts: dict[str, int] = {}

    @property
    def position(self) -> int:
        """The instant of the recording up to which values have been served."""
        return self._played_to

    def lag_seconds(self, now: int) -> float:
        """Return how far, in seconds of the recording, the bound on bursts holds the player behind its speed."""
        if self._held or self.finished or self._next is None:
            return 0.0
        return max(0.0, (self._clock(now) - self._next.stamp) / SECOND)

    def open(self, now: int) -> list[Served]:
        """Begin to play; every signal has no communication before its first value."""
        self.tally = Tally()
        self.finished = False
        self._opened = self._burst_began = now
        self._values = mapped_lines(self._paths, self._recording, self.tally)
        head = {each.signal: None for each in self.variables}
        known: dict[str, Served] = {}
        self._next = next(self._values, None)
        begin = self._beginning()
        while self._pace.start is not None and self._next is not None and self._next.stamp < begin:
            known[self._next.signal] = self._next
            self._next = next(self._values, None)
        self._shift = now - begin if self._pace.moved_to_now else 0
        self._played_from = self._played_to = begin
        first = min(begin, self._next.stamp if self._next else begin) - _MICROSECOND
        unknown = [Served(first, signal, None) for signal in head if signal not in known]
        return [self._moved(each) for each in (*unknown, *known.values())]

    def begin(self, now: int) -> None:
        """Begin to play a recording that was held."""
        if self._pace.moved_to_now:
            self._shift += now - self._opened
        self._opened = self._burst_began = now
        self._held = False

    def due(self, now: int) -> Iterator[Served]:
        """Return what is to be served by now, within the bound on bursts."""
        if self._held:
            return
        window = int(self._pace.burst_seconds * SECOND)
        if now - self._burst_began >= window:
            self._burst_began, self._burst_counts = now - (now - self._burst_began) % window, {}
        while self._next is not None:
            value = self._next
            self._skip_gap(value.stamp, now)
            count = self._burst_counts.get(value.signal, 0)
            if value.stamp > self._clock(now) or count >= self._pace.burst:
                return
            self._burst_counts[value.signal] = count + 1
            self._played_to = max(self._played_to, value.stamp)
            self._next = next(self._values, None)
            self.tally.served += 1
            yield self._moved(value)
        self.finished = True

    def instant(self, now: int) -> int:  # noqa: ARG002  # the protocol asks
        """Return up to which instant values have been served, as they are stamped."""
        return self._played_to + self._shift

    def jobs(self, now: int) -> tuple[PlannedJob, ...]:  # noqa: ARG002  # the protocol asks
        """Return nothing: a recording has no jobs."""
        return ()

    def tools(self, now: int) -> tuple[float, ...]:  # noqa: ARG002  # the protocol asks
        """Return nothing: a recording has no tool lives."""
        return ()

    def service_due(self, now: int) -> None:  # noqa: ARG002  # the protocol asks
        """Return nothing: a recording plans no maintenance."""
        return

    def _clock(self, now: int) -> int:
        """Return the instant of the recording that should be playing."""
        return self._played_from + int((now - self._opened) * self._pace.speed)

    def _beginning(self) -> int:
        """Return the instant at which the clock starts: the one asked for, else after the last leap near the head."""
        if self._pace.start is not None:
            return self._pace.start
        begin = previous = None
        for each in islice(mapped_lines(self._paths, self._recording), _HEAD_VALUES):
            if previous is None or each.stamp - previous > _LEAP_SECONDS * SECOND:
                begin = each.stamp
            previous = each.stamp if previous is None else max(previous, each.stamp)
        return begin or 0

    def _skip_gap(self, stamp: int, now: int) -> None:
        longest = self._pace.gap_seconds_max
        if longest is None or self._pace.moved_to_now or stamp - self._played_to <= longest * SECOND:
            return
        ahead = stamp - self._clock(now)
        if ahead > 0:
            self._played_from += ahead
            self._played_to = stamp

    def _moved(self, value: Served) -> Served:
        return value._replace(stamp=value.stamp + self._shift) if self._shift else value
