from __future__ import annotations

from dataclasses import replace

import pytest

from api.maintenance.rules import Limit, Rule, Zones
from api.pages.bands import Bounds, band, bounds
from api.pages.words import words_of

SAY = words_of("it")
HOT = Rule("hot", Limit(high=75.0), "hot", "maker", signal="spindle*_temperature", severity="high")


def test_the_tightest_limit_of_the_rules_that_judge_a_value_is_its_own() -> None:
    warm = replace(HOT, id="warm", how=Limit(high=60.0), severity="low")
    worn = replace(HOT, id="worn", how=Limit(high=1.0, subject_signal="tool_number"))
    shaking = replace(HOT, id="shaking", how=Zones())

    assert bounds([HOT, warm, worn], "spindle_temperature") == Bounds(None, 60.0, "", "attention")
    assert bounds([shaking], "spindle_temperature").high == 2.8
    assert bounds([HOT], "spindle_load") == Bounds()


def test_a_value_inside_its_limits_wears_no_colour() -> None:
    it = band(50.0, "Cel", Bounds(25.0, 75.0, "high", "critical"), SAY)

    assert it is not None
    assert (it.pointer, it.over, it.mark, it.text) == ("50.00%", None, "", "limiti 25\N{EN DASH}75")
    assert it.ticks == ["16.67%", "83.33%"]


@pytest.mark.parametrize(("value", "mark"), [(10.0, "high"), (90.0, "critical"), (500.0, "critical")])
def test_what_lies_beyond_a_limit_wears_the_colour_of_its_priority(value: float, mark: str) -> None:
    it = band(value, "Cel", Bounds(25.0, 75.0, "high", "critical"), SAY)

    assert it is not None
    assert it.mark == mark
    assert it.over is not None
    assert all(0 <= float(each.rstrip("%")) <= 100 for each in (*it.over, *it.ticks, it.pointer))


@pytest.mark.parametrize("value", [-40.0, 0.0, 30.0, 1e9])
@pytest.mark.parametrize("within", [Bounds(low=0.0), Bounds(low=-5.0), Bounds(high=0.0), Bounds(high=-5.0, low=-5.0)])
def test_a_bar_has_room_for_any_value_and_limit(value: float, within: Bounds) -> None:
    it = band(value, "%", within, SAY)

    assert it is not None
    assert all(0 <= float(each.rstrip("%")) <= 100 for each in (it.start, it.pointer, *it.ticks))


def test_a_value_that_no_rule_limits_has_no_bar() -> None:
    assert band(1.0, "%", Bounds(), SAY) is None
