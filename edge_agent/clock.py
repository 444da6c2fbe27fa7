"""How far a server's clock is ahead of the agent's, and whether it may stamp what the machine says."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from shopfloor.periods import MINUTE, SECOND

WINDOW_SECONDS = 300
"""How long a comparison counts."""
_STEP = 2 * SECOND
"""A change of the offset that is a step of a clock, not its drift or the grain of the server's time."""
RETURN_SHARE = 0.9
"""A clock that lost trust must come back within this share of the limit, so that trust does not flutter."""
_COMPARISONS_MAX = 64
_RENEWED = 3 * SECOND // 2
"""How old a CurrentTime is taken to be at most while nothing better is known; a new span never begins early by it."""


class _Comparison(NamedTuple):
    at: int
    low: int
    high: int
    trip: int
    is_certain: bool


class OffsetEstimate:
    """Estimates the offset of a server's clock from readings of its CurrentTime.

    The server's clock read between `sent` and `received` shows `server` or, when the server renews CurrentTime now and
    then, something later. So the offset is at least `server - received`; the largest such bound in the window has the
    shortest way back and the freshest CurrentTime. A round trip that is half as long leaves half of the doubt.

    How old a CurrentTime is, nobody knows: a busy server renews it late, which looks like a step of its clock. But one
    that differs from the reading before was renewed after that was asked for, so that the offset is certainly at most
    `server` less that instant. Only what such bounds exclude is a step.
    """

    def __init__(self) -> None:
        self._window: deque[_Comparison] = deque(maxlen=_COMPARISONS_MAX)
        self._before: tuple[int, int] | None = None
        self._ceiling: int | None = None

    @property
    def known(self) -> bool:
        """Whether the clocks were ever compared."""
        return bool(self._window)

    @property
    def is_renewed(self) -> bool:
        """Whether CurrentTime was another one at the last reading than at the one before."""
        return bool(self._window) and self._window[-1].is_certain

    @property
    def offset(self) -> int:
        """Nanoseconds that the server's clock is ahead of the agent's; 0 while they were never compared."""
        if not self._window:
            return 0
        low = max(comparison.low for comparison in self._window)
        doubt = min(comparison.trip for comparison in self._window)
        return low + doubt // 2

    @property
    def offset_max(self) -> int:
        """Nanoseconds that the server's clock may be ahead at most."""
        highs = [each.high if each.is_certain else each.high + _RENEWED for each in self._window]
        return max(self.offset, min(highs, default=0))

    def compare(self, sent: int, server: int, received: int) -> bool:
        """Take in one reading of the server's CurrentTime.

        Args:
            sent: own clock when the request left.
            server: what the server answered.
            received: own clock when the answer was there.

        Returns:
            Whether a clock has been stepped since the reading before, so that stamps before and after do not fit.
        """
        before, self._before = self._before, (sent, server)
        is_certain = before is not None and before[1] != server and before[0] <= sent
        asked = before[0] if before is not None and is_certain else sent
        comparison = _Comparison(received, server - received, server - asked, received - sent, is_certain)
        stepped = bool(self._window) and self._is_step(comparison)
        if stepped:
            self._window.clear()
            self._ceiling = None
        while self._window and not received - WINDOW_SECONDS * SECOND <= self._window[0].at <= received:
            self._window.popleft()
        self._window.append(comparison)
        if is_certain and comparison.high - comparison.low <= _STEP:
            self._ceiling = comparison.high
        return stepped

    def _is_step(self, comparison: _Comparison) -> bool:
        forward = self._ceiling is not None and comparison.low > self._ceiling + _STEP
        return forward or (comparison.is_certain and comparison.high < self.offset - _STEP)


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
