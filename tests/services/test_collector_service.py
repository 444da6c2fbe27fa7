"""A whole collector at real brokers, with a real store."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from collector import service as service_module
from collector.metrics import Metrics
from collector.quarantine import Quarantine
from collector.service import Collector
from shopfloor import broker_files
from shopfloor.periods import SECOND, Period, format_instant
from shopfloor.runtime import clock
from shopfloor.samples import Sample
from shopfloor.stores.port import StoreUnavailableError
from shopfloor.stores.sqlite import SqliteStore
from shopfloor.wire import messages, topics
from simulators.broker import PID_FILE
from tests.services.brokers import peer, run_broker, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.services.brokers import Kind, Peer, Server

pytestmark = pytest.mark.services

AGENT, THIRD_PARTY, MACHINE, EPOCH = "site-a", "scada", "mill-1", "ab"
START = clock.now() // SECOND * SECOND - 3600 * SECOND
SIGNALS = ["feed", "program", "parts"]


class Store(SqliteStore):
    """The real store, with a switch for an outage."""

    away = False

    def write(self, *arguments: Any, **named: Any) -> Any:
        if self.away:
            raise StoreUnavailableError("switched off")
        return super().write(*arguments, **named)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "store.db")
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "ECHO_SECONDS", 0.2)
    monkeypatch.setattr(service_module, "DEAF_SECONDS", 1.0)
    monkeypatch.setattr(service_module, "QUARANTINE_SECONDS", 0.1)
    monkeypatch.setattr(service_module, "RETRY_SECONDS_MAX", 0.3)


@pytest.fixture(params=["mosquitto", "amqtt"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    kind: Kind = request.param
    with run_broker(kind, tmp_path / "broker", AGENT, THIRD_PARTY) as running:
        yield running


@pytest.fixture
def only_mosquitto(tmp_path: Path) -> Iterator[Server]:
    with run_broker("mosquitto", tmp_path / "broker", AGENT, THIRD_PARTY) as running:
        yield running


class Running:
    """A collector at work."""

    def __init__(self, collector: Collector, quarantine: Quarantine, metrics: Metrics) -> None:
        self.collector = collector
        self.quarantine = quarantine
        self.metrics = metrics

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    async def is_listening(self) -> None:
        await until(lambda: self.collector._listening, "the collector listens")


@asynccontextmanager
async def collecting(server: Server, store: Store, folder: Path, **options: Any) -> AsyncIterator[Running]:
    metrics = Metrics()
    quarantine = Quarantine(folder / "quarantine.db")
    collector = Collector(server.broker("collector"), store, quarantine, metrics, **options)
    work = asyncio.create_task(collector.run())
    try:
        yield Running(collector, quarantine, metrics)
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        quarantine.close()
        assert work.cancelled() or work.exception() is None


def registry(publisher: str, *signals: str) -> bytes:
    machine = messages.RegisteredMachine(MACHINE, list(signals or SIGNALS))
    return messages.encode_registry(messages.Registry(publisher, [machine]))


async def register(server: Server, publisher: str, *signals: str) -> None:
    async with peer(server.broker("api"), f"api-{publisher}") as api:
        await api.publish(topics.registry(publisher), registry(publisher, *signals), retain=True)


def row(n: int, *, publisher: str = AGENT) -> bytes:
    [body] = messages.pack([sample(n)], publisher=publisher, writer_group="gauge", writer_id=1)
    return messages.with_id(messages.RowId(publisher, EPOCH, n), body.data)


def sample(n: int) -> Sample:
    return Sample(MACHINE, "feed", START + n * SECOND, float(n))


def plain(n: int, **fields: Any) -> bytes:
    """Write a message as a third-party publisher does, which knows no rows."""
    payload = {"feed": float(n)} | fields
    dataset = {"DataSetWriterName": MACHINE, "Timestamp": format_instant(START + n * SECOND), "Payload": payload}
    return json.dumps({"MessageId": f"m{n}", "MessageType": "ua-data", "Messages": [dataset]}).encode()


HELLO = b'{"epoch":"","stored":[]}'
DATA = topics.data(AGENT, "gauge", MACHINE)
THIRD_PARTY_DATA = topics.data(THIRD_PARTY, "gauge", MACHINE)


@asynccontextmanager
async def agent(server: Server) -> AsyncIterator[Peer]:
    """Connect as an agent that hears what is stored."""
    async with peer(server.broker(AGENT), AGENT) as it:
        assert await it.subscribe(topics.stored(AGENT))
        yield it


def stored_rows(it: Peer) -> set[int]:
    found = [messages.decode_stored(payload) for payload in it.on(topics.stored(AGENT))]
    assert {each.epoch for each in found} <= {EPOCH, ""}
    return {n for each in found for first, last in each.stored for n in range(first, last + 1)}


def samples_in(store: Store) -> list[Sample]:
    return store.read([MACHINE], SIGNALS, Period(0, 2**62), limit=100_000)


async def test_a_message_is_stored_and_only_then_acknowledged_to_its_publisher(
    server: Server, store: Store, tmp_path: Path
) -> None:
    await register(server, AGENT)
    store.away = True
    async with agent(server) as it, collecting(server, store, tmp_path) as running:
        await running.is_listening()
        for n in (1, 2, 3):
            await it.publish(DATA, row(n))
        await until(lambda: running.counted("officina_store_failures_total") >= 1, "the store is missed")
        assert stored_rows(it) == set()
        store.away = False
        await until(lambda: stored_rows(it) == {1, 2, 3}, "acknowledged")
        assert samples_in(store) == [sample(1), sample(2), sample(3)]


async def test_a_redelivered_row_is_stored_once_and_acknowledged_again(
    server: Server, store: Store, tmp_path: Path
) -> None:
    await register(server, AGENT)
    async with agent(server) as it, collecting(server, store, tmp_path) as running:
        await running.is_listening()
        await it.publish(DATA, row(1))
        await until(lambda: stored_rows(it) == {1}, "acknowledged")
        it.heard.clear()
        await it.publish(DATA, row(1))
        await it.publish(DATA, row(1))
        await until(lambda: stored_rows(it) == {1}, "acknowledged again")
        assert samples_in(store) == [sample(1)]


async def test_a_collector_that_begins_says_hello_to_the_publishers_it_knows(
    server: Server, store: Store, tmp_path: Path
) -> None:
    await register(server, AGENT)
    async with agent(server) as it, collecting(server, store, tmp_path):
        await until(lambda: it.on(topics.stored(AGENT)) == [HELLO], "the hello")


async def test_what_no_registry_names_waits_in_quarantine_until_one_does(
    server: Server, store: Store, tmp_path: Path
) -> None:
    await register(server, THIRD_PARTY)
    async with (
        agent(server) as it,
        peer(server.broker("api"), "api-1") as api,
        collecting(server, store, tmp_path) as running,
    ):
        await running.is_listening()
        assert await api.subscribe(topics.QUARANTINE_FILTER)
        await it.publish(DATA, row(1))
        await until(lambda: stored_rows(it) == {1}, "acknowledged: it is durable in quarantine")
        await until(lambda: told(api) == [(AGENT, MACHINE, "unknown_publisher")], "told to who lists what is open")
        assert [entry.reasons for entry in running.quarantine.entries()] == ["unknown_publisher"]
        await register(server, AGENT, "program")
        await until(
            lambda: [entry.reasons for entry in running.quarantine.entries()] == ["unknown_signal"], "tried in vain"
        )
        assert samples_in(store) == []
        await register(server, AGENT)
        await until(lambda: running.quarantine.counts()[0] == 0, "out of quarantine")
        await until(lambda: told(api) == [], "told to be empty")
        assert samples_in(store) == [sample(1)]


def told(api: Peer) -> list[tuple[str, str, str]]:
    """Return publisher, machine and reasons of what the collector said last to hold in quarantine."""
    said = [each.payload for each in api.heard if each.topic.startswith(topics.QUARANTINE)]
    held = messages.decode_quarantine(said[-1]).held if said else []
    return [(each.publisher, each.machine, each.reasons) for each in held]


async def test_a_bad_message_is_counted_and_its_neighbours_flow_on(
    server: Server, store: Store, tmp_path: Path
) -> None:
    await register(server, THIRD_PARTY)
    bad = {
        "truncated": plain(1)[:-7],
        "wrong_type": plain(2, program=5),
        "unknown_signal": plain(3, spindle_load=1.0),
        "not_a_number": plain(4, feed=float("nan")),
        "far_future": plain(4, program={"Value": "P", "SourceTimestamp": "2200-01-01T00:00:00Z"}),
        "oversize": plain(5).ljust(2**20 + 1),
    }
    async with peer(server.broker(THIRD_PARTY), THIRD_PARTY) as it, collecting(server, store, tmp_path) as running:
        await running.is_listening()
        for n, payload in enumerate(bad.values()):
            await it.publish(THIRD_PARTY_DATA, payload)
            await it.publish(THIRD_PARTY_DATA, plain(10 + n))
        await until(lambda: len([each for each in samples_in(store) if each.stamp >= sample(10).stamp]) == 6, "stored")
        for reason in bad:
            machine = "" if reason in {"truncated", "oversize"} else MACHINE
            labels = {"reason": reason, "machine": machine}
            await until(
                lambda labels=labels: running.counted("officina_quarantined_samples_total", **labels) == 1,  # type: ignore[misc]
                f"counted: {reason}",
            )
        assert running.quarantine.counts()[0] == 5


async def test_a_collector_that_lost_its_subscriptions_in_silence_notices_and_hears_again(
    tmp_path: Path, store: Store
) -> None:
    with run_broker("amqtt", tmp_path / "broker", AGENT) as server:
        await register(server, AGENT)
        async with agent(server) as it, collecting(server, store, tmp_path) as running:
            await running.is_listening()
            rights = tmp_path / "broker" / broker_files.RIGHTS
            granted = rights.read_text()
            for text, what in (
                (granted.replace(f"read {topics.ECHO}/+", "read nothing"), "deaf"),
                (granted, "hearing"),
            ):
                rights.write_text(text)
                broker_files.reload(tmp_path / "broker" / PID_FILE)
                await until(lambda: running.counted("officina_deaf_total") >= 1, what)
            await until(lambda: it.on(topics.stored(AGENT)).count(HELLO) == 2, "the second hello")
            await it.publish(DATA, row(1))
            await until(lambda: stored_rows(it) == {1}, "acknowledged")
            assert samples_in(store) == [sample(1)]


async def test_what_a_third_party_sends_while_its_collector_is_away_arrives(
    server: Server, store: Store, tmp_path: Path
) -> None:
    await register(server, THIRD_PARTY)
    async with peer(server.broker(THIRD_PARTY), THIRD_PARTY) as it:
        async with collecting(server, store, tmp_path, client_id="collector-1") as running:
            await running.is_listening()
            await it.publish(THIRD_PARTY_DATA, plain(1))
            await until(lambda: samples_in(store) == [sample(1)], "the first is stored")
        for n in range(2, 30):
            await it.publish(THIRD_PARTY_DATA, plain(n))
        async with collecting(server, store, tmp_path, client_id="collector-1") as running:
            await until(lambda: len(samples_in(store)) == 29, "the rest is stored")
            await until(lambda: running.quarantine.counts()[0] == 0, "nothing is left in quarantine")
    assert samples_in(store) == [sample(n) for n in range(1, 30)]


async def test_what_waited_at_the_broker_is_not_judged_before_the_registry_is_known(
    only_mosquitto: Server, store: Store, tmp_path: Path
) -> None:
    await register(only_mosquitto, THIRD_PARTY)
    async with peer(only_mosquitto.broker(THIRD_PARTY), THIRD_PARTY) as it:
        async with collecting(only_mosquitto, store, tmp_path, client_id="collector-1") as running:
            await running.is_listening()
        for n in range(50):
            await it.publish(THIRD_PARTY_DATA, plain(n))
        async with collecting(only_mosquitto, store, tmp_path, client_id="collector-1") as running:
            await until(lambda: running.counted("officina_stored_samples_total") == 50, "all of it is stored")
            assert running.counted("officina_quarantined_samples_total", reason="unknown_publisher", machine="") == 0


async def test_collectors_share_one_subscription_and_one_of_them_may_die(
    only_mosquitto: Server, store: Store, tmp_path: Path
) -> None:
    await register(only_mosquitto, AGENT)
    async with agent(only_mosquitto) as it, AsyncExitStack() as stack:
        collectors = [
            await stack.enter_async_context(collecting(only_mosquitto, store, tmp_path / str(number), shared=True))
            for number in range(2)
        ]
        async with collecting(only_mosquitto, store, tmp_path / "brief", shared=True) as brief:
            for running in (*collectors, brief):
                await running.is_listening()
            for n in range(1, 61):
                await it.publish(DATA, row(n))
            await until(lambda: len(stored_rows(it)) == 60, "acknowledged")
            shares = [running.counted("officina_stored_samples_total") for running in (*collectors, brief)]
            assert sum(shares) == 60
            assert all(shares), "each took a part"
        for n in range(61, 101):
            await it.publish(DATA, row(n))
        await until(lambda: len(stored_rows(it)) == 100, "acknowledged by those that are left")
    assert samples_in(store) == [sample(n) for n in range(1, 101)]


async def test_what_no_memory_is_left_for_is_dropped_counted_and_comes_again(
    only_mosquitto: Server, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(only_mosquitto, THIRD_PARTY)
    monkeypatch.setattr(service_module, "PENDING_BYTES_MAX", 3 * len(plain(99)))
    async with (
        peer(only_mosquitto.broker(THIRD_PARTY), THIRD_PARTY) as it,
        collecting(only_mosquitto, store, tmp_path, client_id="collector-1") as running,
    ):
        await running.is_listening()
        store.away = True
        for n in range(1, 41):
            await it.publish(THIRD_PARTY_DATA, plain(n))
        await until(lambda: running.collector._dropped > 0, "dropped")
        store.away = False
        await until(lambda: len(samples_in(store)) == 40, "all of it is stored")
        assert running.counted("officina_dropped_messages_total") > 0
    assert samples_in(store) == [sample(n) for n in range(1, 41)]


async def test_a_publisher_that_copies_a_row_number_of_another_cannot_hold_its_row_back(
    only_mosquitto: Server, store: Store, tmp_path: Path
) -> None:
    await register(only_mosquitto, AGENT)
    await register(only_mosquitto, THIRD_PARTY)
    async with (
        agent(only_mosquitto) as it,
        peer(only_mosquitto.broker(THIRD_PARTY), THIRD_PARTY) as impostor,
        collecting(only_mosquitto, store, tmp_path, writers=1) as running,
    ):
        await running.is_listening()
        store.away = True
        await it.publish(DATA, row(1))
        await until(lambda: running.counted("officina_store_failures_total") >= 1, "the writer is busy")
        await impostor.publish(THIRD_PARTY_DATA, row(2))
        await it.publish(DATA, row(2))
        store.away = False
        await until(lambda: stored_rows(it) == {1, 2}, "acknowledged")
        assert samples_in(store) == [sample(1), sample(2)]


async def test_a_registry_that_cannot_be_read_changes_nothing(
    only_mosquitto: Server, store: Store, tmp_path: Path
) -> None:
    await register(only_mosquitto, AGENT)
    async with agent(only_mosquitto) as it, collecting(only_mosquitto, store, tmp_path) as running:
        await running.is_listening()
        async with peer(only_mosquitto.broker("api"), "api-2") as api:
            await api.publish(topics.registry(AGENT), b'{"publisher":', retain=True)
            await api.publish(topics.registry(THIRD_PARTY), registry(THIRD_PARTY), retain=True)
        await until(lambda: THIRD_PARTY in running.collector._allowed.publishers, "the next registry is taken")
        await it.publish(DATA, row(1))
        await until(lambda: stored_rows(it) == {1}, "acknowledged")
        assert samples_in(store) == [sample(1)]


async def test_a_publisher_whose_registry_is_removed_may_publish_nothing(
    only_mosquitto: Server, store: Store, tmp_path: Path
) -> None:
    await register(only_mosquitto, AGENT)
    async with agent(only_mosquitto) as it, collecting(only_mosquitto, store, tmp_path) as running:
        await running.is_listening()
        async with peer(only_mosquitto.broker("api"), "api-2") as api:
            await api.publish(topics.registry(AGENT), b"", retain=True)
        await until(lambda: AGENT not in running.collector._allowed.publishers, "removed")
        await it.publish(DATA, row(1))
        await until(lambda: running.quarantine.counts()[0] == 1, "in quarantine")
        assert samples_in(store) == []
