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

from shopfloor import broker_files, mqtt
from shopfloor.wire.rights import Kind as LoginKind
from shopfloor.wire.rights import Principal
from simulators.broker import PID_FILE
from tests.services.stores import free_port, program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

START_SECONDS = 30.0
STOP_SECONDS = 10.0
PATIENCE_SECONDS = 20.0

Logins: TypeAlias = "Mapping[str, tuple[str, LoginKind]]"
"""Password and kind by user name."""
Kind: TypeAlias = Literal["mosquitto", "amqtt"]

ROOT = Path(__file__).resolve().parents[2]
BOUND = (LoginKind.AGENT, LoginKind.PUBLISHER, LoginKind.READER)
"""Logins of the listener where the client id is the user name."""

_UNPRIVILEGED = """
user root
persistence false
max_inflight_messages 0
max_queued_messages 0
"""
_MOSQUITTO = (
    """
listener {port} 127.0.0.1
"""
    + _UNPRIVILEGED
)


class Server:
    """A broker that runs.

    Attributes:
        port: on the loopback; of Mosquitto with logins, the listener of publishers.
        process: the broker.
    """

    def __init__(
        self, port: int, process: subprocess.Popen[bytes], logins: Logins | None, *, files: Path, programs_port: int
    ) -> None:
        self.port = port
        self.process = process
        self._logins = dict(logins or {})
        self._files = files
        self._programs_port = programs_port

    def broker(self, user: str = "", password: str | None = None) -> mqtt.Broker:
        """Return the address, with the login of a user."""
        if not self._logins:
            return mqtt.Broker("127.0.0.1", self.port)
        known, kind = self._logins[user]
        port = self.port if kind in BOUND else self._programs_port
        return mqtt.Broker("127.0.0.1", port, user, known if password is None else password)

    def revoke(self, user: str) -> None:
        """Take a login away, as the API does it."""
        write_logins(self._files, {name: each for name, each in self._logins.items() if name != user})
        broker_files.reload(self._files / PID_FILE)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it read and answer nothing for a while."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


def usual_logins(*publishers: str) -> Logins:
    """Return the logins of these agents, a collector and the API; the user of an agent is its id."""
    return {
        **{name: (f"{name} has a long password", LoginKind.AGENT) for name in publishers},
        "collector": ("the collector's password", LoginKind.COLLECTOR),
        "api": ("the password of the API", LoginKind.API),
    }


def write_logins(folder: Path, logins: Logins) -> None:
    """Write the files of a broker."""
    broker_files.write_files(
        folder,
        [
            broker_files.Login(Principal(name, kind), broker_files.hash_password(password))
            for name, (password, kind) in logins.items()
        ],
    )


@contextmanager
def run_broker(kind: Kind, folder: Path, *publishers: str, port: int | None = None) -> Iterator[Server]:
    """Run either broker with the usual logins."""
    logins = usual_logins(*publishers)
    with mosquitto(folder, logins=logins, port=port) if kind == "mosquitto" else amqtt(folder, logins, port=port) as it:
        yield it


@contextmanager
def mosquitto(
    folder: Path,
    *,
    logins: Logins | None = None,
    extra: Sequence[str] = (),
    programs: Sequence[str] = (),
    port: int | None = None,
) -> Iterator[Server]:
    """Run Mosquitto without persistence; anybody may do anything unless there are logins.

    Args:
        folder: where its files are put.
        logins: who may do what.
        extra: further lines of its configuration, for the listener of the publishers.
        programs: the same for the listener of the programs.
        port: the port, a free one when None.
    """
    path = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin") or program(
        "mosquitto", "mosquitto"
    )
    port, programs_port = port or free_port(), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    if logins:
        write_logins(folder, logins)
        text = documented_settings(folder, port, programs_port, extra, programs) + _UNPRIVILEGED
    else:
        text = _MOSQUITTO.format(port=port) + "\n".join(["allow_anonymous true", *extra, ""])
    (folder / "mosquitto.conf").write_text(text, encoding="utf-8")
    command = [path, "-c", str(folder / "mosquitto.conf")]
    with _running(command, folder, port, logins, programs_port=programs_port if logins else port) as server:
        yield server


def documented_settings(
    folder: Path, port: int, programs_port: int, extra: Sequence[str] = (), programs: Sequence[str] = ()
) -> str:
    """Return the settings that the documentation tells to use, without TLS, for a folder and ports of a test.

    Further lines belong to the listener of the publishers, and of the programs.
    """
    page = (ROOT / "docs" / "brokers.md").read_text(encoding="utf-8")
    settings = page.partition("```conf\n")[2].partition("```")[0]
    assert settings, "docs/brokers.md shows no settings"
    lines = [line for line in settings.splitlines() if not line.startswith(("cafile", "certfile", "keyfile"))]
    return (
        "\n".join(lines)
        .replace("listener 8883", "\n".join([f"listener {port} 127.0.0.1", *extra]))
        .replace("listener 8884", "\n".join([f"listener {programs_port} 127.0.0.1", *programs]))
        .replace("/var/lib/officina/broker", str(folder))
        .replace("/run/mosquitto/mosquitto.pid", str(folder / PID_FILE))
    )


@contextmanager
def amqtt(folder: Path, logins: Logins, *, port: int | None = None) -> Iterator[Server]:
    """Run the embedded broker as the demonstration does."""
    port = port or free_port()
    write_logins(folder, logins)
    command = [sys.executable, "-m", "simulators.broker", str(folder), str(port)]
    with _running(command, folder, port, logins, programs_port=port) as server:
        yield server


@contextmanager
def _running(
    command: list[str], folder: Path, port: int, logins: Logins | None, *, programs_port: int
) -> Iterator[Server]:
    log = folder / "broker.log"
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT)
    try:
        _wait_until_it_answers(process, port, log)
        yield Server(port, process, logins, files=folder, programs_port=programs_port)
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


def die(broker: mqtt.Broker, client_id: str, will: mqtt.Will) -> int:
    """Connect with a last will and vanish without a word. Returns the broker's answer, 0 when it let us in."""

    def text(value: str | bytes) -> bytes:
        raw = value.encode() if isinstance(value, str) else value
        return len(raw).to_bytes(2, "big") + raw

    body = text("MQTT") + b"\x04\xee\x00\x3c" + text(client_id) + text(will.topic) + text(will.payload)
    body += text(broker.username) + text(broker.password)
    length = bytes([len(body)]) if len(body) < 128 else bytes([len(body) % 128 | 128, len(body) // 128])
    with socket.create_connection((broker.host, broker.port), 10) as connection:
        connection.sendall(b"\x10" + length + body)
        answer = connection.recv(4)
        return answer[3] if len(answer) == 4 else -1


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
