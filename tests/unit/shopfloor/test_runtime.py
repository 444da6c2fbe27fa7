from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from shopfloor import cli
from shopfloor.errors import ExpectedError
from shopfloor.runtime import clock, lifecycle
from shopfloor.runtime.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable


def test_waits_double_up_to_their_bound_and_begin_anew_after_a_success() -> None:
    backoff = Backoff(1.0, 8.0)
    for bound in (1.0, 2.0, 4.0, 8.0, 8.0, 8.0):
        assert 0.5 <= backoff.next_seconds() <= bound
    backoff.reset()
    assert backoff.next_seconds() <= 1.0


def test_clients_that_were_cut_off_together_do_not_come_back_together() -> None:
    def third_wait() -> float:
        backoff = Backoff(1.0, 60.0)
        backoff.next_seconds()
        backoff.next_seconds()
        return backoff.next_seconds()

    assert len({round(third_wait(), 6) for _ in range(20)}) > 10


def test_the_clock_counts_nanoseconds_and_the_other_one_never_steps_back() -> None:
    assert 1_600_000_000 * 10**9 < clock.now() < 2**63
    assert clock.monotonic_seconds() <= clock.monotonic_seconds()


def stops_by(number: signal.Signals) -> Callable[[asyncio.Event], object]:
    async def program(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), number)
        await stop.wait()

    return program


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_program_in_order(number: signal.Signals) -> None:
    assert lifecycle.run(stops_by(number)) == 0  # type: ignore[arg-type]


def test_a_program_that_returns_has_ended_well() -> None:
    async def program(_: asyncio.Event) -> None:
        await asyncio.sleep(0)

    assert lifecycle.run(program) == 0


def test_what_a_program_raises_comes_out() -> None:
    async def program(_: asyncio.Event) -> None:
        await asyncio.sleep(0)
        raise ExpectedError("the disk is full: make room")

    with pytest.raises(ExpectedError, match="disk is full"):
        lifecycle.run(program)


def test_a_program_that_does_not_stop_is_ended_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "STOP_SECONDS", 0.05)

    async def program(_: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    assert lifecycle.run(program) == 1


async def test_eternal_tasks_end_with_the_program() -> None:
    stop = asyncio.Event()
    ended: list[str] = []

    async def forever(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def ask() -> None:
        await asyncio.sleep(0)
        stop.set()
        await asyncio.Event().wait()

    await lifecycle.until_stopped(stop, one=forever("one"), two=forever("two"), asks=ask())
    assert sorted(ended) == ["one", "two"]


async def test_an_eternal_task_that_returns_or_fails_ends_the_program_with_its_reason() -> None:
    async def returns() -> None:
        await asyncio.sleep(0)

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ExpectedError("no way")

    with pytest.raises(ExceptionGroup) as caught:
        await lifecycle.until_stopped(asyncio.Event(), brief=returns())
    assert caught.group_contains(lifecycle.TaskEndedError, match="brief returned")
    with pytest.raises(ExceptionGroup) as caught:
        await lifecycle.until_stopped(asyncio.Event(), brief=fails())
    assert caught.group_contains(ExpectedError, match="no way")


def officina(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from shopfloor.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_names_every_command_and_what_it_is_for() -> None:
    for arguments in ((), ("--help",), ("help",), ("-h",)):
        shown = officina(*arguments)
        assert shown.returncode == 0
        for name, (_, text) in cli.COMMANDS.items():
            assert name in shown.stdout
            assert text in shown.stdout


def test_an_unknown_command_is_a_usage_error_that_shows_the_known_ones() -> None:
    shown = officina("frobnicate")
    assert shown.returncode == 2
    assert "there is no command 'frobnicate'" in shown.stderr
    assert "collector" in shown.stderr


def test_the_version_is_named() -> None:
    assert officina("--version").stdout.startswith("officina 0.")


def test_what_a_person_can_mend_ends_a_command_with_one_sentence_and_no_trace() -> None:
    shown = officina("collector", "--config", "there-is-none.toml")
    assert shown.returncode == 2
    assert shown.stderr.startswith("officina collector: ")
    assert "there-is-none.toml cannot be read" in shown.stderr
    assert "Traceback" not in shown.stderr
