"""A machine that is given to another agent: what the old one had spooled by then is stored, what it says later not."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from shopfloor.periods import DAY, SECOND, Period
from shopfloor.runtime import clock
from shopfloor.stores.open import open_store
from tests.faults import counting
from tests.faults.chain import AGENT, Chain
from tests.faults.judge import everything_is_stored, read_served

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.services

SPOOLED_SECONDS = 2
MARGIN_SECONDS = 0.5
"""Values of so long around the move may be on either side of it: when it is kept is not told to the test."""


async def test_what_an_agent_spooled_before_its_machine_was_given_to_another_is_stored_after_it(tmp_path: Path) -> None:
    async with Chain(tmp_path, broker="mosquitto", store="sqlite", api=True) as chain:
        chain.kill("collector")
        await asyncio.sleep(SPOOLED_SECONDS)
        moved = await asyncio.to_thread(give_to_another, chain)
        await asyncio.sleep(SPOOLED_SECONDS)
        chain.start("collector")
        await everything_is_stored(chain)
        served = read_served(chain)
    stored = stored_in(chain)
    margin = int(MARGIN_SECONDS * SECOND)
    first = min(stamp for _, stamp in stored)
    before = {key for key in served if first <= key[1] < moved - margin}
    after = {key for key in served if key[1] > moved + margin}
    assert before - stored == set(), "spooled before the move, and not stored"
    assert after & stored == set(), "said after the move, and stored"
    assert after
    with sqlite3.connect(tmp_path / "quarantine.db") as quarantine:
        reasons = {str(reason) for (reason,) in quarantine.execute("SELECT DISTINCT reasons FROM entry")}
    assert any("moved" in each for each in reasons), reasons


def give_to_another(chain: Chain) -> int:
    """Let the administrator give the machine to another agent by CSV, which says nothing of its other fields."""
    with sqlite3.connect(chain.folder / "records.db") as records:
        assert records.execute("SELECT agent_id FROM machines").fetchall() == [(AGENT,)]
    call(chain, "PUT", "/edges/site-b", json={"site_id": "modena"})
    moved = clock.now()
    call(chain, "POST", "/machines.csv?dry_run=false", body=f"id,agent_id\n{counting.MACHINE},site-b\n".encode(),
         headers={"Content-Type": "text/csv"})  # fmt: skip
    return moved


def call(chain: Chain, method: str, path: str, headers: dict[str, str] | None = None, **what: Any) -> None:
    """Ask the API, which must agree."""
    headers = {"Authorization": f"Bearer {chain.api_key}", **(headers or {})}
    answer = urllib3.request(
        method, f"http://127.0.0.1:{chain.ports['api']}/api/v1{path}", headers=headers, timeout=10, **what
    )
    assert answer.status < 300, answer.data.decode()


def stored_in(chain: Chain) -> set[tuple[str, int]]:
    """Return signal and stamp of every stored count."""
    store = open_store(chain.store_url)
    found = store.read([counting.MACHINE], chain.counters, Period(0, clock.now() + DAY), limit=1_000_000)
    store.close()
    return {(each.signal, each.stamp) for each in found}
