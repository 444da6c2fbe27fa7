"""The demonstration: the same programs as in production, as processes on one machine, with other settings.

Live first, then three months of history. It binds to loopback, makes its secrets at the first start, and keeps all it
has below one folder.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import socket
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import urllib3

from shopfloor.broker_files import Login, hash_password, is_password
from shopfloor.errors import ExpectedError
from shopfloor.runtime import clock, lifecycle
from shopfloor.settings import write_secret
from shopfloor.wire.rights import Kind, Principal
from simulators import workshop
from simulators.supervisor import Program, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

READY_SECONDS = 30.0
"""How long the API may take to answer before the demonstration says so."""
FIRST_VALUE_SECONDS = 60.0
DISK_BYTES_MIN = 2 * 1024**3


class State(msgspec.Struct):
    """What a second start takes over from the first.

    Attributes:
        started: the first start; the machines' lives depend on it.
        ports: of the broker and of each site's OPC UA server, taken again if they are free.
        passwords: of the MQTT logins.
        api_keys: tokens, by role, members as `member:<id>`.
        sign_in: passwords of people, by e-mail.
    """

    started: int
    ports: dict[str, int] = msgspec.field(default_factory=dict)
    passwords: dict[str, str] = msgspec.field(default_factory=dict)
    api_keys: dict[str, str] = msgspec.field(default_factory=dict)
    sign_in: dict[str, str] = msgspec.field(default_factory=dict)


class Demo:
    """One run of the demonstration.

    Args:
        folder: keeps everything.
        port: of the pages and the API.
        seconds: ends by itself after this time; None runs until told to stop.
    """

    def __init__(self, folder: Path, *, port: int, seconds: float | None) -> None:
        self._folder = folder.absolute()
        self._port = port
        self._seconds = seconds
        self._pids: Mapping[str, int] = {}
        self._users: list[dict[str, Any]] = []
        self._began = clock.monotonic_seconds()

    @property
    def _records(self) -> str:
        return f"sqlite://{self._folder / 'records.db'}"

    @property
    def url(self) -> str:
        """Where the pages are."""
        return f"http://127.0.0.1:{self._port}"

    async def run(self, stop: asyncio.Event) -> None:
        """Run until stopped.

        Raises:
            ExpectedError: the port is in use, or the folder cannot be used.
        """
        self._state = self._prepare()
        supervisor = Supervisor(say=_say, changed=self._changed)
        try:
            work = asyncio.create_task(self._work(supervisor, stop))
            done, _ = await asyncio.wait({work}, timeout=self._seconds)
            if not done:
                _say(f"{self._seconds:.0f} s are over.")
                work.cancel()
            await asyncio.gather(work, return_exceptions=not done)
        finally:
            _say("Stopping.")
            await supervisor.stop()
        _say("Stopped.")

    def _prepare(self) -> State:
        """Make or take over state, check the port, write every program's settings."""
        _check_port(self._port)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / "log").mkdir(exist_ok=True)
            state = self._read_state()
            self._choose_ports(state)
            self._write_settings(state)
            self._keep(state)
        except OSError as error:
            raise ExpectedError(
                f"the folder {self._folder} cannot be used ({error}): set DEMO_DIR to another"
            ) from error
        if shutil.disk_usage(self._folder).free < DISK_BYTES_MIN:
            _say(f"Less than {DISK_BYTES_MIN // 1024**3} GB are free on the disk of {self._folder}.")
        return state

    def _keep(self, state: State) -> None:
        write_secret(self._folder / "state.json", msgspec.json.encode(state).decode())

    def _fill(self) -> None:
        """Keep firms, machines and people: the hashes of their passwords take a while."""
        state = self._state
        from simulators.records import fill  # takes a second to import, while machines start

        self._users = fill(self._records, started=state.started, passwords=state.sign_in, api_keys=state.api_keys)
        self._keep(state)

    def _read_state(self) -> State:
        path = self._folder / "state.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=State)
        except FileNotFoundError:
            return State(started=clock.now())
        except msgspec.DecodeError as error:
            raise ExpectedError(f"{path} cannot be read ({error}): remove {self._folder} to begin anew") from error

    def _choose_ports(self, state: State) -> None:
        names = ["broker", *workshop.SITES]
        held: list[socket.socket] = []
        for name in names:
            taken = _bind(state.ports.get(name, 0)) or _bind(0)
            if taken is None:
                raise ExpectedError("no TCP port is free on 127.0.0.1")
            held.append(taken)
            state.ports[name] = taken.getsockname()[1]
        for each in held:
            each.close()

    def _write_settings(self, state: State) -> None:
        for login in ("collector", "api", workshop.GUEST, *workshop.SITES):
            state.passwords.setdefault(login, secrets.token_urlsafe(32))
            write_secret(self._folder / f"password-{login}", state.passwords[login])
        store = f"sqlite:///{self._folder / 'telemetry.db'}"
        self._write("collector.toml", f'store = "{store}"\nquarantine = "quarantine.db"\n', state, "collector")
        self._write(
            "api.toml",
            f'store = "{store}"\nrecords = "{self._records}"\nport = {self._port}\nhouse = "{workshop.HOUSE}"\n'
            'second_factor = "optional"\n'
            '\n[edges]\nbroker_files = "broker"\npid_file = "broker/broker.pid"\n'
            f'host = "127.0.0.1"\nport = {state.ports["broker"]}\ninsecure = true\n',
            state,
            "api",
        )
        for site in workshop.SITES:
            self._write_site(site, state)

    def _write(self, name: str, text: str, state: State, login: str) -> None:
        broker = (
            f'\n[broker]\nhost = "127.0.0.1"\nport = {state.ports["broker"]}\nusername = "{login}"\n'
            f'password_file = "password-{login}"\ninsecure = true\n'
        )
        (self._folder / name).write_text(text + broker, encoding="utf-8")

    def _write_logins(self) -> None:
        from api.audit.service import CONSOLE
        from api.edges.service import Edges, EdgesSettings
        from api.edges.store import EdgeStore
        from api.records.database import open_records
        from simulators.broker import PID_FILE

        kinds = {
            "collector": Kind.COLLECTOR,
            "api": Kind.API,
            workshop.GUEST: Kind.INTEGRATION,
            **dict.fromkeys(workshop.SITES, Kind.AGENT),
        }
        state, folder = self._state, self._folder / "broker"
        (folder / PID_FILE).unlink(missing_ok=True)
        records = open_records(self._records)
        try:
            store = EdgeStore(records)
            kept = {each.login.principal: each.login.password_hash for each in store.logins()}
            for name, kind in kinds.items():
                who, password = Principal(name, kind), state.passwords[name]
                if not is_password(password, kept.get(who, "")):
                    store.put_login(CONSOLE, Login(who, hash_password(password)), now=clock.now())
            Edges(EdgesSettings(folder, "127.0.0.1", state.ports["broker"], insecure=True), store).write()
        finally:
            records.close()

    def _write_site(self, site: str, state: State) -> None:
        places = [place for place in workshop.PLACES if place.site == site]
        machines = [place.identity.id for place in places]
        wanted = workshop.SiteFile(state.started, site, machines, self._folder / f"machines-{site}", state.ports[site])
        (self._folder / f"simulate-{site}.json").write_bytes(msgspec.json.encode(wanted, enc_hook=str))
        lines = [f'[agent]\nid = "{site}"\ncertificates = "pki-{site}"\n\n[spool]\npath = "spool-{site}.db"\n']
        for place in places:
            (self._folder / f"nodes-{place.kind}.toml").write_text(workshop.live_node_map(place.kind), encoding="utf-8")
            lines.append(
                f'\n[[machine]]\nid = "{place.identity.id}"\n'
                f'endpoint = "opc.tcp://127.0.0.1:{state.ports[site]}/officina/simulator/"\n'
                f'product_instance_uri = "{place.identity.product_instance_uri}"\n'
                f'trusted_certificate = "machines-{site}/server.der"\nnodes_file = "nodes-{place.kind}.toml"\n',
            )
        self._write(f"edge-{site}.toml", "".join(lines), state, site)

    async def _start(self, supervisor: Supervisor) -> None:
        """Start every program; what needs another one to be there waits for that one alone.

        The smallest site comes first, and before anything else, since its model takes longest: the first live values
        do not wait for the last machine.
        """
        logs = self._folder / "log"
        state = self._state

        def program(name: str, *command: str, ready: str = "", once: bool = False) -> Program:
            return Program(name, command, logs / f"{name.replace(':', '-')}.log", ready, once)

        officina = ("-m", "shopfloor")
        first, *others = sorted(workshop.SITES, key=_machine_count)
        simulator = supervisor.start(self._simulator(first, program))
        await asyncio.to_thread(self._write_logins)
        broker = supervisor.start(
            program(
                "broker",
                *("-m", "simulators.broker", str(self._folder / "broker"), str(state.ports["broker"])),
                ready="ready",
            ),
        )
        await asyncio.to_thread(self._fill)  # while broker and machines start; the API finds everybody there
        await broker.started.wait()
        supervisor.start(program("api", *officina, "api", "--config", str(self._folder / "api.toml")))
        supervisor.start(program("collector", *officina, "collector", "--config", str(self._folder / "collector.toml")))
        for site in (first, *others):
            if site != first:
                simulator = supervisor.start(self._simulator(site, program))
            await simulator.started.wait()
            edge = str(self._folder / f"edge-{site}.toml")
            supervisor.start(program(f"edge:{site}", *officina, "edge", "run", edge))
        supervisor.start(program("watch", *officina, "watch", "--config", str(self._folder / "api.toml")))

    def _simulator(self, site: str, program: Callable[..., Program]) -> Program:
        settings = str(self._folder / f"simulate-{site}.json")
        return program(f"simulator:{site}", "-m", "shopfloor", "simulate", "--site", settings, ready="ready")

    async def _work(self, supervisor: Supervisor, stop: asyncio.Event) -> None:
        """Start everything, then fill in the past; ends when it is told to stop."""
        stopping = asyncio.create_task(stop.wait())
        going = asyncio.create_task(self._go(supervisor))
        await asyncio.wait({stopping, going}, return_when=asyncio.FIRST_COMPLETED)
        if going.done():
            going.result()
            await stopping
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)

    async def _go(self, supervisor: Supervisor) -> None:
        await asyncio.gather(self._start(supervisor), self._tell_first_value())
        past = Program(
            "history",
            ("-m", "simulators.history_main", str(self._folder)),
            self._folder / "log" / "history.log",
            ready="history: done",
            once=True,
        )
        supervisor.start(past)
        await past.started.wait()
        _say("Three months of history are filled in.")

    async def _tell_first_value(self) -> None:
        """Say when there are live values, and where the pages are."""
        http = urllib3.PoolManager(retries=False, timeout=2)
        deadline = clock.monotonic_seconds() + FIRST_VALUE_SECONDS
        while not await asyncio.to_thread(self._has_live_value, http):
            if clock.monotonic_seconds() > deadline:
                _say(f"There is no live value yet after {FIRST_VALUE_SECONDS:.0f} s; see {self._folder / 'log'}.")
                break
            await asyncio.sleep(0.2)
        else:
            _say(f"The first live values are here, {clock.monotonic_seconds() - self._began:.1f} s after the start.")
        self._print_addresses()

    def _has_live_value(self, http: urllib3.PoolManager) -> bool:
        try:
            headers = {"Authorization": f"Bearer {self._state.api_keys['operator']}"}
            answer = http.request("GET", f"{self.url}/api/v1/machines", headers=headers)
            items: list[dict[str, Any]] = answer.json()["items"] if answer.status == 200 else []  # noqa: PLR2004
        except (urllib3.exceptions.HTTPError, ValueError, KeyError):
            return False
        return any(item.get("state") not in {None, "unknown", "unreachable"} for item in items)

    def _changed(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        if not self._users:  # nobody reads half of it: it is written as soon as there are people
            return
        state = self._state
        credentials = {
            "url": self.url,
            "users": self._users,
            "api_keys": state.api_keys,
            "mqtt": {
                "host": "127.0.0.1",
                "port": state.ports["broker"],
                "username": workshop.GUEST,
                "password": state.passwords[workshop.GUEST],
                "publisher": workshop.GUEST,
            },
            "pids": dict(pids),
        }
        write_secret(self._folder / "credentials.json", json.dumps(credentials, indent=1))

    def _print_addresses(self) -> None:
        member = workshop.FIRMS[0].id
        shown = [each for each in self._users if each["member"] in {None, member}]
        logins = "".join(f"    {each['email']:<44} {each['password']}\n" for each in shown)
        _say(
            f"\n  {workshop.HOUSE}: {len(workshop.PLACES)} machines, {len(workshop.SITES)} sites, "
            f"{len(workshop.FIRMS)} member firms\n\n"
            f"  Pages            {self.url}/\n"
            f"  API              {self.url}/api/v1/openapi.json\n"
            f"  MQTT             127.0.0.1:{self._state.ports['broker']} (login in credentials.json)\n\n"
            f"  Sign in as one of these:\n{logins}"
            f"  All people, API keys and process ids: {self._folder / 'credentials.json'}\n"
            f"  Logs: {self._folder / 'log'}\n\n"
            f"  Ctrl-C stops it; the next start goes on with its data.\n",
        )


def _machine_count(site: str) -> int:
    return sum(place.site == site for place in workshop.PLACES)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _bind(port: int) -> socket.socket | None:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        return None
    return listener


def _check_port(port: int) -> None:
    """Refuse a port that somebody else answers on, before anything starts."""
    listener = _bind(port)
    if listener is None:
        raise ExpectedError(
            f"port {port} on 127.0.0.1 is in use: stop what uses it, or choose another, PORT=8001 make demo"
        )
    listener.close()


def main(folder: Path, *, port: int, seconds: float | None) -> int:
    """Run the demonstration until it is stopped. Returns the exit code.

    Raises:
        ExpectedError: with the one sentence that says what to do.
    """
    os.umask(0o077)
    demo = Demo(folder, port=port, seconds=seconds)
    return lifecycle.run(demo.run)
