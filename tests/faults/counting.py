"""A machine whose counters never stop, and which writes down all that it serves: `python -m tests.faults.counting`.

Arguments: folder for key and certificate, port, file for the log or `-`, how many counters, how often a second. Each
line of the log is stamp, name and value.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO, TypeAlias

from shopfloor.periods import SECOND
from shopfloor.runtime import clock, lifecycle
from simulators.opcua_server import MachineServer
from simulators.tree import Identity, Served, Variable, machine_variables
from simulators.workshop import node_map

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Iterator

MACHINE = "counting-1"
COUNT, HERTZ = 8, 10

Kind: TypeAlias = Literal["counter", "double", "both"]

_STATE = tuple(each for each in machine_variables(()) if each.signal == "item_state")
_EXECUTING = 3


def names(count: int = COUNT) -> tuple[str, ...]:
    """Return the names of the counters."""
    return tuple(f"count_{number}" for number in range(count))


class Counting:
    """Serves counters that rise with every beat, each by a step of its own."""

    identity = Identity(MACHINE, "Counting", "Officina", "Counter", "1")

    def __init__(self, log: TextIO | None, count: int, hertz: int) -> None:
        self.variables = (
            *_STATE,
            *(Variable(f"MT:Monitoring/SIM:Counters/SIM:{name}", name, "Double") for name in names(count)),
        )
        self._log = log
        self._names = names(count)
        self._every = SECOND // hertz
        self._next = 0
        self._number = 0

    def open(self, now: int) -> Iterator[Served]:
        self._next = now // self._every * self._every + self._every
        self._number = now // self._every
        yield Served(now, "item_state", _EXECUTING)

    def due(self, now: int) -> Iterator[Served]:
        while self._next <= now:
            self._number += 1
            for step, name in enumerate(self._names, start=1):
                value = self._number * step / 7  # many digits, which no spool can make small
                if self._log is not None:
                    self._log.write(f"{self._next} {name} {value}\n")
                yield Served(self._next, name, value)
            self._next += self._every
        if self._log is not None:
            self._log.flush()

    def instant(self, now: int) -> int:
        return now

    def jobs(self, _: int) -> tuple[()]:
        return ()

    def tools(self, _: int) -> tuple[()]:
        return ()

    def service_due(self, _: int) -> None:
        return None


def signals(count: int, kind: Kind) -> list[str]:
    """Return what the agent calls the counters: records (`counter`), gauges (`double`), or seven gauges of eight."""
    kinds = ("counter", *7 * ["double"]) if kind == "both" else (kind,)
    return [f"{name}.{kinds[number % len(kinds)]}" for number, name in enumerate(names(count))]


def nodes(named: Iterable[str]) -> str:
    """Write the node map of the counting machine."""
    lines = [
        f'"{signal}" = {{ path = "MT:Monitoring/SIM:Counters/SIM:{signal.partition(".")[0]}" }}' for signal in named
    ]
    return node_map(()) + "\n".join(lines) + "\n"


def main() -> int:
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    count, hertz = int(sys.argv[4]), int(sys.argv[5])

    async def program(stop: asyncio.Event) -> None:
        with contextlib.ExitStack() as stack:
            log = None if sys.argv[3] == "-" else stack.enter_context(Path(sys.argv[3]).open("a"))  # noqa: ASYNC230
            source = Counting(log, count, hertz)
            tick = min(0.1, 1 / hertz)
            server = MachineServer(MACHINE, [source], folder, clock.now, port=port, tick_seconds=tick, limit=1000)
            await server.start()
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            await stop.wait()
            await server.stop()

    return lifecycle.run(program)


if __name__ == "__main__":
    sys.exit(main())
