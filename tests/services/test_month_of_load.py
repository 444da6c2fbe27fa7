"""A small month of load through the production chain; `python -m tests.benchmarks month` runs the large one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.benchmarks.month import TURNS, Size, run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.services


async def test_a_small_month_is_stored_and_charged_exactly_while_programs_die(tmp_path: Path) -> None:
    report = await run(tmp_path, Size(machines=6, days=2, sites=2, members=3, rounds=1))

    assert report.differences == []
    assert report.restarts == dict.fromkeys(TURNS, 1)
    assert report.samples > 10_000
    assert report.statements == 3
