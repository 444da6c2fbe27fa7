"""Every kind of simulated server is found, mapped and read by the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shopfloor.signals import DECIDING
from shopfloor.states import State, state_of
from simulators.tree import machine_variables
from tests.services.test_opcua_source import MACHINE, Notebook, Script, reach, serving, until, watching

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.services


async def test_a_server_of_the_first_edition_is_read_and_its_state_is_that_of_its_program(tmp_path: Path) -> None:
    script, notebook = Script(), Notebook()
    script.variables = machine_variables(("x",), "1.00")
    async with serving(tmp_path, script) as server, watching(reach(server, tmp_path), notebook):
        await until(lambda: notebook.proofs, "observed")
        assert not notebook.health[MACHINE].refused
        script.say("program_state", 3)
        await until(lambda: notebook.last("program_state") == 3, "changed")
    assert not notebook.values["operation_seconds"]
    assert notebook.last("power_on_seconds") == 7200.0
    facts = {signal: notebook.last(signal) for signal in DECIDING if notebook.values[signal]}
    assert set(facts) == {"alarm_blocking", "control_mode", "program_state", "channel_state"}
    assert state_of(facts) is State.INTERRUPTED  # type: ignore[arg-type]
