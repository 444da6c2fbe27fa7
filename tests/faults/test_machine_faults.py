"""A machine's server that misbehaves: what is recorded is true, and what is not known is a hole."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from edge_agent import opcua
from shopfloor.periods import HOUR, SECOND
from shopfloor.runtime import clock
from simulators.opcua_server import MachineServer
from tests.faults.proxy import proxying
from tests.services.test_opcua_source import MACHINE, Notebook, Script, free_port, reach, serving, until, watching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.services


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opcua, "RETRY_SECONDS_MAX", 0.5)
    monkeypatch.setattr(opcua, "RETRY_SECONDS_MIN", 0.1)
    monkeypatch.setattr(opcua, "MEASURE_EVERY", SECOND // 2)


@asynccontextmanager
async def named(name: str, folder: Path, script: Script, port: int) -> AsyncIterator[MachineServer]:
    """Serve under a name, by which the server orders its namespaces."""
    server = MachineServer(name, [script], folder / "server", clock.now, port=port, tick_seconds=0.02)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def test_a_server_that_comes_back_with_other_namespace_numbers_is_read_from_the_right_nodes(
    tmp_path: Path, notebook: Notebook
) -> None:
    tables: list[list[str]] = []
    first, second, port = Script(), Script(), free_port()
    async with named("one", tmp_path, first, port) as server:
        tables.append(await server._server.get_namespace_array())
        config = reach(server, tmp_path)
        watch = watching(config, notebook)
        await watch.__aenter__()
        await until(lambda: notebook.proofs, "observed")
    try:
        before = len(notebook.values["feed_override"])
        async with named("two", tmp_path, second, port) as server:
            tables.append(await server._server.get_namespace_array())
            await until(lambda: len(notebook.values["feed_override"]) > before, "read again")
            second.say("feed_override", 71.0)
            second.say("item_state", 2)
            await until(lambda: notebook.last("feed_override") == 71.0, "the right value")
            await until(lambda: notebook.last("item_state") == 2, "the right state")
    finally:
        await watch.__aexit__(None, None, None)
    assert sorted(tables[0][2:]) != tables[0][2:] or tables[0] != tables[1]
    assert [uri for uri in tables[0] if uri.startswith("http")] != [uri for uri in tables[1] if uri.startswith("http")]
    assert {reading.value for reading in notebook.values["feed_override"]} == {100.0, 71.0}
    assert {reading.value for reading in notebook.values["item_state"]} == {3, 2}


async def test_a_connection_to_a_machine_that_is_half_open_is_noticed_and_leaves_a_hole(
    tmp_path: Path, notebook: Notebook
) -> None:
    script = Script()
    async with serving(tmp_path, script) as server:
        port = urlsplit(server.endpoint).port
        assert port is not None
        async with proxying(port) as proxy:
            config = replace(reach(server, tmp_path), endpoint=server.endpoint.replace(str(port), str(proxy.port)))
            async with watching(config, notebook):
                await until(lambda: notebook.proofs, "observed")
                proxy.freeze()
                frozen = clock.now()
                await until(lambda: not notebook.health[MACHINE].connected, "noticed")
                await proxy.cut()
                proxy.thaw()
                await proxy.start()
                await until(lambda: notebook.holes, "watched again")
    assert all(at <= frozen or since > frozen for since, at in notebook.proofs), "nothing was proven meanwhile"
    (hole,) = notebook.holes
    assert hole.period.start <= frozen < hole.period.end


async def test_a_machines_clock_that_jumps_back_and_forth_stamps_nothing_while_it_is_wrong(
    tmp_path: Path, notebook: Notebook
) -> None:
    script, shift = Script(), [0]
    server = MachineServer("test", [script], tmp_path / "server", lambda: clock.now() + shift[0], tick_seconds=0.02)
    await server.start()
    try:
        async with watching(reach(server, tmp_path), notebook):
            await until(lambda: notebook.proofs, "observed")
            for step in (-HOUR, HOUR):
                shift[0] = step
                await until(lambda: not notebook.health[MACHINE].trusted, "not trusted")
                script.say("feed_override", step / HOUR, clock.now() + step)
                await until(lambda step=step: notebook.last("feed_override") == step / HOUR, "said")  # type: ignore[misc]
                assert notebook.calls[-1][2] is False, "stamped by the agent's own clock"
                shift[0] = 0
                await until(lambda: notebook.health[MACHINE].trusted, "trusted again")
        await asyncio.sleep(0)
    finally:
        await server.stop()
    now = clock.now()
    assert all(since < at <= now + SECOND for since, at in notebook.proofs)
    assert sorted(notebook.proofs, key=lambda proof: proof[1]) == notebook.proofs
