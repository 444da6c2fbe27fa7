"""Whether one agent speaks under a name, or two: a cloned disk makes a second one. Pure.

Each start of an agent is a run of its own. A run that is heard again after another one was heard is alive, and so is
the other: an agent that was started anew never comes back as the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shopfloor.periods import MINUTE

if TYPE_CHECKING:
    from shopfloor.wire.edge import Health

HELD = 15 * MINUTE
"""Two that were heard in turn are two for so long: one of them may be out of reach for a while."""
RUNS_MAX = 8
"""Most runs that are remembered of a name."""

NAME_MAX = 64


class Run(NamedTuple):
    """A run of an agent.

    Attributes:
        id: drawn at its start.
        host: name of its computer.
        epoch: names its spool.
        heard: what it said last, by its own clock.
    """

    id: str
    host: str
    epoch: str
    heard: int


class Identity:
    """Who speaks under one name."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}  # the one heard last is last
        self._both: tuple[Run, Run] | None = None
        self._until = 0

    def hear(self, health: Health, now: int) -> None:
        """Take in what somebody of this name says; an older agent does not say which run it is.

        Args:
            health: as it came. What a broker says again is nothing new.
            now: the present.
        """
        before = self._runs.get(health.run[:NAME_MAX])
        if not health.run or (before is not None and health.timestamp == before.heard):
            return
        run = Run(health.run[:NAME_MAX], health.host[:NAME_MAX], health.epoch[:NAME_MAX], health.timestamp)
        newest = next(reversed(self._runs.values()), None)
        if before is not None and newest is not None and newest.id != run.id:
            self._both, self._until = (newest, run), now + HELD
        self._runs.pop(run.id, None)
        self._runs[run.id] = run
        while len(self._runs) > RUNS_MAX:
            del self._runs[next(iter(self._runs))]

    def doubles(self, now: int) -> tuple[Run, Run] | None:
        """Return two that live under this name, None when there is one."""
        return self._both if now < self._until else None
