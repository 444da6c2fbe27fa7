from __future__ import annotations

import math
from pathlib import Path

import pytest

from shopfloor.periods import SECOND, parse_instant
from simulators import workshop
from simulators.faults import KINDS, Fault, FaultError, FaultyClock, FaultySource, parse_fault, read_scenario
from simulators.live import LiveSource

NOW = parse_instant("2026-11-18T09:00:00Z")
"""A Wednesday morning at work."""

SCENARIO = """
[[fault]]
kind = "restart"
at = 30
for = 5

[random]
seed = 7
until = 3600
every = 300
faults = ["lost_session", "bad signal=item_state for=20"]
"""


def test_a_fault_is_read_from_one_line() -> None:
    assert parse_fault("bad signal=item_state at=1.5 for=20") == Fault(
        kind="bad", at=1.5, lasts=20.0, signal="item_state"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there is no fault ''"),
        ("explode", "give one of restart"),
        ("restart at", "write NAME=VALUE"),
        ("restart when=3", "when is unknown"),
        ("restart at=soon", "are numbers"),
        ("restart at=-1", "not negative"),
        ("frozen", "has to name a signal"),
    ],
)
def test_a_fault_that_is_written_wrongly_says_what_may_stand_there(text: str, told: str) -> None:
    with pytest.raises(FaultError, match=told):
        parse_fault(text)


def test_a_scenario_is_the_same_each_time_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "storm.toml"
    path.write_text(SCENARIO)

    first, second = read_scenario(path), read_scenario(path)

    assert first == second
    assert [fault.at for fault in first] == sorted(fault.at for fault in first)
    assert {fault.kind for fault in first} == {"restart", "lost_session", "bad"}
    path.write_text(SCENARIO.replace("seed = 7", "seed = 8"))
    assert read_scenario(path) != first


@pytest.mark.parametrize("text", ["[[fault]\n", "[faults]\n", "[random]\nseed = 1\n", '[[fault]]\nkind = "x"\n'])
def test_a_scenario_that_is_none_names_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "storm.toml"
    path.write_text(text)
    with pytest.raises(FaultError, match=r"storm\.toml"):
        read_scenario(path)


def test_a_clock_steps_back_when_the_step_is_over_and_drifts_to_its_end() -> None:
    times = [0]
    clock = FaultyClock(lambda: times[-1])
    clock.inject(Fault(kind="clock_step", lasts=10, seconds=600))
    clock.inject(Fault(kind="clock_drift", lasts=100, seconds=-50))

    offsets = []
    for seconds in (0, 5, 10, 50, 200):
        times.append(seconds * SECOND)
        offsets.append(clock.offset() / SECOND)

    assert offsets == [600.0, 597.5, -5.0, -25.0, -50.0]


def test_every_kind_of_fault_has_a_test_of_what_the_agent_records() -> None:
    text = (Path(__file__).resolve().parents[2] / "faults" / "test_machine_faults.py").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f'"{kind}' not in text] == []


def test_a_nan_is_for_signals_whose_type_has_one_and_an_overflow_for_numbers() -> None:
    place = workshop.PLACES[0]
    machine = LiveSource(workshop.machine(place, NOW), place.identity)
    source = FaultySource(machine, FaultyClock(lambda: NOW))
    list(source.open(NOW))
    with pytest.raises(FaultError, match="parts is no Float and no Double: only those have a NaN"):
        source.inject(parse_fault("nan signal=parts"))
    with pytest.raises(FaultError, match="program is no number now"):
        source.inject(parse_fault("overflow signal=program"))
    source.inject(parse_fault("nan signal=spindle_load"))
    (said,) = [each for each in source.due(NOW) if each.signal == "spindle_load"]
    assert isinstance(said.value, float)
    assert math.isnan(said.value)
