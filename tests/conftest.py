"""What every test shares."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import pytest

from shopfloor.runtime import logs
from tests.services.postgres import Cluster, postgres
from tests.services.records import new_records

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# A worker holds hundreds of megabytes that stay: with the thresholds of Python a test of servers spends most of its
# time in collections. What a file leaves behind is collected at its end.
gc.set_threshold(100_000, 50, 50)


@pytest.fixture(scope="session", autouse=True)
def _loop_of_the_session() -> Iterator[None]:
    """Own the loop that pytest-asyncio would otherwise make for the main thread and never close."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture(scope="session", autouse=True)
def _logs_of_the_session() -> Iterator[None]:
    """Keep commands that run inside a test from binding every log to a stream that ends with them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "configure", lambda **_: None)
        yield


@pytest.fixture(scope="module", autouse=True)
def _collected() -> Iterator[None]:
    """Collect what a file of tests leaves behind, and look no more at what stays."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """Run one PostgreSQL for all tests that ask for it."""
    with postgres() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def records_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of records without rows, once of either kind of database."""
    if request.param == "sqlite":
        return new_records(tmp_path)
    cluster: Cluster = request.getfixturevalue("postgres_cluster")
    return cluster.new_records()
