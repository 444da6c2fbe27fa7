"""State strips: where each piece lies, what the axis says, and totals that add to the window. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from api.pages.times import clock, local
from api.pages.words import STATES, mark
from shopfloor.periods import DAY, HOUR, MINUTE, Period
from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from api.pages.words import Words
    from shopfloor.states import Stretch

COLUMNS: Mapping[str, str] = {
    "processing": mark("Run."),
    "setup": mark("Set."),
    "idle": mark("Idle"),
    "interrupted": mark("Interr."),
    "maintenance": mark("Maint."),
    "off": mark("Off"),
    "unknown": mark("Gap"),
}
"""Columns of totals with their short heads; a state without its own column goes to the one that it looks like."""
FULL: Mapping[str, str] = {
    "processing": mark("Running"),
    "setup": mark("Setup"),
    "idle": mark("Idle"),
    "interrupted": mark("Interrupted"),
    "maintenance": mark("In maintenance"),
    "off": mark("Off"),
    "unknown": mark("No data"),
}
"""The same columns in full."""
_COLUMN = {State.OUT_OF_SERVICE: "maintenance", State.UNREACHABLE: "off"}
_NOTCH_PERCENT = 2.2  # about 6 px of a strip: hatching would not be seen
_STEPS = (HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR, DAY)
_TICKS_MAX = 13


class Shape(NamedTuple):
    """A piece of a strip: x and width in percent."""

    state: str
    x: str
    width: str
    end: str
    is_now: bool
    is_notch: bool
    title: str


class Tick(NamedTuple):
    """A mark of an axis: where in percent, and what it says."""

    x: str
    text: str


class Total(NamedTuple):
    """How long a state lasted in the window."""

    mark: str
    word: str
    text: str


class Strip(NamedTuple):
    """States of a window as the page shows them.

    Attributes:
        shapes: the pieces, in order.
        ticks: marks of the axis.
        spoken: the totals as a sentence, for who does not see the strip.
        totals: of the states that occurred; they add to the window.
        minutes: the same by column.
    """

    shapes: list[Shape]
    ticks: list[Tick]
    spoken: str
    totals: list[Total]
    minutes: Mapping[str, int]


def strip(stretches: Sequence[Stretch], window: Period, zone: ZoneInfo, say: Words, *, is_live: bool = True) -> Strip:
    """Lay out the states of a window.

    Args:
        stretches: states that tile it; what they leave out is shown as unknown.
        window: from when to when.
        zone: civil time of the axis.
        say: the reader's language.
        is_live: the window ends now, so that an interruption at its end still lasts.
    """
    minutes = minutes_by_column(stretches, window)
    totals = [
        Total(_mark(name), say(FULL[name]), clock(minutes[name]))
        for name in sorted(COLUMNS, key=lambda each: list(COLUMNS).index(each))
        if minutes[name]
    ]
    return Strip(
        shapes=_shapes(stretches, window, zone, say, is_live=is_live),
        ticks=ticks(window, zone),
        spoken=", ".join(f"{each.word} {each.text}" for each in totals),
        totals=totals,
        minutes=minutes,
    )


def _mark(column: str) -> str:
    return "interrupted-past" if column == "interrupted" else column


def minutes_by_column(stretches: Iterable[Stretch], window: Period) -> dict[str, int]:
    """Return whole minutes by column that add to the window, by largest remainder; what is not tiled is unknown."""
    lengths = dict.fromkeys(COLUMNS, 0)
    for stretch in stretches:
        part = stretch.period.clip(window)
        if part is not None:
            lengths[_COLUMN.get(stretch.state, stretch.state.value)] += part.end - part.start
    lengths["unknown"] += window.end - window.start - sum(lengths.values())
    minutes = {name: length // MINUTE for name, length in lengths.items()}
    left = (window.end - window.start) // MINUTE - sum(minutes.values())
    for name in sorted(COLUMNS, key=lambda each: lengths[each] % MINUTE, reverse=True)[:left]:
        minutes[name] += 1
    return minutes


def ticks(window: Period, zone: ZoneInfo) -> list[Tick]:
    """Return round hours of civil time in a window, or its midnights when it is long."""
    length = window.end - window.start
    step = next((each for each in _STEPS if length // each <= _TICKS_MAX), DAY)
    marks: list[Tick] = []
    at = -(-window.start // HOUR) * HOUR
    while at < window.end:
        civil = local(at, zone)
        if civil.minute == 0 and civil.hour % max(1, step // HOUR) == 0:
            text = f"{civil:%d/%m}" if step == DAY else f"{civil:%H}"
            marks.append(Tick(f"{(at - window.start) / length * 100:.3f}%", text))
        at += HOUR
    return marks


def _shapes(stretches: Iterable[Stretch], window: Period, zone: ZoneInfo, say: Words, *, is_live: bool) -> list[Shape]:
    shapes: list[Shape] = []
    length = window.end - window.start
    for stretch in stretches:
        part = stretch.period.clip(window)
        if part is None:
            continue
        x, width = (part.start - window.start) / length * 100, (part.end - part.start) / length * 100
        start, end = local(part.start, zone), local(part.end, zone)
        shapes.append(
            Shape(
                state=stretch.state.value,
                x=f"{x:.3f}%",
                width=f"{width:.3f}%",
                end=f"{x + width:.3f}%",
                is_now=is_live and part.end == window.end,
                is_notch=stretch.state is State.UNKNOWN and width < _NOTCH_PERCENT,
                title=f"{say(STATES[stretch.state])} {start:%H:%M}\N{EN DASH}{end:%H:%M}",
            ),
        )
    return shapes
