"""The proof of watching: which spans of a machine's time were observed without a break, and what lies between them.

Pure: instants come in, proofs and holes come out. All instants are on the machine's clock when it is trusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from shopfloor.periods import SECOND, Period
from shopfloor.states import OBSERVED_EVERY_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable


class Proof(NamedTuple):
    """Unbroken observation."""

    since: int
    at: int


class Missed(NamedTuple):
    """What lies between two spans of observation.

    Attributes:
        period: from the last proof to the start of the new span.
        signals: those concerned, empty for all.
        cause: why the observation broke.
    """

    period: Period
    signals: tuple[str, ...]
    cause: str


Event: TypeAlias = "Proof | Missed"


class Observation:
    """Follows the observation of one machine.

    It begins when a subscription has delivered a Good value of every deciding signal that the machine has. It is proven
    by every publish response and keep-alive, each of which says that all earlier changes have arrived.

    Args:
        proven: newest proof of an earlier run of the agent, None when there was none.
        slack: nanoseconds by which a change may arrive after it happened: sampling and publishing interval.
    """

    def __init__(self, proven: int | None, slack: int) -> None:
        self._proven = proven
        self._slack = slack
        self._cause = "agent_restart"
        self._pending: set[str] = set()
        self._bad: set[str] = set()
        self._broken_by: set[str] = set()
        self._subscribed = False
        self._covered = 0
        self._emitted: int | None = None
        self.since: int | None = None

    def subscribed(self, deciding: Iterable[str], now: int) -> list[Event]:
        """Start waiting for the first values of these signals. A span under way ends."""
        events = self.lost("session") if self.since is not None else []
        self._pending = set(deciding)
        self._bad = set()
        self._subscribed = bool(self._pending)
        self._covered = now
        return events

    def expects(self, signal: str) -> list[Event]:
        """Take in that one more signal decides, or that one is read anew. A span under way ends until it speaks."""
        self._pending.add(signal)
        self._subscribed = True
        if self.since is None:
            return []
        self._cause = "session"
        return self._end()

    def forget(self, signal: str, latest: int) -> list[Event]:
        """Take in that the machine no longer has a deciding signal.

        Args:
            signal: its name.
            latest: the present, when the clock is as far ahead as it may be.
        """
        self._pending.discard(signal)
        self._bad.discard(signal)
        return self._resume(latest) if self._subscribed else []

    def said(self, signal: str, *, good: bool, stamp: int, now: int, latest: int) -> list[Event]:
        """Take in a value of a deciding signal.

        Args:
            signal: its name.
            good: whether its quality is Good.
            stamp: when it became so.
            now: when it arrived.
            latest: the same, when the clock is as far ahead as it may be: a new span is not dated earlier.
        """
        if not self._subscribed:
            return []
        self._pending.discard(signal)
        if good:
            self._bad.discard(signal)
            return self._resume(latest)
        self._bad.add(signal)
        self._broken_by.add(signal)
        if self.since is None:
            return []
        self._covered = max(self.since, min(stamp, max(self._covered, now - self._slack)))
        self._cause = "bad_status"
        return self._end()

    def alive(self, now: int) -> list[Event]:
        """Take in that everything that happened until now, less the slack, has arrived."""
        self._covered = max(self._covered, now - self._slack)
        if self.since is None or self._covered <= self.since:
            return []
        if self._emitted is not None and self._covered - self._emitted < OBSERVED_EVERY_SECONDS * SECOND:
            return []
        return self._prove(self.since)

    def clock_changed(self, now: int, latest: int) -> list[Event]:
        """Take in that a clock was stepped, so that a new span begins.

        Args:
            now: the present after the change.
            latest: the same, when the clock is as far ahead as it may be.
        """
        if self.since is None:
            return []
        self._cause = "clock"
        events = self._end()
        self._covered = now
        return events + self._resume(latest)

    def lost(self, cause: str) -> list[Event]:
        """End the observation: nothing arrives any more.

        Args:
            cause: one word, for example `session`.
        """
        self._subscribed = False
        if self.since is None:
            if cause == "configuration" or (cause == "unreachable" and self._cause == "session"):
                self._cause = cause
            return []
        self._cause = cause
        self._broken_by = set()
        return self._end()

    def _resume(self, now: int) -> list[Event]:
        if self.since is not None or self._pending or self._bad:
            return []
        self.since = now
        missed = self._proven is not None and self._proven < now
        signals = tuple(sorted(self._broken_by)) if self._cause == "bad_status" else ()
        self._broken_by = set()
        if not missed or self._proven is None:
            return []
        return [Missed(Period(self._proven, now), signals, self._cause)]

    def _end(self) -> list[Event]:
        since, self.since = self.since, None
        emitted, self._emitted = self._emitted, None
        if since is None or self._covered <= (since if emitted is None else emitted):
            return []
        events = self._prove(since)
        self._emitted = None
        return events

    def _prove(self, since: int) -> list[Event]:
        self._proven = self._emitted = self._covered
        return [Proof(since, self._covered)]
