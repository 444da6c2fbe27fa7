"""Parts of the chain that are away for a while: everything comes later, or a hole says what does not."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from shopfloor.stores.open import open_store
from tests.faults import counting
from tests.faults.chain import Chain
from tests.faults.judge import everything_is_stored, judge, read_served

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.chain import Role
    from tests.faults.judge import Verdict

pytestmark = pytest.mark.services

LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"
AWAY_SECONDS = 120 if LONG else 5
BEAT = 1_000_000_000 // counting.HERTZ
SPOOL_BYTES = 1_000_000
"""The smallest bound that a configuration may set."""
MANY = 200
"""Counters that fill it within seconds."""


async def away(chain: Chain, *roles: Role) -> None:
    """Let programs be away for a while, and wait until samples are stored again."""
    for role in roles:
        chain.kill(role)
    await asyncio.sleep(AWAY_SECONDS)
    for role in reversed(roles):
        chain.start(role)
    before = chain.stored_samples()
    await chain.until(lambda: chain.stored_samples() > before, f"stored again after an outage of {roles}")


async def verdict_of(chain: Chain) -> Verdict:
    await everything_is_stored(chain)
    chain.kill("machine")
    return judge(open_store(chain.store_url), read_served(chain))


async def test_nothing_is_missing_after_outages_of_store_broker_and_collector(tmp_path: Path) -> None:
    async with Chain(tmp_path, broker="mosquitto", store="influxdb") as chain:
        await away(chain, "store")
        await away(chain, "broker")
        await away(chain, "collector")
        await away(chain, "store", "collector", "broker")
        verdict = await verdict_of(chain)
        assert chain.health["losses"] == {}
    assert verdict.missing == set()
    assert verdict.holes == []
    assert len(verdict.stored) > 4 * AWAY_SECONDS * counting.COUNT * counting.HERTZ


async def test_what_a_full_spool_evicts_is_counted_and_its_holes_cover_exactly_that(tmp_path: Path) -> None:
    chain = Chain(tmp_path, broker="mosquitto", store="sqlite", bytes_max=SPOOL_BYTES, count=MANY, kind="both")
    async with chain:
        chain.kill("broker")
        await chain.until(lambda: chain.logged("agent", "spool.evicted") > 3, "gauges are evicted", 60)
        chain.start("broker")
        verdict = await verdict_of(chain)
        losses = chain.health["losses"]
    evicted = verdict.within(verdict.missing, "evicted")
    assert evicted == verdict.missing
    assert {signal.partition(".")[2] for signal, _ in evicted} == {"double"}, "gauges go first"
    assert losses == {counting.MACHINE: {"evicted_samples": len(evicted)}}
    assert len(verdict.within(verdict.stored, "evicted")) < 0.1 * len(evicted)


async def test_records_are_evicted_last_and_never_in_silence(tmp_path: Path) -> None:
    chain = Chain(tmp_path, broker="mosquitto", store="sqlite", bytes_max=SPOOL_BYTES, count=MANY)
    async with chain:
        chain.kill("broker")
        await chain.until(lambda: chain.logged("agent", "spool.evicted") > 3, "records are evicted", 60)
        chain.start("broker")
        verdict = await verdict_of(chain)
        losses = chain.health["losses"]
    print(
        losses,
        len(verdict.missing),
        [(h.cause, h.period, len(h.signals)) for h in verdict.holes],
        len(verdict.within(verdict.stored, "evicted")),
    )
