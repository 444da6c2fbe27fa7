"""When the end of a certificate is told: 30, 7 and 1 days before, once each, and from then on every day. Pure."""

from __future__ import annotations

from shopfloor.periods import DAY

WARN_DAYS = (30, 7, 1)
"""How many days before its end a certificate is warned of."""


def days_left(expires: int, now: int) -> int:
    """Return the whole days until a certificate ends; negative when it has ended."""
    return (expires - now) // DAY


class ExpiryWatch:
    """Remembers what was told of each certificate, so that nothing is told twice."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, int], int] = {}

    def due(self, name: str, expires: int, now: int) -> bool:
        """Tell whether the end of a certificate is to be told now.

        Args:
            name: whose certificate.
            expires: its end; another end is another certificate.
            now: the present.
        """
        left = days_left(expires, now)
        reached = [limit for limit in WARN_DAYS if left <= limit]
        if not reached:
            return False
        step = min(left, reached[-1]) if reached[-1] == WARN_DAYS[-1] else reached[-1]
        is_new = self._told.get((name, expires)) != step
        self._told[name, expires] = step
        return is_new
