"""The jobs that member firms bring to a shared machine. Pure: the same draw gives the same job."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

Kind = Literal["mill", "lathe"]
"""What kind of machine tool it is."""

JOBS_PER_MONTH_MAX = 200
"""Job numbers are shared out to the machines of a consortium in blocks of this size, so that they never collide."""

TOOL_CHANGE_SECONDS = 6.0
"""How long the spindle stands still at the start of each operation."""

_CYCLE_SECONDS = {"mill": (210, 840), "lathe": (90, 330)}
_OPERATIONS = {"mill": (3, 6), "lathe": (2, 4)}
_SPEEDS = {"mill": (1800, 11000), "lathe": (600, 3200)}
_BASE_WATTS, _WATTS_PER_PERCENT = 2100.0, 105.0


def dice(*parts: object) -> random.Random:
    """Return a generator that depends on these parts alone."""
    return random.Random("|".join(map(str, parts)))  # noqa: S311  # a simulation wants repeatable draws


@dataclass(frozen=True, slots=True)
class Member:
    """A member firm as the shop floor knows it.

    Attributes:
        prefix: the letters its order numbers begin with, for example `FER`.
        weight: its share of this machine's jobs, in relation to the other members.
        parts: names of the parts it makes.
    """

    prefix: str
    weight: float = 1.0
    parts: tuple[str, ...] = ("Flangia", "Albero", "Supporto", "Corpo valvola", "Boccola", "Piastra")


@dataclass(frozen=True, slots=True)
class Operation:
    """What one tool does within a cycle.

    Attributes:
        start_seconds: from the start of the cycle.
        end_seconds: from the start of the cycle.
        tool: number of the tool, 1 and up.
        speed: spindle speed, per minute.
        load: mean spindle load, per cent.
        feed: path feed, mm/s.
    """

    start_seconds: float
    end_seconds: float
    tool: int
    speed: float
    load: float
    feed: float


@dataclass(frozen=True, slots=True)
class Job:
    """A member's order for a number of parts on one machine.

    Attributes:
        id: what stands on the control, `OR-2611-0042`; empty when the operator left it out.
        order: the member's order number, beginning with its prefix; empty together with the id.
        customer_order: the order number of the member's own customer.
        member: prefix of the member it is made for.
        part: name of the part.
        program: name of the program.
        runs_planned: program runs, one part each.
        wait_seconds: how long the machine waits for material before the set-up.
        setup_seconds: how long the set-up takes.
        cycle_seconds: how long one run takes.
        load_seconds: how long it takes to change the part between two runs.
        scrap_share: share of the parts that turn out bad.
        operations: what happens within a cycle.
    """

    id: str
    order: str
    customer_order: str
    member: str
    part: str
    program: str
    runs_planned: int
    wait_seconds: int
    setup_seconds: int
    cycle_seconds: int
    load_seconds: int
    scrap_share: float
    operations: tuple[Operation, ...]

    @property
    def load(self) -> float:
        """Mean spindle load over a cycle, per cent."""
        return sum((each.end_seconds - each.start_seconds) * each.load for each in self.operations) / self.cycle_seconds

    @property
    def watts(self) -> float:
        """Mean electric power over a cycle."""
        return cutting_watts(self.load)


def cutting_watts(load: float) -> float:
    """Return the electric power of a machine that cuts with this spindle load (per cent)."""
    return _BASE_WATTS + _WATTS_PER_PERCENT * load


@dataclass(frozen=True, slots=True)
class OrderBook:
    """Whose jobs a machine gets.

    Attributes:
        machine: identifier of the machine.
        kind: mill or lathe.
        number: number of the machine in its consortium, from 0: separates the job numbers.
        seed: of the whole simulation.
        members: who brings jobs; at least one.
        unmarked_share: share of the jobs whose number nobody keys in at the control.
    """

    machine: str
    kind: Kind
    number: int
    seed: int
    members: Sequence[Member]
    unmarked_share: float = 0.02

    def job(self, count: int, day: date, in_month: int) -> Job:
        """Return the job that comes next.

        Args:
            count: jobs this machine had before.
            day: the civil day on which it is planned.
            in_month: jobs that this machine planned before in the same month.
        """
        draw = dice(self.seed, self.machine, "job", count)
        member = draw.choices(self.members, [each.weight for each in self.members])[0]
        running = self.number * JOBS_PER_MONTH_MAX + in_month + 1
        month = f"{day:%y%m}"
        low, high = _CYCLE_SECONDS[self.kind]
        cycle_seconds = draw.randrange(low, high, 10)
        hours = draw.choice((1.5, 2.5, 4, 6, 9, 14))
        load_seconds = draw.randrange(15, 70, 5)
        unmarked = draw.random() < self.unmarked_share
        return Job(
            id="" if unmarked else f"OR-{month}-{running:04d}",
            order="" if unmarked else f"{member.prefix}-{month}-{running:04d}",
            customer_order="" if unmarked else f"PO{draw.randrange(10**9, 10**10)}",
            member=member.prefix,
            part=draw.choice(member.parts),
            program=f"O{draw.randrange(1000, 9000)}",
            runs_planned=max(4, round(hours * 3600 / (cycle_seconds + load_seconds))),
            wait_seconds=draw.choice((0, 240, 480, 900, 1500)),
            setup_seconds=draw.randrange(1200, 5400, 60),
            cycle_seconds=cycle_seconds,
            load_seconds=load_seconds,
            scrap_share=draw.choice((0.0, 0.01, 0.03)),
            operations=_operations(draw, self.kind, cycle_seconds),
        )


def _operations(draw: random.Random, kind: Kind, cycle_seconds: int) -> tuple[Operation, ...]:
    fewest, most = _OPERATIONS[kind]
    tools = draw.sample(range(1, 13), draw.randint(fewest, most))
    weights = [draw.uniform(0.6, 1.6) for _ in tools]
    low, high = _SPEEDS[kind]
    operations, start = [], 0.0
    for tool, weight in zip(tools, weights, strict=True):
        end = round(start + cycle_seconds * weight / sum(weights), 1)
        speed = float(draw.randrange(low, high, 50))
        operations.append(Operation(start, end, tool, speed, draw.uniform(18, 72), round(draw.uniform(4, 45), 1)))
        start = end
    last = operations[-1]
    operations[-1] = Operation(last.start_seconds, float(cycle_seconds), last.tool, last.speed, last.load, last.feed)
    return tuple(operations)
