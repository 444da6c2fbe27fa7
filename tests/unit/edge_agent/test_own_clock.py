"""The clock of the agent's own computer is stepped: good stamps of machines stay, and what is observed is no lie."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.chronicle import Chronicle
from edge_agent.config import MachineConfig
from edge_agent.own_clock import STEP, OwnClock
from edge_agent.stamps import stamp
from edge_agent.watched import WatchedMachine
from shopfloor.periods import MINUTE, SECOND
from shopfloor.samples import Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from shopfloor.samples import Sample

NOW = 1_800_000_000 * SECOND
MILLISECOND = SECOND // 1000


class Computer:
    """A computer whose clock can be stepped, and true time beside it."""

    def __init__(self, *, off: int = 0) -> None:
        self.time = NOW
        self.off = off

    def wall(self) -> int:
        return self.time + self.off

    def steady(self) -> int:
        return self.time - NOW + 5 * SECOND


class Plant:
    """A machine whose clock is `ahead`, watched by an agent; the session and the recorder are the test's."""

    def __init__(self, computer: Computer, clock: Callable[[], int], *, ahead: int = 0) -> None:
        self.computer = computer
        self.clock = clock
        self.ahead = ahead
        self.samples: list[Sample] = []
        self.proofs: list[tuple[int, int]] = []
        recorder = SimpleNamespace(
            readings=self._readings,
            observed=lambda _machine, since, at: self.proofs.append((since, at)),
            hole=lambda _hole: None,
            clock=lambda *_: None,
            want_refill=lambda _refill: None,
            refills=lambda _machine: [],
        )
        self.chronicle = Chronicle(recorder, clock, lambda _health: None)
        config = MachineConfig("mill", "", "", 60.0, 1000, 10, False, {}, {})  # noqa: FBT003
        self.machine = WatchedMachine(config, "opc.tcp://mill:4840", None)

    def _readings(self, _machine: str, readings: list[Reading], *, trusted: bool) -> None:
        self.samples += stamp("mill", readings, {}, trusted=trusted)[0]

    async def current_time(self, clock: Callable[[], int]) -> tuple[int, int, int]:
        """Answer as a session does: 20 ms on the way there and back."""
        sent = clock()
        self.computer.time += 10 * MILLISECOND
        server = self.computer.time + self.ahead
        self.computer.time += 10 * MILLISECOND
        return sent, server, clock()

    async def measure(self) -> None:
        """Compare the clocks, twice as a server that renews its time needs it."""
        session: Any = self
        await self.chronicle.measure(session, lambda: [self.machine])
        self.computer.time += MINUTE

    def says(self, value: float) -> Sample:
        """Return how a value of the machine is stamped, whose true time is now."""
        source = self.computer.time + self.ahead
        self.computer.time += 50 * MILLISECOND
        self.chronicle.record(self.machine, [Reading("feed", value, 0, source, source, self.clock())])
        return self.samples[-1]


@pytest.mark.parametrize("step", [10 * MINUTE, -10 * MINUTE, 61 * SECOND, -365 * 24 * 60 * MINUTE])
async def test_a_step_of_the_agents_own_clock_puts_no_good_stamp_of_a_machine_aside(step: int) -> None:
    computer = Computer()
    own = OwnClock(computer.wall, computer.steady)
    plant = Plant(computer, own.now, ahead=2 * SECOND)
    await plant.measure()
    computer.off = step
    for value in range(4):
        true = computer.time + plant.ahead
        found = plant.says(float(value))
        assert (found.stamp, found.source) == (true, None)
        assert plant.machine.trust.trusted
        assert abs((plant.machine.health.offset_seconds or 0) - 2.0) < 0.1
        assert not own.must_follow([2 * SECOND]), "the machine bears the agent's own clock out"
        await plant.measure()
    assert abs(own.ahead - step) < SECOND
    assert own.steps == 1
    computer.off = 0
    assert own.now() == computer.wall()
    assert own.ahead == 0


async def test_without_a_clock_of_its_own_an_agent_would_have_put_them_aside() -> None:
    computer = Computer()
    plant = Plant(computer, computer.wall)
    await plant.measure()
    computer.off = 10 * MINUTE
    await plant.measure()
    found = plant.says(1.0)
    assert found.source is not None, "stamped by the wrong clock: this is what the own clock is for"


async def test_a_clock_that_is_put_right_is_followed_as_soon_as_a_machine_bears_it_out() -> None:
    computer = Computer(off=-3 * 24 * 60 * MINUTE)  # no battery: it began three days ago, then a time server was found
    own = OwnClock(computer.wall, computer.steady)
    plant = Plant(computer, own.now)
    await plant.measure()
    wrong = plant.says(1.0)
    assert wrong.source is not None, "the machine is right, and the agent cannot know yet: its stamp is kept"
    computer.off = 0
    own.now()
    offset = round((plant.machine.health.offset_seconds or 0.0) * SECOND)
    assert own.must_follow([offset])
    own.follow()
    assert own.now() == computer.time
    assert not own.must_follow([offset])
    await plant.measure()
    true = computer.time
    right = plant.says(2.0)
    assert (right.stamp, right.source) == (true, None)


def test_where_no_machine_was_ever_compared_the_computers_clock_is_followed() -> None:
    computer = Computer()
    own = OwnClock(computer.wall, computer.steady)
    computer.off = 10 * MINUTE
    own.now()
    assert own.must_follow([])


def test_the_most_machines_say_who_is_right() -> None:
    computer = Computer()
    own = OwnClock(computer.wall, computer.steady)
    computer.off = 10 * MINUTE
    own.now()
    assert not own.must_follow([SECOND, -SECOND, 10 * MINUTE])
    assert own.must_follow([SECOND, 10 * MINUTE, 10 * MINUTE + SECOND])
    assert own.must_follow([5 * MINUTE]), "a machine that agrees with neither is no witness"


@given(st.lists(st.tuples(st.integers(0, 3600), st.integers(-3 * STEP, 3 * STEP)), max_size=30))
def test_own_time_never_moves_by_a_step_until_somebody_says_so(moves: list[tuple[int, int]]) -> None:
    computer = Computer()
    own = OwnClock(computer.wall, computer.steady)
    for seconds, off in moves:
        before, at = own.now(), computer.time
        computer.time += seconds * SECOND
        computer.off = off
        moved = own.now() - before - (computer.time - at)
        assert abs(moved) <= STEP, "no more than the computer's clock may move unnoticed"
        assert (own.ahead == 0) == (own.now() == computer.wall())
