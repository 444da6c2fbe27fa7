"""How often somebody may be wrong: counted by address, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict, deque

from shopfloor.periods import MINUTE

FAILURES_MAX = 10
"""Within `WINDOW`, from one address; the next attempt is refused unread."""
WINDOW = 10 * MINUTE
ADDRESSES_MAX = 10_000
"""Addresses that are remembered; the one that was wrong longest ago is forgotten first."""


class TooManyAttemptsError(Exception):
    """The address was wrong too often a moment ago."""


class Throttle:
    """Counts failures."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[int]] = OrderedDict()

    def check(self, address: str, *, now: int) -> None:
        """Let an attempt pass.

        Raises:
            TooManyAttemptsError: not yet.
        """
        failures = self._failures.get(address)
        if failures is None:
            return
        while failures and failures[0] <= now - WINDOW:
            failures.popleft()
        if not failures:
            del self._failures[address]
        elif len(failures) >= FAILURES_MAX:
            raise TooManyAttemptsError(f"try again in {(failures[0] + WINDOW - now) // MINUTE + 1} min")

    def failed(self, address: str, *, now: int) -> None:
        """Count a failure."""
        self._failures.setdefault(address, deque(maxlen=FAILURES_MAX)).append(now)
        self._failures.move_to_end(address)
        while len(self._failures) > ADDRESSES_MAX:
            self._failures.popitem(last=False)
