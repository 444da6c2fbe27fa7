"""The agent's own clock: it goes on evenly when the clock of its computer is stepped, until machines say who is right.

What steps a computer's clock is a wrong setting as often as a right one. The agent measures machines' clocks against
its own: were it to follow at once, every machine's clock would seem to be off, and good stamps would be put aside. A
clock that is never stepped tells which of both it was. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopfloor.periods import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

STEP = 60 * SECOND
"""The computer's clock is followed when it moves by less, in nanoseconds."""


class OwnClock:
    """Reads the present.

    Args:
        wall: reads the computer's clock, nanoseconds UTC.
        steady: reads a clock that is never stepped, nanoseconds.

    Attributes:
        steps: how often the computer's clock was stepped.
        stepped_at: when it last was, by this clock, 0 for never.
        stepped: by how much, nanoseconds.
    """

    def __init__(self, wall: Callable[[], int], steady: Callable[[], int]) -> None:
        self._wall = wall
        self._steady = steady
        self._base = wall() - steady()
        self._ahead = 0
        self.steps = 0
        self.stepped_at = 0
        self.stepped = 0

    @property
    def ahead(self) -> int:
        """Nanoseconds that the computer's clock is ahead of this one, when it was stepped; else 0."""
        return self._ahead

    def now(self) -> int:
        """Return the present, nanoseconds UTC."""
        steady = self._steady()
        found = self._wall() - steady - self._base
        if abs(found) <= STEP:
            self._base += found
            self._ahead = 0
        elif abs(found - self._ahead) > STEP or not self._ahead:
            self.steps += 1
            self.stepped_at, self.stepped = steady + self._base, found - self._ahead
            self._ahead = found
        else:
            self._ahead = found
        return steady + self._base

    def must_follow(self, offsets: Collection[int]) -> bool:
        """Tell whether the computer's clock is to be followed though it was stepped: no machine bears this one out.

        Args:
            offsets: nanoseconds that each server's clock is ahead of this one, of those that were compared.
        """
        if not self._ahead:
            return False
        for_this = sum(abs(each) <= STEP for each in offsets)
        for_that = sum(abs(each - self._ahead) <= STEP for each in offsets)
        return not for_this or for_this < for_that

    def follow(self) -> None:
        """Follow the computer's clock; what was observed by this one has to be over."""
        self._base += self._ahead
        self._ahead = 0
