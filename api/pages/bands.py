"""Values inside their limits as a bar: a scale, the band that is allowed, a pointer, and what lies beyond. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from api.maintenance.rules import Limit, Zones
from api.pages.alert_rows import priority
from api.pages.figures import number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from api.maintenance.rules import Rule
    from api.pages.words import Words

_MARGIN = 0.25
"""How far the scale goes beyond a limit, as a share of what is allowed."""
_WHOLE = 100.0


class Bounds(NamedTuple):
    """The tightest limits that rules set to a value.

    Attributes:
        low: lower limit, None for none.
        high: upper limit, None for none.
        below: priority of an alert below the lower one.
        above: priority of an alert above the upper one.
    """

    low: float | None = None
    high: float | None = None
    below: str = ""
    above: str = ""


class Band(NamedTuple):
    """A value inside its limits; every place is in percent from the left.

    Attributes:
        text: the limits in words.
        start: where the band that is allowed begins.
        width: how wide it is.
        ticks: where the limits are.
        pointer: where the value is.
        over: where what lies beyond the limit begins and how wide it is, None while the value is allowed.
        mark: priority of what lies beyond, empty while the value is allowed.
    """

    text: str
    start: str
    width: str
    ticks: list[str]
    pointer: str
    over: tuple[str, str] | None
    mark: str


def bounds(rules: Iterable[Rule], signal: str) -> Bounds:
    """Return the tightest limits of the rules that judge a signal; those of single tools say nothing about it."""
    found = Bounds()
    for rule in rules:
        if not rule.judges(signal):
            continue
        how, rank = rule.how, priority(rule, rule.severity)
        if isinstance(how, Limit) and not how.subject_signal:
            low, high = how.low, how.high
        elif isinstance(how, Zones):
            low, high = None, how.limits[0]
        else:
            continue
        if low is not None and (found.low is None or low > found.low):
            found = found._replace(low=low, below=rank)
        if high is not None and (found.high is None or high < found.high):
            found = found._replace(high=high, above=rank)
    return found


def band(value: float, kind: str, within: Bounds, say: Words) -> Band | None:
    """Return a value inside its limits, None where no rule sets any.

    Args:
        value: what was measured.
        kind: UCUM symbol of its unit.
        within: the limits.
        say: says texts.
    """
    low, high = within.low, within.high
    if low is None and high is None:
        return None
    first, last = _scale(value, kind, low, high)

    def at(wanted: float) -> float:
        return (wanted - first) / (last - first) * _WHOLE

    begins = at(low) if low is not None else 0.0
    ends = at(high) if high is not None else _WHOLE
    over, mark = None, ""
    if high is not None and value > high:
        over, mark = (ends, at(value) - ends), within.above
    elif low is not None and value < low:
        over, mark = (at(value), begins - at(value)), within.below
    return Band(
        text=_words(low, high, say),
        start=_percent(begins),
        width=_percent(ends - begins),
        ticks=[_percent(at(each)) for each in (low, high) if each is not None],
        pointer=_percent(at(value)),
        over=(_percent(over[0]), _percent(over[1])) if over is not None else None,
        mark=mark,
    )


def _scale(value: float, kind: str, low: float | None, high: float | None) -> tuple[float, float]:
    """Return the ends of the scale: they hold the limits with some room, and the value."""
    if low is not None and high is not None:
        room = (high - low or 1.0) * _MARGIN
        return min(value, low - room), max(value, high + room)
    if high is not None:
        first = min(0.0, value, 2 * high)
        return first, max(value, high + (high - first or 1.0) * _MARGIN)
    least = low if low is not None else 0.0
    last = _WHOLE if kind == "%" and least < _WHOLE else least + (abs(least) or 1.0)
    return min(0.0, value, 2 * least), max(value, last)


def _words(low: float | None, high: float | None, say: Words) -> str:
    if low is not None and high is not None:
        return say("limits %(low)s\N{EN DASH}%(high)s", low=number(low, say), high=number(high, say))
    if high is not None:
        return say("limit %(value)s", value=number(high, say))
    return say("at least %(value)s", value=number(low if low is not None else 0.0, say))


def _percent(value: float) -> str:
    return f"{value:.2f}%"
