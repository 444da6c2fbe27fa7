"""A site gateway of 30 machines whose link is away for 72 hours, with the time compressed.

Every machine says 100 signals in a tick. A tick stands for a stretch of the outage; how long a stretch decides how many
ticks there are. The agent's spool and uplink, Mosquitto, the collector and the SQLite store are the real ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from typing import TYPE_CHECKING, NamedTuple

import psutil

from edge_agent.health import FillRate
from edge_agent.recorder import SpoolRecorder
from edge_agent.spool import Spool
from edge_agent.uplink import Uplink
from shopfloor import mqtt
from shopfloor.periods import HOUR, SECOND
from shopfloor.runtime import clock
from shopfloor.samples import Reading
from shopfloor.settings import write_secret
from shopfloor.wire import messages, topics
from tests.services.brokers import mosquitto, peer, until, usual_logins
from tests.services.programs import _BROKER, AGENT, _running
from tests.services.stores import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

MACHINES = [f"machine-{number:02}" for number in range(30)]
SIGNALS = [f"signal_{number:02}.{'counter' if number < 10 else 'double'}" for number in range(100)]
OUTAGE_HOURS = 72
BYTES_MAX = 8_000_000_000
"""What `spool.bytes_max` of such a gateway is set to: its 3,000 samples a second of 72 hours have to fit."""
LIVE_SECONDS_MIN = 5
CATCH_UP_SECONDS_MAX = 1800.0


class Figures(NamedTuple):
    """What was seen.

    Attributes:
        samples: fed during the outage.
        bytes_held: of the spool at the end of the outage.
        bytes_max: its bound, in the proportion in which the time is compressed.
        hours_left: what its health said at each tick, by hours since the outage began.
        memory_grown: bytes that the process grew from the first third of the outage to its end.
        catch_up_seconds: from the first row of the outage that was stored to the last.
        live_seconds: age of each live row when the collector said that it is stored.
        stored: samples in the store.
        expected: samples that should be there.
    """

    samples: int
    bytes_held: int
    bytes_max: float
    hours_left: dict[float, float]
    memory_grown: int
    catch_up_seconds: float
    live_seconds: list[float]
    stored: int
    expected: int

    @property
    def caught_up_per_live(self) -> float:
        """How many times faster the backlog was stored than its machines say anything, with live data beside it."""
        return self.samples / self.catch_up_seconds / (len(MACHINES) * len(SIGNALS))

    def __str__(self) -> str:
        per_sample = self.bytes_held / self.samples
        rate = self.samples / self.catch_up_seconds
        hours = BYTES_MAX / (per_sample * len(MACHINES) * len(SIGNALS) * 3600)
        return (
            f"{self.samples} samples of an outage of {OUTAGE_HOURS} h in {self.bytes_held / 1e6:.2f} MB "
            f"({per_sample:.1f} B each; at 1 Hz {BYTES_MAX / 1e9:g} GB hold {hours:.1f} h, and after "
            f"{max(self.hours_left):.0f} h {list(self.hours_left.values())[-1]:.1f} h were said to be left), "
            f"memory grew by {self.memory_grown / 1e6:.1f} MB; caught up in {self.catch_up_seconds:.1f} s, "
            f"{rate:,.0f} samples/s, {self.caught_up_per_live:.1f} times as fast as is live; "
            f"live rows were stored within {max(self.live_seconds):.2f} s"
        )


class _Watched(Spool):
    """A spool that notes when its rows are said to be stored."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, bytes_max=BYTES_MAX, host="gateway")
        self.stored_at: dict[int, int] = {}

    def delete(self, rows: Iterable[int]) -> None:
        rows = list(rows)
        self.stored_at.update(dict.fromkeys(rows, clock.now()))
        super().delete(rows)


class Gateway:
    """The agent of the site, without its machines' servers."""

    def __init__(self, folder: Path, port: int) -> None:
        login = usual_logins(AGENT)[AGENT][0]
        self.spool = _Watched(folder / "spool.db")
        self.recorder = SpoolRecorder(
            self.spool,
            publisher=AGENT,
            writer_ids={machine: number for number, machine in enumerate(MACHINES, start=1)},
            clock=clock.now,
            spooled=self._spooled,
            in_flight=lambda: self.uplink.in_flight,
            broken=lambda _: None,
        )
        broker = mqtt.Broker("127.0.0.1", port, AGENT, login)
        self.uplink = Uplink(
            broker,
            publisher=AGENT,
            spool=self.spool,
            machines=lambda: {machine: self.recorder.signals(machine) for machine in MACHINES},
            clock=clock.now,
            health=bytes,
        )
        self._dice = random.Random(72)

    def _spooled(self) -> None:
        self.uplink.spooled()

    async def tick(self, stamp: int) -> None:
        """Let every machine say every signal."""
        for machine in MACHINES:
            readings = [
                Reading(signal, round(self._dice.gauss(50, 10), 2), 0, stamp, None, stamp) for signal in SIGNALS
            ]
            self.recorder.readings(machine, readings, trusted=True)
            await asyncio.sleep(0)


async def outage(folder: Path, *, ticks: int) -> Figures:
    """Run the outage and the time after it, and return what was seen."""
    port = free_port()
    gateway = Gateway(folder, port)
    end = clock.now() - HOUR
    every = OUTAGE_HOURS * HOUR // ticks
    bytes_max = BYTES_MAX * SECOND / every
    memory: list[int] = []
    rate, hours_left = FillRate(), dict[float, float]()
    uplink = asyncio.create_task(gateway.uplink.run())
    try:
        for number in range(ticks):
            stamp = end - (ticks - number) * every
            await gateway.tick(stamp)
            left = rate.hours_left(stamp, gateway.spool.bytes_in, round(bytes_max) - gateway.spool.bytes_held)
            if left is not None:
                hours_left[(number + 1) * every / HOUR] = left
            if number in {ticks // 3, ticks - 1}:
                memory.append(psutil.Process().memory_info().rss)
        held, backlog = gateway.spool.bytes_held, gateway.spool.newest
        async with _site(folder, port):
            live = await _live_until_stored(gateway, backlog)
            stored = _count(folder)
    finally:
        uplink.cancel()
        await asyncio.gather(uplink, return_exceptions=True)
        gateway.spool.close()
    samples = len(MACHINES) * len(SIGNALS)
    late = [at for n, at in gateway.spool.stored_at.items() if n <= backlog]
    caught_up = max(1, max(late) - min(late)) / SECOND
    ages = [(gateway.spool.stored_at[n] - stamp) / SECOND for n, stamp in live.items()]
    said = len(set(live.values()))
    return Figures(ticks * samples, held, bytes_max, hours_left, memory[-1] - memory[0], caught_up, ages, stored,
                   (ticks + said) * samples)  # fmt: skip


async def _live_until_stored(gateway: Gateway, backlog: int) -> dict[int, int]:
    """Go on live at 1 Hz until the backlog and all that was said meanwhile is stored. Return the stamp of each row."""
    await until(lambda: gateway.spool.stored_at, "the first rows are stored", 60)
    live: dict[int, int] = {}
    begun = clock.monotonic_seconds()
    while len(live) < LIVE_SECONDS_MIN or any(n <= backlog for n in _oldest(gateway)):
        if clock.monotonic_seconds() - begun > CATCH_UP_SECONDS_MAX:
            raise AssertionError(f"{gateway.spool.rows} rows are left after {CATCH_UP_SECONDS_MAX} s")
        first, stamp = gateway.spool.newest + 1, clock.now()
        await gateway.tick(stamp)
        live |= dict.fromkeys(range(first, gateway.spool.newest + 1), stamp)
        await asyncio.sleep(max(0.0, 1 - (clock.now() - stamp) / SECOND))
    await until(lambda: not gateway.spool.rows, "all is stored", 60)
    return live


def _oldest(gateway: Gateway) -> list[int]:
    return [row.n for row in gateway.spool.waiting(0, gateway.spool.newest, 1)]


def _count(folder: Path) -> int:
    """Count what is stored. Its keys are series and stamp, so that nothing counts twice."""
    with contextlib.closing(sqlite3.connect(folder / "telemetry.db")) as database:
        counts = (database.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("record", "gauge"))  # noqa: S608 - two names
        return sum(int(count) for (count,) in counts)


@contextlib.asynccontextmanager
async def _site(folder: Path, port: int) -> AsyncIterator[None]:
    """Run broker and collector: the link is back."""
    logins = usual_logins(AGENT)
    registry = messages.Registry(AGENT, [messages.RegisteredMachine(each, SIGNALS) for each in MACHINES])
    with mosquitto(folder / "broker", logins=logins, port=port) as broker:
        write_secret(folder / "password-collector", broker.broker("collector").password)
        (folder / "collector.toml").write_text(
            f'store = "sqlite:///{folder / "telemetry.db"}"\nquarantine = "quarantine.db"\n'
            + _BROKER.format(port=broker.broker("collector").port, user="collector")
        )
        async with peer(broker.broker("api"), "registry") as api:
            await api.publish(topics.registry(AGENT), messages.encode_registry(registry), retain=True)
        with _running(folder, "collector", "--config"):
            yield
