"""The running publisher of meters: one task per meter, one recorder, one spool, one uplink."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from edge_agent.meter import MeterWatch
from edge_agent.recorder import SpoolRecorder
from edge_agent.reporter import Reporter
from edge_agent.service import ROOM_SECONDS, open_broker
from edge_agent.spool import Spool
from edge_agent.uplink import Uplink
from shopfloor.runtime import clock, lifecycle
from shopfloor.wire import edge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_agent.meter_config import MetersConfig
    from edge_agent.watched import MachineHealth


class MeterAgent:
    """One publisher of meters.

    Args:
        config: its checked configuration.

    Raises:
        SpoolError: the spool cannot be used.
        SettingsError: the broker's password or certificates cannot be used.
    """

    def __init__(self, config: MetersConfig) -> None:
        self._config = config
        self._health: dict[str, MachineHealth] = {}
        broker = open_broker(config.broker)
        self._spool = Spool(config.spool.path, bytes_max=config.spool.bytes_max, age_days_max=config.spool.age_days_max)
        self._recorder = SpoolRecorder(
            self._spool,
            publisher=config.publisher,
            writer_ids={meter.machine: number for number, meter in enumerate(config.meters, start=1)},
            clock=clock.now,
            spooled=self._spooled,
            in_flight=lambda: self._uplink.in_flight,
            broken=self._begin_anew,
        )
        self._uplink = Uplink(
            broker,
            publisher=config.publisher,
            spool=self._spool,
            machines=self._signals,
            clock=clock.now,
            health=self._tell,
        )
        self._reporter = Reporter(self._spool)
        self._configuration = edge.Configuration("file", clock.now())
        self._watches = {
            meter.machine: MeterWatch(meter, self._recorder, clock=clock.now, health=self._heard)
            for meter in config.meters
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Work until asked to stop. What is spooled by then is sent by the next run."""
        meters = {f"meter.{machine}": watch.run() for machine, watch in self._watches.items()}
        try:
            await lifecycle.until_stopped(stop, uplink=self._uplink.run(), room=self._make_room(), **meters)
        finally:
            self._spool.close()

    async def _make_room(self) -> None:
        while True:
            await asyncio.sleep(ROOM_SECONDS)
            self._recorder.make_room()

    def _spooled(self) -> None:
        self._uplink.spooled()

    def _begin_anew(self, machine: str) -> None:
        self._watches[machine].forget()

    def _heard(self, health: MachineHealth) -> None:
        self._health[health.machine] = health

    def _tell(self) -> bytes:
        return self._reporter.health(
            clock.now(),
            self._config.spool,
            in_flight=len(self._uplink.in_flight),
            configuration=self._configuration,
            machines=self._health.values(),
            secured_until=self._uplink.secured_until,
        )

    def _signals(self) -> Mapping[str, Sequence[str]]:
        return {meter.machine: self._recorder.signals(meter.machine) for meter in self._config.meters}
