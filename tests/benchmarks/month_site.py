"""A site's gateway without its machines: the agent's recorder, spool and uplink, fed with the life of simulated ones.

`python -m tests.benchmarks.month_site FILE`: a JSON file that says which machines of which plan. It goes through the
month as fast as the chain takes it: while more waits than `WAITING_BYTES_MAX`, nothing more is said. How far it is
stands in the file beside it that ends in `.progress`.
"""

from __future__ import annotations

import asyncio
import sys
import tomllib
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge_agent.config import SpoolConfig
from edge_agent.recorder import SpoolRecorder
from edge_agent.reporter import Reporter
from edge_agent.spool import BYTES_MAX, Spool
from edge_agent.uplink import Uplink
from shopfloor.periods import SECOND
from shopfloor.runtime import clock, lifecycle, logs
from shopfloor.samples import Reading
from shopfloor.settings import BrokerSettings, TlsSettings
from shopfloor.wire import edge
from tests.benchmarks.month_life import MARGIN_SECONDS, SIGNALS, Plan, life, machine_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shopfloor.mqtt import Broker
    from shopfloor.samples import Sample

STEP_SECONDS = 3600
"""What a machine says in so long is one commit of the spool, and a message for each class of signals."""
WAITING_BYTES_MAX = 2_000_000
"""Bytes that wait in the spool, as they are kept, before nothing more is said."""
AGE_DAYS_MAX = 400
"""The month is over: by the agent's usual bound of age its first days would have to go."""
TELL_SECONDS = 0.5
LOOK_SECONDS = 0.02


class Site(msgspec.Struct, frozen=True):
    """What a gateway is told.

    Attributes:
        agent: its id.
        plan: of the house.
        machines: numbers of its own.
        config: the configuration that its enrolment has written.
        spool: file of its spool.
        gates: seconds before each of which it waits until the file `gate` beside its spool has a higher number.
    """

    agent: str
    plan: Plan
    machines: list[int]
    config: Path
    spool: Path
    gates: list[int]


class Progress(msgspec.Struct):
    """How far a gateway is.

    Attributes:
        said: samples that are in the spool, or were.
        rows: messages that wait for a collector's word.
        gate: at which gate it waits, or the last one was.
        ended: whether they have said everything.
        dead: messages that could not be delivered, 0 in the end.
    """

    said: int = 0
    rows: int = 0
    gate: int = 0
    ended: bool = False
    dead: int = 0


class Gateway:
    """Feeds and sends."""

    def __init__(self, site: Site, broker: Broker) -> None:
        self._site = site
        self._machines = {machine_id(number): list(SIGNALS) for number in site.machines}
        self._spool = Spool(site.spool, age_days_max=AGE_DAYS_MAX)
        self._bounds = SpoolConfig(site.spool, BYTES_MAX, AGE_DAYS_MAX)
        self._configuration = edge.Configuration("file", clock.now())
        self._reporter = Reporter(self._spool)
        self._writer_ids = {machine: self._spool.writer_id(machine) for machine in self._machines}
        self._recorder = SpoolRecorder(
            self._spool,
            publisher=site.agent,
            writer_ids=self._writer_ids,
            clock=clock.now,
            spooled=self._spooled,
            in_flight=lambda: self._uplink.in_flight,
            broken=lambda machine: sys.exit(f"{machine}: samples were lost at the spool"),
        )
        self._uplink = Uplink(
            broker,
            publisher=site.agent,
            spool=self._spool,
            machines=lambda: self._machines,
            clock=clock.now,
            health=self._health,
            writer_ids=self._writer_ids,
        )
        self.progress = Progress()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop."""
        try:
            await lifecycle.until_stopped(stop, uplink=self._uplink.run(), feed=self._feed(), told=self._tell())
        finally:
            self._spool.close()

    async def _feed(self) -> None:
        plan = self._site.plan
        lives = {machine_id(number): _Steps(plan, number) for number in self._site.machines}
        for second in range(plan.start - MARGIN_SECONDS, plan.end + MARGIN_SECONDS + 1, STEP_SECONDS):
            await self._wait_at_gates(second)
            for machine, steps in lives.items():
                await _until(lambda: self._spool.bytes_held <= WAITING_BYTES_MAX)
                now = clock.now()
                said = steps.until(second + STEP_SECONDS)
                readings = [Reading(each.signal, each.value, 0, each.stamp, None, now) for each in said]
                if readings:
                    self._recorder.readings(machine, readings, trusted=True)
                    self.progress.said += len(readings)
                await asyncio.sleep(0)
        self.progress.ended = True
        await asyncio.Event().wait()

    async def _wait_at_gates(self, second: int) -> None:
        gates = self._site.gates
        while self.progress.gate < len(gates) and second >= gates[self.progress.gate]:
            self.progress.gate += 1
            await _until(lambda: opened_gate(self._site.spool.with_name("gate")) >= self.progress.gate)

    async def _tell(self) -> None:
        file = self._site.spool.with_suffix(".progress")
        while True:
            self.progress.rows, self.progress.dead = self._spool.rows, len(self._spool.dead())
            write_whole(file, msgspec.json.encode(self.progress))
            await asyncio.sleep(TELL_SECONDS)

    def _spooled(self) -> None:
        self._uplink.spooled()

    def _health(self) -> bytes:
        in_flight = len(self._uplink.in_flight)
        return self._reporter.health(
            clock.now(), self._bounds, in_flight=in_flight, configuration=self._configuration, machines=[]
        )


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - other processes bring it about
        await asyncio.sleep(LOOK_SECONDS)


class _Steps:
    """What a machine says, a step at a time."""

    def __init__(self, plan: Plan, number: int) -> None:
        self._said: Iterator[Sample] = chain.from_iterable(block.said for block in life(plan, number))
        self._next = next(self._said, None)

    def until(self, second: int) -> Iterator[Sample]:
        """Yield what comes before a second."""
        while self._next is not None and self._next.stamp < second * SECOND:
            yield self._next
            self._next = next(self._said, None)


def read_site(file: Path) -> Site:
    """Read what a gateway is told."""
    return msgspec.json.decode(file.read_bytes(), type=Site, dec_hook=lambda kind, value: kind(value))


def write_site(site: Site) -> Path:
    """Write what a gateway is told, beside its spool."""
    file = site.spool.with_suffix(".json")
    file.write_bytes(msgspec.json.encode(site, enc_hook=str))
    return file


def opened_gate(file: Path) -> int:
    """Read how many gates are open."""
    return int(file.read_text()) if file.exists() else 0


def write_whole(file: Path, content: bytes) -> None:
    """Write a file that others read at any moment."""
    beside = file.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(file)


def read_progress(site: Site) -> Progress:
    """Read how far a gateway is; not begun when it has said nothing yet."""
    file = site.spool.with_suffix(".progress")
    return msgspec.json.decode(file.read_bytes(), type=Progress) if file.exists() else Progress()


def _broker(config: Path) -> Broker:
    table = tomllib.loads(config.read_text())["broker"]
    folder = config.parent
    settings = BrokerSettings(
        table["host"], table["port"], table["username"], folder / table["password_file"],
        TlsSettings(folder / table["ca"]),
    )  # fmt: skip
    return settings.open(now=clock.now())


def main() -> None:
    """Run one gateway until told to stop."""
    logs.configure(program="edge")
    site = read_site(Path(sys.argv[1]))
    sys.exit(lifecycle.run(Gateway(site, _broker(site.config)).run))


if __name__ == "__main__":
    main()
