"""The sending half of an agent at real brokers, alone and with the collector that answers it."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from collector import service as service_module
from collector.metrics import Metrics
from collector.quarantine import Quarantine
from collector.service import Collector
from edge_agent.recorder import SpoolRecorder
from edge_agent.spool import Spool
from edge_agent.uplink import Uplink
from shopfloor.periods import SECOND, Period
from shopfloor.runtime import clock
from shopfloor.samples import Reading, Sample
from shopfloor.stores.sqlite import SqliteStore
from shopfloor.wire import messages, topics
from tests.services.brokers import mosquitto, peer, run_broker, until, usual_logins

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from shopfloor import mqtt
    from tests.services.brokers import Kind, Peer, Server

pytestmark = pytest.mark.services

ROOT = Path(__file__).resolve().parents[2]
SITE, MACHINE = "site-a", "mill-1"
DATA = topics.data(SITE, "gauge", MACHINE)
START = clock.now() // SECOND * SECOND - 3600 * SECOND
SIGNALS = ["feed", "item_state", "hole", "program"]


@pytest.fixture(params=["mosquitto", "amqtt"])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


class Agent:
    """A spool, a recorder and an uplink: an agent without its machines."""

    def __init__(self, folder: Path, broker: mqtt.Broker) -> None:
        self.spool = Spool(folder / "spool.db", host="host-1", durable=False)
        self.recorder = SpoolRecorder(
            self.spool,
            publisher=SITE,
            writer_ids={MACHINE: 1},
            clock=clock.now,
            spooled=self.spooled,
            in_flight=lambda: self.uplink.in_flight,
            broken=lambda _: None,
        )
        self.uplink = Uplink(
            broker,
            publisher=SITE,
            spool=self.spool,
            machines=lambda: {MACHINE: self.recorder.signals(MACHINE)},
            clock=clock.now,
            health=lambda: b"{}",
        )

    def spooled(self) -> None:
        self.uplink.spooled()

    def says(self, signal: str, value: float | str, number: int) -> None:
        stamp = START + number * SECOND
        self.recorder.readings(MACHINE, [Reading(signal, value, 0, stamp, stamp, stamp)], trusted=True)


@asynccontextmanager
async def running(folder: Path, broker: mqtt.Broker) -> AsyncIterator[Agent]:
    agent = Agent(folder, broker)
    work = asyncio.create_task(agent.uplink.run())
    try:
        yield agent
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        agent.spool.close()
        assert work.cancelled() or work.exception() is None


def rows_heard(it: Peer) -> list[int]:
    found = []
    for message in it.heard:
        if message.topic.startswith(topics.DATA):
            row = messages.row_id(messages.decode(message.payload).MessageId)
            assert row is not None
            found.append(row.n)
    return found


@asynccontextmanager
async def collects(server: Server) -> AsyncIterator[Peer]:
    """Connect as a collector that hears data and answers by hand."""
    async with peer(server.broker("collector"), "collector-of-the-test") as it:
        assert await it.subscribe(topics.DATA_FILTER)
        yield it


async def test_what_a_collector_stored_is_deleted_and_nothing_else(kind: Kind, tmp_path: Path) -> None:
    with run_broker(kind, tmp_path / "broker", SITE) as server:
        async with collects(server) as collector, running(tmp_path, server.broker(SITE)) as agent:
            for number in range(1, 6):
                agent.says("feed", float(number), number)
            await until(lambda: rows_heard(collector) == [1, 2, 3, 4, 5], "sent")
            assert agent.spool.rows == 5, "that the broker took them proves nothing"
            await collector.publish(topics.stored(SITE), messages.encode_stored(agent.spool.epoch, [2, 4]))
            await until(lambda: agent.spool.rows == 3, "deleted")
            await collector.publish(topics.stored(SITE), b"no acknowledgement")
            await collector.publish(topics.stored(SITE), messages.encode_stored("cd", [1]))
            await collector.publish(topics.stored(SITE), messages.encode_stored(agent.spool.epoch, [1, 99]))
            await until(lambda: agent.spool.rows == 2, "deleted")
            assert [each.n for each in agent.spool.waiting(0, 99, 99)] == [3, 5]


async def test_unacknowledged_rows_are_sent_again_by_the_same_name_after_a_broker_died(
    kind: Kind, tmp_path: Path
) -> None:
    with run_broker(kind, tmp_path / "broker", SITE) as server:
        port, broker = server.port, server.broker(SITE)
    async with running(tmp_path, broker) as agent:
        for number in range(1, 4):
            agent.says("feed", float(number), number)
        first: list[bytes] = []
        for _ in range(2):
            with run_broker(kind, tmp_path / "broker", SITE, port=port) as server:
                async with collects(server) as collector:
                    await until(lambda it=collector: len(set(rows_heard(it))) == 3, "sent")  # type: ignore[misc]
                    payloads = sorted(set(collector.on(DATA)))
                    assert first in ([], payloads)
                    first = payloads
                    broken = collector.refused
        assert broken == []
        assert agent.spool.rows == 3
        assert agent.spool.counts() == {}


async def test_a_collector_that_says_hello_is_sent_what_was_left_unanswered(tmp_path: Path) -> None:
    with run_broker("mosquitto", tmp_path / "broker", SITE) as server:
        async with collects(server) as collector, running(tmp_path, server.broker(SITE)) as agent:
            agent.says("feed", 1.0, 1)
            await until(lambda: rows_heard(collector) == [1], "sent")
            await collector.publish(topics.stored(SITE), messages.encode_stored("", []))
            await until(lambda: rows_heard(collector) == [1, 1], "sent again")
            assert agent.spool.rows == 1


async def test_status_connection_and_metadata_are_retained_in_the_words_of_the_standard(
    kind: Kind, tmp_path: Path
) -> None:
    with run_broker(kind, tmp_path / "broker", SITE) as server:
        async with running(tmp_path, server.broker(SITE)) as agent:
            agent.says("feed", 1.0, 1)
            agent.says("item_state", 3, 1)
            await until(lambda: agent.uplink.in_flight, "sending")
        async with running(tmp_path, server.broker(SITE)) as agent:
            await until(lambda: agent.uplink.in_flight, "sending")
            async with peer(server.broker("api"), "api") as api:
                await api.subscribe(f"{topics.PREFIX}/#")
                expected = [topics.status(SITE), topics.connection(SITE)]
                expected += [topics.metadata(SITE, group, MACHINE) for group in ("record", "gauge")]
                await until(lambda: {each.topic for each in api.heard} >= set(expected), "what is retained")
                assert all(message.retain for message in api.heard if message.topic in expected)
                newest = {message.topic: json.loads(message.payload) for message in api.heard}
                assert newest[topics.status(SITE)]["Status"] == messages.STATUS_OPERATIONAL
                assert newest[topics.status(SITE)]["IsCyclic"] is True
                groups = newest[topics.connection(SITE)]["Connection"]["WriterGroups"]
                assert [each["Name"] for each in groups] == ["record", "gauge"]
                fields = newest[topics.metadata(SITE, "gauge", MACHINE)]["MetaData"]["Fields"]
                assert [each["Name"] for each in fields] == ["feed"]


async def test_an_agent_that_stops_in_order_says_that_it_is_disabled(kind: Kind, tmp_path: Path) -> None:
    with run_broker(kind, tmp_path / "broker", SITE) as server:
        async with peer(server.broker("api"), "api") as api:
            await api.subscribe(topics.status(SITE))
            async with running(tmp_path, server.broker(SITE)) as agent:
                agent.says("feed", 1.0, 1)
                await until(lambda: agent.uplink.in_flight, "sending")
            await until(
                lambda: json.loads(api.on(topics.status(SITE))[-1])["Status"] == messages.STATUS_DISABLED, "disabled"
            )


_BRIEF_AGENT = """
import asyncio, sys
from pathlib import Path
from edge_agent.spool import Spool
from edge_agent.uplink import Uplink
from shopfloor.mqtt import Broker
from shopfloor.runtime import clock
folder, port, user, password = sys.argv[1:]
spool = Spool(Path(folder) / "brief.db", durable=False)
uplink = Uplink(Broker("127.0.0.1", int(port), user, password), publisher=user, spool=spool,
                machines=dict, clock=clock.now, health=bytes)
asyncio.run(uplink.run())
"""


async def test_the_last_will_says_error_when_an_agent_is_killed(kind: Kind, tmp_path: Path) -> None:
    with run_broker(kind, tmp_path / "broker", SITE) as server:
        async with peer(server.broker("api"), "api") as api:
            await api.subscribe(topics.status(SITE))

            def status() -> int | None:
                said = api.on(topics.status(SITE))
                return json.loads(said[-1])["Status"] if said else None

            login = (SITE, usual_logins(SITE)[SITE][0])
            command = [sys.executable, "-c", _BRIEF_AGENT, str(tmp_path), str(server.port), *login]
            process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
            try:
                await until(lambda: status() == messages.STATUS_OPERATIONAL, "operational")
                process.kill()
                await until(lambda: status() == messages.STATUS_ERROR, "the will")
            finally:
                if process.returncode is None:
                    process.kill()
                await process.wait()
            will = json.loads(api.on(topics.status(SITE))[-1])
            assert will["IsCyclic"] is False
            assert "Timestamp" not in will


async def test_a_row_that_the_broker_will_not_take_dies_alone_and_all_others_arrive(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker", extra=["max_packet_size 9000"]) as server:
        async with collects(server) as collector, running(tmp_path, server.broker()) as agent:
            for number in range(1, 6):
                agent.says("program", "x" * (4000 if number != 3 else 10), number)
            poison = [Reading("program", "y" * 4000, 0, START + n * SECOND, START, START) for n in range(10, 14)]
            agent.recorder.readings(MACHINE, poison, trusted=True)
            dead = agent.spool.newest
            for number in range(20, 25):
                agent.says("feed", float(number), number)
            await until(agent.spool.dead, "dead", 40)
            for row in agent.spool.dead():
                assert row.n == dead
                assert row.samples == 4
                assert "broke 3 times" in row.reason
            await until(
                lambda: set(rows_heard(collector)) == set(range(1, agent.spool.newest + 1)) - {dead}, "the others"
            )
            assert agent.spool.counts() == {MACHINE: {"dead_samples": 4}}


# With the collector.


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "store.db")
    yield opened
    opened.close()


@asynccontextmanager
async def collecting(server: Server, store: SqliteStore, folder: Path, **options: Any) -> AsyncIterator[Collector]:
    quarantine = Quarantine(folder / "quarantine.db")
    it = Collector(server.broker("collector"), store, quarantine, Metrics(), **options)
    work = asyncio.create_task(it.run())
    try:
        yield it
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        quarantine.close()


async def register(server: Server) -> None:
    registry = messages.Registry(SITE, [messages.RegisteredMachine(MACHINE, SIGNALS)])
    async with peer(server.broker("api"), "registers") as api:
        await api.publish(topics.registry(SITE), messages.encode_registry(registry), retain=True)


async def test_what_a_machine_said_is_in_the_store_to_the_nanosecond_and_the_spool_is_empty(
    kind: Kind, tmp_path: Path, store: SqliteStore
) -> None:
    with run_broker(kind, tmp_path / "broker", SITE) as server:
        await register(server)
        async with running(tmp_path, server.broker(SITE)) as agent:
            for number in range(300):
                agent.says("feed", float(number), number // 3)  # three values of one raw time
                agent.says("item_state", number % 4, number)
            async with collecting(server, store, tmp_path):
                await until(lambda: agent.spool.rows == 0, "the spool is empty")
    found = store.read([MACHINE], ["feed", "item_state"], Period(0, 2**62), limit=10_000)
    feeds = [Sample(MACHINE, "feed", START + n // 3 * SECOND + n % 3, float(n)) for n in range(300)]
    states = [Sample(MACHINE, "item_state", START + n * SECOND, n % 4) for n in range(300)]
    assert sorted(found) == sorted([*feeds, *states])


async def test_a_chain_whose_every_part_restarts_loses_and_doubles_nothing(
    tmp_path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "ECHO_SECONDS", 0.2)
    monkeypatch.setattr(service_module, "DEAF_SECONDS", 1.0)
    with run_broker("mosquitto", tmp_path / "broker", SITE) as server:
        port = server.port
    number = 0
    for round_ in range(3):
        with run_broker("mosquitto", tmp_path / "broker", SITE, port=port) as server:
            await register(server)
            async with running(tmp_path, server.broker(SITE)) as agent:
                for _ in range(50):
                    number += 1
                    agent.says("feed", float(number), number)
                async with collecting(server, store, tmp_path / str(round_), shared=True) as it:
                    await until(lambda it=it: it._listening, "listening")  # type: ignore[misc]
                    for _ in range(50):
                        number += 1
                        agent.says("feed", float(number), number)
                        await asyncio.sleep(0)
                    if round_ == 2:
                        await until(lambda agent=agent: agent.spool.rows == 0, "the spool is empty")  # type: ignore[misc]
    found = store.read([MACHINE], ["feed"], Period(0, 2**62), limit=10_000)
    assert found == [Sample(MACHINE, "feed", START + n * SECOND, float(n)) for n in range(1, number + 1)]
