"""One fault at a time, each at its worst moment, in a chain of real programs that goes on from one test to the next."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sqlite3
import subprocess
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.faults.chain import Chain
from tests.faults.judge import settled
from tests.faults.proxy import Proxy, proxying
from tests.services.stores import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from pathlib import Path

    from tests.faults.judge import Verdict

pytestmark = [pytest.mark.services, pytest.mark.asyncio(loop_scope="module")]

STORED_MIN = 200
"""So many samples are a few seconds of counters, more than the first proofs."""
MOMENT_SECONDS = 1.5
"""Long enough for values to come to where the fault is."""


class Bench:
    """A chain, and the wire between its agent and its broker."""

    def __init__(self, chain: Chain, wire: Proxy) -> None:
        self.chain = chain
        self.wire = wire
        self._missing: set[tuple[str, int]] = set()

    async def lost(self, spooled: Iterable[tuple[str, str, int]] = ()) -> Verdict:
        """Wait until everything has settled, and return what is missing that was not missing before."""
        verdict = await settled(self.chain, spooled)
        known, self._missing = self._missing, verdict.missing
        return verdict._replace(missing=verdict.missing - known)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    folder = tmp_path_factory.mktemp("chain")
    async with proxying(free_port()) as wire:
        chain = Chain(folder, broker="mosquitto", store="sqlite", agent_broker=wire.port)
        wire.target = chain.ports["broker"]
        async with chain:
            yield Bench(chain, wire)


@contextlib.contextmanager
def store_locked(chain: Chain) -> Iterator[None]:
    """Let no commit of the collector through."""
    with contextlib.closing(sqlite3.connect(chain.folder / "telemetry.db", isolation_level=None)) as database:
        database.execute("PRAGMA busy_timeout = 5000")
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


async def test_an_agent_killed_between_reading_and_spooling_leaves_what_it_lost_inside_a_hole(bench: Bench) -> None:
    await bench.chain.until(lambda: bench.chain.stored_samples() > STORED_MIN, "counters are stored")
    bench.chain.freeze("agent")
    await asyncio.sleep(MOMENT_SECONDS)  # what the machine sends now is in the agent's socket, and nowhere else
    bench.chain.kill("agent")
    spooled = bench.chain.spooled()
    bench.chain.start("agent")
    verdict = await bench.lost(spooled)
    assert verdict.missing != set()
    assert verdict.missing == verdict.within(verdict.missing, "agent_restart")


async def test_an_agent_killed_before_the_broker_took_what_it_sent_sends_it_again(bench: Bench) -> None:
    bench.wire.freeze()
    await asyncio.sleep(MOMENT_SECONDS)
    bench.chain.kill("agent")
    spooled = bench.chain.spooled()
    await bench.wire.cut()
    bench.wire.thaw()
    await bench.wire.start()
    bench.chain.start("agent")
    await bench.lost(spooled)


async def test_a_collector_killed_before_its_commit_loses_and_doubles_nothing(bench: Bench) -> None:
    with store_locked(bench.chain):
        await asyncio.sleep(MOMENT_SECONDS)
        bench.chain.kill("collector")
    bench.chain.start("collector")
    assert (await bench.lost()).missing == set()


async def test_a_collector_killed_after_its_commit_and_before_its_acknowledgement_stores_once(bench: Bench) -> None:
    bench.chain.freeze("broker")
    stored = -1

    def committed() -> bool:
        nonlocal stored
        before, stored = stored, bench.chain.stored_samples()
        return before == stored

    await bench.chain.until(committed, "all that had come is committed")
    bench.chain.kill("collector")
    bench.chain.thaw("broker")
    bench.chain.start("collector")
    assert (await bench.lost()).missing == set()


async def test_a_server_whose_disk_is_full_acknowledges_nothing_is_read_on_and_goes_on_when_there_is_room(
    bench: Bench,
) -> None:
    pid = bench.chain.processes["collector"].pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    before = bench.chain.logged("collector", "store_lost")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (FULL_BYTES, hard))
    try:
        await bench.chain.until(lambda: bench.chain.logged("collector", "store_lost") > before, "the store refuses")
        stored = bench.chain.stored_samples()
        await asyncio.sleep(MOMENT_SECONDS)
        assert bench.chain.stored_samples() == stored
        with contextlib.closing(sqlite3.connect(bench.chain.folder / "telemetry.db")) as reader:
            assert reader.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] > 0
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
    assert (await bench.lost()).missing == set()


FULL_BYTES = 65_536
"""Beyond this no file of the collector grows: its log is smaller, its store is larger."""


async def test_a_connection_to_the_broker_that_is_half_open_for_a_while_loses_nothing(bench: Bench) -> None:
    bench.wire.freeze()
    await asyncio.sleep(2 * MOMENT_SECONDS)
    await bench.wire.cut()  # what the proxy had taken is gone
    bench.wire.thaw()
    await bench.wire.start()
    assert (await bench.lost()).missing == set()


async def test_a_second_agent_with_the_same_spool_is_refused_and_the_first_goes_on(bench: Bench) -> None:
    second = await asyncio.to_thread(
        subprocess.run,
        bench.chain.command("agent"),
        cwd=bench.chain.folder,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert second.returncode != 0
    assert b"no other agent" in second.stdout + second.stderr
    assert (await bench.lost()).missing == set()


@pytest.mark.asyncio(loop_scope="function")
async def test_what_a_broker_drops_for_a_slow_collector_is_sent_again(tmp_path: Path) -> None:
    async with Chain(tmp_path, broker="mosquitto", store="sqlite", queued=5) as chain:
        chain.freeze("collector")
        await chain.until(lambda: "dropped" in (tmp_path / "broker.log").read_text(), "the broker drops", 60)
        chain.thaw("collector")
        assert (await settled(chain)).missing == set()
