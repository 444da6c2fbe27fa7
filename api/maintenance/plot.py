"""The evidence of an alarm as a small picture: the measured values, the limit, and since when. SVG. Pure.

Nothing is drawn where nothing was measured: the line breaks at every gap and at every value that is not Good.
"""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from shopfloor.periods import MINUTE, to_datetime

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from shopfloor.periods import Period
    from shopfloor.samples import Sample

WIDTH, HEIGHT = 640, 240
COLUMNS = 560
"""Of more samples than this only the least and the greatest of each column are drawn."""
GAP = 15 * MINUTE
"""Samples that lie further apart are not joined, when they usually lie closer."""
_LEFT, _TOP, _BOTTOM = 56, 28, 24
_RIGHT = WIDTH - 12
_BASE = HEIGHT - _BOTTOM


def draw(
    samples: Sequence[Sample],
    period: Period,
    *,
    title: str,
    unit: str = "",
    limits: Sequence[float] = (),
    since: int = 0,
    zone: ZoneInfo,
) -> str:
    """Return the picture of one signal over a period; empty when nothing was measured in it.

    Args:
        samples: of one signal, in the order of their stamps.
        period: what is shown.
        title: what is measured, as people call it.
        unit: of the values.
        limits: drawn as dashed lines.
        since: when the condition began, drawn as a vertical line; 0 for none.
        zone: civil time of the reader.
    """
    runs = _runs(samples, period)
    values = [value for run in runs for _, value in run]
    if not values:
        return ""
    low, high = min((*values, *limits)), max((*values, *limits))
    pad = (high - low) * 0.08 or max(abs(high) * 0.05, 0.5)
    low, high = low - pad, high + pad

    def x(stamp: int) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (stamp - period.start) / (period.end - period.start)

    def y(value: float) -> float:
        return _BASE - (_BASE - _TOP) * (value - low) / (high - low)

    parts = [_text(_LEFT, 18, f"{title} ({unit})" if unit else title)]
    parts += [f'<path d="M{_LEFT} {y(each):.1f}H{_RIGHT}" stroke="#b00020" stroke-dasharray="6 4"/>' for each in limits]
    if period.start <= since < period.end:
        parts.append(f'<path d="M{x(since):.1f} {_TOP}V{_BASE}" stroke="#b00020" stroke-dasharray="2 3"/>')
    for run in runs:
        points = "L".join(f"{x(stamp):.1f} {y(value):.1f}" for stamp, value in run)
        dot = "" if len(run) > 1 else "h0.1"
        parts.append(f'<path d="M{points}{dot}" stroke="#1f4e79" stroke-width="2" stroke-linecap="round"/>')
    parts += [_text(_LEFT - 6, y(each) + 4, f"{each:.4g}", "end") for each in (min(values), max(values), *limits)]
    parts.append(_text(_LEFT, HEIGHT - 6, _local(period.start, zone)))
    parts.append(_text(_RIGHT, HEIGHT - 6, _local(period.end, zone), "end"))
    frame = f'<path d="M{_LEFT} {_TOP}V{_BASE}H{_RIGHT}" stroke="#666"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        f' fill="none" font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
        f"{frame}{''.join(parts)}</svg>"
    )


def _runs(samples: Sequence[Sample], period: Period) -> list[list[tuple[int, float]]]:
    """Return the values in runs without a gap, the least and the greatest of each column alone."""
    inside = [each for each in samples if period.start <= each.stamp < period.end]
    steps = sorted(b.stamp - a.stamp for a, b in pairwise(inside))
    gap = max(GAP, 3 * steps[len(steps) // 2]) if steps else GAP
    runs: list[list[tuple[int, float]]] = []
    last: int | None = None
    for each in inside:
        if isinstance(each.value, bool) or not isinstance(each.value, int | float) or each.status:
            last = None
            continue
        if last is None or each.stamp - last > gap:
            runs.append([])
        runs[-1].append((each.stamp, float(each.value)))
        last = each.stamp
    width = max(1, (period.end - period.start) // COLUMNS)
    return [_thin(run, width) for run in runs]


def _thin(run: list[tuple[int, float]], width: int) -> list[tuple[int, float]]:
    columns: dict[int, list[tuple[int, float]]] = {}
    for point in run:
        columns.setdefault(point[0] // width, []).append(point)
    found: set[tuple[int, float]] = {run[0], run[-1]}
    for points in columns.values():
        found |= {min(points, key=lambda point: point[1]), max(points, key=lambda point: point[1])}
    return sorted(found)


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="#333" text-anchor="{anchor}">{escape(words)}</text>'


def _local(stamp: int, zone: ZoneInfo) -> str:
    return to_datetime(stamp).astimezone(zone).strftime("%Y-%m-%d %H:%M")
