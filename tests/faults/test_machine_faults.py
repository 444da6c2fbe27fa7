"""What the agent records of each fault that a simulated machine's server can have."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from edge_agent import opcua
from edge_agent.nodemap import Entry
from shopfloor.periods import HOUR, SECOND
from shopfloor.runtime import clock
from shopfloor.samples import BAD_OUT_OF_RANGE
from simulators.faults import BAD_SENSOR_FAILURE, UNCERTAIN_LAST_USABLE_VALUE, parse_fault
from simulators.faulty_server import FaultyServer
from simulators.opcua_server import MachineServer
from tests.services.test_opcua_source import (
    MACHINE,
    PREFIXES,
    Notebook,
    Script,
    machine,
    reach,
    until,
    watching,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.services, pytest.mark.asyncio(loop_scope="module")]

LOAD = {"spindle_load": Entry(path="MT:Monitoring/SIM:Spindle/SIM:ActLoad")}


class Bench:
    """A machine, its faulty server and what the agent wrote down."""

    def __init__(self, server: FaultyServer, script: Script, notebook: Notebook) -> None:
        self.server, self.script, self.notebook = server, script, notebook

    @property
    def since(self) -> int | None:
        return self.notebook.health[MACHINE].observed_since

    async def steady(self) -> None:
        """Wait until the machine is watched as on a good day, and forget what was written down."""
        values = {"item_state": 3, "spindle_load": 40.0, "feed_override": 100.0, "program": "O1234"}
        for signal, value in values.items():
            self.script.say(signal, value)
        health = self.notebook.health
        await until(lambda: health[MACHINE].trusted and self.since, "watched")
        await until(lambda: all(self.notebook.last(signal) == value for signal, value in values.items()), "reset")
        before = len(self.notebook.proofs)
        await until(lambda: self.since and len(self.notebook.proofs) >= before, "observed")
        for each in (self.notebook.holes, self.notebook.offsets, self.notebook.calls):
            each.clear()
        for readings in self.notebook.values.values():
            del readings[:-1]

    async def fault(self, text: str) -> int:
        """Let a fault happen, and return when the unbroken observation before it began."""
        before = self.since
        assert before is not None
        await self.server.inject(parse_fault(text))
        return before

    async def observed_anew(self, before: int) -> None:
        await until(lambda: self.since not in {None, before}, "observed again")

    def holes(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(hole.cause, hole.signals) for hole in self.notebook.holes]


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opcua, "RETRY_SECONDS_MIN", 0.1)
        patch.setattr(opcua, "RETRY_SECONDS_MAX", 0.5)
        patch.setattr(opcua, "RECONCILE_SECONDS", 0.3)
        patch.setattr(opcua, "MEASURE_EVERY", 300_000_000)
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """One server for all faults, because it takes seconds to start; the faults leave it as it was."""
    folder = tmp_path_factory.mktemp("faults")
    script, notebook = Script(), Notebook()
    server = FaultyServer("faulty", [script], folder / "server", clock.now, tick_seconds=0.02)
    await server.start()
    try:
        trusted = folder / "trusted.der"
        trusted.write_bytes(server.certificate.read_bytes())
        config = reach(server, folder, machine(nodes=LOAD, namespaces=PREFIXES), trusted=str(trusted))  # type: ignore[arg-type]
        async with watching(config, notebook):
            await until(lambda: notebook.proofs, "observed")
            yield Bench(server, script, notebook)
    finally:
        await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def it(shared: Bench) -> Bench:
    await shared.steady()
    return shared


async def test_a_restart_with_renumbered_namespaces_is_a_hole_and_everything_is_found_again(it: Bench) -> None:
    before = await it.fault("restart for=0.5")
    it.script.say("item_state", 2)
    await it.observed_anew(before)
    await until(lambda: it.notebook.last("item_state") == 2, "read again")
    (hole,) = it.notebook.holes
    assert (hole.signals, hole.period.end) == ((), it.since)
    assert not it.notebook.health[MACHINE].refused


async def test_a_lost_session_is_a_hole_of_everything(it: Bench) -> None:
    before = await it.fault("lost_session")
    await it.observed_anew(before)
    assert it.holes() == [("session", ())]


async def test_a_half_open_connection_is_noticed_and_is_a_hole(it: Bench) -> None:
    before = await it.fault("half_open")
    it.script.say("item_state", 2)
    await it.observed_anew(before)
    assert it.notebook.last("item_state") == 2
    assert it.holes() == [("session", ())]


async def test_an_overflow_is_a_hole_of_that_signal_with_the_overflow_bit_of_the_server(it: Bench) -> None:
    await it.fault("overflow signal=feed_override values=300")
    await until(lambda: it.notebook.health[MACHINE].overflows, "overflowed")
    await until(lambda: it.notebook.holes, "hole")
    assert it.holes() == [("overflow", ("feed_override",))]


async def test_a_bad_status_of_a_deciding_signal_breaks_the_observation_while_it_lasts(it: Bench) -> None:
    before = await it.fault("bad signal=item_state for=1")
    await until(lambda: it.since is None, "broken")
    bad = it.notebook.values["item_state"][-1]
    assert (bad.value, bad.status) == (None, BAD_SENSOR_FAILURE)
    await it.observed_anew(before)
    assert it.holes() == [("bad_status", ("item_state",))]
    assert it.notebook.last("item_state") == 3


async def test_an_uncertain_value_is_kept_beside_its_status(it: Bench) -> None:
    before = await it.fault("uncertain signal=spindle_load for=2")
    it.script.say("spindle_load", 55.0)
    await until(lambda: it.notebook.last("spindle_load") == 55.0, "arrived")
    assert it.notebook.values["spindle_load"][-1].status == UNCERTAIN_LAST_USABLE_VALUE
    assert it.since == before
    assert it.holes() == []


async def test_a_value_that_is_no_number_is_a_quality_and_no_value(it: Bench) -> None:
    await it.fault("nan signal=spindle_load for=1")
    await until(lambda: it.notebook.values["spindle_load"][-1].status == BAD_OUT_OF_RANGE, "arrived")
    assert it.notebook.last("spindle_load") is None
    assert it.holes() == []


async def test_a_frozen_signal_says_nothing_and_nothing_is_invented(it: Bench) -> None:
    before = await it.fault("frozen signal=spindle_load for=1")
    it.script.say("spindle_load", 55.0)
    it.script.say("program", "O2")
    await until(lambda: it.notebook.last("program") == "O2", "the others go on")
    assert [each.value for each in it.notebook.values["spindle_load"]] == [40.0]
    await until(lambda: it.notebook.last("spindle_load") == 55.0, "thawed")
    assert it.since == before
    assert it.holes() == []


async def test_a_node_that_vanishes_is_bad_and_is_found_when_it_is_back(it: Bench) -> None:
    await it.fault("vanish signal=spindle_load for=1")
    it.script.say("spindle_load", 66.0)
    await until(lambda: it.notebook.values["spindle_load"][-1].value is None, "gone")
    await until(lambda: it.notebook.last("spindle_load") == 66.0, "back")


async def test_slow_answers_lose_nothing(it: Bench) -> None:
    await it.fault("slow seconds=0.3 for=2")
    for number in range(20):
        it.script.say("feed_override", float(number))
        await asyncio.sleep(0.05)
    await until(lambda: it.notebook.last("feed_override") == 19.0, "all arrived")
    assert [each.value for each in it.notebook.values["feed_override"]][1:] == [float(each) for each in range(20)]
    assert it.holes() == []


async def test_a_scenario_begins_when_a_client_watches(tmp_path: Path) -> None:
    script, notebook = Script(), Notebook()
    faults = [parse_fault("bad signal=item_state at=0.5 for=0.5")]
    server = FaultyServer("scenario", [script], tmp_path / "server", clock.now, faults, tick_seconds=0.02)
    await server.start()
    try:
        async with watching(reach(server, tmp_path), notebook):  # type: ignore[arg-type]
            await until(lambda: len(notebook.values["item_state"]) == 3, "spoiled and well again")
    finally:
        await server.stop()
    assert [each.status for each in notebook.values["item_state"]] == [0, BAD_SENSOR_FAILURE, 0]


async def test_a_clock_that_drifts_is_told_as_it_goes_wrong(it: Bench) -> None:
    await it.fault("clock_drift for=3 seconds=90")
    await until(lambda: not it.notebook.health[MACHINE].trusted, "distrusted")
    assert max(it.notebook.offsets) > 60
    await until(lambda: (it.notebook.health[MACHINE].offset_seconds or 0) > 89, "as wrong as it gets")
    await it.fault("clock_step seconds=-90")


async def test_a_stepped_clock_is_told_and_no_longer_stamps(it: Bench) -> None:
    await it.fault("clock_step seconds=600 for=4")
    await until(lambda: not it.notebook.health[MACHINE].trusted, "distrusted")
    said = len(it.notebook.calls)
    it.script.say("item_state", 2)
    await until(lambda: it.notebook.last("item_state") == 2, "arrived")
    assert not any(trusted for _, _, trusted in it.notebook.calls[said:])
    assert max(it.notebook.offsets) == pytest.approx(600, abs=5)


async def test_a_machines_clock_that_jumps_back_and_forth_stamps_nothing_while_it_is_wrong(tmp_path: Path) -> None:
    script, notebook, shift = Script(), Notebook(), [0]
    server = MachineServer("test", [script], tmp_path / "server", lambda: clock.now() + shift[0], tick_seconds=0.02)
    await server.start()
    try:
        async with watching(reach(server, tmp_path), notebook):
            await until(lambda: notebook.proofs, "observed")
            for step in (-HOUR, HOUR):
                shift[0] = step
                await until(lambda: not notebook.health[MACHINE].trusted, "not trusted")
                script.say("feed_override", step / HOUR, clock.now() + step)
                await until(lambda step=step: notebook.last("feed_override") == step / HOUR, "said")  # type: ignore[misc]
                assert notebook.calls[-1][2] is False, "stamped by the agent's own clock"
                shift[0] = 0
                await until(lambda: notebook.health[MACHINE].trusted, "trusted again")
        await asyncio.sleep(0)
    finally:
        await server.stop()
    now = clock.now()
    wrong = [(since - now, at - now) for since, at in notebook.proofs if not since < at <= now + SECOND]
    assert wrong == []
    assert sorted(notebook.proofs, key=lambda proof: proof[1]) == notebook.proofs


async def test_a_server_with_another_certificate_is_told_nothing_until_it_is_trusted(it: Bench) -> None:
    known = len(it.notebook.calls)
    await it.fault("certificate")
    await until(lambda: "is not accepted" in it.notebook.health[MACHINE].reason, "refused")
    assert len(it.notebook.calls) == known
    assert it.since is None
