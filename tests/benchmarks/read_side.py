"""How long the questions take that pages, billing and alerts ask, on a store that holds a month of every machine.

Both engines are filled through the port. A machine's month holds states, jobs, programs, parts, counters every minute
of its 16 working hours and a proof of observation every minute; one machine in ten has a gauge as minutes, the first
one also a day of raw gauges at 1 Hz. Every question is asked several times, about another machine each time.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from shopfloor.periods import DAY, HOUR, MINUTE, SECOND, Period
from shopfloor.runtime import clock
from shopfloor.samples import Minute, Slice
from shopfloor.signals import DECIDING
from shopfloor.states import Hole
from shopfloor.stores.open import open_store
from tests.services.stores import influxdb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shopfloor.samples import Value
    from shopfloor.stores.port import Store

ROUNDS = 7
MACHINES_PER_MINUTES = 10
DAYS_PER_WRITE = 5
RAW_GAUGES = ("spindle_load", "feed", "power_watts", "spindle_temperature", "spindle_speed")
LIMIT = 1_000_000
OBSERVED_SECONDS = 60


class Plant(NamedTuple):
    """What is stored.

    Attributes:
        machines: their names.
        month: the days that have data.
        now: the present.
    """

    machines: Sequence[str]
    month: Period
    now: int


class Answer(NamedTuple):
    """How long one question took.

    Attributes:
        question: in words.
        found: how many things the answers held, on average.
        median: seconds.
        slowest: seconds.
    """

    question: str
    found: float
    median: float
    slowest: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill both engines and print a line for each question."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--machines", type=int, default=300)
    options.add_argument("--days", type=int, default=30)
    options.add_argument("--store", choices=("sqlite", "influxdb"), help="only this one")
    chosen = options.parse_args(arguments)
    now = clock.now() // DAY * DAY
    names = [f"machine-{number:03d}" for number in range(chosen.machines)]
    plant = Plant(names, Period(now - chosen.days * DAY, now), now)
    print(f"read side  {chosen.machines} machines, {chosen.days} days, {ROUNDS} times each question")
    for engine in ("sqlite", "influxdb"):
        if chosen.store in (None, engine):
            with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
                address = f"sqlite://{name}/telemetry.db"
                if engine == "influxdb":
                    address = f"influx1+{stack.enter_context(influxdb(Path(name) / 'influxdb'))}"
                store = open_store(address)
                measure(engine, store, plant)
                store.close()


def measure(engine: str, store: Store, plant: Plant) -> None:
    """Fill a store, ask and print."""
    began = time.perf_counter()
    samples = sum(fill(store, plant, number) for number in range(len(plant.machines)))
    seconds = time.perf_counter() - began
    print(f"read side  {engine:9} filled with {samples:,} samples in {seconds:.0f} s ({samples / seconds:,.0f}/s)")
    for question in questions(store, plant):
        print(
            f"read side  {engine:9} {question.question:52} {question.found:>9,.0f} found   "
            f"median {question.median * 1000:>8.1f} ms   slowest {question.slowest * 1000:>8.1f} ms",
        )


def fill(store: Store, plant: Plant, number: int) -> int:
    """Write the month of a machine, and return the number of samples."""
    machine, written = plant.machines[number], 0
    template = sorted(day_of(random.Random(number)), key=itemgetter(0))
    for first in range(plant.month.start, plant.month.end, DAYS_PER_WRITE * DAY):
        days = range(first, min(first + DAYS_PER_WRITE * DAY, plant.month.end), DAY)
        slices = [Slice(machine, day + stamp, values) for day in days for stamp, values in template]
        slices += [proof for day in days for proof in proofs(machine, day)]
        assert store.write(slices, now=plant.now) == []
        written += sum(len(each.values) for each in slices)
        if number % MACHINES_PER_MINUTES == 0:
            minutes = [
                Minute(machine, "spindle_load", day + n * MINUTE, 60, 1.0, n / 7, 99.0)
                for day in days
                for n in range(1440)
            ]
            store.write([], minutes, now=plant.now)
    if number == 0:
        values = [dict.fromkeys(RAW_GAUGES, n % 977 / 8) for n in range(DAY // SECOND)]
        raw = [Slice(machine, plant.month.end - DAY + n * SECOND, each) for n, each in enumerate(values)]
        store.write(raw, now=plant.now)
        written += len(raw) * len(RAW_GAUGES)
    return written


def day_of(order: random.Random) -> Iterator[tuple[int, dict[str, Value | None]]]:
    """Make what a machine says in two shifts from five o'clock: time of day, values."""
    for state, stamp in enumerate(sorted(order.randrange(5 * HOUR, 21 * HOUR) for _ in range(120))):
        yield stamp, {"item_state": 2 + state % 2, "program_state": state % 4}
        if state % 3 == 0:
            yield stamp + 7, {"parts": state, "program": f"O{state % 9:04d}"}
        if state % 20 == 0:
            yield stamp + 9, {"operation_mode": state % 3, "alarm_blocking": False, "job": f"J{state}"}
    for stamp in range(5 * HOUR, 21 * HOUR, MINUTE):
        seconds = stamp / SECOND
        yield stamp, {"power_on_seconds": seconds, "operation_seconds": seconds / 2, "energy_watt_hours": seconds * 3}


def proofs(machine: str, day: int) -> Iterator[Slice]:
    """Make a day's observation: the agent starts again at noon, and says so in a hole."""
    noon = day + 12 * HOUR
    for stamp in range(day, day + DAY, OBSERVED_SECONDS * SECOND):
        if not noon - MINUTE < stamp < noon:
            yield Slice(machine, stamp + 1, {"observed": day - 12 * HOUR if stamp < noon else noon})
    hole = Hole(machine, Period(noon - MINUTE, noon), (), "agent_restart")
    yield Slice(machine, noon, {"hole": hole.encode()})


def questions(store: Store, plant: Plant) -> Iterator[Answer]:
    """Ask everything."""
    order = random.Random(7)
    machines, month = plant.machines, plant.month
    days = [Period(day, day + DAY) for day in range(month.start, month.end, DAY)]

    def machine() -> str:
        return order.choice(machines)

    with_minutes = machines[::MACHINES_PER_MINUTES]
    last_day = Period(month.end - DAY, month.end)
    every: list[tuple[str, Callable[[], int]]] = [
        (
            "changes of state of one machine in a month",
            lambda: len(store.read([machine()], DECIDING, month, limit=LIMIT)),
        ),
        (
            "changes of state of all machines on a day",
            lambda: len(store.read(machines, DECIDING, order.choice(days), limit=LIMIT)),
        ),
        (
            "watching and holes of one machine in a month",
            lambda: _spans(store, [machine()], month),
        ),
        ("watching and holes of all machines on a day", lambda: _spans(store, machines, order.choice(days))),
        (
            "last states of all machines before a day",
            lambda: len(store.last(machines, DECIDING, order.choice(days).start)),
        ),
        (
            "counters and parts of one machine in a month",
            lambda: len(store.read([machine()], ("parts", "energy_watt_hours"), month, limit=LIMIT)),
        ),
        (
            "a gauge of one machine by the hour in a month",
            lambda: len(
                store.reduce(order.choice(with_minutes), ["spindle_load"], month, step_seconds=3600)["spindle_load"]
            ),
        ),
        (
            "five raw gauges of one machine by the minute on a day",
            lambda: sum(map(len, store.reduce(machines[0], RAW_GAUGES, last_day, step_seconds=60).values())),
        ),
        ("days that data arrived for since yesterday", lambda: len(store.arrivals(plant.now - DAY))),
    ]
    for question, ask in every:
        taken = []
        found = 0
        for _ in range(ROUNDS):
            began = time.perf_counter()
            found += ask()
            taken.append(time.perf_counter() - began)
        yield Answer(question, found / ROUNDS, statistics.median(taken), max(taken))


def _spans(store: Store, machines: Sequence[str], period: Period) -> int:
    known = store.gaps(machines, period).values()
    return sum(len(coverage.observed) + len(coverage.holes) for coverage in known)


if __name__ == "__main__":
    main()
