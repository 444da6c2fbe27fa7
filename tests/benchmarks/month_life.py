"""The life of simulated machines over a month, from seeded randomness: what each did in truth, and what it said of it.

The truth is kept apart from what is said: a piece has a state and a payer, a sample is what an agent would have read.
Both are made again, the same, wherever they are needed: by the gateway that sends, and by who judges what came of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from shopfloor.periods import SECOND
from shopfloor.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shopfloor.samples import Value

ROME = ZoneInfo("Europe/Rome")
MARGIN_SECONDS = 6 * 3600
"""So long before its first day a house begins to speak, and after its last it ends: sessions reach across both."""
CHANGES_PER_DAY = 200
"""State changes of a machine on an average day."""
_SHIFT_HOURS, _NIGHT_HOURS = (12, 19), (3, 8)
_DWELL_SECONDS = 86_400 / CHANGES_PER_DAY * sum(_SHIFT_HOURS) / (sum(_SHIFT_HOURS) + sum(_NIGHT_HOURS))
_PIECE_SECONDS_MIN = 3
_SESSION_MINUTES = (45, 300)
_GOES_ON = 0.15
"""So often the firm that had a machine goes on with another job."""
_STATES = ("processing", "idle", "interrupted", "setup", "off")
_WEIGHTS = (48, 34, 6, 10, 2)
FACTS: dict[str, dict[str, Value]] = {
    "processing": {"item_state": 3, "operation_mode": 3, "alarm_blocking": False},
    "idle": {"item_state": 2, "operation_mode": 3, "alarm_blocking": False},
    "interrupted": {"item_state": 2, "operation_mode": 3, "alarm_blocking": True},
    "setup": {"item_state": 2, "operation_mode": 2, "alarm_blocking": False},
    "off": {"item_state": 0, "operation_mode": 0, "alarm_blocking": False},
}
"""What a machine says in each state."""
_WATTS = {"processing": 11_300, "idle": 2_450, "interrupted": 1_900, "setup": 4_100, "off": 0}
SIGNALS = ("item_state", "operation_mode", "alarm_blocking", "job", "program", "parts", "power_on_seconds",
           "energy_watt_hours", "observed", "unreachable", "spindle_load", "spindle_temperature")  # fmt: skip


class Plan(msgspec.Struct, frozen=True):
    """A house and its month.

    Attributes:
        seed: of all randomness.
        members: how many firms.
        start: when its first day begins, in whole seconds since 1970.
        end: when its last day ends.
        proof_seconds: how often it is proven that a machine was watched.
        counter_seconds: how often counters are read while a machine is powered.
        gauge_seconds: how often gauges are.
    """

    seed: int
    members: int
    start: int
    end: int
    proof_seconds: int = 300
    counter_seconds: int = 900
    gauge_seconds: int = 600


class Piece(NamedTuple):
    """What a machine did in truth from one whole second to another, and for whom; nobody has a machine that is off."""

    start: int
    end: int
    state: str
    member: str | None


class Used(NamedTuple):
    """Milliwatt-hours between two readings of the meter, which never lie on two sides of a midnight."""

    start: int
    end: int
    member: str
    amount: int


class Block(NamedTuple):
    """A night and the shift after it.

    Attributes:
        pieces: they tile it.
        watched: from when to when its server answered and was watched; nothing at night for a machine switched off.
        used: what the meter advanced by from one reading to the next, while somebody had the machine.
        said: samples in order of their stamps.
    """

    pieces: list[Piece]
    watched: list[tuple[int, int]]
    used: list[Used]
    said: list[Sample]


def machine_id(number: int) -> str:
    """Name a machine."""
    return f"m-{number:03d}"


def member_id(number: int) -> str:
    """Name a firm."""
    return f"f-{number:03d}"


def month_plan(month: str, *, days: int, members: int, seed: int) -> Plan:
    """Return the plan of the last days of a month, as `2026-10`; all of it, when it has no more."""
    year, number = map(int, month.split("-"))
    end = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=ROME)
    start = max(end - timedelta(days=days), datetime(year, number, 1, tzinfo=ROME))
    return Plan(seed, members, int(start.timestamp()), int(end.timestamp()))


def life(plan: Plan, number: int) -> Iterator[Block]:
    """Yield what a machine does and says, night by night."""
    made = _Life(plan, number)
    while made.at < made.end:
        yield made.block()


class _Life:
    """One machine, as it goes on."""

    def __init__(self, plan: Plan, number: int) -> None:
        self._plan, self._machine = plan, machine_id(number)
        self._random = Random(f"{plan.seed}/{number}")
        self._is_switched_off = number % 3 == 2
        """At night its server does not answer; the others go on to say that they are off."""
        self.at = plan.start - MARGIN_SECONDS
        self.end = plan.end + MARGIN_SECONDS
        self._watched_since = self.at
        self._facts: dict[str, Value] = {}
        self._energy = self._random.randrange(10**9)
        self._powered = self._random.randrange(10**7)
        self._parts = self._random.randrange(10**5)
        self._jobs = 0
        self._member = ""
        self._read = (0, 0)
        """When the meter was last read, and what it showed."""

    def block(self) -> Block:
        """Go on by a night and a shift; what ends the life is a night."""
        it = Block([], [], [], [])
        night = self._random.randint(_NIGHT_HOURS[0] * 60, _NIGHT_HOURS[1] * 60) * 60
        start, dawn = self.at, min(self.at + night, self.end)
        self._night(it, start, dawn)
        if dawn < self.end:
            shift = self._random.randint(_SHIFT_HOURS[0] * 60, _SHIFT_HOURS[1] * 60) * 60
            self._shift(it, dawn, max(dawn, min(dawn + shift, self.end - 1800)))
        it.said.sort(key=lambda sample: sample.stamp)
        return it

    def _say(self, it: Block, second: int, **values: Any) -> None:
        it.said.extend(Sample(self._machine, name, second * SECOND, value) for name, value in values.items())

    def _turn(self, it: Block, second: int, state: str) -> None:
        """Say what of the facts is another one now."""
        milliseconds = self._random.randrange(1000) * 1_000_000
        for name, value in FACTS[state].items():
            if self._facts.get(name) != value:
                self._facts[name] = value
                it.said.append(Sample(self._machine, name, second * SECOND + milliseconds, value))

    def _count(self, it: Block, second: int) -> None:
        since, shown = self._read
        if self._member and second > since:
            it.used.append(Used(since, second, self._member, self._energy - shown))
        self._read = second, self._energy
        self._say(it, second, energy_watt_hours=self._energy / 1000, power_on_seconds=float(self._powered))

    def _night(self, it: Block, start: int, dawn: int) -> None:
        self._member = ""
        it.pieces.append(Piece(start, dawn, "off", None))
        self._say(it, start, job="", program="")
        self._count(it, start)
        if self._is_switched_off:
            self._prove(it, "unreachable", start, (start, dawn))
            self._watched_since = dawn
            self._facts.clear()  # everything is read again when the server is back
        else:
            self._turn(it, start, "off")
            self._prove(it, "observed", self._watched_since, (start, dawn))
            it.watched.append((start, dawn))
        self._count(it, dawn)
        self.at = dawn

    def _prove(self, it: Block, signal: str, since: int, span: tuple[int, int]) -> None:
        every = self._plan.proof_seconds
        for second in (*range((span[0] // every + 1) * every, span[1], every), span[1]):
            self._say(it, second, **{signal: since * SECOND})

    def _shift(self, it: Block, dawn: int, dusk: int) -> None:
        if dawn < dusk:
            self._prove(it, "observed", self._watched_since, (dawn, dusk))
            it.watched.append((dawn, dusk))
        for second in range((dawn // self._plan.gauge_seconds + 1) * self._plan.gauge_seconds, dusk,
                            self._plan.gauge_seconds):  # fmt: skip
            load, warm = self._random.uniform(2, 96), self._random.uniform(28, 61)
            self._say(it, second, spindle_load=round(load, 2), spindle_temperature=round(warm, 2))
        at = dawn
        while at < dusk:
            ends = min(at + self._random.randint(*_SESSION_MINUTES) * 60, dusk)
            self._session(it, at, ends)
            at = ends
        self.at = dusk

    def _session(self, it: Block, start: int, end: int) -> None:
        if not self._member or self._random.random() > _GOES_ON:
            self._member = member_id(self._random.randrange(self._plan.members))
        self._jobs += 1
        job = f"{self._member.removeprefix('f-')}-{self._jobs:05d}"
        self._say(it, start, job=job, program=f"O{self._random.randrange(1000, 9999)}")
        at, state = start, "setup"
        while at < end:
            dwell = max(_PIECE_SECONDS_MIN, round(self._random.expovariate(1 / _DWELL_SECONDS)))
            until = end if end - at - dwell < _PIECE_SECONDS_MIN else at + dwell
            self._piece(it, Piece(at, until, state, self._member))
            at = until
            state = self._random.choices(*self._others(state))[0]
        self._count(it, end)

    @staticmethod
    def _others(state: str) -> tuple[list[str], list[int]]:
        pairs = [(name, weight) for name, weight in zip(_STATES, _WEIGHTS, strict=True) if name != state]
        return [name for name, _ in pairs], [weight for _, weight in pairs]

    def _piece(self, it: Block, piece: Piece) -> None:
        it.pieces.append(piece)
        self._turn(it, piece.start, piece.state)
        energy, powered, every = self._energy, self._powered, self._plan.counter_seconds
        for second in (*range((piece.start // every + 1) * every, piece.end, every), piece.end):
            passed = second - piece.start
            self._energy = energy + _WATTS[piece.state] * passed * 1000 // 3600
            self._powered = powered + (passed if piece.state != "off" else 0)
            if second < piece.end:
                self._count(it, second)
        if piece.state == "processing":
            self._parts += 1
            self._say(it, piece.end, parts=self._parts)
