from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from edge_agent.config import load
from edge_agent.discovery import Draft, FoundVariable, Way, prefixes, render, slug, suggest
from edge_agent.nodemap import NAMESPACES
from shopfloor.signals import is_identifier

if TYPE_CHECKING:
    from pathlib import Path

MT, ACME = NAMESPACES["MT"], "urn:acme:control"
WAY = Way("opc.tcp://10.0.0.5:4840/", "Basic256Sha256", "SignAndEncrypt", "sha256:" + "a1" * 32)


def variable(*names: str, unit: str = "", value: bool | float | str | None = 1.0) -> FoundVariable:
    return FoundVariable(((MT, "Monitoring"), *((ACME, name) for name in names)), unit, value)


@pytest.mark.parametrize("name", ["Fräsmaschine 3", "", "---", "x" * 200, "MILL/01", "ß"])
def test_every_name_becomes_an_identifier(name: str) -> None:
    assert is_identifier(slug(name))
    assert is_identifier(slug(name, {slug(name)}))
    assert slug(name, {slug(name)}) != slug(name)


@pytest.mark.parametrize(
    ("found", "signal", "scale"),
    [
        (variable("Spindle", "ActLoad", unit="%"), "spindle_load", 1.0),
        (variable("Spindle2", "ActSpeed", unit="r/min"), "spindle2_speed", 1.0),
        (variable("X", "ActPos", unit="mm"), "axis_x_position", 1.0),
        (variable("Axis_C", "Position", unit="°"), "axis_c_position", 1.0),
        (variable("Channel", "ActFeed", unit="mm/min"), "feed", 1 / 60),
        (variable("Electricity", "AcActivePowerTotal", unit="kW"), "power_watts", 1000.0),
        (variable("MachineTool", "EmergencyStop", value=False), "emergency_stop", 1.0),
    ],
)
def test_a_signal_of_the_table_is_recognised_by_name_type_and_unit(
    found: FoundVariable, signal: str, scale: float
) -> None:
    (line,) = suggest([found])
    assert (line.signal, line.scale, line.sure) == (signal, scale, True)


@pytest.mark.parametrize(
    ("found", "signal"),
    [
        (variable("Spindle", "ActLoad", unit="N.m"), "spindle_act_load.double"),
        (variable("Tank", "Pressure", unit="bar"), "tank_pressure.double"),
        (variable("Door", "IsOpen", value=True), "door_is_open.boolean"),
        (variable("Door", "Count", value=3), "door_count.int64"),
        (variable("Panel", "Message", value="hello"), "panel_message.string"),
    ],
)
def test_what_is_not_recognised_is_named_after_itself_and_left_to_people(found: FoundVariable, signal: str) -> None:
    (line,) = suggest([found])
    assert (line.signal, line.sure) == (signal, False)


def test_no_signal_is_suggested_twice() -> None:
    names = [line.signal for line in suggest([variable("Spindle", "ActLoad", unit="%")] * 3, ["feed"])]
    assert len(set(names)) == 3


def test_a_prefix_is_made_from_the_end_of_a_namespace() -> None:
    assert prefixes([MT, ACME, "http://other/control"]) == {
        MT: "MT",
        ACME: "CONTROL",
        "http://other/control": "CONTROL2",
    }


def test_what_is_written_is_a_right_configuration(tmp_path: Path) -> None:
    lines = suggest([variable("Spindle", "ActLoad", unit="%"), variable('T"/&\\', "Pressure", unit="bar\n[x]")])
    drafts = [Draft('Mill "1"\n', "urn:1", {"manufacturer": "A\nB"}, ["item_state"], lines), Draft("Mill 1", "urn:2")]
    path = tmp_path / "edge.toml"
    path.write_text(render(WAY, drafts), encoding="utf-8")
    config = load(path)
    assert [machine.id for machine in config.machines] == ["mill-1", "mill-1-2"]
    assert config.machines[0].nodes["spindle_load"].path == "MT:Monitoring/CONTROL:Spindle/CONTROL:ActLoad"


def test_every_line_that_is_left_to_people_is_right_when_its_mark_is_removed(tmp_path: Path) -> None:
    lines = suggest([variable('T"/&\\', "Pressure", unit="bar"), variable("Door", "IsOpen", value=True)])
    text = render(WAY, [Draft("m", "", {}, (), lines)])
    path = tmp_path / "edge.toml"
    path.write_text(text.replace('# "', '"'), encoding="utf-8")
    assert set(load(path).machines[0].nodes) == {"t_pressure.double", "door_is_open.boolean"}


def test_a_server_that_shows_no_machine_still_gives_a_file_with_a_note() -> None:
    text = render(WAY, [], "It shows no machine tools")
    assert "# It shows no machine tools" in text
    assert len(tomllib.loads(text)["machine"]) == 1


def test_a_server_without_security_is_written_as_such(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(render(Way("opc.tcp://a:1", "none", "Sign", ""), [Draft("m", "")]))
    assert load(path).servers[0].policy == "none"
