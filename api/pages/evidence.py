"""The evidence of an alert as a drawing: what was measured, its limit or what is usual, and since when."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from api.errors import NotYoursError
from api.machines.park import UnknownMachineError
from api.machines.past import TooMuchDataError, read_states
from api.machines.schemas import ReducedPoint
from api.machines.service import InvalidQueryError
from api.pages.alert_rows import evidence_of
from api.pages.figures import label, number, unit
from api.pages.plots import HEIGHT, Line, Plot, plot
from api.pages.strips import strip
from api.pages.times import local
from shopfloor.periods import HOUR, MINUTE, SECOND, Period, parse_instant
from shopfloor.signals import UnknownSignalError, find
from shopfloor.stores.port import StoreRefusedError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from api.deps import Services
    from api.maintenance.alerts_records import Seen
    from api.pages.page import Page
    from api.pages.strips import Strip, Tick

SPANS = (6, 24, 720)
"""Hours that an alert's page can show."""
_STEPS = {6: 60, 24: 300, 720: 7200}
"""Seconds of a step of the curve, by the hours shown."""
_AFTER = 10 * MINUTE
_FAILS = (
    StoreUnavailableError, StoreRefusedError, InvalidQueryError, TooMuchDataError, UnknownMachineError, NotYoursError,
)  # fmt: skip


class Level(NamedTuple):
    """A line across the drawing.

    Attributes:
        y: where, in percent from above.
        text: its name and figure.
        kind: `limit` or `usual`.
    """

    y: str
    text: str
    kind: str


class Moment(NamedTuple):
    """A line down the drawing: where in percent, and what it says."""

    x: str
    text: str
    anchor: str


class Drawing(NamedTuple):
    """What a page draws of the evidence.

    Attributes:
        label: what is measured.
        unit: of the values.
        step: what a point is the mean of, in minutes.
        plot: the curve.
        over: what lies beyond the limit, as a path.
        levels: limit and usual value.
        moments: when the condition began, and when the alert came.
        scale: of the axis at the side.
        ticks: of the time axis.
        strip: states of the machine below, None where they could not be read.
    """

    label: str
    unit: str
    step: int
    plot: Plot
    over: str
    levels: list[Level]
    moments: list[Moment]
    scale: list[tuple[str, str]]
    ticks: list[Tick]
    strip: Strip | None


def signal_of(seen: Seen) -> str:
    """Return the one number that an alert is about, empty where there is none."""
    for name in (seen.row.subject.partition("|")[0].removesuffix(".double"), seen.rule.signal if seen.rule else ""):
        try:
            if find(name).signal_class == "gauge":
                return name
        except UnknownSignalError:
            continue
    return ""


async def draw(page: Page, found: Services, seen: Seen, hours: int) -> Drawing | None:
    """Draw the evidence of an alert over some hours; None where nothing was measured, or is the reader's to see."""
    name, machine = signal_of(seen), seen.place.machine
    if not name or machine is None:
        return None
    end = min(page.now, (seen.row.returned or seen.row.closed or page.now) + _AFTER)
    window = Period(end - hours * HOUR, end)
    step = _STEPS[hours]
    try:
        answer = await found.machines.signals(page.scope, machine, [name], window, resolution=step)
    except _FAILS:
        return None
    points = [
        (parse_instant(each.at), each.mean)
        for series in answer.items
        for each in series.points
        if isinstance(each, ReducedPoint)
    ]
    if not points:
        return None
    levels = limits_of(evidence_of(seen))
    curve = plot(points, window, gap=3 * step * SECOND, including=[value for _, value in levels])
    limit = next((value for kind, value in levels if kind == "limit"), None)
    is_low = limit is not None and _is_low(seen, limit)
    return Drawing(
        label=label(find(name), page.say),
        unit=unit(find(name).unit),
        step=step // 60,
        plot=curve,
        over=beyond(points, window, curve, limit, gap=3 * step * SECOND, is_low=is_low) if limit is not None else "",
        levels=[_level(page, curve, kind, value) for kind, value in levels],
        moments=_moments(page, seen, window),
        scale=[(line.y, number(line.value, page.say)) for line in curve.lines],
        ticks=strip([], window, page.zone, page.say).ticks,
        strip=await _states(page, found, machine, window) if hours <= SPANS[1] and page.scope.sees_work else None,
    )


def limits_of(evidence: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return the lines that the evidence names: the usual value and how far from it is allowed, or the limit itself."""
    limit, usual, deviation = (evidence.get(name) for name in ("limit", "usual", "deviation"))
    if not isinstance(limit, int | float):
        return []
    if isinstance(usual, int | float) and isinstance(deviation, int | float):
        side = -1 if float(evidence.get("distance") or 0) < 0 else 1
        return [("limit", usual + side * limit * deviation), ("usual", float(usual))]
    return [] if "distance" in evidence else [("limit", float(limit))]


def beyond(
    points: Sequence[tuple[int, float]], window: Period, curve: Plot, limit: float, *, gap: int, is_low: bool
) -> str:
    """Return what lies between the curve and its limit, on the wrong side of it, as a path of the drawing."""
    edge = height(curve, limit)
    parts: list[list[str]] = []
    before: int | None = None
    for at, value in points:
        if before is None or at - before > gap:
            parts.append([])
        y = height(curve, value)
        x = (at - window.start) / (window.end - window.start) * 1000
        parts[-1].append(f"{x:.1f} {max(y, edge) if is_low else min(y, edge):.1f}")
        before = at
    return " ".join(
        f"M{part[0].split()[0]} {edge:.1f}L{'L'.join(part)}L{part[-1].split()[0]} {edge:.1f}z"
        for part in parts
        if len(part) > 1
    )


def height(curve: Plot, value: float) -> float:
    """Return how far below the top of the drawing a value lies."""
    low, high = curve.lines[0].value, curve.lines[-1].value
    return (high - value) / (high - low) * HEIGHT


def _is_low(seen: Seen, limit: float) -> bool:
    value = evidence_of(seen).get("value")
    return isinstance(value, int | float) and value < limit


def _level(page: Page, curve: Plot, kind: str, value: float) -> Level:
    line = Line(f"{height(curve, value):.2f}%", value)
    shown = number(value, page.say)
    text = page.say("limit %(value)s", value=shown) if kind == "limit" else page.say("usual %(value)s", value=shown)
    return Level(line.y, text, kind)


def _moments(page: Page, seen: Seen, window: Period) -> list[Moment]:
    """Return when the condition began and when the alert came, where they lie inside the drawing."""
    say, zone = page.say, page.zone
    named = (
        (seen.row.since, say("since %(time)s", time=f"{local(seen.row.since, zone):%H:%M}")),
        (seen.row.raised, say("alert %(time)s", time=f"{local(seen.row.raised, zone):%H:%M}")),
    )
    length = window.end - window.start
    return [
        Moment(
            f"{(at - window.start) / length * 100:.2f}%", text, "end" if at - window.start > length // 2 else "start"
        )
        for at, text in named
        if window.start <= at < window.end
    ]


async def _states(page: Page, found: Services, machine: str, window: Period) -> Strip | None:
    try:
        stretches = await asyncio.to_thread(read_states, found.store, machine, window, now=page.now)
    except (StoreUnavailableError, TooMuchDataError):
        return None
    return strip(stretches, window, page.zone, page.say, is_live=False)
