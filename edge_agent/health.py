"""What the agent tells of itself: rows and hours left, what is not stored yet, certificates, each machine. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from edge_agent.expiry import days_left
from shopfloor.periods import HOUR, MINUTE
from shopfloor.wire import edge

if TYPE_CHECKING:
    from edge_agent.watched import MachineHealth

RATE_OVER = HOUR
"""Over how long the rate at which the spool fills is measured."""
RATE_FROM = MINUTE
"""A rate over less than this is none."""


class FillRate:
    """Measures how fast samples come in, and tells how long there is room for them."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque()

    def hours_left(self, now: int, bytes_in: int, room: int) -> float | None:
        """Take in how much came in until now, and return how long there is room if nothing is delivered.

        Args:
            now: the present.
            bytes_in: all that ever came in, bytes.
            room: what can still come in, bytes.

        Returns:
            Hours; None while the rate is unknown or nothing comes in.
        """
        if self._seen and not self._seen[-1][0] <= now:  # the clock was put back
            self._seen.clear()
        self._seen.append((now, bytes_in))
        while len(self._seen) > 1 and self._seen[1][0] <= now - RATE_OVER:
            self._seen.popleft()
        since, bytes_before = self._seen[0]
        if now - since < RATE_FROM or bytes_in <= bytes_before:
            return None
        per_hour = (bytes_in - bytes_before) * HOUR / (now - since)
        return round(max(0, room) / per_hour, 1)


def describe(machine: MachineHealth, now: int) -> edge.MachineHealth:
    """Write how a machine is watched, for the wire."""
    days = None if machine.certificate_expires is None else days_left(machine.certificate_expires, now)
    return edge.MachineHealth(
        machine=machine.machine,
        endpoint=machine.endpoint,
        connected=machine.connected,
        reason=machine.reason,
        observed_since=machine.observed_since,
        offset_seconds=machine.offset_seconds,
        trusted=machine.trusted,
        desired=machine.desired,
        actual=machine.actual,
        refused=dict(machine.refused),
        overflows=machine.overflows,
        filled=machine.filled,
        wrong_values=machine.wrong_values,
        identification=dict(machine.identification),
        security=machine.security,
        certificate_days=days,
        successor_trusted=machine.successor_trusted,
    )
