"""What a login may do at the embedded broker, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shopfloor import mqtt
from shopfloor.wire import topics
from simulators.logins import Login, allows, edge_login
from tests.services.brokers import amqtt, peer, run_broker, until, usual_logins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services.brokers import Server

SITE, OTHER = "site-a", "site-b"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_broker("amqtt", tmp_path_factory.mktemp("broker"), SITE, OTHER) as running:
        yield running


pytestmark = pytest.mark.services


async def is_refused(broker: mqtt.Broker, client_id: str, will: mqtt.Will | None = None) -> bool:
    async with peer(broker, client_id, will=will, wait=False) as it:
        await until(lambda: it.refused or it.client.is_connected, "answered")
        return bool(it.refused)


async def test_who_has_a_login_is_let_in(server: Server) -> None:
    assert not await is_refused(server.broker(SITE), SITE)


@pytest.mark.parametrize(("user", "password"), [(SITE, "wrong"), (SITE, ""), ("nobody", "wrong"), ("", "")])
async def test_who_has_none_is_not(server: Server, user: str, password: str) -> None:
    assert await is_refused(mqtt.Broker("127.0.0.1", server.port, user, password), SITE)


async def test_another_logins_client_id_is_refused(server: Server) -> None:
    assert await is_refused(server.broker(SITE), OTHER)
    assert await is_refused(server.broker("collector"), SITE)
    assert await is_refused(server.broker(SITE), "some-other-name")
    assert not await is_refused(server.broker("collector"), "some-other-name")


async def test_a_last_will_on_a_foreign_topic_is_refused(server: Server) -> None:
    for topic in (topics.status(OTHER), topics.stored(SITE), topics.registry(SITE), "anything"):
        assert await is_refused(server.broker(SITE), SITE, mqtt.Will(topic, b"x")), topic
    assert not await is_refused(server.broker(SITE), SITE, mqtt.Will(topics.status(SITE), b"x"))


@pytest.mark.parametrize(
    ("user", "filters", "is_granted"),
    [
        (SITE, [topics.stored(SITE)], True),
        (SITE, [topics.registry(SITE)], True),
        (SITE, [topics.stored(OTHER)], False),
        (SITE, [f"{topics.STORED}/+"], False),
        (SITE, [f"{topics.STORED}/#"], False),
        (SITE, ["#"], False),
        (SITE, ["+/+/+"], False),
        (SITE, [topics.DATA_FILTER], False),
        (SITE, [topics.data(SITE, "record", "mill-1")], False),
        (SITE, [topics.stored(SITE), topics.stored(OTHER)], False),
        ("collector", [topics.DATA_FILTER], True),
        ("collector", [topics.REGISTRY_FILTER, topics.echo("c")], True),
        ("collector", [f"$share/g/{topics.DATA_FILTER}"], False),
        ("collector", [f"{topics.STORED}/+"], False),
        ("api", [f"{topics.PREFIX}/#"], True),
        ("api", [f"{topics.EDGE}/#"], True),
        ("api", [f"{topics.STORED}/+"], False),
    ],
)
async def test_a_login_hears_what_is_its_own(
    server: Server, user: str, filters: list[str], *, is_granted: bool
) -> None:
    async with peer(server.broker(user), user) as it:
        assert await it.subscribe(*filters) is is_granted


@pytest.mark.parametrize(
    ("user", "topic", "passes"),
    [
        (SITE, topics.data(SITE, "record", "mill-1"), True),
        (SITE, topics.status(SITE), True),
        (SITE, topics.health(SITE), True),
        (SITE, topics.reply(SITE), True),
        (SITE, topics.reply(OTHER), False),
        (SITE, topics.request(SITE), False),
        ("api", topics.request(SITE), True),
        ("collector", topics.request(SITE), False),
        (SITE, topics.data(OTHER, "record", "mill-1"), False),
        (SITE, topics.status(OTHER), False),
        (SITE, topics.health(OTHER), False),
        (SITE, topics.registry(SITE), False),
        ("collector", topics.data(SITE, "record", "mill-1"), False),
        ("collector", topics.registry(SITE), False),
        ("api", topics.data(SITE, "record", "mill-1"), False),
    ],
)
async def test_a_login_says_what_is_its_own(server: Server, user: str, topic: str, *, passes: bool) -> None:
    async with peer(server.broker("api"), "reads-all") as reader:
        assert await reader.subscribe(
            f"{topics.PREFIX}/#", f"{topics.EDGE}/#", topics.REGISTRY_FILTER, topics.echo("end")
        )
        async with peer(server.broker(user), user) as it:
            it.client.publish(topic, b"said")
            await until(lambda: it.taken or it.refused, "answered")
        async with peer(server.broker("api"), "ends") as api:
            await api.publish(topics.echo("end"), b"end")
        await until(lambda: reader.on(topics.echo("end")), "the end")
        assert (reader.on(topic) == [b"said"]) is passes


async def test_only_collectors_say_what_is_stored(server: Server) -> None:
    async with peer(server.broker(SITE), SITE) as it:
        assert await it.subscribe(topics.stored(SITE))
        for user in (OTHER, "api"):
            async with peer(server.broker(user), user) as impostor:
                impostor.client.publish(topics.stored(SITE), b"forged")
                await until(lambda impostor=impostor: impostor.taken or impostor.refused, "answered")  # type: ignore[misc]
        it.client.publish(topics.stored(SITE), b"forged by itself")
        async with peer(server.broker("collector"), "collector") as collector:
            await collector.publish(topics.stored(SITE), b"true")
        await until(lambda: b"true" in it.on(topics.stored(SITE)), "heard")
        assert it.on(topics.stored(SITE)) == [b"true"]


async def test_the_login_that_shows_the_wire_reads_all_publishers_and_speaks_for_one(tmp_path: Path) -> None:
    password = "a long password"  # noqa: S105 - the test's own
    logins = {**usual_logins(SITE), "shows": (password, edge_login(password, "shows", reads_all=True))}
    with amqtt(tmp_path, logins) as server:
        async with peer(server.broker("shows"), "any-name") as it, peer(server.broker(SITE), SITE) as site:
            assert await it.subscribe(f"{topics.PREFIX}/#", topics.stored("shows"))
            assert not await it.subscribe(topics.stored(SITE))
            await site.publish(topics.data(SITE, "record", "mill-1"), b"said")
            await until(lambda: it.on(topics.data(SITE, "record", "mill-1")) == [b"said"], "heard")


@pytest.mark.parametrize(
    ("allowed", "wanted", "is_allowed"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/b/c", "a/b", False),
        ("a/+", "a/b", True),
        ("a/+", "a/+", True),
        ("a/+", "a/#", False),
        ("a/b", "a/+", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "a/#", True),
        ("a/#", "#", False),
        ("a/#", "ab/c", False),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/d", False),
        ("a/+", "a", False),
        ("", "a", False),
    ],
)
def test_a_filter_covers_topics_and_narrower_filters(allowed: str, wanted: str, *, is_allowed: bool) -> None:
    assert allows(allowed, wanted) is is_allowed


def test_a_login_keeps_no_password() -> None:
    login = edge_login("a long password", SITE)
    assert isinstance(login, Login)
    assert "a long password" not in repr(login)
