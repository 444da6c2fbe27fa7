from __future__ import annotations

import pytest

from edge_agent.units import UNITS, factor, seconds


@pytest.mark.parametrize(
    ("told", "wanted", "expected"),
    [
        ("kWh", "W.h", 1000.0),
        ("MJ", "W.h", 1_000_000 / 3600),
        ("m/min", "mm/s", 1000 / 60),
        ("rev/min", "/min", 1.0),
        (" °C ", "Cel", 1.0),
        ("h", "s", 3600.0),
        ("ms", "s", 0.001),
    ],
)
def test_a_number_is_brought_to_the_unit_of_its_signal(told: str, wanted: str, expected: float) -> None:
    assert factor(told, wanted) == pytest.approx(expected)


def test_a_unit_that_the_server_does_not_tell_leaves_the_number_as_it_is() -> None:
    assert factor("", "W.h") == factor("  ", "s") == 1.0


@pytest.mark.parametrize(("told", "wanted"), [("furlong", "mm"), ("kWh", "W"), ("h", "mm"), ("%", "s")])
def test_an_unknown_unit_and_one_of_another_quantity_have_no_factor(told: str, wanted: str) -> None:
    assert factor(told, wanted) is None


def test_units_are_listed_in_lower_case_and_scale_upwards_from_nought() -> None:
    assert all(name == name.lower() and scale > 0 for name, (_, scale) in UNITS.items())


def test_a_duration_becomes_seconds_and_anything_else_stays() -> None:
    assert seconds(1.5, "h") == (5400.0, "s")
    assert seconds(None, "min") == (None, "s")
    assert seconds(12.0, "parts") == (12.0, "parts")
    assert seconds(12.0, "") == (12.0, "")
