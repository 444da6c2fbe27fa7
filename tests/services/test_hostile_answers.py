"""A server whose answers are damaged on the way: the agent says so, and goes on when they are well again."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from asyncua.client.ua_client import UASocketProtocol
from asyncua.common.utils import Buffer

from edge_agent import check, history, opcua, opcua_client
from edge_agent.nodemap import Entry
from shopfloor.errors import ExpectedError
from shopfloor.runtime import clock
from tests.services.test_opcua_source import (
    MACHINE,
    PREFIXES,
    Notebook,
    Script,
    machine,
    reach,
    serving,
    until,
    watching,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.services

LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"
LOOKS, WATCHES = (1000, 40) if LONG else (40, 3)
DAMAGED_ANSWERS = 30
"""How many answers of a watched server are damaged before they are well again."""
LOAD = {"spindle_load": Entry(path="MT:Monitoring/SIM:Spindle/SIM:ActLoad")}


class Damage:
    """Damages some of the answers to all requests, the same ones for the same seed."""

    def __init__(self, seed: int, share: float, answers_max: float = float("inf")) -> None:
        self._dice = random.Random(seed)
        self._share, self._left = share, answers_max
        self._before = b""
        self.done = 0

    def __call__(self, answer: bytes) -> bytes:
        before, self._before = self._before, answer
        if self._left <= 0 or self._dice.random() > self._share:
            return answer
        self._left -= 1
        self.done += 1
        at = self._dice.randrange(len(answer))
        kind = self._dice.randrange(5)
        if kind == 0:
            return answer[:at]
        if kind == 1:
            return answer[:at] + b"\xff\xff\xff\xff" + answer[at + 4 :]
        if kind == 2:
            return answer[:at] + b"\x00" * 8 + answer[at + 8 :]
        if kind == 3 and before:
            return before
        return answer[:at] + self._dice.randbytes(self._dice.randrange(1, 9)) + answer[at + 1 :]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opcua, "RETRY_SECONDS_MAX", 0.1)
    monkeypatch.setattr(opcua, "RETRY_SECONDS_MIN", 0.05)
    monkeypatch.setattr(opcua, "RECONCILE_SECONDS", 0.2)
    monkeypatch.setattr(opcua_client, "CLOSE_SECONDS", 0.5)
    monkeypatch.setattr(history, "SETTLE_SECONDS", 0.1)
    monkeypatch.setattr(history, "REQUEST_SECONDS", 0.01)


@pytest.fixture
def damaged(monkeypatch: pytest.MonkeyPatch) -> list[Damage]:
    """What damages the answers now: put one in."""
    now: list[Damage] = []
    plain = UASocketProtocol.send_request

    async def send(self: UASocketProtocol, *arguments: Any, **options: Any) -> Buffer:
        answer = await plain(self, *arguments, **options)
        return Buffer(now[-1](bytes(answer))) if now else answer

    monkeypatch.setattr(UASocketProtocol, "send_request", send)
    return now


async def test_a_server_that_answers_anything_is_discovered_or_refused_with_a_sentence(
    tmp_path: Path, damaged: list[Damage]
) -> None:
    refused = 0
    async with serving(tmp_path, Script()) as server:
        config = reach(server, tmp_path, machine(nodes=LOAD, namespaces=PREFIXES))
        for seed in range(LOOKS):
            damaged[:] = [Damage(seed, share=(0.1, 0.02, 0.005)[seed % 3])]
            with suppress(ExpectedError):
                text = await check.init(server.endpoint, clock.now)
                assert "[[machine]]" in text or "could not be listed" in text, f"seed {seed}: {text}"
            (seen,) = await check.look_at([config], clock.now)
            assert seen.error or seen.signals, f"seed {seed}: it says nothing at all"
            refused += bool(seen.error)
    print(f"{refused} of {LOOKS} refused")
    assert 0 < refused < LOOKS


@pytest.mark.parametrize("seed", range(WATCHES))
async def test_an_agent_outlives_damaged_answers_and_watches_on(
    tmp_path: Path, damaged: list[Damage], seed: int
) -> None:
    script, notebook = Script(), Notebook()
    async with serving(tmp_path, script, history=True) as server:
        config = reach(server, tmp_path, machine(nodes=LOAD, namespaces=PREFIXES))
        damage = Damage(seed, share=0.2, answers_max=DAMAGED_ANSWERS)
        async with watching(config, notebook):
            await until(lambda: notebook.proofs, "observed")
            damaged[:] = [damage]
            for number in range(10_000):
                if damage.done >= DAMAGED_ANSWERS:
                    break
                script.say("feed_override", float(number % 100))
                before = damage.done
                await until(lambda: damage.done > before, "asked again")  # noqa: B023  # awaited here
            damaged.clear()
            known = len(notebook.proofs)
            script.say("feed_override", 77.5)
            await until(lambda: notebook.last("feed_override") == 77.5, "read on")
            await until(lambda: len(notebook.proofs) > known and notebook.health[MACHINE].observed_since, "observed")
