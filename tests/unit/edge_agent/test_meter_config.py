from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_agent.document import ConfigError
from edge_agent.meter_config import load
from edge_agent.meter_state import ByContact, ByPower

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
[agent]
id = "site-a-meters"
[broker]
host = "127.0.0.1"
port = 1883
insecure = true
[[meter]]
machine = "compressor-1"
host = "192.0.2.20"
[meter.signals]
power_watts = { address = 10, type = "float32", scale = 1000, unit = "W", deadband = 5 }
energy_watt_hours = { address = 20, type = "int64", table = "holding", word_order = "little", unit = "W.h" }
[meter.state]
signal = "power_watts"
idle_from = 50
processing_from = 2000
hysteresis = 20
[[meter]]
machine = "arm-1"
host = "192.0.2.21"
unit_id = 3
[meter.signals]
"running.boolean" = { address = 0, type = "bit", table = "discrete" }
[meter.state]
signal = "running.boolean"
open_is = "off"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "meters.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_right_file_is_read_with_its_defaults(tmp_path: Path) -> None:
    config = load(write(tmp_path, GOOD))
    compressor, arm = config.meters
    assert config.publisher == "site-a-meters"
    assert config.spool.path == tmp_path / "spool.sqlite"
    assert (compressor.port, compressor.unit_id, compressor.poll_seconds) == (502, 1, 1.0)
    assert [(each.signal.name, each.count) for each in compressor.registers] == [
        ("power_watts", 2),
        ("energy_watt_hours", 4),
    ]
    assert compressor.rule() == ByPower(50, 2000, 20)
    assert (arm.unit_id, arm.rule()) == (3, ByContact(0))


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ('id = "site-a-meters"', 'id = "Site A"', 2, "identifier"),
        ('machine = "arm-1"', 'machine = "compressor-1"', 19, "has a meter already"),
        ("power_watts = {", "power_wats = {", 11, "no signal is called"),
        ('unit = "W", deadband', 'unit = "kW", deadband', 11, "is in W"),
        ('type = "float32"', 'type = "bit"', 11, "a bit fills a Boolean"),
        ('table = "discrete"', 'table = "input"', 23, "a bit is in the table"),
        ("address = 20", "address = 65533", 12, "beyond the last register"),
        ("address = 20", "address = -1", 12, "address"),
        ("hysteresis = 20", "hysteresis = 60", 17, "smaller than idle_from"),
        ("processing_from = 2000", "processing_from = 40", 16, "above idle_from"),
        ('signal = "power_watts"', 'signal = "current"', 14, "not among the signals"),
        ('open_is = "off"', "idle_from = 1", 24, "give either"),
        ('signal = "power_watts"', 'signal = "power_watts"\nopen_is = "off"', 13, "give either"),
        ("unit_id = 3", "unit_ids = 3", 21, "unit_ids"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, GOOD.replace(old, new)))
    told = {problem.line: problem.what for problem in caught.value.problems}
    assert line in told, told
    assert any(says in f"{problem}" for problem in caught.value.problems if problem.line == line), told


def test_a_file_without_a_meter_is_refused(tmp_path: Path) -> None:
    head = GOOD.partition("[[meter]]")[0]
    with pytest.raises(ConfigError, match="meter"):
        load(write(tmp_path, "meter = []\n" + head))


@pytest.mark.parametrize(
    ("powers", "states"),
    [
        ([0, 49.9, 50, 1999, 2000, 5000], [0, 0, 2, 2, 3, 3]),
        ([2000, 1985, 1980, 1979.9, 1999, 2000], [3, 3, 3, 2, 2, 3]),
        ([60, 31, 30, 29.9, 49, 50], [2, 2, 2, 0, 0, 2]),
        ([5000, 0, 5000], [3, 0, 3]),
        ([2000, None, 1990], [3, None, 2]),
    ],
    ids=["rising", "hysteresis of processing", "hysteresis of idle", "both at once", "afresh after no value"],
)
def test_power_tells_the_state_with_hysteresis(powers: list[float | None], states: list[int | None]) -> None:
    rule = ByPower(50, 2000, 20)
    assert [rule.item_state(power) for power in powers] == states


@pytest.mark.parametrize(("open_is", "states"), [(0, [3, 0, None]), (2, [3, 2, None])])
def test_a_contact_tells_the_state(open_is: int, states: list[int | None]) -> None:
    rule = ByContact(open_is)
    assert [rule.item_state(value) for value in (True, False, None)] == states
