"""Running a program until it is told to stop: signals, guarded tasks, deadlines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any

import structlog

from shopfloor.runtime.notify import STOPPING, Notifier

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable

STOP_SECONDS = 8.0
"""How long a program may take to stop; then it is ended, and says what was left."""

END_SECONDS = 1.0
"""How long a task may take to end before it is asked again."""

log = structlog.get_logger(__name__)


class TaskEndedError(Exception):
    """A task that should run for ever has returned."""


def run(program: Callable[[asyncio.Event], Awaitable[None]]) -> int:
    """Run a program until it returns or SIGTERM or SIGINT asks it to stop; a second signal ends it at once.

    Args:
        program: is given the event that is set by the first signal; it returns soon after that.

    Returns:
        Exit code: 0 after an orderly stop, 1 when it had to be ended.
    """
    return asyncio.run(_run(program))


async def _run(program: Callable[[asyncio.Event], Awaitable[None]]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)
    notifier = Notifier()
    task = asyncio.ensure_future(_await(program(stop)))
    stopping = asyncio.create_task(stop.wait())
    telling = asyncio.create_task(notifier.keep_saying())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    telling.cancel()
    notifier.say(STOPPING)
    done, _ = await asyncio.wait({task}, timeout=STOP_SECONDS)
    if not done:
        left = sorted(each.get_name() for each in asyncio.all_tasks() if not each.done())
        log.error("program.stop_overdue", seconds=STOP_SECONDS, tasks=left)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({task}, timeout=1)
        return 1
    task.result()
    return 0


async def _await(awaitable: Awaitable[None]) -> None:
    await awaitable


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended, however they do.

    They are asked again every second: until Python 3.12 `asyncio.wait_for`, which the OPC UA library uses, forgets a
    cancellation that comes together with a result.
    """
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        done, waiting = await asyncio.wait(waiting, timeout=END_SECONDS)
        for task in done:
            if not task.cancelled():
                task.exception()  # it was asked to end: how it did is nobody's concern any more


async def until_stopped(stop: asyncio.Event, **eternal: Coroutine[object, object, None]) -> None:
    """Run tasks that should last for ever until `stop` is set, then cancel them.

    Args:
        stop: set when the program should end.
        eternal: the tasks, by the name that logs show.

    Raises:
        ExceptionGroup: with what a task raised, or `TaskEndedError` when one returned by itself.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_eternal(name, work), name=name) for name, work in eternal.items()]
        await stop.wait()
        for task in tasks:
            task.cancel()


async def _eternal(name: str, work: Coroutine[object, object, None]) -> None:
    await work
    raise TaskEndedError(f"{name} returned, and should run for ever")
