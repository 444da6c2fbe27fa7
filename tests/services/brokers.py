"""Real MQTT brokers for tests, each in a folder of its own on a free port, and peers that talk to them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from shopfloor import mqtt
from simulators.logins import Login, api_login, collector_login, edge_login, write_logins
from tests.services.stores import free_port, program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

START_SECONDS = 30.0
STOP_SECONDS = 10.0
PATIENCE_SECONDS = 20.0

Logins: TypeAlias = "Mapping[str, tuple[str, Login]]"
"""Password and rights by user name."""
Kind: TypeAlias = Literal["mosquitto", "amqtt"]

_MOSQUITTO = """
listener {port} 127.0.0.1
user root
persistence false
max_inflight_messages 0
max_queued_messages 0
"""


class Server:
    """A broker that runs.

    Attributes:
        port: on the loopback.
    """

    def __init__(self, port: int, process: subprocess.Popen[bytes], logins: Logins | None) -> None:
        self.port = port
        self._process = process
        self._logins = logins or {}

    def broker(self, user: str = "") -> mqtt.Broker:
        """Return the address, with the login of a user."""
        if not self._logins:
            return mqtt.Broker("127.0.0.1", self.port)
        return mqtt.Broker("127.0.0.1", self.port, user, self._logins[user][0])

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it read and answer nothing for a while."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


def usual_logins(*publishers: str) -> Logins:
    """Return the logins of these publishers, a collector and the API; the user of a publisher is its id."""
    return {
        **{
            name: (f"{name} has a long password", edge_login(f"{name} has a long password", name))
            for name in publishers
        },
        "collector": ("the collector's password", collector_login("the collector's password")),
        "api": ("the password of the API", api_login("the password of the API")),
    }


@contextmanager
def run_broker(kind: Kind, folder: Path, *publishers: str, port: int | None = None) -> Iterator[Server]:
    """Run either broker with the usual logins."""
    logins = usual_logins(*publishers)
    with mosquitto(folder, logins=logins, port=port) if kind == "mosquitto" else amqtt(folder, logins, port=port) as it:
        yield it


@contextmanager
def mosquitto(
    folder: Path, *, logins: Logins | None = None, extra: Sequence[str] = (), port: int | None = None
) -> Iterator[Server]:
    """Run Mosquitto without persistence; anybody may do anything unless there are logins.

    Args:
        folder: where its files are put.
        logins: who may do what.
        extra: further lines of its configuration.
        port: the port, a free one when None.
    """
    path = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin") or program(
        "mosquitto", "mosquitto"
    )
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    lines = [_MOSQUITTO.format(port=port), *extra]
    lines += _mosquitto_logins(folder, logins) if logins else ["allow_anonymous true"]
    (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with _running([path, "-c", str(folder / "mosquitto.conf")], folder, port, logins) as server:
        yield server


def _mosquitto_logins(folder: Path, logins: Logins) -> list[str]:
    passwords, rights = folder / "passwords", list[str]()
    passwords.write_text("", encoding="utf-8")
    passwords.chmod(0o600)
    tool = program("mosquitto_passwd", "mosquitto")
    for user, (password, login) in logins.items():
        subprocess.run([tool, "-b", str(passwords), user, password], check=True, capture_output=True)
        rights += [f"user {user}", *(f"topic write {each}" for each in login.publish)]
        rights += [f"topic read {each}" for each in login.subscribe]
    (folder / "rights").write_text("\n".join(rights) + "\n", encoding="utf-8")
    (folder / "rights").chmod(0o600)
    return ["allow_anonymous false", f"password_file {passwords}", f"acl_file {folder / 'rights'}"]


@contextmanager
def amqtt(folder: Path, logins: Logins, *, port: int | None = None) -> Iterator[Server]:
    """Run the embedded broker as the demonstration does."""
    port = port or free_port()
    write_logins(folder / "logins.json", {user: login for user, (_, login) in logins.items()})
    command = [sys.executable, "-m", "simulators.broker", str(folder / "logins.json"), str(port)]
    with _running(command, folder, port, logins) as server:
        yield server


@contextmanager
def _running(command: list[str], folder: Path, port: int, logins: Logins | None) -> Iterator[Server]:
    log = folder / "broker.log"
    root = Path(__file__).resolve().parents[2]
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=root)
    try:
        _wait_until_it_answers(process, port, log)
        yield Server(port, process, logins)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError(
        f"{process.args!r} does not answer:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}"
    )


async def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until something holds.

    Raises:
        AssertionError: naming what did not come.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s: not {what}")
        await asyncio.sleep(0.01)


class Peer:
    """A client of a test, which keeps what it hears.

    Attributes:
        heard: messages, in order.
        refused: reasons of connections that could not be made or were ended.
        denied: mids of subscriptions that were not granted.
        taken: mids of messages that the broker took.
    """

    def __init__(self, client: mqtt.Client) -> None:
        self.client = client
        self.heard: list[mqtt.Message] = []
        self.refused: list[str] = []
        self.granted: set[int] = set()
        self.denied: set[int] = set()
        self.taken: set[int] = set()

    async def listen(self) -> None:
        """Take in events until cancelled."""
        while True:
            for event in await self.client.events():
                match event:
                    case mqtt.Message():
                        self.heard.append(event)
                        self.client.acknowledge(event)
                    case mqtt.Disconnected(reason=reason):
                        self.refused.append(reason)
                    case mqtt.Subscribed(mid=mid, refused=refused):
                        (self.denied if refused else self.granted).add(mid)
                    case mqtt.Published(mid=mid):
                        self.taken.add(mid)
                    case _:
                        pass

    def on(self, topic: str) -> list[bytes]:
        """Return the payloads heard on a topic."""
        return [message.payload for message in self.heard if message.topic == topic]

    async def subscribe(self, *filters: str) -> bool:
        """Subscribe and wait for the answer. Returns whether all of it was granted."""
        mid = self.client.subscribe(*filters)
        assert mid is not None
        await until(lambda: mid in self.granted | self.denied, f"answered: the subscription to {filters}")
        return mid in self.granted

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish and wait until the broker took it."""
        mid = self.client.publish(topic, payload, retain=retain)
        assert mid is not None
        await until(lambda: mid in self.taken, f"taken: a message on {topic}")


@asynccontextmanager
async def peer(
    broker: mqtt.Broker, client_id: str, *, will: mqtt.Will | None = None, clean: bool = True, wait: bool = True
) -> AsyncIterator[Peer]:
    """Connect as a client; `wait` for being let in."""
    async with mqtt.Client(broker, client_id=client_id, will=will, clean=clean) as client:
        it = Peer(client)
        listening = asyncio.create_task(it.listen())
        try:
            if wait:
                await until(lambda: client.is_connected, f"let in: {client_id} ({it.refused})")
            yield it
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
