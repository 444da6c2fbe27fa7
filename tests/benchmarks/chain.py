"""The whole chain under load: changes per core-second at the edge, freshness, catching up, memory.

Everything runs on this machine: an OPC UA server of 2,000 or 500 items at 10 Hz over Basic256Sha256 SignAndEncrypt, the
agent, Mosquitto without persistence, the collector and the SQLite store.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, NamedTuple

import psutil
import urllib3

from shopfloor.periods import SECOND, parse_instant
from shopfloor.runtime import clock
from shopfloor.stores.open import open_store
from tests.benchmarks import many
from tests.faults import counting
from tests.faults.chain import Chain

if TYPE_CHECKING:
    from tests.faults.chain import Role

EDGE_ITEMS, LIVE_ITEMS, HERTZ = 2_000, 500, 10
EDGE_SECONDS = 20
FRESH_SECONDS = 20
OUTAGE_SECONDS = 60
WARM_SECONDS = 8


class Bench(Chain):
    """The chain with a lean server of many numbers in place of the counting machine."""

    def __init__(self, folder: Path, *, items: int, api: bool = False) -> None:
        self._items = items
        super().__init__(folder, broker="mosquitto", store="sqlite", logged=False, api=api)

    def _write_settings(self, bytes_max: int) -> None:
        self.counters = [many.signal(number) for number in range(self._items)]
        self._nodes = many.nodes(self._items)
        super()._write_settings(bytes_max)
        file = self.folder / "edge.toml"
        text = file.read_text().replace("/officina/simulator/", "/")
        file.write_text(text.replace("[[machine]]", f'[[machine]]\nroot = "{many.ROOT}"'))

    def _command(self, role: Role) -> list[str]:
        if role != "machine":
            return super()._command(role)
        settings = [str(self.folder / "machine"), str(self.ports["machine"]), str(self._items), str(HERTZ)]
        return [sys.executable, "-m", "tests.benchmarks.many", *settings]


class Usage(NamedTuple):
    """What a process has used so far."""

    cpu_seconds: float
    memory_megabytes: float


def usage(chain: Chain, role: Role) -> Usage:
    """Read what a process of the chain has used."""
    process = psutil.Process(chain.processes[role].pid)
    return Usage(sum(process.cpu_times()[:2]), process.memory_info().rss / 1e6)


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(edge(Path(name) / "edge"))
        asyncio.run(live(Path(name) / "live"))


async def edge(folder: Path) -> None:
    """Measure changes per second of one core's time, from notification to acknowledged."""
    async with Bench(folder, items=EDGE_ITEMS) as chain:
        await asyncio.sleep(WARM_SECONDS)
        stored, used = chain.stored_samples(), usage(chain, "agent").cpu_seconds
        began = time.perf_counter()
        await asyncio.sleep(EDGE_SECONDS)
        seconds = time.perf_counter() - began
        changes = chain.stored_samples() - stored
        agent = usage(chain, "agent")
        cpu = agent.cpu_seconds - used
        print(
            f"edge       {EDGE_ITEMS} items at {HERTZ} Hz, SignAndEncrypt: {changes / seconds:,.0f} changes/s stored "
            f"and acknowledged, {changes / cpu:,.0f} per core-second, {agent.memory_megabytes:.0f} MB",
        )


async def live(folder: Path) -> None:
    """Measure freshness at 5,000 samples a second, then how fast an outage is caught up."""
    async with Bench(folder, items=LIVE_ITEMS, api=True) as chain:
        await asyncio.sleep(WARM_SECONDS)
        rate = chain.stored_samples()
        began = time.perf_counter()
        store, stream = await asyncio.gather(
            asyncio.to_thread(store_ages, chain),
            asyncio.to_thread(stream_ages, chain),
        )
        rate = round((chain.stored_samples() - rate) / (time.perf_counter() - began))
        for what, ages in (("to the store", store), ("to an SSE client", stream)):
            cuts = quantiles(ages, n=100)
            print(f"freshness  {rate:,} samples/s, source time {what}: p50 {cuts[49]:.3f} s, p99 {cuts[98]:.3f} s")
        await catch_up(chain, rate)
        for role in ("agent", "broker", "collector", "api"):
            print(f"memory     {role:10} {usage(chain, role).memory_megabytes:.0f} MB")


def store_ages(chain: Chain) -> list[float]:
    """Look at the store again and again; return how old each new value of a few signals was when it was first there."""
    store = open_store(chain.store_url)
    watched = chain.counters[:: len(chain.counters) // 5]
    seen: dict[str, int] = {}
    ages: list[float] = []
    deadline = time.monotonic() + FRESH_SECONDS
    while time.monotonic() < deadline:
        found = store.last([counting.MACHINE], watched, clock.now() + SECOND)
        now = clock.now()
        for (_, signal), sample in found.items():
            if seen.get(signal) != sample.stamp:
                if signal in seen:
                    ages.append((now - sample.stamp) / SECOND)
                seen[signal] = sample.stamp
        time.sleep(0.01)
    store.close()
    return ages


def stream_ages(chain: Chain) -> list[float]:
    """Listen to the live stream; return how old each value was when it came."""
    answer = urllib3.request(
        "GET",
        f"http://127.0.0.1:{chain.ports['api']}/api/v1/live",
        headers={"Authorization": f"Bearer {chain.api_key}"},
        preload_content=False,
        timeout=30,
    )
    ages: list[float] = []
    deadline = time.monotonic() + FRESH_SECONDS
    is_first = True
    for line in lines(answer):
        now = clock.now()
        if time.monotonic() > deadline:
            break
        if not line.startswith("data:"):
            continue
        if is_first:  # the snapshot holds what was said before
            is_first = False
            continue
        ages += [(now - stamp) / SECOND for stamp in stamps(json.loads(line[5:]))]
    answer.close()
    return ages


def lines(answer: urllib3.BaseHTTPResponse):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """Yield the lines of a stream as they come."""
    rest = b""
    while True:
        chunk = answer.read1()
        if not chunk:
            return
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode()


def stamps(event: object) -> list[int]:
    """Return the stamps of all signals in a live event."""
    if isinstance(event, dict):
        found = [parse_instant(event["at"])] if {"value", "at"} <= event.keys() else []
        return found + [stamp for each in event.values() for stamp in stamps(each)]
    return [stamp for each in event for stamp in stamps(each)] if isinstance(event, list) else []


async def catch_up(chain: Chain, rate: int) -> None:
    """Keep the collector away for a while, and measure how fast the backlog is stored afterwards."""
    chain.kill("collector")
    await asyncio.sleep(OUTAGE_SECONDS)
    chain.start("collector")
    await chain.until(lambda: chain.stored_samples() > 0, "the collector stores again")
    began, before = time.perf_counter(), chain.stored_samples()
    backlog = rate * OUTAGE_SECONDS
    await chain.until(lambda: chain.stored_samples() - before >= backlog * 0.9, "the backlog is stored", 120)
    seconds = time.perf_counter() - began
    caught = (chain.stored_samples() - before) / seconds
    print(
        f"catch-up   {OUTAGE_SECONDS} s without a collector at {rate:,} samples/s: {caught:,.0f} samples/s, "
        f"{caught / rate:.1f} times live",
    )


if __name__ == "__main__":
    main()
