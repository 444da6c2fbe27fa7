"""A real broker, a real store and the real API, for the tests that ask it over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from api.access.scope import Role
from shopfloor import mqtt
from shopfloor.runtime import clock
from shopfloor.samples import Sample, slices
from shopfloor.stores.sqlite import SqliteStore
from shopfloor.wire import messages, topics
from tests.services.records import Holder, add_bookings, fill, new_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DEADLINE_SECONDS = 15.0
START_SECONDS = 60.0
"""How long a program may take until it serves, with other tests beside it."""
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For who speaks to a world, without TLS: httpx would read every certificate authority anew for each request, which
takes twenty times as long as the request itself."""
EDGE, EPOCH = "north-1", "ab"
_numbers = itertools.count(1)

SITES = {"nord": "Nord", "sud": "Sud"}
MACHINES = [
    {"id": "mill-1", "name": "M 1", "kind": "Fresatrice", "site_id": "nord", "agent_id": EDGE},
    {"id": "mill-2", "name": "M 2", "kind": "Fresatrice", "site_id": "nord", "agent_id": EDGE},
    {"id": "lathe-1", "name": "L 1", "kind": "Tornio", "site_id": "sud", "agent_id": "south-1"},
]
HOLDERS: dict[str, Holder] = {
    "administrator": (Role.ADMINISTRATOR, None, None),
    "operator": (Role.OPERATOR, None, None),
    "operator of Nord": (Role.OPERATOR, None, ("nord",)),
    "operator of Sud": (Role.OPERATOR, None, ("sud",)),
    "maintenance": (Role.MAINTENANCE, None, None),
    "member": (Role.MEMBER, "firm-a", None),
    "other member": (Role.MEMBER, "firm-b", None),
    "kiosk": (Role.KIOSK, None, None),
}


def until(condition: Callable[[], Any], what: str = "it", *, seconds: float = DEADLINE_SECONDS) -> Any:
    """Wait until a condition holds, and return what it returned."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} never came"
        time.sleep(0.05)
    return found


class World(NamedTuple):
    """What a test acts in.

    Attributes:
        folder: settings, records, store.
        broker: the real broker.
        store: the same file that the API reads.
        keys: tokens by holder.
        process: the API.
        url: where it serves.
        log: what it said.
        records: address of the records.
    """

    folder: Path
    broker: mqtt.Broker
    store: SqliteStore
    keys: dict[str, str]
    process: subprocess.Popen[bytes]
    url: str
    log: Path
    records: str

    def headers(self, holder: str) -> dict[str, str]:
        """Return what proves a holder."""
        return {"Authorization": f"Bearer {self.keys[holder]}"}

    def get(self, path: str, holder: str | None = "administrator", **parameters: Any) -> httpx.Response:
        """Ask as a holder, or as nobody."""
        return self.send("GET", path, holder, params=parameters)

    def send(self, method: str, path: str, holder: str | None = "administrator", **more: Any) -> httpx.Response:
        """Change something as a holder, or as nobody."""
        headers = (self.headers(holder) if holder else {}) | more.pop("headers", {})
        timeout = DEADLINE_SECONDS
        return httpx.request(method, f"{self.url}{path}", headers=headers, timeout=timeout, verify=NO_TLS, **more)

    def say(self, *samples: Sample, publisher: str = EDGE, is_stored: bool = True) -> None:
        """Publish samples as an agent does, and store them as the collector does."""
        if is_stored:
            self.store.write(slices(samples), now=clock.now())
        asyncio.run(self._publish(samples, publisher))

    def retain(self, topic: str, payload: bytes) -> None:
        """Leave a message with the broker."""

        async def leave() -> None:
            async with mqtt.Client(self.broker, client_id=f"test-{next(_numbers)}") as client:
                await _connected(client)
                mid = client.publish(topic, payload, retain=True)
                while mid not in {event.mid for event in await client.events() if isinstance(event, mqtt.Published)}:
                    pass

        asyncio.run(leave())

    async def _publish(self, samples: Sequence[Sample], publisher: str) -> None:
        async with mqtt.Client(self.broker, client_id=f"test-{next(_numbers)}") as client:
            await _connected(client)
            waiting: set[int | None] = set()
            for machine in {sample.machine for sample in samples}:
                own = [sample for sample in samples if sample.machine == machine]
                for body in messages.pack(own, publisher=publisher, writer_group="record", writer_id=1):
                    row = messages.RowId(publisher, EPOCH, next(_numbers))
                    topic = topics.data(publisher, "record", machine)
                    waiting.add(client.publish(topic, messages.with_id(row, body.data)))
            while waiting:
                waiting -= {event.mid for event in await client.events() if isinstance(event, mqtt.Published)}

    def retained(self, topic_filter: str, *, count: int) -> dict[str, bytes]:
        """Return the retained messages of a filter, waiting until there are so many."""

        def read() -> dict[str, bytes] | None:
            found = asyncio.run(self._retained(topic_filter))
            return found if len(found) == count else None

        found: dict[str, bytes] = until(read, f"{count} retained messages")
        return found

    async def _retained(self, topic_filter: str) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        echo = f"officina/echo/test-{next(_numbers)}"
        async with mqtt.Client(self.broker, client_id=f"test-{next(_numbers)}") as client:
            await _connected(client)
            client.subscribe(topic_filter, echo)
            client.publish(echo, b"1")  # what is retained comes before it
            while True:
                for event in await client.events():
                    if isinstance(event, mqtt.Message):
                        if event.topic == echo:
                            return found
                        if event.retain:
                            found[event.topic] = event.payload


async def _connected(client: mqtt.Client) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not client.is_connected:
            await client.events()


def free_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextlib.contextmanager
def mosquitto(folder: Path) -> Iterator[mqtt.Broker]:
    """Run a real broker."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    assert program, "mosquitto is missing: `make servers` installs it"
    port = free_port()
    (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen(
        [program, "-c", str(folder / "mosquitto.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: _accepts(port), "the broker", seconds=START_SECONDS)
        yield mqtt.Broker("127.0.0.1", port)
    finally:
        process.terminate()
        process.wait()


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def records_of(folder: Path) -> str:
    """Return the address of the records of a folder, where no other is named."""
    return f"sqlite://{folder}/records.db"


def write_files(
    folder: Path, broker: mqtt.Broker, *, live: str = "", more: str = "", records: str = ""
) -> dict[str, str]:
    """Write settings and records. Returns the tokens by holder."""
    records = records or new_records(folder)
    (folder / "api.toml").write_text(
        f'store = "sqlite://{folder}/store.db"\nrecords = "{records}"\n'
        f'port = 0\nhouse = "Consorzio Prova"\n{more}\n'
        f'[broker]\nhost = "{broker.host}"\nport = {broker.port}\n[live]\n{live}\n',
    )
    keys = fill(records, sites=SITES, machines=MACHINES, holders=HOLDERS)
    add_bookings(records)
    return keys


@contextlib.contextmanager
def world(folder: Path, *, live: str = "", more: str = "", records: str = "") -> Iterator[World]:
    """Run a broker, a store and the API; everything ends with it."""
    records = records or new_records(folder)
    with mosquitto(folder) as broker:
        keys = write_files(folder, broker, live=live, more=more, records=records)
        store = SqliteStore(folder / "store.db")
        try:
            with api(folder) as (process, url, log):
                it = World(folder, broker, store, keys, process, url, log, records)
                until(lambda: it.get("/readyz", None).status_code == 200, "readiness", seconds=START_SECONDS)
                yield it
        finally:
            store.close()


@contextlib.contextmanager
def api(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    """Run the API by its own command; yields the process, where it serves, and its log."""
    log = folder / "api.log"
    command = [str(Path(sys.executable).with_name("officina")), "api", "--config", str(folder / "api.toml"), *arguments]
    log.touch()
    before = log.stat().st_size
    with log.open("ab") as file:
        process = subprocess.Popen(command, stderr=file, stdout=file, env=os.environ | {"PYTHONWARNINGS": "default"})
    try:
        yield process, until(lambda: _url(process, log, before), "the ready line", seconds=START_SECONDS), log
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _url(process: subprocess.Popen[bytes], log: Path, before: int) -> str | None:
    assert process.poll() is None, log.read_text()
    for line in log.read_bytes()[before:].decode().splitlines():
        if '"api.ready"' in line:
            return str(json.loads(line)["url"])
    return None


class Stream:
    """An open live stream.

    Attributes:
        events: kind and data of what was received.
    """

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._lines = response.iter_lines()

    def read(self) -> tuple[str, dict[str, Any]]:
        """Wait for the next event."""
        kind = ""
        for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                self.events.append((kind, json.loads(value)))
                return self.events[-1]
        raise EOFError("the stream has ended")

    def until(self, matches: Callable[[str, dict[str, Any]], bool]) -> dict[str, Any]:
        """Read until an event matches."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            kind, data = self.read()
            if matches(kind, data):
                return data
            assert time.monotonic() < deadline, f"only these came: {self.events}"


@contextlib.contextmanager
def follow(it: World, holder: str, query: str = "") -> Iterator[Stream]:
    """Open a live stream as a holder."""
    url = f"{it.url}/api/v1/live{query}"
    with httpx.stream("GET", url, headers=it.headers(holder), timeout=DEADLINE_SECONDS, verify=NO_TLS) as response:
        yield Stream(response)
