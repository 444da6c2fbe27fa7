"""kill -9 over agent, broker, collector and store while counters run: nothing is lost, doubled or invented."""

from __future__ import annotations

import asyncio
import os
import random
from typing import TYPE_CHECKING, Literal

import pytest

from shopfloor.stores.open import open_store
from tests.faults.chain import Chain
from tests.faults.judge import everything_is_stored, judge, read_served

if TYPE_CHECKING:
    from pathlib import Path

LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"
KILLS = 200 if LONG else 12


@pytest.mark.services
@pytest.mark.parametrize(
    ("broker", "store"), [("mosquitto", "influxdb"), pytest.param("amqtt", "sqlite", marks=pytest.mark.long)]
)
async def test_a_storm_of_kills_loses_doubles_and_invents_nothing(
    tmp_path: Path, broker: Literal["mosquitto", "amqtt"], store: Literal["influxdb", "sqlite"]
) -> None:
    seed = int(os.environ.get("OFFICINA_TEST_SEED", "2611"))
    dice = random.Random(f"{seed}-{broker}")
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

        judge(open_store(chain.store_url), lambda: read_served(chain), spooled)
