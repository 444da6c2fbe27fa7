"""Puts changed configurations in force while the agent runs, and takes one back that cannot connect."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import structlog

from edge_agent.applied import InForce, in_force, keep, proposed, set_aside
from edge_agent.changes import needs_restart, touched
from edge_agent.document import ConfigError
from shopfloor.errors import ExpectedError
from shopfloor.wire import edge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from edge_agent.config import EdgeConfig

LOOK_SECONDS = 2.0
"""How often the configuration file is looked at; it is read when two looks in a row find it the same."""
CONNECT_SECONDS = 60.0
"""How long a changed machine or broker may take to connect before the previous configuration comes back."""
BROKER = "the broker"
_POLL_SECONDS = 0.2

log = structlog.get_logger(__name__)


class ChangeError(ExpectedError):
    """A configuration is not in force; the message says why."""


class Plant(Protocol):
    """What is configured."""

    async def change(self, config: EdgeConfig) -> None:
        """Do as this configuration says; touch what it says otherwise than before, and nothing else."""

    def connected(self) -> set[str]:
        """Return the machines with a session, and `BROKER` when the broker has let the agent in."""

    def reason(self, name: str) -> str:
        """Say why one of them is not connected."""


class Changeover:
    """Keeps the configuration in force.

    Args:
        path: the administrator's file.
        first: what was in force at the start.
        plant: what is configured.
        clock: reads the present.
    """

    def __init__(self, path: Path, first: InForce, plant: Plant, clock: Callable[[], int]) -> None:
        self._path = path
        self._plant = plant
        self._clock = clock
        self._present = first
        self._lock = asyncio.Lock()
        self._seen = _signature(first.config.files)
        self.status = edge.Configuration("file", clock())
        self._came_in_force(first, first.problem)

    @property
    def present(self) -> InForce:
        """What is in force."""
        return self._present

    async def run(self) -> None:
        """Follow changes of the file for ever."""
        pending: object = None
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            found = _signature(self._present.config.files)
            if found == self._seen:
                pending = None
            elif found != pending:
                pending = found  # perhaps it is still being written
            else:
                self._seen = found
                await self._reread()

    async def apply(self, text: str, request: str, *, must_connect: bool) -> list[str]:
        """Put in force what a request brought. Returns the machines that it touched.

        Raises:
            ConfigError: it cannot be used.
            ChangeError: it cannot connect, or cannot be kept; the previous configuration is back.
        """
        async with self._lock:
            before = self._present.config
            config = proposed(self._path, text, "request")
            changed = await self._switch(config, must_connect=must_connect)
            try:
                keep(self._path, text, request, self._clock())
            except OSError as error:
                await self._plant.change(before)
                raise ChangeError(f"the agent cannot keep the configuration beside {self._path} ({error.strerror}), "
                                  f"the previous one is back: let the agent write there") from error  # fmt: skip
            self._came_in_force(InForce(config, request, text))
        return changed

    async def _reread(self) -> None:
        async with self._lock:
            try:
                found = in_force(self._path)
                seen = _signature(found.config.files) | self._seen
                changed = await self._switch(found.config, must_connect=True)
                if found.superseded:
                    log.warning("configuration.superseded", kept=str(set_aside(self._path)))
            except (ConfigError, ChangeError, OSError) as error:
                self.status.problem = str(error)
                log.error("configuration.refused", file=str(self._path), problem=str(error))
                return
            self._came_in_force(found, found.problem)
            # What was seen before it was read: files that change while machines connect are read again.
            self._seen = {file: seen[file] for file in found.config.files}
            log.info("configuration.changed", file=str(self._path), machines=changed)

    def _came_in_force(self, found: InForce, problem: str = "") -> None:
        self._present = found
        self.status = edge.Configuration(
            "applied" if found.request else "file", self._clock(), request=found.request, problem=problem
        )
        if problem:
            log.error("configuration.refused", problem=problem)

    async def _switch(self, config: EdgeConfig, *, must_connect: bool) -> list[str]:
        """Do as a configuration says, or as before when it cannot connect."""
        before = self._present.config
        restart = needs_restart(before, config)
        if restart:
            raise ChangeError(f"{restart} of {self._path} was changed, which is read at the start alone: restart the "
                              f"agent; until then the previous configuration holds")  # fmt: skip
        changed = touched(before, config)
        is_known = {machine.id for machine in before.machines}
        connected = self._plant.connected()
        awaited = {each.id for each in config.machines if each.id in changed and
                   (each.id in connected or each.id not in is_known)}  # fmt: skip
        if before.broker != config.broker and BROKER in connected:
            awaited.add(BROKER)
        await self._plant.change(config)
        missing = await self._missing(awaited) if must_connect else set()
        if missing:
            reasons = "; ".join(f"{each}: {self._plant.reason(each)}" for each in sorted(missing))
            await self._plant.change(before)
            raise ChangeError(f"the changed configuration did not connect within {CONNECT_SECONDS:g} s and the "
                              f"previous one is back ({reasons})")  # fmt: skip
        return sorted(changed)

    async def _missing(self, awaited: set[str]) -> set[str]:
        """Wait until these are connected, and return those that are not in time."""
        missing = awaited - self._plant.connected()
        deadline = asyncio.get_running_loop().time() + CONNECT_SECONDS
        while missing and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
            missing = awaited - self._plant.connected()
        return missing


def _signature(files: Iterable[Path]) -> dict[Path, tuple[int, int, int]]:
    """Return what differs for a file after each change of it."""
    found = {}
    for path in files:
        try:
            stat = path.stat()
        except OSError:
            found[path] = (0, 0, 0)
        else:
            found[path] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    return found
