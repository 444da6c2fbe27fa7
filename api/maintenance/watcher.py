"""One machine watched live: late data are judged in event time, as if they had come in time. Pure.

The watcher keeps states of its fold from earlier instants. A sample that is older than what has been taken in takes it
back to the last state before it, and everything since is taken in again, from the store. What then differs from what
was said is told as what it is: an alarm of the past, which wakes nobody, or one that later data have withdrawn.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from api.maintenance.alarms import Change, What
from api.maintenance.fold import MachineFold, StaleStateError
from shopfloor.periods import DAY, INSTANT_MAX, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from shopfloor.samples import Sample

KEPT_DAYS = (0, 1, 2, 4, 8, 16, 32)
"""Ages of the states that are kept, in days; older data are judged from the beginning of what is stored."""
LATENESS_SECONDS = 2.0
"""How long a sample may be under way: what is newer waits, so that neighbours are taken in by their stamps."""
PAST_SECONDS = 900.0
"""What came to be so long before it was known is of the past: it is shown, not sent."""


class Outcome(NamedTuple):
    """What a batch of samples made known.

    Attributes:
        fresh: changes to act upon, in the order of event time.
        past: changes that are known too late to wake anybody.
        withdrawn: changes said before that later data do not bear out.
    """

    fresh: Sequence[Change]
    past: Sequence[Change]
    withdrawn: Sequence[Change]


class Watcher:
    """Watches a machine.

    Args:
        make: makes a new fold of the machine, with the rules of today.
        history: reads samples of the machine from the store, from the first instant up to before the second, in the
            order of stamp and signal; samples are stored before they are given to `take`.
    """

    def __init__(self, make: Callable[[], MachineFold], history: Callable[[int, int], Iterable[Sample]]) -> None:
        self._make = make
        self._history = history
        self._fold = make()
        self._states: list[tuple[int, str]] = []  # position, state before the samples of that instant
        self._said: list[Change] = []
        self._ahead: list[Sample] = []

    @property
    def fold(self) -> MachineFold:
        """The fold as it is now."""
        return self._fold

    @property
    def changes(self) -> Sequence[Change]:
        """Every change that holds as far as is known, in the order of event time."""
        return self._said

    def take(self, samples: Iterable[Sample], now: int) -> Outcome:
        """Take in samples that came now, in any order, and let time pass to a little before now.

        Args:
            samples: of the machine.
            now: the present.
        """
        watermark = max(now - int(LATENESS_SECONDS * SECOND), self._fold.position)
        before = self._said
        self._ahead += samples
        ready = sorted((each for each in self._ahead if each.stamp < watermark), key=_order)
        self._ahead = [each for each in self._ahead if each.stamp >= watermark]
        if ready and ready[0].stamp < self._fold.position:
            ready = list(self._history(self._back(ready[0].stamp), watermark))
        self._run(ready, watermark)
        return self._compare(before, now)

    def revisit(self, since: int, now: int) -> Outcome:
        """Judge again what is stored from an instant on: the store says that data arrived while nobody watched."""
        before = self._said
        watermark = max(now - int(LATENESS_SECONDS * SECOND), self._fold.position)
        back_to = self._back(since) if since < self._fold.position else self._fold.position
        self._ahead = list(self._history(watermark, INSTANT_MAX))
        self._run(self._history(back_to, watermark), watermark)
        return self._compare(before, now)

    def save(self) -> str:
        """Write down the fold, its earlier states and what was said."""
        return json.dumps({
            "fold": self._fold.save(),
            "states": self._states,
            "said": [list(change) for change in self._said],
        })  # fmt: skip

    def load(self, text: str) -> None:
        """Take up what was saved; when the rules have changed since, everything is computed again from the store."""
        state = json.loads(text)
        self._said = [_change(each) for each in state["said"]]
        fold = self._make()
        try:
            fold.load(state["fold"])
            self._fold, self._states = fold, [(position, kept) for position, kept in state["states"]]
        except StaleStateError:
            self._fold, self._states, self._said = self._make(), [], []
        self._ahead = list(self._history(self._fold.position, INSTANT_MAX))

    def forget(self, before: int) -> None:
        """Drop changes that are older than an instant from memory; they are on record elsewhere."""
        self._said = [change for change in self._said if change.stamp >= before]

    def _run(self, samples: Iterable[Sample], watermark: int) -> None:
        """Take in samples and let time pass, and keep a state at the beginning of each day that has any."""
        part: list[Sample] = []
        until = (self._fold.position // DAY + 1) * DAY
        for sample in samples:
            if sample.stamp >= until:
                self._flush(part)
                part = []
                self._keep(sample.stamp // DAY * DAY)
                until = (sample.stamp // DAY + 1) * DAY
            part.append(sample)
        self._flush(part)
        self._keep(watermark // DAY * DAY)
        self._fold.advance(watermark)
        self._note()

    def _flush(self, part: list[Sample]) -> None:
        self._fold.take(part)
        self._note()

    def _note(self) -> None:
        if changes := self._fold.drain():
            self._said = [*self._said, *changes]

    def _keep(self, instant: int) -> None:
        """Keep the state before an instant: nothing of it or after it has been taken in."""
        if self._fold.position >= instant:
            return
        self._fold.advance(instant)
        self._note()
        self._states.append((instant, self._fold.save()))
        today = instant // DAY
        kept: dict[int, tuple[int, str]] = {}
        for position, state in self._states:
            age = today - position // DAY
            slot = max((each for each in KEPT_DAYS if each <= age), default=0)
            kept.setdefault(slot, (position, state))
        self._states = sorted(kept.values())

    def _back(self, stamp: int) -> int:
        """Go back to the last state before an instant, and return from where samples have to be taken in again."""
        self._states = [each for each in self._states if each[0] <= stamp]
        self._fold = self._make()
        if not self._states:
            self._said = []
            return 0
        position, state = self._states[-1]
        self._fold.load(state)
        self._said = [change for change in self._said if change.stamp < position]
        return position

    def _compare(self, before: Sequence[Change], now: int) -> Outcome:
        if self._said is before:
            return Outcome((), (), ())
        known = {_identity(change) for change in before}
        holds = {_identity(change) for change in self._said}
        news = [change for change in self._said if _identity(change) not in known]
        limit = now - int(PAST_SECONDS * SECOND)
        return Outcome(
            [change for change in news if change.stamp >= limit],
            [change for change in news if change.stamp < limit],
            [change for change in before if _identity(change) not in holds],
        )


def _order(sample: Sample) -> tuple[int, str]:
    return sample.stamp, sample.signal


def _identity(change: Change) -> tuple[str, str, int]:
    return change.alarm, change.what, change.stamp


def _change(fields: list[object]) -> Change:
    found = Change(*fields)  # type: ignore[arg-type]
    return found._replace(what=What(found.what))
