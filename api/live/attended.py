"""Equipment that says nothing itself, as it is now: what it does is what people said when they checked in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.live.present import WINDOW_SECONDS, Present
from api.usage.attended import stretches
from shopfloor.periods import DAY, SECOND, Period

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.usage.evidence import Held
    from shopfloor.states import Stretch

ATTENDED_DAYS = 32
"""How far back it is looked since when nobody was checked in."""


class Attended(Present):
    """Who was checked in, and the states that follow.

    Args:
        now: the present.
    """

    def __init__(self, now: int) -> None:
        super().__init__(now)
        self._held: Sequence[Held] = ()
        self._is_told = False

    def attend(self, held: Sequence[Held]) -> None:
        """Take in who was checked in, in order, in place of what was known."""
        self._held, self._is_told = held, True

    def holder(self, now: int) -> str:
        """Return who is checked in, empty for nobody."""
        return next((each.payer for each in self._held if now in each.period), "")

    def evaluate(self, now: int) -> bool:
        """Derive the states up to now. Returns whether the state, or when it began, is another one."""
        before = (self.state, self.since)
        self._stretches = stretches(Period(now - ATTENDED_DAYS * DAY, now), self._held)
        self._evaluated, self._is_told = now, False
        return before != (self.state, self.since)

    def needs_evaluation(self, now: int) -> bool:
        """Tell whether somebody came or went since the last time."""
        if self._is_told or not self._stretches:
            return True
        return any(
            self._evaluated < bound <= now for each in self._held for bound in (each.period.start, each.period.end)
        )

    def stretches(self, now: int) -> list[Stretch]:
        """Return the states of the window up to now; the first may have begun before the window."""
        self.evaluate(now)
        return [each for each in self._stretches if each.period.end > now - WINDOW_SECONDS * SECOND]
