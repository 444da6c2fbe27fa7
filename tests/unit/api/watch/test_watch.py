"""The watch runs its jobs while it leads, and each failure is its own."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from api.records.database import Records, open_records
from api.watch.leader import Leader
from api.watch.service import Job, Watch
from api.watch.tables import JobRun
from tests.services.records import new_records

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

DEADLINE_SECONDS = 10.0


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    opened = open_records(new_records(tmp_path))
    yield opened
    opened.close()


@asynccontextmanager
async def watching(records: Records, *jobs: Job) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(Watch(Leader(records), jobs).run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not is_so():  # noqa: ASYNC110 - threads set no event here
            await asyncio.sleep(0.01)


def runs(records: Records) -> dict[str, JobRun]:
    with records.reading() as session:
        return {row.name: row for row in session.scalars(select(JobRun))}


class Counted:
    def __init__(self, *, fails: int = 0) -> None:
        self.times: list[int] = []
        self._fails = fails

    def __call__(self, now: int) -> None:
        self.times.append(now)
        if len(self.times) <= self._fails:
            raise ValueError("the store speaks in riddles")


async def test_the_leader_runs_a_job_again_and_again(records: Records) -> None:
    work = Counted()

    async with watching(records, Job("work", 0.01, work)):
        await until(lambda: len(work.times) >= 3)

    assert work.times == sorted(work.times)
    assert runs(records)["work"].ended > 0


async def test_a_job_that_fails_is_noted_and_the_others_go_on(records: Records) -> None:
    broken, sound = Counted(fails=1_000), Counted()

    async with watching(records, Job("broken", 0.01, broken), Job("sound", 0.01, sound)):
        await until(lambda: len(sound.times) >= 3 and "broken" in runs(records))

    assert runs(records)["broken"].error == "ValueError: the store speaks in riddles"
    assert runs(records)["broken"].ended == 0
    assert not runs(records)["sound"].error


async def test_a_job_that_works_again_has_no_error_any_more(records: Records) -> None:
    work = Counted(fails=1)

    async with watching(records, Job("work", 0.01, work)):
        await until(lambda: "work" in runs(records) and runs(records)["work"].ended > 0)

    assert not runs(records)["work"].error
    assert runs(records)["work"].failed > 0


async def test_who_stands_by_runs_nothing(records: Records) -> None:
    other = Leader(records)
    other.hold(monotonic_seconds=0.0)
    work = Counted()
    stop = asyncio.Event()
    leader = Leader(records)
    looked = threading.Event()

    def hold(*, monotonic_seconds: float) -> bool:
        leads = Leader.hold(leader, monotonic_seconds=monotonic_seconds)
        looked.set()
        return leads

    leader.hold = hold  # type: ignore[method-assign]
    task = asyncio.create_task(Watch(leader, [Job("work", 0.01, work)]).run(stop))
    await asyncio.to_thread(looked.wait, DEADLINE_SECONDS)
    stop.set()
    await task

    assert work.times == []


async def test_an_orderly_stop_gives_the_lease_back(records: Records) -> None:
    work = Counted()
    async with watching(records, Job("work", 0.01, work)):
        await until(lambda: bool(work.times))

    assert Leader(records).hold(monotonic_seconds=0.0)


async def test_a_job_whose_lease_was_lost_writes_nothing_and_waits(records: Records) -> None:
    leader, other = Leader(records), Leader(records)
    begun, may_write = threading.Event(), threading.Event()
    outcome: list[str] = []

    def work(_now: int) -> None:
        begun.set()
        may_write.wait(DEADLINE_SECONDS)
        with leader.writing():
            outcome.append("wrote")

    stop = asyncio.Event()
    task = asyncio.create_task(Watch(leader, [Job("work", 60.0, work)]).run(stop))
    await asyncio.to_thread(begun.wait, DEADLINE_SECONDS)
    other.hold(monotonic_seconds=0.0)
    leader.release()
    assert other.hold(monotonic_seconds=0.0)
    may_write.set()
    stop.set()
    await task

    assert outcome == []
