"""The one place that reads a clock. Everything else is told what time it is."""

from __future__ import annotations

import time


def now() -> int:
    """Read the wall clock: an instant, nanoseconds since 1970 in UTC."""
    return time.time_ns()  # noqa: TID251 - this is the place


def steady() -> int:
    """Read a clock that is never stepped, nanoseconds since some instant: it goes on while the computer sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def monotonic_seconds() -> float:
    """Read a clock that never steps, for measuring how long something took."""
    return time.monotonic()
