"""Samples a second from the broker to the committed store, beside what the store takes by direct bulk writes.

Mosquitto without persistence is handed all messages at once by one publisher: a hundred samples a message, QoS 1. The
collector acknowledges after the commit. Publisher, broker, collector and store share the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil
import urllib3

from shopfloor import mqtt
from shopfloor.runtime import clock
from shopfloor.samples import slices
from shopfloor.stores.open import open_store
from shopfloor.wire import messages, topics
from tests.benchmarks import load
from tests.services.brokers import mosquitto
from tests.services.stores import free_port, influxdb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MESSAGES = 12_000


class Result(NamedTuple):
    """One run.

    Attributes:
        through: samples a second from broker to committed store.
        direct: samples a second by direct bulk writes.
        memory: resident megabytes of the collector at the end.
        cpu: share of the time that the collector used, 1 is a core.
    """

    through: float
    direct: float
    memory: float
    cpu: float


def main() -> None:
    """Print a line for each store and shape."""
    for store in ("sqlite", "influxdb"):
        for own in (False, True):
            shape = "one stamp per value" if own else "aligned stamps"
            with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
                folder = Path(name)
                url = f"sqlite:///{folder / 'telemetry.db'}"
                if store == "influxdb":
                    address = stack.enter_context(influxdb(folder / "influx"))
                    url = f"influx1+{address}"
                result = asyncio.run(run(folder, url, own_stamps=own))
            print(
                f"collector  {store:9} {shape:20} {result.through:>10,.0f} samples/s   direct bulk writes "
                f"{result.direct:>10,.0f}/s   collector {result.memory:.0f} MB, {result.cpu:.2f} core",
            )


async def run(folder: Path, url: str, *, own_stamps: bool) -> Result:
    """Measure one store with one shape of messages."""
    made = list(load.payloads(MESSAGES, own_stamps=own_stamps))
    metrics = free_port()
    with mosquitto(folder / "broker", extra=("max_inflight_messages 2000",)) as server:
        broker, port = server.broker(), server.port
        (folder / "collector.toml").write_text(
            f'store = "{url}"\nquarantine = "quarantine.db"\nmetrics_port = {metrics}\n'
            f'[broker]\nhost = "127.0.0.1"\nport = {port}\n',
        )
        command = [sys.executable, "-m", "shopfloor", "collector", "--config", str(folder / "collector.toml")]
        async with mqtt.Client(broker, client_id="api") as client:
            await client.events()
            client.publish(topics.registry(load.PUBLISHER), messages.encode_registry(load.registry()), retain=True)
            with collector(command, folder) as process:
                await until(lambda: subscribed(folder))
                used = sum(process.cpu_times()[:2])
                total = len(made) * len(load.SIGNALS)
                sender = threading.Thread(target=send, args=(port, packets(made)))
                sender.start()
                await until(lambda: stored(metrics) > 0)
                began, before = time.perf_counter(), stored(metrics)
                await until(lambda: stored(metrics) >= total, 180)
                seconds = time.perf_counter() - began
                cpu = (sum(process.cpu_times()[:2]) - used) / seconds
                memory = process.memory_info().rss / 1e6
                sender.join()
    return Result((total - before) / seconds, direct(url, own_stamps=own_stamps), memory, cpu)


def direct(url: str, *, own_stamps: bool) -> float:
    """Measure what the store takes by itself, in writes of the collector's size."""
    store = open_store(url)
    later = load.START + 86_400 * 10**9
    batches = [
        slices(
            sample
            for number in range(first, first + 500)
            for sample in load.samples(number, own_stamps=own_stamps, start=later)
        )
        for first in range(0, 10_000, 500)
    ]
    began = time.perf_counter()
    for batch in batches:
        store.write(batch, now=clock.now())
    seconds = time.perf_counter() - began
    store.close()
    return sum(len(each.values) for batch in batches for each in batch) / seconds


def packets(made: list[tuple[str, bytes]]) -> bytes:
    """Encode PUBLISH packets with QoS 1 (MQTT 3.1.1, 3.3), so that sending them costs next to nothing."""
    parts = []
    for number, (topic, payload) in enumerate(made):
        head = struct.pack("!H", len(topic)) + topic.encode() + struct.pack("!H", number % 65_535 + 1)
        parts += [b"\x32", length(len(head) + len(payload)), head, payload]
    return b"".join(parts)


def length(size: int) -> bytes:
    """Encode a Remaining Length (MQTT 3.1.1, 2.2.3)."""
    encoded = bytearray()
    while True:
        size, low = divmod(size, 128)
        encoded.append(low | (128 if size else 0))
        if not size:
            return bytes(encoded)


def send(port: int, data: bytes) -> None:
    """Hand packets to the broker as fast as it takes them, and read its answers away."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        body = b"\x00\x04MQTT\x04\x02\x00\x00\x00\x04load"
        connection.sendall(b"\x10" + length(len(body)) + body)
        assert connection.recv(4) == b"\x20\x02\x00\x00"
        reader = threading.Thread(target=_read_away, args=(connection,), daemon=True)
        reader.start()
        connection.sendall(data)
        connection.sendall(b"\xe0\x00")
        reader.join(60)


def _read_away(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(65_536):
            pass


@contextlib.contextmanager
def collector(command: list[str], folder: Path) -> Iterator[psutil.Popen]:
    """Run a collector, and yield its process."""
    with (folder / "collector.log").open("ab") as log:
        process = psutil.Popen(command, cwd=Path.cwd(), stdout=log, stderr=log, env=dict(os.environ))
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired, psutil.TimeoutExpired):
            process.wait(10)


def subscribed(folder: Path) -> bool:
    """Tell whether the collector has said that it listens."""
    return "collector.listening" in (folder / "collector.log").read_text()


def stored(port: int) -> int:
    """Return how many samples the collector has stored, 0 while it does not answer."""
    with contextlib.suppress(urllib3.exceptions.HTTPError):
        answer = urllib3.request("GET", f"http://127.0.0.1:{port}/metrics", retries=False, timeout=5)
        for line in answer.data.decode().splitlines():
            if line.startswith("officina_stored_samples_total"):
                return int(float(line.split()[1]))
    return 0


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is so, looking every twentieth of a second."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    main()
