"""A machine whose counters never stop, and which writes down everything that it serves: `python -m tests.faults.counting`.

Arguments: folder for key and certificate, port, file for the log. Each line of the log is stamp, signal and value.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from shopfloor.runtime import clock, lifecycle
from simulators.opcua_server import MachineServer
from simulators.tree import Identity, Served, Variable, machine_variables
from simulators.workshop import node_map

if TYPE_CHECKING:
    from collections.abc import Iterator

MACHINE = "counting-1"
COUNTERS = tuple(f"count_{number}" for number in range(8))
EVERY = 100_000_000
"""Nanoseconds between two counts."""

_STATE = tuple(each for each in machine_variables(()) if each.signal == "item_state")
_EXECUTING = 3


class Counting:
    """Serves counters that rise by one ten times a second."""

    identity = Identity(MACHINE, "Counting", "Officina", "Counter", "1")
    variables = (
        *_STATE,
        *(Variable(f"MT:Monitoring/SIM:Counters/SIM:{name}", name, "Double") for name in COUNTERS),
    )

    def __init__(self, log: TextIO) -> None:
        self._log = log
        self._next = 0
        self._number = 0

    def open(self, now: int) -> Iterator[Served]:
        self._next = now // EVERY * EVERY + EVERY
        self._number = now // EVERY
        yield Served(now, "item_state", _EXECUTING)

    def due(self, now: int) -> Iterator[Served]:
        while self._next <= now:
            self._number += 1
            for name in COUNTERS:
                self._log.write(f"{self._next} {name}.counter {float(self._number)}\n")
                yield Served(self._next, name, float(self._number))
            self._next += EVERY
        self._log.flush()

    def jobs(self, now: int) -> tuple[()]:
        return ()

    def tools(self, now: int) -> tuple[()]:
        return ()

    def service_due(self, now: int) -> None:
        return None


def nodes() -> str:
    """Write the node map of the counting machine."""
    lines = [f'"{name}.counter" = {{ path = "MT:Monitoring/SIM:Counters/SIM:{name}" }}' for name in COUNTERS]
    return node_map(()) + "\n".join(lines) + "\n"


def main() -> int:
    folder, port, log = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])

    async def program(stop: asyncio.Event) -> None:
        with log.open("a") as file:
            server = MachineServer(MACHINE, [Counting(file)], folder, clock.now, port=port, tick_seconds=0.1)
            await server.start()
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            await stop.wait()
            await server.stop()

    return lifecycle.run(program)


if __name__ == "__main__":
    sys.exit(main())
