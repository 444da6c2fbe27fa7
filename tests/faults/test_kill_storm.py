"""kill -9 over agent, broker, collector and store while counters run: nothing is lost, doubled or invented."""

from __future__ import annotations

import asyncio
import os
import random
from typing import TYPE_CHECKING, Literal

import pytest

from shopfloor.periods import DAY, SECOND, Period
from shopfloor.runtime import clock
from shopfloor.stores.open import open_store
from tests.faults import counting
from tests.faults.chain import Chain

if TYPE_CHECKING:
    from pathlib import Path

    from shopfloor.stores.port import Store

LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"
KILLS = 200 if LONG else 12
COUNTERS = [f"{name}.counter" for name in counting.names()]

Served = dict[tuple[str, int], float]


@pytest.mark.services
@pytest.mark.parametrize(("broker", "store"), [("mosquitto", "influxdb"), ("amqtt", "sqlite")])
async def test_a_storm_of_kills_loses_doubles_and_invents_nothing(
    tmp_path: Path, broker: Literal["mosquitto", "amqtt"], store: Literal["influxdb", "sqlite"]
) -> None:
    seed = int(os.environ.get("OFFICINA_TEST_SEED", "2611"))
    dice = random.Random(f"{seed}-{broker}")  # noqa: S311 - a storm that can be repeated
    async with Chain(tmp_path, broker=broker, store=store) as chain:
        spooled: set[tuple[str, str, int]] = set()
        for number in range(KILLS):
            await asyncio.sleep(dice.uniform(0.1, 2.5))
            role = chain.roles[number % len(chain.roles)] if number < len(chain.roles) else dice.choice(chain.roles)
            chain.kill(role)
            if role == "agent":
                spooled |= chain.spooled()
            await asyncio.sleep(dice.uniform(0, 1.5))
            chain.start(role)
        await everything_is_stored(chain)
        chain.kill("machine")
        served = read_served(chain)

        judge(open_store(chain.store_url), served, spooled)


async def everything_is_stored(chain: Chain) -> None:
    """Wait until the agent has nothing left in its spool of the time before now."""
    calm = clock.now() + 2 * SECOND

    def drained() -> bool:
        oldest = chain.health.get("oldest_unstored", {})
        assert isinstance(oldest, dict)
        said_at = int(str(chain.health.get("timestamp", 0)))
        return said_at > calm and all(stamp > calm for stamp in oldest.values())

    await chain.until(drained, "the spool has drained", 180)


def read_served(chain: Chain) -> Served:
    served: Served = {}
    for line in chain.served_log.read_text().splitlines():
        stamp, signal, value = line.split()
        served[signal, int(stamp)] = float(value)
    return served


def judge(store: Store, served: Served, spooled: set[tuple[str, str, int]]) -> None:
    """Compare what is stored with what was served, and find a hole for everything that is missing."""
    now = clock.now()
    period = Period(now - DAY, now + DAY)
    samples = store.read([counting.MACHINE], COUNTERS, period, limit=10_000_000)
    stored = {(sample.signal, sample.stamp): sample.value for sample in samples}
    holes = store.gaps([counting.MACHINE], period)[counting.MACHINE].holes
    last = max(stamp for _, stamp in stored)
    first = min(stamp for _, stamp in stored)

    assert len(stored) == len(samples), "doubled"
    assert {key: value for key, value in stored.items() if served.get(key) != value} == {}, "invented"
    lost = {(signal, stamp) for _, signal, stamp in spooled if signal in COUNTERS} - stored.keys()
    assert lost == set(), "spooled and not stored"
    missing = [key for key in served.keys() - stored.keys() if first <= key[1] < last - 3 * SECOND]
    outside = [
        (signal, stamp)
        for signal, stamp in missing
        if not any(stamp in hole.period and (not hole.signals or signal in hole.signals) for hole in holes)
    ]
    assert outside == [], f"{len(outside)} of {len(missing)} missing values lie in none of {len(holes)} holes"
    print(f"{len(stored)} stored, {len(missing)} missing inside {len(holes)} holes")
