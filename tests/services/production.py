"""The chain of production as processes, with the settings that `officina init` makes: TLS, logins, several of each."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import httpx

from api.access.scope import Role
from shopfloor import mqtt
from shopfloor.settings import read_secret
from shopfloor.wire import topics
from tests.faults import counting
from tests.services.records import fill
from tests.services.stores import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
AGENT = "site-a"
SIGNALS = ["item_state", "observed", "unreachable", "hole", "filled", "clock_offset_seconds"]
START_SECONDS = 150.0
STOP_SECONDS = 20.0
_PORTS = ("https", "agents", "programs", "api", "metrics", "machine")


class Production:
    """Everything of one installation but the databases.

    Args:
        folder: private to it.
        store: address of the telemetry store.
        records: address of the database of records.
    """

    def __init__(self, folder: Path, *, store: str, records: str) -> None:
        self.folder = folder / "officina"
        self.logs = folder / "log"
        self.logs.mkdir()
        self.store, self.records = store, records
        self.ports = {name: free_port() for name in _PORTS}
        self.ports["metrics"] = _two_free_ports()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.health: dict[str, object] = {}
        self.counters = counting.signals(counting.COUNT, "counter")
        self.has_front = shutil.which("caddy") is not None
        self._listening: asyncio.Task[None] | None = None
        self._install()

    @property
    def served_log(self) -> Path:
        """What the machine has served."""
        return self.folder / "served.log"

    @property
    def url(self) -> str:
        """Where people and agents find the pages."""
        return f"https://localhost:{self.ports['https' if self.has_front else 'api']}"

    def get(self, path: str) -> httpx.Response:
        """Ask as a browser does that trusts this installation's authority."""
        trust = ssl.create_default_context(cafile=str(self.folder / "certificates" / "ca.pem"))
        headers = {"Authorization": f"Bearer {self.key}"}
        with httpx.Client(verify=trust, headers=headers, timeout=10) as client:
            return client.get(self.url + path)

    def run(self, *arguments: str) -> str:
        """Run a command of Officina, and return what it wrote."""
        done = subprocess.run(
            [sys.executable, "-m", "shopfloor", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, role: str) -> None:
        """Start a program; it need not be ready at once."""
        with (self.logs / f"{role}.log").open("ab") as log:
            self.processes[role] = subprocess.Popen(
                self._command(role), cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def kill(self, role: str) -> None:
        """End a program, with all its processes, by `kill -9`."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.processes[role].pid, signal.SIGKILL)
        self.processes[role].wait()

    def log(self, role: str) -> str:
        """Return what a program has said."""
        return (self.logs / f"{role}.log").read_text(errors="replace")

    async def until(self, condition: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                tails = {file.name: file.read_text(errors="replace")[-1500:] for file in self.logs.glob("*.log")}
                raise AssertionError(f"not within {seconds} s: {what}\n" + json.dumps(tails, indent=1))
            await asyncio.sleep(0.1)

    def metric(self, collector: int, name: str) -> float:
        """Return what a collector counts, 0 while it does not answer."""
        with contextlib.suppress(httpx.HTTPError):
            text = httpx.get(f"http://127.0.0.1:{self.ports['metrics'] + collector - 1}/metrics", timeout=1).text
            for line in text.splitlines():
                if line.startswith(f"{name} "):
                    return float(line.split()[1])
        return 0.0

    def answers(self, path: str = "/readyz") -> bool:
        """Tell whether the pages are there."""
        with contextlib.suppress(httpx.HTTPError):
            return self.get(path).status_code == httpx.codes.OK
        return False

    async def __aenter__(self) -> Self:
        """Start everything, enrol the agent, and wait until both collectors have stored something."""
        try:
            await self._start_all()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """End everything."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        for process in self.processes.values():
            process.terminate()
        for role, process in self.processes.items():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill(role)

    async def _start_all(self) -> None:
        for role in ("machine", "broker"):
            self.start(role)
        await self.until(lambda: "ready" in self.log("machine"), "the machine's server answers")
        for role in ("api", "collector-1", "collector-2", *(["caddy"] if self.has_front else [])):
            self.start(role)
        await self.until(self.answers, "the pages are there")
        self._enrol()
        self.start("agent")
        self._listening = asyncio.create_task(self._listen())
        for number in (1, 2):
            await self.until(
                lambda number=number: self.metric(number, "officina_collector_ready"),  # type: ignore[misc]
                f"collector {number} is ready",
            )

    def _enrol(self) -> None:
        code = self.run("api", "login", "invite", str(self.folder / "api.toml"), AGENT).strip()
        edge = str(self.folder / "edge.toml")
        authority = str(self.folder / "certificates" / "ca.pem")
        self.run("edge", "enroll", self.url, code, "--config", edge, "--ca", authority)

    def _command(self, role: str) -> list[str]:
        folder, python = self.folder, [sys.executable, "-m"]
        officina = [*python, "shopfloor"]
        name, _, number = role.partition("-")
        commands = {
            "machine": [*python, "tests.faults.counting", str(folder / "machine"), str(self.ports["machine"]),
                        str(self.served_log), str(counting.COUNT), str(counting.HERTZ)],
            "broker": ["sh", str(ROOT / "deploy/mosquitto/run.sh"), str(folder / "mosquitto.conf"), str(folder)],
            "caddy": ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"],
            "api": [*officina, "api", "--config", str(folder / "api.toml"), "--workers", "2"],
            "watch": [*officina, "watch", "--config", str(folder / "api.toml")],
            "collector": [*officina, "collector", "--config", str(folder / f"collector-{number}.toml")],
            "agent": [*officina, "edge", "run", str(folder / "edge.toml")],
        }  # fmt: skip
        return commands[name]

    def _install(self) -> None:
        """Make the installation by its command."""
        is_root = os.geteuid() == 0
        ports = [part for name in _PORTS[:-1] for part in (f"--{name}-port", str(self.ports[name]))]
        self.run(
            "init", str(self.folder), "--layout", "machine", "--host", "localhost", "--house", "Consorzio Prova",
            "--store", self.store, "--records", self.records, *ports, *(["--owner", "10001:10001"] if is_root else []),
        )  # fmt: skip
        conf = self.folder / "mosquitto.conf"
        if is_root:  # the programs of this test run as root, for which no other user could read the broker's files
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, 0, 0)
            conf.write_text("user root\n" + conf.read_text())
        conf.write_text(re.sub(r"^listener (\d+)$", r"listener \1 127.0.0.1", conf.read_text(), flags=re.MULTILINE))
        self._enter()

    def _enter(self) -> None:
        """Enter what an administrator would: the machine, and a key to ask with."""
        machine = {
            "id": counting.MACHINE, "name": "Counting", "kind": "counter", "site_id": "modena", "agent_id": AGENT,
            "signals": [*SIGNALS, *self.counters],
        }  # fmt: skip
        holders = {"operator": (Role.OPERATOR, None, None)}
        self.key = fill(self.records, sites={"modena": "Modena"}, machines=[machine], holders=holders)["operator"]
        (self.folder / "nodes.toml").write_text(counting.nodes(self.counters))
        (self.folder / "edge.toml").write_text(
            f'[agent]\nid = "{AGENT}"\n[spool]\npath = "spool.db"\n'
            f'[[machine]]\nid = "{counting.MACHINE}"\n'
            f'endpoint = "opc.tcp://127.0.0.1:{self.ports["machine"]}/officina/simulator/"\n'
            f'trusted_certificate = "machine/server.der"\nnodes_file = "nodes.toml"\n'
        )

    def broker(self) -> mqtt.Broker:
        """Return how the API reaches the broker."""
        tls = mqtt.Tls(self.folder / "certificates" / "ca.pem", None, None)
        password = read_secret(self.folder / "secrets" / "api-password")
        return mqtt.Broker("127.0.0.1", self.ports["programs"], "api", password, tls)

    async def _listen(self) -> None:
        async with mqtt.Client(self.broker(), client_id="test-health") as client:
            while True:
                for event in await client.events():
                    if isinstance(event, mqtt.Connected):
                        client.subscribe(topics.health(AGENT))
                    elif isinstance(event, mqtt.Message):
                        client.acknowledge(event)
                        self.health = json.loads(event.payload)


def _two_free_ports() -> int:
    """Return a free port whose next one is free too."""
    import socket

    while True:
        port = free_port()
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port + 1)):
            return port
