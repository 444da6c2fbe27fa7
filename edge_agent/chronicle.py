"""Writes down what is observed of the machines of one server, on the machines' own clock where that is trusted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from edge_agent import history
from edge_agent.clock import OffsetEstimate
from edge_agent.observation import Missed, Proof
from shopfloor.periods import SECOND
from shopfloor.states import Hole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from edge_agent.observation import Event
    from edge_agent.opcua_client import Session
    from edge_agent.ports import Recorder
    from edge_agent.watched import MachineHealth, WatchedMachine
    from shopfloor.samples import Reading

log = structlog.get_logger(__name__)

UNREACHABLE_EVERY = 10 * SECOND
"""How often it is proven that a machine does not answer."""
_CLOCK_CHANGE_SECONDS = 1.0
_LOOK_SECONDS, _LOOKS_MAX = 0.1, 30
"""How often, and how many times, it is looked whether a server has renewed its CurrentTime: most do so every second."""


class Chronicle:
    """Keeps proofs, holes and readings, and knows how far the server's clock is from the agent's.

    Args:
        recorder: is given all that happens, synchronously.
        clock: the agent's own clock, nanoseconds UTC.
        health: is told of each machine's health when it changes.
    """

    def __init__(self, recorder: Recorder, clock: Callable[[], int], health: Callable[[MachineHealth], None]) -> None:
        self._recorder = recorder
        self._clock = clock
        self._report = health
        self._offset = OffsetEstimate()

    def keep(self, machine: WatchedMachine, events: Iterable[Event]) -> None:
        """Record proofs and holes, and note whether the machine is observed."""
        for event in events:
            if isinstance(event, Proof):
                self._recorder.observed(machine.id, event.since, event.at)
            elif isinstance(event, Missed):
                self.hole(machine, Hole(machine.id, event.period, event.signals, event.cause))
        since = machine.observation.since
        if since != machine.health.observed_since:
            machine.health.observed_since = since
            if machine.health.connected:
                machine.health.reason = "" if since is not None else "a signal that tells its state has no good value"
            self.tell(machine)

    def hole(self, machine: WatchedMachine, hole: Hole) -> None:
        """Record what is known to be missing, and note that the server's history may fill it."""
        self._recorder.hole(hole)
        history.note(machine, hole)

    def record(self, machine: WatchedMachine, readings: Sequence[Reading]) -> None:
        """Record readings."""
        if readings:
            self._recorder.readings(machine.id, readings, trusted=machine.trust.trusted)

    def prove_silence(self, machine: WatchedMachine) -> None:
        """Record, every ten seconds, since when a gateway has said that it does not reach a machine."""
        since, now = machine.silent_since, self._clock() + self.shift(machine)
        if since is not None and (machine.silence_told < since or now - machine.silence_told >= UNREACHABLE_EVERY):
            machine.silence_told = now
            self._recorder.unreachable(machine.id, since, now)

    def tell(self, machine: WatchedMachine) -> None:
        """Report the health of a machine."""
        self._report(machine.health)

    def shift(self, machine: WatchedMachine) -> int:
        """Return what the agent's clock needs to become the machine's, where that is trusted."""
        return self._offset.offset if machine.trust.trusted else 0

    def shift_max(self, machine: WatchedMachine) -> int:
        """Return the most that the agent's clock may need to become the machine's."""
        return self._offset.offset_max if machine.trust.trusted else 0

    async def compare(self, session: Session, times: int) -> None:
        """Compare the clocks so many times, at once."""
        for _ in range(times):
            self._offset.compare(*await session.current_time(self._clock))

    async def measure(self, session: Session, machines: Callable[[], Iterable[WatchedMachine]]) -> None:
        """Compare the clocks until the server has renewed its CurrentTime, and judge them each time.

        Args:
            session: with the server.
            machines: returns those of the server that are watched now.
        """
        for look in range(_LOOKS_MAX):
            stepped = self._offset.compare(*await session.current_time(self._clock))
            self.judge_clocks(machines(), stepped=stepped)
            if look and self._offset.is_renewed:
                break
            if look:
                await asyncio.sleep(_LOOK_SECONDS)

    def judge_clocks(self, machines: Iterable[WatchedMachine], *, stepped: bool) -> None:
        """Decide anew whose clock stamps; a span of observation does not outlast a change of clocks."""
        offset = self._offset.offset
        seconds = offset / SECOND
        for machine in machines:
            trusted = machine.trust.judge(offset)
            machine.health.offset_seconds, machine.health.trusted = seconds, trusted
            now = self._clock() + self.shift(machine)
            if stepped or trusted != machine.told_trusted:
                log.warning(
                    "source.clock_changed", machine=machine.id, offset_seconds=round(seconds, 3), trusted=trusted
                )
                self.keep(machine, machine.observation.clock_changed(now, self._clock() + self.shift_max(machine)))
            moved = machine.told_offset is None or abs(seconds - machine.told_offset) >= _CLOCK_CHANGE_SECONDS
            if moved or trusted != machine.told_trusted:
                machine.told_offset, machine.told_trusted = seconds, trusted
                self._recorder.clock(machine.id, seconds, now)
            self.tell(machine)
