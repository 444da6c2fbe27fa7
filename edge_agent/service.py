"""The running agent: one watch per OPC UA server, one recorder, one spool, one uplink, and what changes them."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING

import structlog

from edge_agent import check
from edge_agent.applied import in_force, proposed
from edge_agent.changeover import BROKER, Changeover
from edge_agent.keeper import Keeper
from edge_agent.own_clock import OwnClock
from edge_agent.recorder import SpoolRecorder
from edge_agent.reporter import Reporter
from edge_agent.requests import Desk
from edge_agent.spool import Spool
from edge_agent.uplink import Uplink
from edge_agent.watches import Watches
from shopfloor.errors import ExpectedError
from shopfloor.periods import SECOND
from shopfloor.runtime import clock, lifecycle
from shopfloor.settings import BrokerSettings, TlsSettings
from shopfloor.wire import edge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edge_agent.config import BrokerConfig, EdgeConfig
    from edge_agent.watched import MachineHealth
    from shopfloor.mqtt import Broker

ROOM_SECONDS = 60.0
"""How often the spool's bound of age is looked at, also when nothing comes in."""

CLOCK_SECONDS = 1.0
"""How often the computer's clock is looked at; what is stamped meanwhile is stamped by the agent's own."""

log = structlog.get_logger(__name__)


class RequestError(ExpectedError):
    """A request cannot be carried out; the message says why."""


class Agent:
    """One edge agent.

    Args:
        path: its configuration file.

    Raises:
        ConfigError: the configuration cannot be used.
        SpoolError: the spool cannot be used.
        SettingsError: the broker's password or certificates cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._clock = OwnClock(clock.now, clock.steady)
        first = in_force(path)
        config = first.config
        self._path = path
        self._config = config
        self._health: dict[str, MachineHealth] = {}
        self._spool = Spool(
            config.spool.path,
            bytes_max=config.spool.bytes_max,
            age_days_max=config.spool.age_days_max,
        )
        self._reporter = Reporter(self._spool)
        self._writer_ids = {machine.id: self._spool.writer_id(machine.id) for machine in config.machines}
        self._recorder = SpoolRecorder(
            self._spool,
            publisher=config.publisher,
            writer_ids=self._writer_ids,
            clock=self._clock.now,
            spooled=self._spooled,
            in_flight=lambda: self._uplink.in_flight,
            broken=self._begin_anew,
        )
        self._watches = Watches(self._recorder, clock=self._clock.now, health=self._heard)
        self._desk = Desk(self, self._answer, self._clock.now)
        self._uplink = self._make_uplink(open_broker(config.broker))
        self._other_broker = asyncio.Event()
        self._keeper = Keeper(
            config.certificates,
            config.publisher,
            clock=self._clock.now,
            machines=self._health.values,
            distrust=self._watches.end_distrusted,
            broker=lambda: self._uplink.secured_until,
        )
        self._changeover = Changeover(path, first, self, self._clock.now)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until asked to stop. What is spooled by then is sent by the next run."""
        self._watches.start(self._config.servers)
        try:
            await lifecycle.until_stopped(
                stop,
                uplink=self._run_uplink(),
                room=self._make_room(),
                clock=self._watch_clock(),
                sources=self._watches.run(),
                configuration=self._changeover.run(),
                requests=self._desk.run(),
                certificates=self._keeper.watch_certificates(),
                trust=self._keeper.watch_trust(),
            )
        finally:
            self._spool.close()

    # What requests ask for: see `edge_agent.requests.Handler`

    async def discover(self, request: edge.Request) -> edge.Reply:
        """Look at one server."""
        if not request.endpoint:
            raise RequestError("endpoint is missing: name the server to look at, opc.tcp://host:port/path")
        identity = check.Identity(self._config.publisher, self._config.certificates, self._path)
        found = await check.init(request.endpoint, self._clock.now, identity)
        return edge.Reply(request.id, self._clock.now(), configuration=found)

    async def check(self, request: edge.Request) -> edge.Reply:
        """Look at the machines of a configuration, or of the one in force."""
        present = self._changeover.present
        config = proposed(self._path, request.configuration, "request") if request.configuration else present.config
        unknown = set(request.machines) - {machine.id for machine in config.machines}
        if unknown:
            raise RequestError(f"there is no machine {', '.join(sorted(unknown))}: name machines of the configuration")
        seen = await check.look_at(config.servers, self._clock.now, set(request.machines))
        text = "" if request.configuration else present.text
        return edge.Reply(request.id, self._clock.now(), configuration=text, machines=[asdict(each) for each in seen])

    async def apply(self, request: edge.Request) -> edge.Reply:
        """Put a configuration in force."""
        if not request.configuration:
            raise RequestError("configuration is missing: send the tables [[machine]] that are to be in force")
        touched = await self._changeover.apply(request.configuration, request.id, must_connect=request.must_connect)
        return edge.Reply(request.id, self._clock.now(), touched=touched)

    # What is configured: see `edge_agent.changeover.Plant`

    async def change(self, config: EdgeConfig) -> None:
        """Do as this configuration says; touch what it says otherwise than before, and nothing else."""
        broker = None if config.broker == self._config.broker else open_broker(config.broker)
        self._config = config
        self._writer_ids.update({machine.id: self._spool.writer_id(machine.id) for machine in config.machines})
        await self._watches.change(config.servers)
        for machine in self._health.keys() - {machine.id for machine in config.machines}:
            del self._health[machine]
        if broker is not None:
            self._uplink = self._make_uplink(broker)
            self._other_broker.set()

    def connected(self) -> set[str]:
        """Return the machines with a session, and the broker when it has let the agent in."""
        found = {machine for machine, health in self._health.items() if health.connected}
        return found | {BROKER} if self._uplink.is_connected else found

    def reason(self, name: str) -> str:
        """Say why one of them is not connected."""
        if name == BROKER:
            return f"{self._config.broker.host} port {self._config.broker.port} does not let the agent in"
        return self._health[name].reason if name in self._health else "it was not looked at yet"

    def _make_uplink(self, broker: Broker) -> Uplink:
        return Uplink(
            broker,
            publisher=self._config.publisher,
            spool=self._spool,
            machines=self._signals,
            clock=self._clock.now,
            health=self._report,
            writer_ids=self._writer_ids,
            asked=self._desk.asked,
        )

    async def _run_uplink(self) -> None:
        """Send for ever; when the broker is another one, from the present row on to that."""
        while True:
            self._other_broker.clear()
            works = [asyncio.create_task(self._uplink.run()), asyncio.create_task(self._other_broker.wait())]
            try:
                await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
                if works[0].done():
                    works[0].result()
            finally:
                await lifecycle.end(works)

    async def _make_room(self) -> None:
        while True:
            await asyncio.sleep(ROOM_SECONDS)
            self._recorder.make_room()

    async def _watch_clock(self) -> None:
        """Ask the machines who is right when the computer's clock was stepped, until one of both is."""
        told = 0
        while True:
            await asyncio.sleep(CLOCK_SECONDS)
            now = self._clock.now()
            if self._clock.steps != told:
                told = self._clock.steps
                log.warning("clock.stepped", seconds=round(self._clock.stepped / SECOND, 1), remedy="set the clock of "
                            "this computer, or let it follow a time server")  # fmt: skip
            offsets = [round(each.offset_seconds * SECOND) for each in self._health.values()
                       if each.connected and each.offset_seconds is not None]  # fmt: skip
            if self._clock.must_follow(offsets):
                async with self._watches.paused():
                    self._clock.follow()
                log.warning("clock.followed", seconds=round((self._clock.now() - now) / SECOND, 1))

    def _spooled(self) -> None:
        self._uplink.spooled()

    def _begin_anew(self, machine: str) -> None:
        self._watches.begin_anew(machine)

    def _answer(self, payload: bytes) -> bool:
        return self._uplink.reply(payload)

    def _heard(self, health: MachineHealth) -> None:
        if any(machine.id == health.machine for machine in self._config.machines):
            self._health[health.machine] = health

    def _signals(self) -> Mapping[str, Sequence[str]]:
        return {machine.id: self._recorder.signals(machine.id) for machine in self._config.machines}

    def _report(self) -> bytes:
        return self._reporter.health(
            self._clock.now(),
            self._config.spool,
            in_flight=len(self._uplink.in_flight),
            configuration=self._changeover.status,
            machines=self._health.values(),
            certificates=self._keeper.own(),
            secured_until=self._uplink.secured_until,
            clock=self._clock,
        )


def open_broker(config: BrokerConfig) -> Broker:
    """Read the credentials of a broker."""
    tls = TlsSettings(config.ca, config.certificate, config.key) if config.ca else None
    settings = BrokerSettings(config.host, config.port, config.username, config.password_file, tls, config.insecure)
    return settings.open(now=clock.now())
