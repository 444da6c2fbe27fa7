from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages.figures import number, unit
from api.pages.plots import plot, scale
from api.pages.words import words_of
from shopfloor.periods import MINUTE, Period

WINDOW = Period(0, 100 * MINUTE)


def test_a_curve_is_broken_where_nothing_was_measured() -> None:
    drawn = plot([(0, 1.0), (MINUTE, 2.0), (50 * MINUTE, 2.0), (51 * MINUTE, 1.0)], WINDOW, gap=3 * MINUTE)

    assert drawn.path.count("M") == 2
    assert drawn.path.count("L") == 2


def test_a_point_that_stands_alone_is_not_lost() -> None:
    drawn = plot([(50 * MINUTE, 2.0)], WINDOW, gap=3 * MINUTE)

    assert drawn.path == ""
    assert [x for x, _ in drawn.dots] == ["500.0"]


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_scale_holds_every_value_in_few_round_even_steps(one: float, other: float) -> None:
    low, high = sorted((one, other))

    lines = scale(low, high)

    assert lines[0] <= low + 1e-6
    assert lines[-1] >= high - 1e-6
    assert 2 <= len(lines) <= 8
    steps = [after - before for before, after in pairwise(lines)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(
    ("value", "it", "en"),
    [
        (7441.7, "7.442", "7,442"),
        (24.93, "24,9", "24.9"),
        (1.724, "1,72", "1.72"),
        (-200.0, "\N{MINUS SIGN}200", "\N{MINUS SIGN}200"),
    ],
)
def test_a_number_is_as_precise_as_it_is_read_at_one_glance(value: float, it: str, en: str) -> None:
    assert (number(value, words_of("it")), number(value, words_of("en"))) == (it, en)


def test_units_are_written_as_people_write_them() -> None:
    assert (unit("Cel"), unit("/min"), unit("mm/s")) == ("°C", "1/min", "mm/s")
