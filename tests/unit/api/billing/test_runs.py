"""Calculations in the background: how far they are, and how they end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from api.audit.service import CONSOLE
from api.billing import runs
from api.billing.closing import ClosingRefusedError
from api.billing.runs import Outcome, Run, RunKind, Tell
from api.records.database import RecordsUnavailableError
from shopfloor.periods import SECOND
from shopfloor.runtime import clock
from shopfloor.stores.port import StoreUnavailableError
from tests.services.records import records_in_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.records.database import Records

MONTH = "2026-10"
LONG = 60.0


@pytest.fixture
def records() -> Iterator[Records]:
    made = records_in_memory()
    yield made
    ended()
    made.close()


def ended() -> None:
    """Wait for every run to end, as its process would end it."""
    for thread in threading.enumerate():
        if thread.name == f"{RunKind.CLOSE}-{MONTH}":
            thread.join(LONG)


def last(records: Records, *, later_seconds: int = 0) -> Run:
    with records.reading() as session:
        found = runs.latest(session, MONTH, RunKind.CLOSE, now=clock.now() + later_seconds * SECOND)
    assert found is not None
    return found


def begin(records: Records, work: Any, *, wait_seconds: float = LONG) -> None:
    runs.start(records, CONSOLE, RunKind.CLOSE, MONTH, work, now=clock.now(), basis="1", wait_seconds=wait_seconds)


def test_a_run_keeps_what_came_of_it(records: Records) -> None:
    begin(records, lambda _: {"statements": 2})
    found = last(records)
    assert (found.outcome, found.result, found.basis, found.is_running) == (Outcome.DONE, {"statements": 2}, "1", False)


def test_a_run_says_how_far_it_is_and_there_is_one_at_a_time(records: Records) -> None:
    told, go = threading.Event(), threading.Event()

    def work(tell: Tell) -> dict[str, int]:
        tell("rating", 3, 7)
        told.set()
        assert go.wait(LONG)
        return {}

    begin(records, work, wait_seconds=0)
    assert told.wait(LONG)
    found = last(records)
    assert (found.is_running, found.step, found.done, found.machines) == (True, "rating", 3, 7)
    begin(records, lambda _: pytest.fail("a second one"))
    assert last(records).is_running
    go.set()
    ended()
    assert last(records).outcome is Outcome.DONE


def test_a_run_that_has_not_been_heard_of_is_over_without_an_outcome(records: Records) -> None:
    go = threading.Event()
    begin(records, lambda _: {"late": go.wait(LONG)}, wait_seconds=0)
    found = last(records, later_seconds=runs.SILENT_SECONDS_MAX + 1)
    go.set()
    assert (found.is_running, found.outcome) == (False, None)


def test_a_run_is_heard_of_however_long_one_step_takes_and_even_when_the_records_are_busy(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, told = threading.Event(), []
    write = runs._Progress.write

    def busy_once(progress: Any, **values: Any) -> None:
        if set(values) == {"beat"}:
            told.append(values)
            if len(told) == 1:
                raise RecordsUnavailableError("somebody is writing")
        write(progress, **values)
        if told:
            heard.set()

    monkeypatch.setattr(runs, "BEAT_SECONDS", 0.001)
    monkeypatch.setattr(runs._Progress, "write", busy_once)
    begin(records, lambda _: {"heard": heard.wait(LONG)})
    assert (last(records).outcome, last(records).result) == (Outcome.DONE, {"heard": True})


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ClosingRefusedError(MONTH, [("mill-1", "somebody has to decide")]), Outcome.REFUSED),
        (StoreUnavailableError("it does not answer"), Outcome.FAILED),
        (RuntimeError("a fault of ours"), Outcome.FAILED),
    ],
    ids=["refused", "store", "fault"],
)
def test_a_run_that_fails_says_how(records: Records, error: Exception, outcome: Outcome) -> None:
    def work(_: Tell) -> dict[str, int]:
        raise error

    begin(records, work)
    assert (last(records).outcome, last(records).result) == (outcome, {})
    begin(records, lambda _: {"again": 1})
    assert last(records).outcome is Outcome.DONE
