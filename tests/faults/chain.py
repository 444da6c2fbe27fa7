"""The whole chain as processes, any of which can be killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Literal, Self

import urllib3

from api.access import scope
from edge_agent.packing import unpacked
from shopfloor import broker_files, mqtt
from shopfloor.periods import parse_instant
from shopfloor.settings import write_secret
from shopfloor.wire import messages, topics
from shopfloor.wire.rights import Kind, Principal
from tests.faults import counting
from tests.services.records import fill
from tests.services.stores import INFLUXDB, free_port, program

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AGENT, COLLECTOR, API = "site-a", "collector", "api"
DERIVED = ["item_state", "observed", "unreachable", "hole", "filled", "clock_offset_seconds"]
START_SECONDS = 40.0

Role = Literal["machine", "agent", "broker", "collector", "store", "api"]

_MOSQUITTO = """
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_inflight_messages {inflight}
max_queued_messages {queued}
"""


class Chain:
    """A counting machine, an agent, a broker, a collector and a store, each a process of its own.

    Args:
        folder: private to this chain.
        broker: which broker.
        store: which store; SQLite is no process, InfluxDB 1.6 is.
        bytes_max: bound of the agent's spool.
        count: counters of the machine.
        hertz: how often they count in a second.
        kind: `counter` for record signals, `double` for gauges, `both` for seven gauges of eight.
        logged: whether the machine writes down what it serves.
        api: whether the API runs too, and publishes the registry; else the test does.
        queued: messages that the broker sends unanswered to a slow client, and keeps for it besides; more are dropped.
        agent_broker: port at which the agent finds the broker, when it is not the broker's own.
    """

    def __init__(
        self,
        folder: Path,
        *,
        broker: Literal["mosquitto", "amqtt"],
        store: Literal["sqlite", "influxdb"],
        bytes_max: int = 2_000_000_000,
        count: int = counting.COUNT,
        hertz: int = counting.HERTZ,
        kind: counting.Kind = "counter",
        logged: bool = True,
        api: bool = False,
        queued: int = 0,
        agent_broker: int = 0,
    ) -> None:
        self.folder = folder
        self.broker = broker
        self.counters = counting.signals(count, kind)
        self._nodes = counting.nodes(self.counters)
        self._counting = [str(self.served_log) if logged else "-", str(count), str(hertz)]
        self.ports = {name: free_port() for name in ("machine", "broker", "store", "rpc", "metrics", "api")}
        self.api_key = ""
        self.store_url = (
            f"sqlite:///{folder / 'telemetry.db'}"
            if store == "sqlite"
            else f"influx1+http://127.0.0.1:{self.ports['store']}"
        )
        self.roles: list[Role] = ["agent", "broker", "collector", *(["store"] if store == "influxdb" else [])]  # type: ignore[list-item]
        self._has_api = api
        self.processes: dict[Role, subprocess.Popen[bytes]] = {}
        self.passwords = {name: secrets.token_urlsafe(16) for name in (AGENT, COLLECTOR, API)}
        self.health: dict[str, object] = {}
        self._registry_task: asyncio.Task[None] | None = None
        self._copies = 0
        self._queued = queued
        self.ports["agent_broker"] = agent_broker or self.ports["broker"]
        self._write_settings(bytes_max)

    @property
    def served_log(self) -> Path:
        """What the machine has served: a line for each value."""
        return self.folder / "served.log"

    def start(self, role: Role) -> None:
        """Start a program; it need not be ready at once."""
        with (self.folder / f"{role}.log").open("ab") as log:
            self.processes[role] = subprocess.Popen(self._command(role), cwd=self.folder, stdout=log, stderr=log,
                                                    env={**os.environ, "PYTHONPATH": os.getcwd()})  # fmt: skip  # noqa: PTH109

    def kill(self, role: Role) -> None:
        """End a program with `kill -9`."""
        process = self.processes[role]
        process.send_signal(signal.SIGKILL)
        process.wait()

    def freeze(self, role: Role) -> None:
        """Let a program stand still, its connections open."""
        self.processes[role].send_signal(signal.SIGSTOP)

    def thaw(self, role: Role) -> None:
        """Let it go on."""
        self.processes[role].send_signal(signal.SIGCONT)

    def command(self, role: Role) -> list[str]:
        """Return how a program is started, for a second one of its kind."""
        return self._command(role)

    async def __aenter__(self) -> Self:
        """Start everything and wait until the first samples are stored."""
        try:
            await self._start_all()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """End everything."""
        if self._registry_task is not None:
            self._registry_task.cancel()
            await asyncio.gather(self._registry_task, return_exceptions=True)
        for process in self.processes.values():
            process.kill()
            process.wait()

    async def until(self, condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                tails = {each.name: each.read_text(errors="replace")[-1500:] for each in self.folder.glob("*.log")
                         if each != self.served_log}  # fmt: skip
                raise AssertionError(f"not within {seconds} s: {what}\n" + json.dumps(tails, indent=1))
            await asyncio.sleep(0.1)

    def stored_samples(self) -> int:
        """Return how many samples the running collector has stored, 0 while it does not answer."""
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            answer = urllib3.request(
                "GET", f"http://127.0.0.1:{self.ports['metrics']}/metrics", retries=False, timeout=1
            )
            for line in answer.data.decode().splitlines():
                if line.startswith("officina_stored_samples_total"):
                    return int(float(line.split()[1]))
        return 0

    def logged(self, role: Role, event: str) -> int:
        """Return how often a program has logged an event."""
        return (self.folder / f"{role}.log").read_text(errors="replace").count(event)

    def spooled(self) -> set[tuple[str, str, int]]:
        """Return every (machine, signal, stamp) that waits in the spool of an agent that does not run."""
        self._copies += 1
        copy = self.folder / f"copy-{self._copies}"
        copy.mkdir()
        for file in self.folder.glob("spool.db*"):
            shutil.copy(file, copy)
        database = sqlite3.connect(copy / "spool.db")
        found = set()
        for body, whole in database.execute("SELECT body, whole FROM spooled"):
            message = messages.decode(messages.with_id(messages.RowId(AGENT, "0", 1), unpacked(body, whole)))
            assert isinstance(message.Messages, list)
            for each in message.Messages:
                for name, field in (each.Payload or {}).items():
                    assert isinstance(field, messages.DataValue)
                    stamp = parse_instant(field.SourceTimestamp or "") + field.SourcePicoseconds // 100
                    found.add((str(each.DataSetWriterName), name, stamp))
        database.close()
        return found

    async def _start_all(self) -> None:
        for role in ("machine", *(each for each in ("store", "broker", "collector") if each in self.roles)):
            self.start(role)  # type: ignore[arg-type]
        await self.until(self._machine_answers, "the machine's server answers")
        self.start("agent")
        if self._has_api:
            self.start("api")
        self._registry_task = asyncio.create_task(self._keep_registry())
        await self.until(lambda: self.stored_samples() > 0, "the first samples are stored")

    def _machine_answers(self) -> bool:
        return "ready" in (self.folder / "machine.log").read_text()

    def _command(self, role: Role) -> list[str]:
        python = [sys.executable, "-m"]
        ports, folder = self.ports, self.folder
        officina = [*python, "shopfloor"]
        embedded = [*python, "simulators.broker", str(folder / "broker"), str(ports["broker"])]
        machine = [*python, "tests.faults.counting", str(folder / "machine"), str(ports["machine"]), *self._counting]
        commands: dict[Role, list[str]] = {
            "machine": machine,
            "agent": [*officina, "edge", "run", str(folder / "edge.toml")],
            "collector": [*officina, "collector", "--config", str(folder / "collector.toml")],
            "api": [*officina, "api", "--config", str(folder / "api.toml")],
            "broker": embedded,
        }
        if role == "store":
            return [program("influxd", "influxdb"), "-config", str(folder / "influxdb.conf")]
        if role == "broker" and self.broker == "mosquitto":
            found = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
            return [found or program("mosquitto", "mosquitto"), "-c", str(folder / "mosquitto.conf")]
        return commands[role]

    def _write_settings(self, bytes_max: int) -> None:
        folder, ports = self.folder, self.ports
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "mosquitto.conf").write_text(
            _MOSQUITTO.format(port=ports["broker"], inflight=self._queued or 2000, queued=self._queued)
        )
        (folder / "influxdb.conf").write_text(INFLUXDB.format(folder=folder, http=ports["store"], rpc=ports["rpc"]))
        kinds = {AGENT: Kind.AGENT, COLLECTOR: Kind.COLLECTOR, API: Kind.API}
        broker_files.write_files(
            folder / "broker",
            [
                broker_files.Login(Principal(name, kind), broker_files.hash_password(self.passwords[name]))
                for name, kind in kinds.items()
            ],
        )
        for name, password in self.passwords.items():
            write_secret(folder / f"password-{name}", password)
        (folder / "nodes.toml").write_text(self._nodes)
        (folder / "collector.toml").write_text(
            f'store = "{self.store_url}"\nquarantine = "quarantine.db"\nmetrics_port = {ports["metrics"]}\n'
            + self._broker_table(COLLECTOR),
        )
        (folder / "edge.toml").write_text(
            f'[agent]\nid = "{AGENT}"\n[spool]\npath = "spool.db"\nbytes_max = {bytes_max}\n'
            f'[[machine]]\nid = "{counting.MACHINE}"\n'
            f'endpoint = "opc.tcp://127.0.0.1:{ports["machine"]}/officina/simulator/"\n'
            f'trusted_certificate = "machine/server.der"\nnodes_file = "nodes.toml"\n' + self._broker_table(AGENT),
        )

        if self._has_api:
            self._write_api()

    def _write_api(self) -> None:
        """Write what the API needs: its settings, the machine in the records, one key."""
        machine = {
            "id": counting.MACHINE,
            "name": "Counting",
            "kind": "counter",
            "site_id": "modena",
            "agent_id": AGENT,
            "signals": [*DERIVED, *self.counters],
        }
        address = f"sqlite://{self.folder / 'records.db'}"
        holders = {"administrator": (scope.Role.ADMINISTRATOR, None, None)}
        tokens = fill(address, sites={"modena": "Modena"}, machines=[machine], holders=holders)
        self.api_key = tokens["administrator"]
        (self.folder / "api.toml").write_text(
            f'store = "{self.store_url}"\nrecords = "{address}"\nport = {self.ports["api"]}\n'
            + self._broker_table(API),
        )

    def _broker_table(self, login: str) -> str:
        port = self.ports["agent_broker" if login == AGENT else "broker"]
        return (
            f'[broker]\nhost = "127.0.0.1"\nport = {port}\nusername = "{login}"\n'
            f'password_file = "password-{login}"\ninsecure = true\n'
        )

    async def _keep_registry(self) -> None:
        """Do what the API does for the chain: publish the registry at every connect, and hear the agent's health."""
        broker = mqtt.Broker("127.0.0.1", self.ports["broker"], API, self.passwords[API])
        registry = messages.Registry(AGENT, [messages.RegisteredMachine(counting.MACHINE, [*DERIVED, *self.counters])])
        async with mqtt.Client(broker, client_id="registry") as client:
            while True:
                for event in await client.events():
                    if isinstance(event, mqtt.Connected):
                        client.subscribe(topics.health(AGENT))
                        if not self._has_api:
                            client.publish(topics.registry(AGENT), messages.encode_registry(registry), retain=True)
                    elif isinstance(event, mqtt.Message):
                        client.acknowledge(event)
                        self.health = json.loads(event.payload)
