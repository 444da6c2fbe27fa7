"""What a login may do at a broker, and nothing else: the same on Mosquitto and on the embedded broker."""

from __future__ import annotations

import itertools
import subprocess
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from shopfloor import broker_files, mqtt
from shopfloor.wire import topics
from shopfloor.wire.rights import Kind, Principal
from tests.services.brokers import BOUND, amqtt, die, mosquitto, peer, until, usual_logins
from tests.services.stores import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.services.brokers import Peer, Server

SITE, OTHER = "site-a", "site-b"
LOGINS = {
    **usual_logins(SITE, OTHER),
    "third": ("the third party's password", Kind.PUBLISHER),
    "mes": ("the password of the MES", Kind.INTEGRATION),
    "screen": ("the password of the screen", Kind.READER),
}
_numbers = itertools.count(1)


@pytest.fixture(scope="module", params=["mosquitto", "amqtt"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    run = mosquitto if request.param == "mosquitto" else amqtt
    with run(tmp_path_factory.mktemp("broker"), logins=LOGINS) as running:
        yield running


pytestmark = pytest.mark.services


async def is_refused(broker: mqtt.Broker, client_id: str, will: mqtt.Will | None = None) -> bool:
    async with peer(broker, client_id, will=will, wait=False) as it:
        await until(lambda: it.refused or it.client.is_connected, "answered")
        return bool(it.refused)


def client_id_of(user: str) -> str:
    """Return a client id that a login may use and nobody else uses now."""
    return user if LOGINS[user][1] in BOUND else f"{user}-{next(_numbers)}"


@asynccontextmanager
async def connected(server: Server, user: str) -> AsyncIterator[Peer]:
    async with peer(server.broker(user), client_id_of(user)) as it:
        yield it


@asynccontextmanager
async def witness(server: Server) -> AsyncIterator[Peer]:
    """Hear everything that the API and a collector may hear between them."""
    async with connected(server, "api") as it:
        assert await it.subscribe(f"{topics.PREFIX}/#", f"{topics.EDGE}/#", topics.REGISTRY_FILTER, topics.echo("end"))
        yield it


async def flush(server: Server, *hearing: Peer) -> None:
    """Wait until what was said before has been heard by who hears the echo."""
    end = str(next(_numbers)).encode()
    async with connected(server, "api") as api:
        await api.publish(topics.echo("end"), end)
    for each in hearing:
        await until(lambda each=each: end in each.on(topics.echo("end")), "the end")  # type: ignore[misc]


async def say(it: Peer, topic: str, payload: bytes, *, retain: bool = False) -> None:
    """Publish, whether or not the broker takes it."""
    mid = it.client.publish(topic, payload, retain=retain)
    await until(lambda: mid in it.taken or it.refused, "answered")


@pytest.mark.parametrize("user", list(LOGINS))
async def test_who_has_a_login_is_let_in(server: Server, user: str) -> None:
    assert not await is_refused(server.broker(user), client_id_of(user))


@pytest.mark.parametrize(("user", "password"), [(SITE, "wrong"), (SITE, ""), ("nobody", "wrong"), ("", "")])
async def test_who_has_none_is_not(server: Server, user: str, password: str) -> None:
    assert await is_refused(mqtt.Broker("127.0.0.1", server.port, user, password), SITE)


@pytest.mark.parametrize("user", [SITE, "third", "screen"])
@pytest.mark.parametrize("password", [None, "wrong"])
async def test_nobody_takes_the_client_id_of_another_agent(server: Server, user: str, password: str | None) -> None:
    async with connected(server, OTHER) as other:
        assert await other.subscribe(topics.stored(OTHER))
        async with peer(server.broker(user, password), OTHER, wait=False) as thief:
            await until(lambda: thief.refused or thief.client.is_connected, "answered")
            if thief.client.is_connected:  # Mosquitto takes the user name in place of the client id
                await say(thief, topics.data(OTHER, "record", "mill-1"), b"stolen")
                thief.client.subscribe(topics.stored(OTHER))
            async with connected(server, "collector") as collector:
                await collector.publish(topics.stored(OTHER), b"for the other")
            await until(lambda: other.on(topics.stored(OTHER)), "still heard by its owner")
            assert thief.on(topics.stored(OTHER)) == []
        assert other.refused == []


@pytest.mark.parametrize("user", ["collector", "mes"])
async def test_no_program_takes_the_client_id_of_an_agent_at_the_embedded_broker(user: str, tmp_path: Path) -> None:
    with amqtt(tmp_path / "broker", LOGINS) as server:
        async with connected(server, OTHER) as other:
            assert await is_refused(server.broker(user), OTHER)
            assert other.refused == []


async def test_programs_run_several_times_under_one_login(server: Server) -> None:
    async with connected(server, "collector") as one, connected(server, "collector") as two:
        assert one.client.is_connected
        assert two.client.is_connected


@pytest.mark.parametrize(
    "topic",
    [topics.status(OTHER), topics.stored(OTHER), topics.registry(SITE), topics.health(OTHER), "anything", "$SYS/x"],
)
async def test_a_last_will_on_a_foreign_topic_is_never_said(server: Server, topic: str) -> None:
    async with witness(server) as it, connected(server, OTHER) as owner, connected(server, "third") as third:
        assert await owner.subscribe(topics.stored(OTHER))
        die(server.broker(SITE), SITE, mqtt.Will(topic, b"forged"))
        die(server.broker(SITE), SITE, mqtt.Will(topics.status(SITE), b"after it"))
        await until(lambda: b"after it" in it.on(topics.status(SITE)), "the next will")
        await flush(server, it)
        assert [each.topic for each in it.heard + owner.heard + third.heard if each.payload == b"forged"] == []
    async with witness(server) as later:
        await flush(server, later)
        assert [each.topic for each in later.heard if each.payload == b"forged"] == []


async def test_the_last_will_on_its_own_status_topic_is_said(server: Server) -> None:
    async with witness(server) as it:
        assert die(server.broker(SITE), SITE, mqtt.Will(topics.status(SITE), b"gone")) == 0
        await until(lambda: b"gone" in it.on(topics.status(SITE)), "the will")


MATTERS = [
    (SITE, topics.data(SITE, "record", "mill-1"), True),
    (SITE, topics.status(SITE), True),
    (SITE, topics.metadata(SITE, "record", "mill-1"), True),
    (SITE, topics.connection(SITE), True),
    (SITE, topics.health(SITE), True),
    (SITE, topics.reply(SITE), True),
    (SITE, topics.data(OTHER, "record", "mill-1"), False),
    (SITE, topics.status(OTHER), False),
    (SITE, topics.metadata(OTHER, "record", "mill-1"), False),
    (SITE, topics.connection(OTHER), False),
    (SITE, topics.health(OTHER), False),
    (SITE, topics.reply(OTHER), False),
    (SITE, topics.registry(SITE), False),
    (SITE, topics.request(SITE), False),
    (SITE, f"{topics.PREFIX}/json/application/{SITE}", False),
    ("third", topics.data("third", "record", "mill-1"), True),
    ("third", topics.health("third"), False),
    ("mes", topics.data("mes", "record", "mill-1"), True),
    ("mes", topics.data(SITE, "record", "mill-1"), False),
    ("screen", topics.data("screen", "record", "mill-1"), False),
    ("collector", topics.data(SITE, "record", "mill-1"), False),
    ("collector", topics.registry(SITE), False),
    ("api", topics.registry(SITE), True),
    ("api", topics.request(SITE), True),
    ("api", topics.data(SITE, "record", "mill-1"), False),
]


@pytest.mark.parametrize(("user", "topic", "passes"), MATTERS)
async def test_a_login_says_what_is_its_own(server: Server, user: str, topic: str, *, passes: bool) -> None:
    async with witness(server) as it:
        async with connected(server, user) as speaker:
            await say(speaker, topic, b"said", retain=True)
        if passes:
            await until(lambda: it.on(topic), f"heard: {topic}")
        await flush(server, it)
        assert (b"said" in it.on(topic)) is passes
    if passes:
        async with connected(server, user) as speaker:
            await say(speaker, topic, b"", retain=True)


@pytest.mark.parametrize("payload", [b"forged", b""], ids=["replace", "clear"])
async def test_what_another_agent_retains_is_neither_replaced_nor_cleared(server: Server, payload: bytes) -> None:
    async with connected(server, OTHER) as owner:
        await owner.publish(topics.connection(OTHER), b"mine", retain=True)
    async with connected(server, SITE) as forger:
        await say(forger, topics.connection(OTHER), payload, retain=True)
    async with witness(server) as it:
        await flush(server, it)
        assert it.on(topics.connection(OTHER)) == [b"mine"]


HEARD = {
    topics.data(OTHER, "record", "mill-1"): (OTHER, {"collector", "api", "mes", "screen"}),
    topics.status(OTHER): (OTHER, {"api", "mes", "screen"}),
    topics.health(OTHER): (OTHER, {"api"}),
    topics.registry(OTHER): ("api", {OTHER, "collector", "api"}),
    topics.request(OTHER): ("api", {OTHER, "api"}),
    topics.stored(OTHER): ("collector", {OTHER}),
}
"""Who says it, and who may hear it."""


@pytest.mark.parametrize("user", list(LOGINS))
async def test_a_login_hears_what_is_its_own_whatever_it_asks_for(server: Server, user: str) -> None:
    filters = [
        *HEARD, "#", "+/#", "+/+/+", "+/+/+/+/+/+", f"{topics.STORED}/+", f"{topics.STORED}/#", f"{topics.PREFIX}/#",
        f"{topics.EDGE}/#", topics.DATA_FILTER, topics.REGISTRY_FILTER, "$SYS/#", f"$share/g/{topics.STORED}/+",
        topics.stored(user), f"{topics.ECHO}/+",
    ]  # fmt: skip
    async with connected(server, user) as it:
        for each in filters:
            await it.subscribe(each)
        said = str(next(_numbers)).encode()
        for topic, (speaker, _) in HEARD.items():
            if speaker == user:
                await say(it, topic, said)
                continue
            async with connected(server, speaker) as other:
                await say(other, topic, said)
        await until(lambda: all(it.on(topic) for topic, (_, ears) in HEARD.items() if user in ears), "heard")
        if user in {"api", "collector"}:
            await flush(server, it)
        else:
            async with witness(server) as end:
                await flush(server, end)
        heard = {each.topic for each in it.heard if not each.topic.startswith(topics.ECHO)}
        assert {each for each in heard if each in HEARD} == {t for t, (_, ears) in HEARD.items() if user in ears}
        assert [each for each in heard if each.startswith("$")] == []


@pytest.mark.parametrize("user", [SITE, "third", "screen"])
async def test_what_is_retained_for_others_is_not_heard_either(server: Server, user: str) -> None:
    async with connected(server, OTHER) as owner, connected(server, "api") as api:
        await owner.publish(topics.status(OTHER), b"retained", retain=True)
        await owner.publish(topics.health(OTHER), b"retained", retain=True)
        await api.publish(topics.registry(OTHER), b"retained", retain=True)
    async with connected(server, user) as it:
        for each in ("#", topics.registry(OTHER), topics.health(OTHER), topics.status(OTHER), f"{topics.EDGE}/#"):
            await it.subscribe(each)
        async with witness(server) as end:
            await flush(server, end)
        foreign = {each.topic for each in it.heard if not each.topic.startswith(f"{topics.PREFIX}/")}
        assert foreign == set()
        assert (topics.status(OTHER) in {each.topic for each in it.heard}) is (user == "screen")


async def test_only_collectors_say_what_is_stored(server: Server) -> None:
    async with connected(server, SITE) as it:
        assert await it.subscribe(topics.stored(SITE))
        for user in (OTHER, "api", "third", "mes", "screen"):
            async with connected(server, user) as impostor:
                await say(impostor, topics.stored(SITE), b"forged")
        await say(it, topics.stored(SITE), b"forged by itself")
        await flush(server)
        await until(lambda: it.client.is_connected, "connected, also where the broker ended the forger's connection")
        assert await it.subscribe(topics.stored(SITE))
        async with connected(server, "collector") as collector:
            await collector.publish(topics.stored(SITE), b"true")
        await until(lambda: b"true" in it.on(topics.stored(SITE)), "heard")
        assert it.on(topics.stored(SITE)) == [b"true"]


@pytest.mark.parametrize("kind", ["mosquitto", "amqtt"])
async def test_a_login_that_is_taken_away_ends_its_connection(kind: str, tmp_path: Path) -> None:
    run = mosquitto if kind == "mosquitto" else amqtt
    with run(tmp_path / "broker", logins=LOGINS) as server:
        async with connected(server, SITE) as revoked, connected(server, OTHER) as other:
            server.revoke(SITE)
            await until(lambda: revoked.refused, "ended")
            assert await is_refused(server.broker(SITE), SITE)
            await other.publish(topics.status(OTHER), b"still here")
            assert other.refused == []


async def test_what_is_said_while_others_come_and_go_is_heard_by_who_stays(server: Server) -> None:
    said = [str(number).encode() for number in range(1000)]
    async with AsyncExitStack() as guests, connected(server, SITE) as speaker:
        for number in range(20):
            guest = await guests.enter_async_context(connected(server, "api"))
            assert await guest.subscribe(topics.health(SITE), topics.health(f"guest-{number}"))
        async with witness(server) as it:
            await guests.aclose()
            for each in said:
                mid = speaker.client.publish(topics.health(SITE), each)
            await until(lambda: mid in speaker.taken, "taken")
            await until(lambda: set(it.on(topics.health(SITE))) == set(said), "all of it heard")


async def test_what_was_taken_before_its_speaker_left_is_handed_round(server: Server) -> None:
    said = [str(number).encode() for number in range(500)]
    async with witness(server) as it:
        async with connected(server, SITE) as speaker:
            for each in said:
                mid = speaker.client.publish(topics.health(SITE), each)
            await until(lambda: mid in speaker.taken, "taken")
        await until(lambda: set(it.on(topics.health(SITE))) == set(said), "all of it heard")


async def test_the_embedded_broker_lets_nobody_in_once_its_files_are_damaged(tmp_path: Path) -> None:
    with amqtt(tmp_path / "broker", LOGINS) as server:
        async with connected(server, SITE) as it:
            (tmp_path / "broker" / broker_files.RIGHTS).write_text("")
            broker_files.reload(tmp_path / "broker" / "broker.pid")
            await until(lambda: it.refused, "ended")
            assert await is_refused(server.broker("collector"), "collector-x")


@pytest.mark.parametrize("file", [broker_files.RIGHTS, broker_files.PUBLISHERS, broker_files.PROGRAMS])
def test_the_embedded_broker_does_not_start_without_its_files(file: str, tmp_path: Path) -> None:
    broker_files.write_files(tmp_path, [broker_files.Login(Principal(SITE, Kind.AGENT), "$7$1$YQ==$YQ==")])
    (tmp_path / file).unlink()
    command = [sys.executable, "-m", "simulators.broker", str(tmp_path), str(free_port())]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert file in ended.stderr + ended.stdout


@pytest.mark.parametrize("file", [broker_files.RIGHTS, broker_files.PUBLISHERS, broker_files.PROGRAMS])
def test_mosquitto_does_not_start_without_its_files(file: str, tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker", logins=LOGINS) as server:
        command = server.process.args
    (tmp_path / "broker" / file).unlink()
    assert isinstance(command, list)
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode != 0


async def test_mosquitto_with_an_empty_list_of_rights_grants_nothing(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker", logins=LOGINS) as server:
        (tmp_path / "broker" / broker_files.RIGHTS).write_text("")
        broker_files.reload(tmp_path / "broker" / "broker.pid")
        async with connected(server, SITE) as it, connected(server, "collector") as collector:
            await it.subscribe(topics.stored(SITE))
            await say(collector, topics.stored(SITE), b"not granted any more")
            await say(it, topics.stored(SITE), b"neither")
            assert it.heard == []
