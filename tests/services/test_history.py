"""Holes that are filled from the history of a server that is really there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from edge_agent import history, opcua, opcua_client
from edge_agent.refill import GRAIN
from shopfloor.periods import SECOND
from shopfloor.runtime import clock
from tests.faults.proxy import proxying
from tests.services.test_opcua_source import MACHINE, Notebook, Script, machine, reach, serving, until, watching

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_agent.config import ServerConfig
    from simulators.opcua_server import MachineServer

pytestmark = pytest.mark.services


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opcua, "RETRY_SECONDS_MAX", 0.5)
    monkeypatch.setattr(opcua, "RETRY_SECONDS_MIN", 0.1)
    monkeypatch.setattr(history, "SETTLE_SECONDS", 0.5)
    monkeypatch.setattr(history, "REQUEST_SECONDS", 0.02)


def through(server: MachineServer, port: int, folder: Path) -> ServerConfig:
    config = reach(server, folder)
    return replace(config, endpoint=server.endpoint.replace(str(urlsplit(server.endpoint).port), str(port)))


async def away(
    folder: Path, notebook: Notebook, script: Script, meanwhile: Callable[[], None], *, remembers: bool
) -> None:
    """Watch a machine, lose its server, let things happen there, and wait until it is watched again and looked back."""
    async with serving(folder, script, history=remembers) as server:
        port = urlsplit(server.endpoint).port
        assert port is not None
        async with proxying(port) as proxy, watching(through(server, proxy.port, folder), notebook):
            await until(lambda: notebook.proofs, "observed")
            await proxy.cut()
            await until(lambda: not notebook.health[MACHINE].connected, "lost")
            meanwhile()
            await until(lambda: not script.said, "served")
            await asyncio.sleep(0.3)
            await proxy.start()
            await until(lambda: notebook.holes, "a hole")
            await until(lambda: notebook.filled and not notebook.wanted, "looked back")


async def test_what_happened_while_the_link_was_cut_is_read_from_the_servers_history(
    tmp_path: Path, notebook: Notebook, script: Script
) -> None:
    said: list[int] = []

    def meanwhile() -> None:
        start = clock.now() - SECOND // 2
        said.extend(
            script.say("feed_override", float(number), start + number * 10_000_000) // 1000 * 1000
            for number in range(40)
        )

    await away(tmp_path, notebook, script, meanwhile, remembers=True)
    (hole,) = notebook.holes
    found = [(each.stamp, each.value) for each in notebook.remembered if each.signal == "feed_override"]
    begin = hole.period.start + GRAIN
    assert found == [(stamp, float(number)) for number, stamp in enumerate(said[:-1]) if stamp > begin]
    assert len(found) > 20
    last = notebook.values["feed_override"][-1]
    assert (last.source, last.value) == (said[-1], 39.0), "the last one came live"
    ((refill, signals),) = notebook.filled
    assert refill.period == hole.period
    assert "feed_override" in signals


async def test_history_stays_strictly_inside_the_hole_and_proves_no_watching(
    tmp_path: Path, notebook: Notebook, script: Script
) -> None:
    def meanwhile() -> None:
        now = clock.now()
        for number in range(30):
            script.say("item_state", 2 + number % 2, now - 10 * SECOND + number * SECOND // 2)

    await away(tmp_path, notebook, script, meanwhile, remembers=True)
    (hole,) = notebook.holes
    assert all(hole.period.start < each.stamp < hole.period.end for each in notebook.remembered)
    assert not any(since < hole.period.end and at > hole.period.start for since, at in notebook.proofs)


async def test_history_is_read_in_pages_and_every_continuation_point_is_released(
    tmp_path: Path, notebook: Notebook, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE_VALUES", 7)
    monkeypatch.setattr(history, "PAGES_MAX", 3)
    pages: list[tuple[int, bool, bool]] = []
    plain = opcua_client.Session.history

    async def counted(*arguments: object, release: bool = False) -> object:
        page = await plain(*arguments, release=release)  # type: ignore[arg-type]
        pages.append((len(page.values), bool(page.point), release))
        return page

    monkeypatch.setattr(opcua_client.Session, "history", counted)

    def meanwhile() -> None:
        for number in range(60):
            script.say("feed_override", float(number), clock.now() - SECOND // 2 + number * 5_000_000)

    await away(tmp_path, notebook, script, meanwhile, remembers=True)
    assert max(values for values, _, _ in pages) == 7
    assert [release for _, _, release in pages].count(True) == 1, "of the one that was not read to its end"
    (_, signals) = notebook.filled[0]
    assert "feed_override" not in signals, "what is not read to its end is not called filled"
    assert 0 < len([each for each in notebook.remembered if each.signal == "feed_override"]) <= 21


async def test_a_server_without_history_is_not_asked_for_it(
    tmp_path: Path, notebook: Notebook, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(opcua_client.Session, "history")

    def meanwhile() -> None:
        script.say("feed_override", 7.0)

    await away(tmp_path, notebook, script, meanwhile, remembers=False)
    assert notebook.remembered == []
    assert [signals for _, signals in notebook.filled] == [[]]


async def test_what_an_overflow_lost_is_read_from_the_servers_history(
    tmp_path: Path, notebook: Notebook, script: Script
) -> None:
    config = machine(publishing_milliseconds=500, queue_size=10)
    async with (
        serving(tmp_path, script, history=True) as server,
        watching(reach(server, tmp_path, config), notebook),
    ):
        await until(lambda: notebook.proofs, "observed")
        start = clock.now()
        said = [script.say("feed_override", float(each), start + each * 5_000_000) // 1000 * 1000 for each in range(50)]
        await until(lambda: notebook.last("feed_override") == 49.0, "changed")
        await until(lambda: notebook.filled, "looked back")
    (hole,) = [hole for hole in notebook.holes if hole.cause == "overflow"]
    live = {reading.source for reading in notebook.values["feed_override"]}
    found = [each.stamp for each in notebook.remembered]
    assert found == [stamp for stamp in said if stamp not in live]
    assert all(hole.period.start + GRAIN < stamp < hole.period.end - GRAIN for stamp in found)


async def test_all_machines_of_a_server_together_ask_for_history_once_in_a_stated_time(
    tmp_path: Path, notebook: Notebook, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "REQUEST_SECONDS", 0.15)
    monkeypatch.setattr(history, "PAGE_VALUES", 7)
    monkeypatch.setattr(history, "PAGES_MAX", 3)
    asked: list[float] = []
    for name in ("history", "remembered"):
        plain = getattr(opcua_client.Session, name)

        async def noted(*arguments: object, plain: Callable[..., object] = plain, **options: object) -> object:
            asked.append(asyncio.get_running_loop().time())
            return await plain(*arguments, **options)  # type: ignore[misc]

        monkeypatch.setattr(opcua_client.Session, name, noted)

    def meanwhile() -> None:
        for number in range(60):
            script.say("feed_override", float(number), clock.now() - SECOND // 2 + number * 5_000_000)

    await away(tmp_path, notebook, script, meanwhile, remembers=True)
    assert len(asked) == 5, "which nodes have one, three pages, and that it goes no further"
    assert min(later - earlier for earlier, later in pairwise(asked)) >= 0.149
