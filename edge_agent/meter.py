"""Watches one meter: reads it, hands on what changed, proves that nothing was missed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from edge_agent.modbus import MeterLink, MeterSilentError, RegisterRefusedError
from edge_agent.observation import Missed, Observation, Proof
from edge_agent.watched import MachineHealth
from shopfloor.periods import SECOND
from shopfloor.runtime.backoff import Backoff
from shopfloor.samples import BAD_NO_COMMUNICATION, BAD_OUT_OF_RANGE, GOOD, Reading
from shopfloor.signals import NotANumberError, WrongTypeError
from shopfloor.states import Hole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edge_agent.meter_config import MappedRegister, MeterConfig
    from edge_agent.observation import Event
    from edge_agent.ports import Recorder
    from shopfloor.samples import Value

RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 1.0, 10.0
_UNREACHABLE_EVERY = 10 * SECOND
_STATE = "item_state"

log = structlog.get_logger(__name__)


class MeterWatch:
    """Watches one meter. A meter has no clock: the time of receipt stamps.

    Args:
        meter: which one.
        recorder: is given all that happens, synchronously.
        clock: the present.
        health: is told how it goes.
    """

    def __init__(
        self,
        meter: MeterConfig,
        recorder: Recorder,
        *,
        clock: Callable[[], int],
        health: Callable[[MachineHealth], None],
    ) -> None:
        self._meter = meter
        self._recorder = recorder
        self._clock = clock
        self._report = health
        self._rule = meter.rule()
        slack = int(meter.poll_seconds * SECOND)
        self._observation = Observation(recorder.last_proof(meter.machine), slack)
        self._last: dict[str, tuple[Value | None, int]] = {}
        self._silent_since: int | None = None
        self._silence_told = 0
        self._forgotten = False
        self._health = MachineHealth(
            meter.machine, f"{meter.host}:{meter.port}", trusted=False, desired=len(meter.registers)
        )

    async def run(self) -> None:
        """Connect, read, and begin again when that ends, for ever."""
        backoff = Backoff(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
        while True:
            attempted = self._clock()
            link = MeterLink(self._meter)
            try:
                await link.connect()
                await self._read_on(link, backoff)
            except MeterSilentError as error:
                self._silent(attempted, str(error))
            finally:
                link.close()
                self._keep(self._observation.lost("session"))
            await asyncio.sleep(backoff.next_seconds())

    def forget(self) -> None:
        """Take in that samples were lost on this side: the span ends, and every value counts as new."""
        self._forgotten = True

    async def _read_on(self, link: MeterLink, backoff: Backoff) -> None:
        self._last = {}
        self._keep(self._observation.subscribed([_STATE], self._clock()))
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self._poll(link)
            backoff.reset()
            self._silent_since = None
            if not self._health.connected:
                log.info("meter.connected", machine=self._meter.machine)
            self._health.connected, self._health.reason = True, ""
            self._keep(self._observation.alive(self._clock()))
            due = max(due + self._meter.poll_seconds, loop.time())
            await asyncio.sleep(due - loop.time())

    async def _poll(self, link: MeterLink) -> None:
        """Read every register once, and hand on what has changed; only a whole round counts."""
        begun = self._clock()
        if self._forgotten:
            self._forgotten, self._last = False, {}
            self._keep(self._observation.subscribed([_STATE], begun))
        found = [(mapped, *await self._value(link, mapped)) for mapped in self._meter.registers]
        self._health.actual = len(found) - len(self._health.refused)
        readings: list[Reading] = []
        for mapped, value, status in found:
            name = mapped.signal.name
            if name == self._meter.state_signal:
                readings += self._state(value, begun)
            if self._changed(name, value, status, mapped.register.deadband):
                readings.append(Reading(name, value, status, None, None, begun))
        if readings:
            self._recorder.readings(self._meter.machine, readings, trusted=False)
        state = self._last[_STATE]
        good = state[1] == GOOD
        self._keep(self._observation.said(_STATE, good=good, stamp=begun, now=begun, latest=begun))

    def _state(self, value: Value | None, at: int) -> list[Reading]:
        state = self._rule.item_state(value)
        status = GOOD if state is not None else BAD_NO_COMMUNICATION
        if not self._changed(_STATE, state, status, 0.0):
            return []
        return [Reading(_STATE, state, status, None, None, at)]

    def _changed(self, name: str, value: Value | None, status: int, deadband: float) -> bool:
        before = self._last.get(name)
        if before is not None and before[1] == status:
            old = before[0]
            if old == value:
                return False
            if deadband and isinstance(old, float) and isinstance(value, float) and abs(value - old) < deadband:
                return False
        self._last[name] = value, status
        return True

    async def _value(self, link: MeterLink, mapped: MappedRegister) -> tuple[Value | None, int]:
        """Read one signal in its own unit, or the quality that stands in its place."""
        name, refused = mapped.signal.name, self._health.refused
        try:
            raw = await link.read(mapped)
            value = mapped.signal.accept(raw if isinstance(raw, bool) else raw * mapped.register.scale)
        except (RegisterRefusedError, NotANumberError, WrongTypeError) as error:
            if refused.get(name) != str(error):
                refused[name] = str(error)
                log.warning("meter.value_refused", machine=self._meter.machine, signal=name, reason=str(error))
            return None, BAD_NO_COMMUNICATION if isinstance(error, RegisterRefusedError) else BAD_OUT_OF_RANGE
        refused.pop(name, None)
        return value, GOOD

    def _silent(self, attempted: int, reason: str) -> None:
        """Take in that the meter does not answer; prove it while that lasts."""
        now = self._clock()
        self._keep(self._observation.lost("unreachable"))
        if self._health.reason != reason:
            log.warning("meter.silent", machine=self._meter.machine, reason=reason)
        self._health.connected, self._health.reason = False, reason
        if self._silent_since is None:
            self._silent_since = self._silence_told = attempted if not self._last else now
            self._last = {}
        elif now - self._silence_told >= _UNREACHABLE_EVERY:
            self._silence_told = now
            self._recorder.unreachable(self._meter.machine, self._silent_since, now)
        self._report(self._health)

    def _keep(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, Proof):
                self._recorder.observed(self._meter.machine, event.since, event.at)
            elif isinstance(event, Missed):
                self._recorder.hole(Hole(self._meter.machine, event.period, event.signals, event.cause))
        if self._observation.since != self._health.observed_since:
            self._health.observed_since = self._observation.since
        self._report(self._health)
