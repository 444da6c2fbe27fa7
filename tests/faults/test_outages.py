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
    from collections.abc import Mapping
    from pathlib import Path

    from tests.faults.chain import Role
    from tests.faults.judge import Verdict

pytestmark = pytest.mark.services

LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"
AWAY_SECONDS = 120 if LONG else 5
SPOOL_BYTES = 30_000
"""Close to the smallest bound that a configuration may set."""
EVICTIONS = 60 if LONG else 5
MANY, QUICK = 100, 5
"""Counters, and their beats in a second, that fill such a spool within seconds."""
GAUGE_EVICTIONS = 20 if LONG else 5
"""Twice as many leave no gauge in such a spool, and records have to go as well."""


async def away(chain: Chain, *roles: Role) -> None:
    """Let programs be away for a while, and wait until samples are stored again."""
    for role in roles:
        chain.kill(role)
    await asyncio.sleep(AWAY_SECONDS)
    for role in reversed(roles):
        chain.start(role)
    before = chain.stored_samples()
    await chain.until(lambda: chain.stored_samples() > before, f"stored again after an outage of {roles}")


async def fill_the_spool(chain: Chain, evictions: int) -> Mapping[str, int]:
    """Keep the broker away until the agent has to evict, wait until all else is stored, and return what was counted.

    The machine ends before the broker returns: how much is evicted must not depend on how soon the agent finds it.
    """
    await chain.until(lambda: chain.stored_samples() > MANY * QUICK, "a second is stored")
    chain.kill("broker")
    await chain.until(lambda: chain.logged("agent", "spool.evicted") >= evictions, "evicted", 60 + evictions)
    chain.kill("machine")
    chain.start("broker")
    await everything_is_stored(chain)
    losses = chain.health["losses"]
    assert isinstance(losses, dict)
    counted: Mapping[str, int] = losses[counting.MACHINE]
    return counted


def verdict_of(chain: Chain) -> Verdict:
    chain.kill("machine")
    return judge(open_store(chain.store_url), lambda: read_served(chain))


async def test_nothing_is_missing_after_outages_of_store_broker_and_collector(tmp_path: Path) -> None:
    async with Chain(tmp_path, broker="mosquitto", store="influxdb") as chain:
        await away(chain, "store")
        await away(chain, "broker")
        await away(chain, "collector")
        await away(chain, "store", "collector", "broker")
        await everything_is_stored(chain)
        losses = chain.health["losses"]
        verdict = verdict_of(chain)
    assert verdict.missing == set()
    assert verdict.holes == []
    assert losses == {}
    assert len(verdict.stored) > 4 * AWAY_SECONDS * counting.COUNT * counting.HERTZ


async def test_a_full_spool_evicts_gauges_first_and_its_holes_are_exactly_what_is_missing(tmp_path: Path) -> None:
    chain = Chain(
        tmp_path, broker="mosquitto", store="sqlite", bytes_max=SPOOL_BYTES, count=MANY, hertz=QUICK, kind="both"
    )
    async with chain:
        losses = await fill_the_spool(chain, GAUGE_EVICTIONS)
        verdict = verdict_of(chain)
    gauges = {signal for signal in chain.counters if signal.endswith(".double")}
    assert verdict.missing == verdict.within(verdict.missing, "evicted")
    assert {signal for signal, _ in verdict.missing} == gauges
    newest = verdict.within(verdict.unsaid, "evicted")  # where the last eviction reached up to the machine's end
    assert losses == {"evicted_samples": len(verdict.missing | newest)}
    assert verdict.within(verdict.stored) == set(), "a hole covers what is stored"


@pytest.mark.long
async def test_records_that_a_full_spool_evicts_are_counted_and_lie_in_holes(tmp_path: Path) -> None:
    chain = Chain(tmp_path, broker="mosquitto", store="sqlite", bytes_max=SPOOL_BYTES, count=MANY, hertz=QUICK)
    async with chain:
        losses = await fill_the_spool(chain, EVICTIONS)
        verdict = verdict_of(chain)
    assert len(verdict.missing) > 0
    assert verdict.missing == verdict.within(verdict.missing, "evicted")
    assert losses.keys() == {"evicted_samples"}
    evicted = verdict.missing | verdict.within(verdict.unsaid, "evicted")
    assert 0 <= losses["evicted_samples"] - len(evicted) <= EVICTIONS, "proofs that went with them"
    assert len(verdict.within(verdict.stored)) <= MANY * QUICK, "a hole reaches back to a proof, not further"
