"""The disk of an agent is cloned, and both live: two real agents with one name, each with a spool of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from api.edges.asking import Asking
from shopfloor import mqtt
from shopfloor.runtime import clock
from shopfloor.wire import topics
from tests.faults.chain import AGENT, API, Chain
from tests.faults.judge import settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from shopfloor.wire import edge

pytestmark = pytest.mark.services

SPOOLED_SECONDS = 2.0


@contextlib.asynccontextmanager
async def listening(chain: Chain) -> AsyncIterator[tuple[Asking, dict[str, edge.Health]]]:
    """Hear what is said under the agent's name, as the API does; the second is what each run said last."""
    asking, said = Asking(lambda _topic, _payload: None), {}
    broker = mqtt.Broker("127.0.0.1", chain.ports["broker"], API, chain.passwords[API])

    async def hear(client: mqtt.Client) -> None:
        while True:
            for event in await client.events():
                if isinstance(event, mqtt.Connected):
                    client.subscribe(topics.health(AGENT))
                elif isinstance(event, mqtt.Message):
                    client.acknowledge(event)
                    asking.hear(event.topic, event.payload)
                    if (health := asking.health(AGENT)) is not None:
                        said[health.run] = health

    async with mqtt.Client(broker, client_id="listener") as client:
        task = asyncio.create_task(hear(client))
        yield asking, said
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def copy_spool(chain: Chain) -> None:
    """Copy the spool of an agent that does not run, as it is."""
    for file in chain.folder.glob("spool.db*"):
        shutil.copy(file, chain.folder / file.name.replace("spool", "clone"))


@contextlib.contextmanager
def clone(chain: Chain) -> Iterator[None]:
    """Start an agent with what was copied of the first one's disk."""
    text = (chain.folder / "edge.toml").read_text()
    (chain.folder / "clone.toml").write_text(text.replace('path = "spool.db"', 'path = "clone.db"'))
    command = [each.replace("edge.toml", "clone.toml") for each in chain.command("agent")]
    with (chain.folder / "clone.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=chain.folder, stdout=log, stderr=log,
                                   env={**os.environ, "PYTHONPATH": os.getcwd()})  # fmt: skip  # noqa: PTH109
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def test_two_live_agents_with_one_name_and_copied_spools_are_found_and_nothing_is_lost_or_doubled(
    tmp_path: Path,
) -> None:
    async with Chain(tmp_path, broker="mosquitto", store="sqlite") as chain, listening(chain) as (asking, said):
        chain.freeze("collector")
        await asyncio.sleep(SPOOLED_SECONDS)  # rows of one number and one content in both spools, then of another one
        chain.kill("agent")
        copy_spool(chain)
        spooled, copied = chain.spooled(), clock.now()
        said.clear()
        chain.start("agent")
        with clone(chain):
            chain.thaw("collector")
            await chain.until(lambda: asking.doubles(AGENT, now=clock.now()) is not None, "two are found", 60)

            def both_deliver() -> bool:
                runs = [each for each in said.values() if each.timestamp > copied]
                return len(runs) == 2 and all(min(each.oldest_unstored.values(), default=clock.now()) > copied
                                              for each in runs)  # fmt: skip

            await chain.until(both_deliver, "both deliver what they had, and what they see", 60)
        found = asking.doubles(AGENT, now=clock.now())
        assert found is not None
        assert len({each.epoch for each in found}) == 2, "neither takes the other's acknowledgements for its own"
        assert {each.id for each in found} == said.keys()
        assert [health.losses for health in said.values() if "dead_samples" in str(health.losses)] == []
        await settled(chain, spooled)  # it fails where something is lost outside of a hole, doubled or invented
