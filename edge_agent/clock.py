"""How far a server's clock is ahead of the agent's, and whether it may stamp what the machine says."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from shopfloor.periods import MINUTE, SECOND

WINDOW_SECONDS = 300
"""How long a comparison counts."""
STEP_SECONDS = 2.0
"""A change of the offset that is a step of a clock, not its drift or the grain of the server's time."""
RETURN_SHARE = 0.9
"""A clock that lost trust must come back within this share of the limit, so that trust does not flutter."""
_COMPARISONS_MAX = 64
_RENEWED = 3 * SECOND // 2
"""How old a CurrentTime usually is at most; a new span of observation is dated by it, so that it never begins early."""
_GRAIN = 2 * SECOND
"""How old a server's CurrentTime may be when it is read: servers renew it once a second, some late."""


class _Comparison(NamedTuple):
    at: int
    low: int
    high: int


class OffsetEstimate:
    """Estimates the offset of a server's clock from readings of its CurrentTime.

    The server's clock read between `sent` and `received` shows `server` or, when the server renews CurrentTime now and
    then, something later. So the offset is at least `server - received`; the largest such bound in the window has the
    shortest way back and the freshest CurrentTime. A round trip that is half as long leaves half of the doubt.
    """

    def __init__(self) -> None:
        self._window: deque[_Comparison] = deque(maxlen=_COMPARISONS_MAX)

    @property
    def known(self) -> bool:
        """Whether the clocks were ever compared."""
        return bool(self._window)

    @property
    def offset(self) -> int:
        """Nanoseconds that the server's clock is ahead of the agent's; 0 while they were never compared."""
        if not self._window:
            return 0
        low = max(comparison.low for comparison in self._window)
        doubt = min(comparison.high - comparison.low for comparison in self._window)
        return low + doubt // 2

    @property
    def offset_max(self) -> int:
        """Nanoseconds that the server's clock may be ahead at most, when its CurrentTime was as old as it can be."""
        if not self._window:
            return 0
        return max(self.offset, min(comparison.high for comparison in self._window) + _RENEWED)

    def compare(self, sent: int, server: int, received: int) -> bool:
        """Take in one reading of the server's CurrentTime.

        Args:
            sent: own clock when the request left.
            server: what the server answered.
            received: own clock when the answer was there.

        Returns:
            Whether a clock has been stepped since the reading before, so that stamps before and after do not fit.
        """
        comparison = _Comparison(received, server - received, server - sent)
        stepped = bool(self._window) and self._is_step(comparison)
        if stepped:
            self._window.clear()
        while self._window and not received - WINDOW_SECONDS * SECOND <= self._window[0].at <= received:
            self._window.popleft()
        self._window.append(comparison)
        return stepped

    def _is_step(self, comparison: _Comparison) -> bool:
        before = self.offset
        step = int(STEP_SECONDS * SECOND)
        return comparison.low > before + step or comparison.high + _GRAIN < before - step


class Trust:
    """Decides whether the machine's clock may stamp, with hysteresis.

    Args:
        limit_seconds: largest offset that is trusted; None trusts every clock (replays).
    """

    def __init__(self, limit_seconds: float | None) -> None:
        self._limit = None if limit_seconds is None else limit_seconds * SECOND
        self.trusted = True

    def judge(self, offset: int) -> bool:
        """Take in an offset in nanoseconds and return whether the clock is trusted now."""
        if self._limit is not None:
            limit = self._limit if self.trusted else self._limit * RETURN_SHARE
            self.trusted = abs(offset) <= limit
        return self.trusted


MEASURE_EVERY = MINUTE
"""How often the clocks are compared."""
