"""Runs the programs of the demonstration as processes, and starts again what dies."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shopfloor.runtime import clock
from shopfloor.runtime.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

STOP_SECONDS = 6.0
"""How long a program may take to stop, before it is killed."""
STEADY_SECONDS = 30.0
"""A program that ran for so long is started again at once; one that dies sooner waits."""
RESTART_SECONDS_MIN, RESTART_SECONDS_MAX = 0.5, 15.0
_PR_SET_PDEATHSIG = 1


@dataclass
class Program:
    """One program and how it is started.

    Attributes:
        name: as `credentials.json` and messages name it.
        command: arguments after the interpreter.
        log: file for what it writes.
        ready: text on its standard output that says that it serves; empty when nothing waits for it.
        once: whether it may end by itself, with success.
    """

    name: str
    command: Sequence[str]
    log: Path
    ready: str = ""
    once: bool = False
    started: asyncio.Event = field(default_factory=asyncio.Event)
    process: asyncio.subprocess.Process | None = None


class Supervisor:
    """Keeps programs running until it is left.

    Args:
        say: told, in a sentence, when a program has died or does not stop.
        changed: called with the process ids by name whenever one changes.
    """

    def __init__(self, *, say: Callable[[str], None], changed: Callable[[Mapping[str, int]], None]) -> None:
        self._say = say
        self._changed = changed
        self._programs: list[Program] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    def start(self, program: Program) -> Program:
        """Start a program and keep it running."""
        self._programs.append(program)
        self._tasks.append(asyncio.create_task(self._keep(program), name=f"supervisor.{program.name}"))
        return program

    async def stop(self) -> None:
        """Stop every program, the last started first; kill what does not stop in time."""
        self._stopping = True
        for program in reversed(self._programs):
            if program.process is not None and program.process.returncode is None:
                program.process.send_signal(signal.SIGTERM)
        running = [asyncio.create_task(each.process.wait()) for each in self._programs if each.process is not None]
        if running:
            await asyncio.wait(running, timeout=STOP_SECONDS)
        for program in self._programs:
            if program.process is not None and program.process.returncode is None:
                self._say(f"{program.name} did not stop within {STOP_SECONDS:.0f} s and was ended; see {program.log}")
                program.process.kill()
                await program.process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, program: Program) -> None:
        backoff = Backoff(RESTART_SECONDS_MIN, RESTART_SECONDS_MAX)
        while True:
            began = clock.monotonic_seconds()
            code = await self._run(program)
            if self._stopping or (program.once and code == 0):
                return
            lasted = clock.monotonic_seconds() - began
            if lasted > STEADY_SECONDS:
                backoff.reset()
            wait = backoff.next_seconds()
            how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
            self._say(f"{program.name} {how} after {lasted:.0f} s; it starts again in {wait:.1f} s ({program.log})")
            await asyncio.sleep(wait)

    async def _run(self, program: Program) -> int:
        with program.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *program.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if program.ready else log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the rest in order
                preexec_fn=_end_with_parent,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
            program.process = process
            self._tell()
            if not program.ready:
                program.started.set()
            elif process.stdout is not None:
                async for line in process.stdout:
                    log.write(line)
                    log.flush()
                    if program.ready in line.decode("utf-8", "replace"):
                        program.started.set()
            return await process.wait()

    def _tell(self) -> None:
        self._changed({each.name: each.process.pid for each in self._programs if each.process is not None})


def _end_with_parent() -> None:
    """Let Linux ask this process to stop when the supervisor dies, however it dies (prctl(2), PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
