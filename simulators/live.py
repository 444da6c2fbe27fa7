"""A machine model as a source for a server: what is due since the last look, gauges once a second. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulators.machine import AXES, Machine, PlannedJob
from simulators.tree import Edition, Identity, Served, Variable, machine_variables
from simulators.workdays import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

_GAUGES_KEPT = 30 * SECOND


class LiveSource:
    """Serves a machine model in real time.

    Args:
        machine: the model.
        identity: who the machine is; its id should be the model's.
        edition: of the standard that the server speaks.
        counter_seconds: grid on which the counters are told; use the same one for the history of the machine, so that
            the first live values are the last of the history.
    """

    def __init__(
        self, machine: Machine, identity: Identity, edition: Edition = "1.02", counter_seconds: int = 10
    ) -> None:
        self.identity = identity
        self.variables: tuple[Variable, ...] = machine_variables(AXES[machine.kind], edition)
        self._machine = machine
        self._counter_seconds = counter_seconds
        self._until = 0
        self._gauges: dict[str, float | None] = {}

    def open(self, now: int) -> Iterator[Served]:
        """Begin, and return the value that each signal has, with the instant since when it has it.

        A value that is older than the day gets the start of the day: looking further back would delay the start.
        """
        self._until = now
        calendar = self._machine.planner.calendar
        earliest = calendar.bounds(calendar.day_of(now)).start
        seconds = self._counter_seconds
        values = {**self._machine.records(now - 1), **self._machine.counters(now - 1, counter_seconds=seconds)[1]}
        since = {each.signal: each.stamp for each in self._machine.changes(earliest, now, counter_seconds=seconds)}
        for signal, value in values.items():
            yield Served(since.get(signal, earliest), signal, value)
        yield from self._measure(now // SECOND * SECOND)

    def due(self, now: int) -> Iterator[Served]:
        """Return the changes and the gauges since the last call; gauges older than half a minute are left out."""
        start, self._until = self._until, max(now, self._until)
        for change in self._machine.changes(start, self._until, counter_seconds=self._counter_seconds):
            yield Served(*change)
        oldest = max(start, self._until - _GAUGES_KEPT)
        for stamp in range(-(-oldest // SECOND) * SECOND, self._until, SECOND):
            yield from self._measure(stamp)

    def instant(self, now: int) -> int:
        """Return now: the model lives in real time."""
        return now

    def jobs(self, now: int) -> tuple[PlannedJob, ...]:
        """Return the jobs on the control."""
        return self._machine.job_list(now)

    def tools(self, now: int) -> tuple[float, ...]:
        """Return the minutes that each tool has left."""
        return self._machine.tools(now)

    def service_due(self, now: int) -> int:
        """Return when the next maintenance is expected."""
        return self._machine.service_due(now)

    def _measure(self, stamp: int) -> Iterator[Served]:
        """Return the gauges that changed; while the machine is off all are lost, but it draws no power."""
        gauges: dict[str, float | None] = dict(self._machine.gauges(stamp))
        if not gauges:
            gauges = {**dict.fromkeys(self._gauges), "power_watts": 0.0}
        for signal, value in gauges.items():
            if signal not in self._gauges or self._gauges[signal] != value:
                self._gauges[signal] = value
                yield Served(stamp, signal, value)
