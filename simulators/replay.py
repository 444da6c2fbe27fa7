"""Recordings of real machines played through the same server as the models.

A recording is text, plain or gzipped: `time|item|value` a line, or for conditions
`time|item|level|native code|native severity|qualifier|text`. Every line of a mapped item is served as a value of its
own with its own stamp, in the order of the lines; `UNAVAILABLE` is a status, not a text.
"""

from __future__ import annotations

import gzip
import re
from calendar import timegm
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol

from simulators.mazak import UnreadableValueError
from simulators.tree import Identity, Served, Variable
from simulators.workdays import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from simulators.machine import PlannedJob

COMPLAINTS_KEPT = 20
"""How many bad lines are kept word for word; all are counted."""

_CONDITION_FIELDS = 5
_STAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z")
_HEAD_VALUES = 5000
_LEAP_SECONDS = 6 * 3600.0
_MICROSECOND = 1000


class BadLineError(ValueError):
    """A line is not what a recording is made of; the text says what is wrong."""


class Line(NamedTuple):
    """A line of a recording.

    Attributes:
        stamp: when.
        item: what.
        fields: the value, or the five fields of a condition.
    """

    stamp: int
    item: str
    fields: tuple[str, ...]


def parse_line(text: str) -> Line:
    """Read a line.

    Raises:
        BadLineError: when the stamp is no instant in UTC, the item has no name or the number of fields is wrong.
    """
    stamp, *rest = text.rstrip("\r\n").split("|", 6)
    found = _STAMP.fullmatch(stamp)
    if found is None:
        raise BadLineError(f"no instant like 2017-10-31T09:00:33.124Z at the start: {text[:80]!r}")
    if len(rest) not in {2, 1 + _CONDITION_FIELDS} or not rest[0]:
        raise BadLineError(f"neither time|item|value nor a condition of seven fields: {text[:80]!r}")
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):  # noqa: PLR2004
        raise BadLineError(f"no such date or time: {text[:80]!r}")
    fraction = int((found[7] or "0").ljust(9, "0"))
    return Line(timegm((year, month, day, hour, minute, second)) * SECOND + fraction, rest[0], tuple(rest[1:]))


@dataclass(slots=True)
class Tally:
    """What became of the lines.

    Attributes:
        lines: read.
        bad: lines that could not be read, or values that their item cannot have.
        unmapped: lines of items that are served nowhere.
        repeats: values left out because stamp, signal and value were those of the value before.
        served: values handed to the server.
        complaints: the first bad lines, with what is wrong.
    """

    lines: int = 0
    bad: int = 0
    unmapped: int = 0
    repeats: int = 0
    served: int = 0
    complaints: list[str] = field(default_factory=list)

    def complain(self, text: str) -> None:
        """Count a bad line and keep it if it is among the first."""
        self.bad += 1
        if len(self.complaints) < COMPLAINTS_KEPT:
            self.complaints.append(text)


class Translator(Protocol):
    """Knows the items of a kind of machine; `simulators.mazak.Mazak` is one. Each reading takes a new one."""

    variables: tuple[Variable, ...]

    def translate(self, line: Line) -> list[Served] | None:
        """Return the values that a line stands for; None when its item is not mapped."""


def mapped_lines(paths: Iterable[Path], translator: Translator, tally: Tally | None = None) -> Iterator[Served]:
    """Go over all values that a recording stands for, in the order of its lines: what a client must receive.

    Stamps are cut to the microsecond, the precision of the server. A value whose signal, stamp and content are those of
    the signal's value before it is the same value said twice, and left out.

    Raises:
        OSError: when a file cannot be read.
    """
    tally = Tally() if tally is None else tally
    last: dict[str, Served] = {}
    for line in _lines(paths, tally):
        try:
            values = translator.translate(line)
        except UnreadableValueError as error:
            tally.complain(str(error))
            continue
        if values is None:
            tally.unmapped += 1
            continue
        for exact in values:
            value = exact._replace(stamp=exact.stamp // _MICROSECOND * _MICROSECOND)
            if last.get(value.signal) == value:
                tally.repeats += 1
                continue
            last[value.signal] = value
            yield value


def _lines(paths: Iterable[Path], tally: Tally) -> Iterator[Line]:
    for path in paths:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8", errors="replace") as file:
            for text in file:
                if not text.strip():
                    continue
                tally.lines += 1
                try:
                    yield parse_line(text)
                except BadLineError as error:
                    tally.complain(str(error))


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
        translator: a class that knows the machine's items, for example `Mazak`.
        identity: who the machine is.
        pace: how it is played.
        held: play nothing before `begin` is called.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        translator: type[Translator],
        identity: Identity,
        pace: Pace,
        *,
        held: bool = False,
    ) -> None:
        self.identity = identity
        self.variables: tuple[Variable, ...] = translator.variables
        self.tally = Tally()
        self.finished = False
        self._paths = paths
        self._translator = translator
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
        self._values = mapped_lines(self._paths, self._translator(), self.tally)
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
        for each in islice(mapped_lines(self._paths, self._translator()), _HEAD_VALUES):
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
