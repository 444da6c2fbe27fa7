"""The watch: leads or stands by, and runs each of its jobs again and again while it leads."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, NamedTuple

import structlog

from api.records.database import RecordsUnavailableError
from api.watch.leader import BEAT_SECONDS, LeaseLostError
from api.watch.tables import JobRun
from shopfloor.runtime import clock
from shopfloor.runtime.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from api.watch.leader import Leader

STOP_SECONDS = 5.0
"""How long a job at work may take to end after a stop; its transaction is undone with the process otherwise."""
RETRY_SECONDS_MAX = 60.0
REST_SHARE = 0.25
"""Of its period a job rests at least, also when it takes longer than that."""
ERROR_LENGTH_MAX = 500

log = structlog.get_logger(__name__)


class Job(NamedTuple):
    """Something the leader does again and again.

    Attributes:
        name: what it is about, at most 32 characters; shown in logs and kept with how it fared.
        every_seconds: from one beginning to the next; after a run that takes longer, it rests a quarter of it.
        run: does it, given the time; blocks. It writes through `Leader.writing` alone, so that nothing is done by two,
            and a run that was cut short is done again by whoever leads next.
    """

    name: str
    every_seconds: float
    run: Callable[[int], None]


class Watch:
    """Leads or stands by until told to stop.

    Args:
        leader: this process's side of the lease.
        jobs: what the leader does; each in a thread of its own, so that a long one holds up no other.
    """

    def __init__(self, leader: Leader, jobs: Sequence[Job]) -> None:
        self._leader = leader
        self._jobs = jobs
        self._stopping = threading.Event()
        self._leads = threading.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set."""
        threads = [threading.Thread(target=self._repeat, args=(job,), name=job.name, daemon=True) for job in self._jobs]
        for thread in threads:
            thread.start()
        try:
            while not stop.is_set():
                self._lead_or_not(leads=await asyncio.to_thread(self._hold))
                await _wait(stop, BEAT_SECONDS)
        finally:
            self._stopping.set()
            self._leads.set()  # wakes those who wait for it: they see that they should stop
            await asyncio.to_thread(self._end, threads)

    def _end(self, threads: Sequence[threading.Thread]) -> None:
        deadline = clock.monotonic_seconds() + STOP_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - clock.monotonic_seconds()))
        busy = [thread.name for thread in threads if thread.is_alive()]
        if busy:
            log.warning("watch.jobs_cut_short", jobs=busy)
            return  # they may still be writing, as the leader: the lease is left to run out
        try:
            self._leader.release()
        except RecordsUnavailableError as error:
            log.warning("watch.lease_not_released", error=str(error))

    def _hold(self) -> bool:
        try:
            return self._leader.hold(monotonic_seconds=clock.monotonic_seconds())
        except RecordsUnavailableError as error:
            log.warning("watch.records_unavailable", error=str(error))
            return False

    def _lead_or_not(self, *, leads: bool) -> None:
        if leads == self._leads.is_set():
            return
        log.info("watch.leads" if leads else "watch.stands_by")
        if leads:
            self._leads.set()
        else:
            self._leads.clear()

    def _repeat(self, job: Job) -> None:
        backoff = Backoff(min(1.0, job.every_seconds), RETRY_SECONDS_MAX)
        while self._leads.wait() and not self._stopping.is_set():
            begun = clock.monotonic_seconds()
            if self._run_once(job):
                backoff.reset()
                took = clock.monotonic_seconds() - begun
                self._stopping.wait(max(job.every_seconds - took, job.every_seconds * REST_SHARE))
            else:
                self._stopping.wait(backoff.next_seconds())

    def _run_once(self, job: Job) -> bool:
        """Run a job and note how it fared; a failure is its own, the other jobs go on."""
        try:
            job.run(clock.now())
            self._note(job, "")
        except LeaseLostError:
            self._leads.clear()
            log.warning("watch.lease_lost", job=job.name)
            return False
        except RecordsUnavailableError as error:
            log.warning("watch.records_unavailable", job=job.name, error=str(error))
            return False
        except Exception as error:
            log.exception("watch.job_failed", job=job.name)
            self._note_failure(job, f"{type(error).__name__}: {error}"[:ERROR_LENGTH_MAX])
            return False
        return True

    def _note_failure(self, job: Job, error: str) -> None:
        try:
            self._note(job, error)
        except (LeaseLostError, RecordsUnavailableError) as why:
            log.warning("watch.failure_not_kept", job=job.name, error=str(why))

    def _note(self, job: Job, error: str) -> None:
        with self._leader.writing() as session:
            row = session.get(JobRun, job.name)
            if row is None:
                row = JobRun(name=job.name, ended=0, failed=0)
                session.add(row)
            row.error = error
            if error:
                row.failed = clock.now()
            else:
                row.ended = clock.now()


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
