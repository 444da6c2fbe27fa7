"""Curves drawn on the server: a path with its gaps, and the numbers of its scale. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shopfloor.periods import Period

WIDTH, HEIGHT = 1000, 100
"""Units of the drawing, whatever its size on the page."""
_LINES_MAX = 5
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


class Line(NamedTuple):
    """A line of the scale: where in percent from above, and its number."""

    y: str
    value: float


class Plot(NamedTuple):
    """A curve as the page draws it.

    Attributes:
        path: of the drawing, broken where nothing was measured.
        dots: points that stand alone, which a path would not show: x and y.
        lines: of the scale, from below.
    """

    path: str
    dots: list[tuple[str, str]]
    lines: list[Line]


def plot(points: Sequence[tuple[int, float]], window: Period, *, gap: int, including: Sequence[float] = ()) -> Plot:
    """Draw a curve.

    Args:
        points: instants and values, in order.
        window: from when to when the drawing reaches.
        gap: longest time in nanoseconds between two points that are joined.
        including: values that the scale must hold as well, as a limit.
    """
    values = [*(value for _, value in points), *including]
    lines = scale(min(values, default=0.0), max(values, default=1.0))
    bottom, top = lines[0], lines[-1]
    length = window.end - window.start
    runs: list[list[tuple[str, str]]] = []
    before: int | None = None
    for at, value in points:
        x = (at - window.start) / length * WIDTH
        y = (top - value) / (top - bottom) * HEIGHT
        if before is None or at - before > gap:
            runs.append([])
        runs[-1].append((f"{x:.1f}", f"{y:.1f}"))
        before = at
    return Plot(
        path=" ".join("M" + "L".join(f"{x} {y}" for x, y in run) for run in runs if len(run) > 1),
        dots=[run[0] for run in runs if len(run) == 1],
        lines=[Line(f"{(top - value) / (top - bottom) * 100:.2f}%", value) for value in lines],
    )


def scale(low: float, high: float) -> list[float]:
    """Return round numbers from just below the lowest value to just above the highest; zero when it is near."""
    low, high = min(low, 0.0) if low < high / 2 else low, max(high, low + 1e-9)
    if high - low < max(abs(high), 1.0) * 1e-6:
        low, high = low - 1, high + 1
    rough = (high - low) / (_LINES_MAX - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each * power for each in _STEPS if each * power >= rough)
    first = math.floor(low / step)
    last = math.ceil(high / step)
    return [round(each * step, 9) for each in range(first, max(last, first + 1) + 1)]
