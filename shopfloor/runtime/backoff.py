"""Waits between attempts: doubling, capped, with full jitter, so that many clients do not come back together."""

from __future__ import annotations

import random


class Backoff:
    """Yields ever longer waits until it is told of a success.

    Args:
        seconds_min: upper bound of the first wait.
        seconds_max: upper bound of every wait.
    """

    def __init__(self, seconds_min: float, seconds_max: float) -> None:
        self._seconds_min = seconds_min
        self._seconds_max = seconds_max
        self._bound = seconds_min

    def next_seconds(self) -> float:
        """Return how long to wait now."""
        wait = random.uniform(self._seconds_min / 2, self._bound)  # noqa: S311 - jitter is no secret
        self._bound = min(self._bound * 2, self._seconds_max)
        return wait

    def reset(self) -> None:
        """Begin anew: it worked."""
        self._bound = self._seconds_min
