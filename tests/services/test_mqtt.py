"""The one MQTT connection of every program, at real brokers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from shopfloor import mqtt
from tests.services.brokers import mosquitto, peer, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services.brokers import Server

pytestmark = pytest.mark.services


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with mosquitto(tmp_path / "broker") as running:
        yield running


def numbered(number: int, size: int) -> bytes:
    return b"%08d" % number + bytes([number % 256]) * size


async def test_large_messages_pass_whole_while_the_broker_halts_again_and_again(server: Server) -> None:
    async with peer(server.broker(), "hears") as hears, mqtt.Client(server.broker(), client_id="speaks") as speaks:
        await hears.subscribe("t")
        await until(lambda: speaks.is_connected, "connected")
        sent = 0
        for size in (90_000, 100, 60_000, 7, 90_000, 30_000) * 2:
            with server.paused():
                for _ in range(40):
                    assert speaks.publish("t", numbered(sent, size)) is not None
                    sent += 1
                await asyncio.sleep(0.02)
            for _ in range(40):
                assert speaks.publish("t", numbered(sent, size)) is not None
                sent += 1
                await asyncio.sleep(0)
        await until(lambda: len(hears.heard) == sent, "all heard")
        numbers = [int(message.payload[:8]) for message in hears.heard]
        assert numbers == list(range(sent)), "in order, none twice"
        for number, message in zip(numbers, hears.heard, strict=True):
            assert message.payload[8:] == bytes([number % 256]) * (len(message.payload) - 8)
        assert hears.refused == []


async def test_a_message_stays_with_the_broker_until_it_is_acknowledged(server: Server) -> None:
    async with peer(server.broker(), "speaks") as speaks:
        async with mqtt.Client(server.broker(), client_id="hears", clean=False) as client:
            await until(lambda: client.is_connected, "connected")
            client.subscribe("t")
            heard: list[mqtt.Message] = []

            async def listen() -> None:
                while True:
                    heard.extend(event for event in await client.events() if isinstance(event, mqtt.Message))

            listening = asyncio.create_task(listen())
            while not heard:
                await speaks.publish("t", b"first")
            await speaks.publish("t", b"second")
            await until(lambda: heard[-1].payload == b"second", "heard")
            for message in heard[:-1]:
                client.acknowledge(message)
            client.reconnect()
            await until(lambda: [each.payload for each in heard].count(b"second") == 2, "heard again")
            assert heard[-1].connection > heard[-2].connection
            client.acknowledge(heard[-2])
            listening.cancel()
        async with peer(server.broker(), "hears", clean=False) as again:
            await until(
                lambda: again.on("t") == [b"second"], "the acknowledgement of an old connection counts for none"
            )


async def test_a_connection_comes_back_by_itself_and_sends_nothing_while_it_is_gone(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as server:
        port, broker = server.port, server.broker()
    async with mqtt.Client(broker, client_id="a") as client:
        await asyncio.sleep(0)
        assert not client.is_connected
        assert client.publish("t", b"x") is None
        assert client.subscribe("t") is None
        first = (await client.events())[0]
        assert isinstance(first, mqtt.Disconnected)
        assert "refused" in first.reason
        with mosquitto(tmp_path / "broker", port=port):
            await until(lambda: client.is_connected, "connected")
        await until(lambda: not client.is_connected, "gone")
        with mosquitto(tmp_path / "broker", port=port):
            await until(lambda: client.is_connected, "connected again")


async def test_a_client_that_leaves_in_order_leaves_no_will(server: Server) -> None:
    will = mqtt.Will("status", b"dead")
    async with peer(server.broker(), "hears") as hears:
        await hears.subscribe("status", "t")
        async with peer(server.broker(), "leaves", will=will):
            pass
        async with peer(server.broker(), "speaks") as speaks:
            await speaks.publish("t", b"done")
        await until(lambda: hears.on("t") == [b"done"], "heard")
        assert hears.on("status") == []


async def test_what_does_not_fit_the_inbox_is_dropped_unacknowledged_and_counted(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "INBOX_BYTES_MAX", 2_500)
    async with (
        peer(server.broker(), "speaks") as speaks,
        mqtt.Client(server.broker(), client_id="slow", clean=False) as client,
    ):
        await until(lambda: client.is_connected, "connected")
        client.subscribe("t")
        while not any(isinstance(event, mqtt.Subscribed) for event in await client.events()):
            pass
        for number in range(5):
            await speaks.publish("t", numbered(number, 992))
        await until(lambda: client.dropped_messages == 3, "dropped")
        heard = [event for event in await client.events() if isinstance(event, mqtt.Message)]
        assert [int(message.payload[:8]) for message in heard] == [0, 1]
        for message in heard:
            client.acknowledge(message)
        client.reconnect()
        again: list[int] = []
        while len(again) < 2:
            again += [int(event.payload[:8]) for event in await client.events() if isinstance(event, mqtt.Message)]
        assert again == [2, 3]


async def test_a_password_that_is_wrong_is_said(tmp_path: Path) -> None:
    from tests.services.brokers import usual_logins

    with mosquitto(tmp_path / "broker", logins=usual_logins("site-a")) as server, capture_logs() as logged:
        wrong = mqtt.Broker("127.0.0.1", server.port, "site-a", "something else")
        async with peer(wrong, "site-a", wait=False) as it:
            await until(lambda: it.refused, "refused")
            assert "Not authorized" in it.refused[0]
            await until(lambda: len(it.refused) > 2, "refused again")
    [said] = [each for each in logged if each["event"] == "mqtt.not_connected"]
    assert said["broker"] == f"127.0.0.1:{server.port}"
    assert "Not authorized" in said["reason"]
