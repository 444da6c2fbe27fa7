"""Five hundred open pages on one worker of the API: how old a value is when the last of them has it.

Once a second an agent says something new of every machine. One stream alone, in the same run, is what it is compared
with.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

import psutil

from shopfloor.periods import SECOND, parse_instant
from shopfloor.runtime import clock
from shopfloor.samples import Sample
from tests.journey.api_world import MACHINES, World, world

STREAMS = 500
SECONDS = 20
LIMIT_SECONDS = 1.0
HOLDERS = ("administrator", "operator", "operator of Nord", "maintenance")
"""Whose pages they are: of people who see all values, of both sites or of one."""
SIGNALS = ("spindle_load", "spindle_speed", "power_watts")
EDGES = {"nord": "north-1", "sud": "south-1"}
_AT = re.compile(rb'"(?:at|since|seen)":"([^"]+)"')


class Reader:
    """One open page: it notes how old the newest instant of each batch is when it comes."""

    def __init__(self, it: World, holder: str) -> None:
        self.ages: list[float] = []
        self._url, self._token = urlsplit(it.url), it.headers(holder)["Authorization"]
        self._is_open = asyncio.Event()

    async def opened(self) -> None:
        await self._is_open.wait()

    async def run(self) -> None:
        reader, writer = await asyncio.open_connection(self._url.hostname, self._url.port)
        writer.write(
            f"GET /api/v1/live HTTP/1.1\r\nHost: {self._url.netloc}\r\nAuthorization: {self._token}\r\n\r\n".encode()
        )
        try:
            await reader.readuntil(b"\r\n\r\n")
            while b"snapshot" not in await reader.read(65_536):
                pass
            self._is_open.set()
            while chunk := await reader.read(65_536):
                now = clock.now()
                stamps = [parse_instant(text.decode()) for text in _AT.findall(chunk)]
                if stamps and b"event: machine" in chunk:
                    self.ages.append((now - max(stamps)) / SECOND)
        finally:
            writer.close()


async def listen(it: World, count: int) -> list[float]:
    """Keep so many pages open while something is said every second; return the ages of what they got."""
    readers = [Reader(it, HOLDERS[number % len(HOLDERS)]) for number in range(count)]
    tasks = [asyncio.create_task(each.run()) for each in readers]
    async with asyncio.timeout(60):
        await asyncio.gather(*(each.opened() for each in readers))
    for number in range(SECONDS):
        began = time.monotonic()
        await asyncio.to_thread(say, it, number)
        await asyncio.sleep(max(0.0, 1 - (time.monotonic() - began)))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    silent = sum(len(each.ages) < SECONDS for each in readers)
    assert not silent, f"{silent} of {count} streams missed batches"
    return [age for each in readers for age in each.ages]


def say(it: World, number: int) -> None:
    """Say something new of every machine, as its agent does."""
    for machine in MACHINES:
        now = clock.now()
        samples = [Sample(str(machine["id"]), signal, now, float(number)) for signal in SIGNALS]
        samples.append(Sample(str(machine["id"]), "item_state", now, 2 + number % 2))
        it.say(*samples, publisher=EDGES[str(machine["site_id"])], is_stored=False)


def main() -> None:
    """Measure one stream, then all of them."""
    with tempfile.TemporaryDirectory() as folder, world(Path(folder), live="streams_per_caller_max = 1000") as it:
        process = psutil.Process(it.process.pid)
        for count in (1, STREAMS):
            before = sum(process.cpu_times()[:2])
            ages = asyncio.run(listen(it, count))
            cut = quantiles(ages, n=100)
            cores = (sum(process.cpu_times()[:2]) - before) / SECONDS
            print(
                f"streams: {count} open, {len(MACHINES)} machines speak once a second for {SECONDS} s: "
                f"p50 {cut[49]:.3f} s, p99 {cut[98]:.3f} s ({LIMIT_SECONDS:.0f} s allowed), {len(ages):,} batches, "
                f"API {cores:.2f} cores, {process.memory_info().rss / 1e6:.0f} MB",
                flush=True,
            )
