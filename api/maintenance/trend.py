"""A straight line through daily medians that meets a limit: when, with an interval, or no estimate. Pure.

The line is Theil and Sen's (Theil 1950, Sen 1968). Its textbook interval supposes independent points, which wear is
not: the interval here comes from a moving-block bootstrap, is widened until it has held in this machine's own past
(as adaptive conformal inference does, Gibbs and Candès 2021), and where it did not hold often enough none is given.
"""

from __future__ import annotations

import random
from math import sqrt
from statistics import median
from typing import TYPE_CHECKING

from api.maintenance.judging import NEVER, Evaluator, Facts, Judgement, Verdict
from shopfloor.periods import DAY, format_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.maintenance.rules import Rule, Trend
    from shopfloor.samples import Sample, Value

STEPS_PER_DAY = 24
"""A day's median is that of its hourly means."""
RESAMPLES = 60
CHECKS_MIN = 4
"""Forecasts that must have come to be judged before an estimate is given."""
AHEAD = 2
"""A forecast is checked against the value of so many measured days later."""
HORIZON_DAYS = 90.0
"""An estimate further away is none."""


class Estimate:
    """When a line meets its limit.

    Attributes:
        days: from the last point, the line's own; None when it moves away or is further than the horizon.
        earliest: lower end of the interval.
        latest: upper end; infinity when the slope's sign is uncertain.
    """

    def __init__(self, days: float | None, earliest: float, latest: float) -> None:
        self.days = days
        self.earliest = earliest
        self.latest = latest


def slope_of(points: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return Theil and Sen's slope and the line's value at the last point.

    Args:
        points: (day, value), at least two of different days.
    """
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for i, a in enumerate(points) for b in points[i + 1 :] if b[0] != a[0]]
    slope = median(slopes)
    last = points[-1][0]
    return slope, median(value + slope * (last - day) for day, value in points)


def slopes_resampled(points: Sequence[Sequence[float]], draw: random.Random) -> list[float]:
    """Return the slopes of bootstrap resamples of the residuals in blocks, sorted."""
    slope, level = slope_of(points)
    last = points[-1][0]
    fitted = [level + slope * (day - last) for day, _ in points]
    rest = [value - fit for (_, value), fit in zip(points, fitted, strict=True)]
    block = max(2, round(sqrt(len(points))))
    found = []
    for _ in range(RESAMPLES):
        noise: list[float] = []
        while len(noise) < len(points):
            start = draw.randrange(len(rest) - block + 1)
            noise += rest[start : start + block]
        again = [(day, fit + each) for (day, _), fit, each in zip(points, fitted, noise, strict=False)]
        found.append(slope_of(again)[0])
    return sorted(found)


class TrendEvaluator(Evaluator):
    """A trend towards a limit."""

    KEPT = ("hour", "total", "n", "hours", "day", "points", "forecasts", "checks", "widening")

    def __init__(self, rule: Rule, signal: str, how: Trend) -> None:
        super().__init__(rule, signal, (signal,))
        self.signal = signal
        self.how = how
        self.hour = 0
        self.total = self.n = 0.0
        self.hours: list[float] = []
        self.day = 0
        self.points: list[list[float]] = []  # [day, median]
        self.forecasts: list[list[float]] = []  # [low, high, points still to come]
        self.checks: list[int] = []  # whether the last forecasts held
        self.widening = 1.0

    def take(self, sample: Sample, facts: Facts) -> Sequence[Judgement]:
        """Add the value to its hour."""
        is_open = self.is_open(sample.stamp, facts)
        if sample.signal != self.signal or sample.status or not is_open:
            return ()
        value = self.number(sample.value)
        if value is None:
            return ()
        hour = sample.stamp // (DAY // STEPS_PER_DAY)
        if hour != self.hour:
            self._close_hour()
            self.hour = hour
        self.total += value
        self.n += 1
        if self.deadline == NEVER:
            self.day = sample.stamp // DAY
            self.deadline = (self.day + 1) * DAY
        return ()

    def expire(self, stamp: int, facts: Facts) -> Sequence[Judgement]:  # noqa: ARG002 - the base asks
        """Close the day and judge the line."""
        self.deadline = NEVER
        self._close_hour()
        if not self.hours:
            return ()
        value = median(self.hours)
        self.hours = []
        self._check(value)
        self.points = [*self.points[1 - self.how.points :], [float(self.day), value]]
        if len(self.points) < max(4, self.how.points // 2):
            return ()
        estimate = self._estimate()
        evidence: dict[str, Value] = {"value": round(value, 4), "unit": self.rule.unit, "limit": self.how.limit}
        is_beyond = value < self.how.limit if self.how.falling else value > self.how.limit
        if is_beyond:
            return self.say(stamp, Verdict.ACTIVE, evidence)
        if not self._is_honest() or estimate.days is None or estimate.latest == float("inf"):
            return self.say(stamp, Verdict.NORMAL, evidence | {"estimate": "none"})
        evidence |= {
            "meets_limit": format_instant(stamp + int(estimate.days * DAY)),
            "earliest": format_instant(stamp + int(estimate.earliest * DAY)),
            "latest": format_instant(stamp + int(min(estimate.latest, HORIZON_DAYS) * DAY)),
            "held_before": f"{sum(self.checks)} of {len(self.checks)}",
        }
        is_near = estimate.earliest <= self.how.lead_days and estimate.days <= 2 * self.how.lead_days
        return self.say(stamp, Verdict.ACTIVE if is_near else Verdict.NORMAL, evidence)

    def _close_hour(self) -> None:
        if self.n:
            self.hours.append(self.total / self.n)
        self.total = self.n = 0.0

    def _is_honest(self) -> bool:
        return len(self.checks) >= CHECKS_MIN and sum(self.checks) >= self.how.coverage * len(self.checks) - 1

    def _check(self, value: float) -> None:
        """Hold the forecasts of this day against it, and widen or narrow the interval."""
        for forecast in self.forecasts:
            forecast[2] -= 1
        for low, high, left in self.forecasts:
            if left > 0:
                continue
            held = low <= value <= high
            self.checks = [*self.checks[-19:], int(held)]
            share = 1 - self.how.coverage
            self.widening = min(8.0, max(0.5, self.widening * (1 - 0.5 * share if held else 1 + 0.5 * (1 - share))))
        self.forecasts = [each for each in self.forecasts if each[2] > 0]

    def _estimate(self) -> Estimate:
        """Return when the line meets the limit, and note what it says of the days to come."""
        slope, level = slope_of(self.points)
        toward = -slope if self.how.falling else slope
        left = level - self.how.limit if self.how.falling else self.how.limit - level
        spread = median(abs(value - level - slope * (day - self.points[-1][0])) for day, value in self.points)
        half = self.widening * 2.5 * spread + 1e-9
        ahead = level + slope * AHEAD
        self.forecasts.append([ahead - half, ahead + half, float(AHEAD)])
        if toward <= 0 or left / toward > HORIZON_DAYS:
            return Estimate(None, 0.0, float("inf"))
        draw = random.Random(int(self.points[-1][0]))  # noqa: S311 - the same days give the same interval
        slopes = slopes_resampled(self.points, draw)
        cut = round((1 - self.how.coverage) / 2 * len(slopes))
        ends = (slopes[cut], slopes[-1 - cut])
        low, high = sorted(-each if self.how.falling else each for each in ends)
        middle = toward
        low, high = middle - self.widening * (middle - low), middle + self.widening * (high - middle)
        latest = max(0.0, left + half) / low if low > 0 else float("inf")
        return Estimate(max(0.0, left) / toward, max(0.0, left - half) / max(high, 1e-12), latest)
