"""One machine watched live: late data are judged in event time, as if they had come in time. Pure.

The watcher keeps states of its fold from earlier instants. When something comes to light that is older than what has
been taken in, it goes back to the last state before it, and everything since is taken in again. What then differs from
what was said is told as what it is: an alarm of the past, which wakes nobody, or one that later data have withdrawn.
A program that starts again does the same from the newest state that it wrote down: what it finds is what it would have
found, so nothing is false, double or lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from shopfloor.periods import DAY, HOUR, MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from api.maintenance.alarms import Change
    from api.maintenance.fold import MachineFold
    from api.maintenance.judging import Judgement
    from shopfloor.samples import Sample

GRID = 15 * MINUTE
"""Instants at which a state is kept, in nanoseconds; on the way through the past, each day's beginning."""
KEPT_AGES = (0, GRID, HOUR, 6 * HOUR, *(days * DAY for days in (1, 2, 4, 8, 16, 32)))
"""Ages of the states that are kept; older data are judged from the beginning of what is stored."""
LATENESS_SECONDS = 2.0
"""How long a sample may be under way: what is newer waits, so that neighbours are taken in by their stamps."""
PAST_SECONDS = 900.0
"""What came to be so long before it was known is of the past: it is shown, not sent."""
STEP_DAYS = 2
"""Days of the past that are taken in at a time, so that other machines are not kept waiting."""


class State(NamedTuple):
    """A fold written down before the samples of an instant."""

    position: int
    text: str


class Outcome(NamedTuple):
    """What came to be known.

    Attributes:
        fresh: changes to act upon, in the order of event time.
        past: changes that are known too late to wake anybody.
        withdrawn: changes said before that later data do not bear out.
    """

    fresh: Sequence[Change]
    past: Sequence[Change]
    withdrawn: Sequence[Change]


class Past(Protocol):
    """What is stored of a machine: samples, service entries and deeds."""

    def begins(self) -> int | None:
        """Return the first instant of which anything is stored, None for nothing at all."""

    def read(self, start: int, end: int) -> Iterable[Sample]:
        """Return what lies in a period, in the order of stamp and signal."""


class Watcher:
    """Watches a machine.

    Args:
        make: makes a new fold of the machine, with the rules of today.
        past: what is stored of it.
        states: kept before, the oldest first.
        said: every change that was said before and not withdrawn, in the order of event time.

    Attributes:
        fold: as it is now.
        states: that are kept, the oldest first.
        said: every change that holds as far as is known, in the order of event time.
        frontier: the newest state before it is kept, too: data that come late and in order go on from there.
    """

    def __init__(
        self,
        make: Callable[[], MachineFold],
        past: Past,
        states: Iterable[State] = (),
        said: Iterable[Change] = (),
    ) -> None:
        self._make = make
        self._past = past
        self.states = list(states)
        self.said: list[Change] = list(said)
        self.fold = make()
        self.frontier = 0
        self._before: list[Change] | None = None
        self._judged: list[Judgement] = []
        self.revise(self.states[-1].position if self.states else 0)

    @property
    def position(self) -> int:
        """Everything before this instant has been taken in; 0 when nothing has."""
        return self.fold.position

    def see(self, now: int) -> Outcome | None:
        """Take in what is stored up to a little before now, at most `STEP_DAYS` of the past at a time.

        Returns:
            What came to be known; None while there is more to take in: call again.
        """
        watermark = max(now - int(LATENESS_SECONDS * SECOND), self.fold.position)
        if not self.fold.position:
            begins = self._past.begins()
            if begins is None:
                return Outcome((), (), ())
            self.fold.advance(min(begins, watermark))
        end = min(watermark, (self.fold.position // DAY + STEP_DAYS) * DAY)
        count = len(self.said)
        self._run(self._past.read(self.fold.position, end), end)
        if end < watermark:
            if self._before is None:
                self._before = self.said[:count]
            return None
        known, self._before = self._before, None
        news = self.said[count:]
        return _compare(known, self.said, news, now)

    def revise(self, since: int) -> None:
        """Go back to the last state before an instant; the next `see` takes in again what is stored from there."""
        if self._before is None:
            self._before = list(self.said)
        self.states = [each for each in self.states if each.position <= since]
        self.fold = self._make()
        position = 0
        if self.states:
            position, text = self.states[-1]
            self.fold.load(text)
        self.said = [change for change in self.said if change.stamp < position]
        self._judged = []
        self._note()

    def drain_judgements(self) -> list[Judgement]:
        """Return what the rules have said since the last call, when the fold keeps it."""
        found, self._judged = self._judged, []
        return found

    def _run(self, samples: Iterable[Sample], watermark: int) -> None:
        """Take in samples and let time pass, and keep states on the way."""
        part: list[Sample] = []
        until = self._next_mark(watermark)
        for sample in samples:
            while sample.stamp >= until:
                self._flush(part, until)
                part = []
                until = self._next_mark(watermark)
            part.append(sample)
        while until <= watermark:
            self._flush(part, until)
            part = []
            until = self._next_mark(watermark)
        self._flush(part, watermark)

    def _next_mark(self, watermark: int) -> int:
        """Return the next instant at which a state is kept: each day's beginning, then the last mark of the grid."""
        day = (self.fold.position // DAY + 1) * DAY
        if day <= watermark:
            return day
        mark = watermark // GRID * GRID
        return mark if mark > self.fold.position else watermark + 1

    def _flush(self, part: list[Sample], until: int) -> None:
        """Take in what lies before an instant; keep the state there when it is one of the marks."""
        self.fold.take(part)
        self.fold.advance(until)
        self._note()
        if until % GRID == 0 and (not self.states or self.states[-1].position < until):
            self.states.append(State(until, self.fold.save()))
            self._thin(until)

    def _thin(self, newest: int) -> None:
        """Keep of each age's span the oldest state, the newest of all, and the one where late data go on."""
        kept: dict[int, State] = {}
        for each in self.states:
            age = newest - each.position
            kept.setdefault(max(slot for slot in KEPT_AGES if slot <= age), each)
        reached = [each for each in self.states if each.position <= self.frontier]
        self.states = sorted({each.position: each for each in (*kept.values(), *reached[-1:])}.values())

    def _note(self) -> None:
        self.said += self.fold.drain()
        if self.fold.judgements:
            self._judged += self.fold.judgements
            self.fold.judgements = []


def _compare(before: Sequence[Change] | None, holds: Sequence[Change], news: Sequence[Change], now: int) -> Outcome:
    """Tell what is new from what was known, None when nothing was taken back."""
    withdrawn: list[Change] = []
    if before is not None:
        known, still = {identity(change) for change in before}, {identity(change) for change in holds}
        news = [change for change in holds if identity(change) not in known]
        withdrawn = [change for change in before if identity(change) not in still]
    limit = now - int(PAST_SECONDS * SECOND)
    return Outcome(
        [change for change in news if change.stamp >= limit],
        [change for change in news if change.stamp < limit],
        withdrawn,
    )


def identity(change: Change) -> tuple[str, str, int]:
    """Return what tells a change from every other one."""
    return change.alarm, str(change.what), change.stamp
