"""Work on a month that takes longer than a page may, and how far it is.

How far it is stands in the records, so that every worker can say it and whoever looks may leave and come back. What is
calculated is safe to be killed, so a run that has not been heard of for a while is simply over: nothing came of it.
"""

from __future__ import annotations

import secrets
import threading
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import structlog
from sqlalchemy import delete, select, update

from api.billing.closing import ClosingRefusedError
from api.billing.tables import MonthRun
from api.billing.tariffs import UnpricedError
from api.records.database import RecordsUnavailableError
from shopfloor.periods import DAY, SECOND
from shopfloor.runtime import clock
from shopfloor.stores.port import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy.orm import Session

    from api.audit.service import Actor
    from api.records.database import Records

SILENT_SECONDS_MAX = 60
"""A run that has said nothing for so long has ended with its process."""
TELL_SECONDS = 0.5
"""How often the records are told how far it is, at most."""
BEAT_SECONDS = 15.0
"""How often a run says that it goes on, however long one machine or the last step takes."""
KEPT_DAYS = 30

Tell: TypeAlias = "Callable[[str, int, int], None]"
"""What is done, how many of how many machines."""
Work: TypeAlias = "Callable[[Tell], Mapping[str, Any]]"
"""What is to be done; returns what came of it, as JSON."""

_log = structlog.get_logger()


class RunKind(StrEnum):
    """What is done: a dry run that keeps nothing, or the closing."""

    LOOK = "look"
    CLOSE = "close"


class Outcome(StrEnum):
    """How a run has ended."""

    DONE = "done"
    REFUSED = "refused"
    UNPRICED = "unpriced"
    FAILED = "failed"


class Run(NamedTuple):
    """One run.

    Attributes:
        kind: what is done.
        basis: what it began from; another one now means that it is out of date.
        begun: when.
        step: what it is at: `segments` or `rating`; empty before the first.
        done: how many machines are.
        machines: of how many.
        ended: when; None while it goes on, or was killed.
        outcome: how; None likewise.
        result: what came of it, as JSON.
        is_running: whether it goes on.
    """

    kind: RunKind
    basis: str
    begun: int
    step: str
    done: int
    machines: int
    ended: int | None
    outcome: Outcome | None
    result: dict[str, Any]
    is_running: bool


def latest(session: Session, month: str, kind: RunKind, *, now: int) -> Run | None:
    """Return the last run of a kind for a month."""
    wanted = select(MonthRun).where(MonthRun.month == month, MonthRun.kind == kind).order_by(MonthRun.begun.desc())
    row = session.scalars(wanted.limit(1)).first()
    if row is None:
        return None
    outcome = None if row.outcome is None else Outcome(row.outcome)
    is_running = outcome is None and now - row.beat < SILENT_SECONDS_MAX * SECOND
    return Run(
        kind, row.basis, row.begun, row.step, row.done, row.machines, row.ended, outcome, row.result or {}, is_running
    )


def start(
    records: Records,
    actor: Actor,
    kind: RunKind,
    month: str,
    work: Work,
    *,
    now: int,
    basis: str = "",
    wait_seconds: float = 0.0,
) -> None:
    """Begin a run in the background, unless one of its kind goes on for the month.

    Args:
        records: where it says how far it is.
        actor: who began it.
        kind: what is done.
        month: as `2026-10`.
        work: does it.
        now: the present.
        basis: what it begins from.
        wait_seconds: how long to wait for it: most are done at once.

    Raises:
        RecordsUnavailableError: the records did not answer.
    """
    run = secrets.token_hex(8)
    with records.writing() as session:
        last = latest(session, month, kind, now=now)
        if last is not None and last.is_running:
            return
        session.execute(
            delete(MonthRun).where(
                ((MonthRun.month == month) & (MonthRun.kind == kind)) | (MonthRun.begun < now - KEPT_DAYS * DAY)
            )
        )
        session.add(MonthRun(id=run, month=month, kind=kind, by=actor.id, basis=basis, begun=now, beat=clock.now(),
                             step="", done=0, machines=0))  # fmt: skip
    # A daemon: the end of the process need not wait for what is safe to be killed.
    thread = threading.Thread(target=_carry, args=(records, run, work), name=f"{kind}-{month}", daemon=True)
    thread.start()
    thread.join(wait_seconds)


class _Progress:
    """Writes down how far a run is, now and then."""

    def __init__(self, records: Records, run: str) -> None:
        self._records, self._run = records, run
        self._told = 0.0

    def tell(self, step: str, done: int, machines: int) -> None:
        seconds = clock.monotonic_seconds()
        if seconds - self._told < TELL_SECONDS:
            return
        self._told = seconds
        self.write(step=step, done=done, machines=machines, beat=clock.now())

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Say now and then that the run goes on, as long as it does."""
        is_over = threading.Event()

        def beat() -> None:
            while not is_over.wait(BEAT_SECONDS):
                try:
                    self.write(beat=clock.now())
                except RecordsUnavailableError as error:  # the closing itself may be writing
                    _log.info("billing.run_unheard", reason=str(error))

        thread = threading.Thread(target=beat, name="beat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def write(self, **values: Any) -> None:
        with self._records.writing() as session:
            session.execute(update(MonthRun).where(MonthRun.id == self._run).values(**values))


def _carry(records: Records, run: str, work: Work) -> None:
    progress = _Progress(records, run)
    result: Mapping[str, Any] = {}
    try:
        with progress.beating():
            result, outcome = work(progress.tell), Outcome.DONE
    except ClosingRefusedError:
        outcome = Outcome.REFUSED
    except UnpricedError:
        outcome = Outcome.UNPRICED
    except (StoreUnavailableError, RecordsUnavailableError) as error:
        _log.warning("billing.run_failed", reason=str(error))
        outcome = Outcome.FAILED
    except Exception:  # noqa: BLE001 - nobody waits for a thread: it would seem to go on until it is missed
        _log.exception("billing.run_failed")
        outcome = Outcome.FAILED
    try:
        progress.write(outcome=outcome, result=dict(result), ended=clock.now())
    except RecordsUnavailableError as error:
        _log.warning("billing.run_ended_unheard", reason=str(error))
