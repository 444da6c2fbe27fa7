"""The running agent: one task per OPC UA server, one recorder, one spool, one uplink."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING

import structlog

from edge_agent.opcua import watch
from edge_agent.recorder import SpoolRecorder
from edge_agent.spool import Spool
from edge_agent.uplink import Uplink
from shopfloor.runtime import clock, lifecycle
from shopfloor.settings import BrokerSettings, TlsSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_agent.config import BrokerConfig, EdgeConfig, ServerConfig
    from edge_agent.watched import MachineHealth
    from shopfloor.mqtt import Broker

ROOM_SECONDS = 60.0
"""How often the spool's bound of age is looked at, also when nothing comes in."""
WATCH_SECONDS_MIN = 60.0
"""How long a watch lasts at least before a loss on this side ends it: each beginning misses a few seconds itself."""

log = structlog.get_logger(__name__)


class Agent:
    """One edge agent.

    Args:
        config: its checked configuration.

    Raises:
        SpoolError: the spool cannot be used.
        SettingsError: the broker's password or certificates cannot be used.
    """

    def __init__(self, config: EdgeConfig) -> None:
        self._config = config
        self._health: dict[str, MachineHealth] = {}
        self._restarts = {server: asyncio.Event() for server in config.servers}
        self._spool = Spool(
            config.spool.path,
            bytes_max=config.spool.bytes_max,
            age_days_max=config.spool.age_days_max,
        )
        self._recorder = SpoolRecorder(
            self._spool,
            publisher=config.publisher,
            writer_ids={machine.id: number for number, machine in enumerate(config.machines, start=1)},
            clock=clock.now,
            spooled=self._spooled,
            in_flight=lambda: self._uplink.in_flight,
            broken=self._begin_anew,
        )
        self._uplink = Uplink(
            _broker(config.broker),
            publisher=config.publisher,
            spool=self._spool,
            machines=self._signals,
            clock=clock.now,
            health=self._report,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until asked to stop. What is spooled by then is sent by the next run."""
        servers = {
            f"source.{number}": self._watch(server) for number, server in enumerate(self._config.servers, start=1)
        }
        try:
            await lifecycle.until_stopped(stop, uplink=self._uplink.run(), room=self._make_room(), **servers)
        finally:
            self._spool.close()

    async def _watch(self, server: ServerConfig) -> None:
        """Watch a server; begin anew, with every value read again, some time after samples were lost on this side."""
        restart = self._restarts[server]
        while True:
            restart.clear()
            work = asyncio.create_task(watch(server, self._recorder, clock=clock.now, health=self._heard))
            asked = asyncio.create_task(self._asked(restart))
            try:
                await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
                if work.done():
                    work.result()
            finally:
                asked.cancel()
                work.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await work
            await asyncio.sleep(1)

    async def _asked(self, restart: asyncio.Event) -> None:
        await asyncio.gather(restart.wait(), asyncio.sleep(WATCH_SECONDS_MIN))

    async def _make_room(self) -> None:
        while True:
            await asyncio.sleep(ROOM_SECONDS)
            self._recorder.make_room()

    def _spooled(self) -> None:
        self._uplink.spooled()

    def _begin_anew(self, machine: str) -> None:
        for server, restart in self._restarts.items():
            if any(each.id == machine for each in server.machines):
                restart.set()

    def _heard(self, health: MachineHealth) -> None:
        self._health[health.machine] = health

    def _signals(self) -> Mapping[str, Sequence[str]]:
        return {machine.id: self._recorder.signals(machine.id) for machine in self._config.machines}

    def _report(self) -> Mapping[str, object]:
        return {
            "version": version("officina"),
            "machines": [asdict(each) for each in self._health.values()],
        }


def _broker(config: BrokerConfig) -> Broker:
    tls = TlsSettings(config.ca, config.certificate, config.key) if config.ca else None
    settings = BrokerSettings(config.host, config.port, config.username, config.password_file, tls, config.insecure)
    return settings.open(now=clock.now())
