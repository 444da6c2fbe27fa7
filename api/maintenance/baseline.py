"""What is usual in the same operating state, learnt from the weeks before: median and MAD. Pure.

Samples are averaged over steps, apart by operating state. A step's distance is the mean of its states' distances from
their medians, each in its own standard deviations, weighted by the number of samples; the median of the last distances
is judged. Steps that are judged abnormal are not learnt, unless the new level lasts.

What wears for months would be followed by a level that moves with the weeks. A rule with `reference_days` therefore
keeps the level of a state's first days, as ISO 20816-1 (criterion II) compares with a reference value: it stands until
work on the machine says otherwise, and follows the machine to the sound side alone.
"""

from __future__ import annotations

import json
from math import floor
from typing import TYPE_CHECKING

from api.maintenance.deeds import DEED
from api.maintenance.judging import NEVER, Evaluator, Facts, Judgement, Verdict
from api.maintenance.service import SERVICED
from shopfloor.periods import DAY, SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.maintenance.rules import Baseline, Rule
    from shopfloor.samples import Sample, Value

POINTS_MAX = 504
"""Most points that a state's usual level rests on, spread over the window."""
STATES_MAX = 64
"""Most operating states told apart; the one not met for longest is forgotten."""
RELEARN_DAYS = 7.0
"""A new level is usual when it has lasted so long at least."""
_LEARN_LIMIT = 3.0  # what wears slowly must not be taken for usual on its way
_TO_DEVIATION = 1.4826  # the standard deviation of normal noise, in MADs
_RETURN = 0.8  # the share of the limit below which it is normal again
_RENEW_POINTS = 4
_CLEARLY = 2.0  # so many deviations: less is the chance of the draw


class BaselineEvaluator(Evaluator):
    """A robust baseline per operating state."""

    KEPT = ("sums", "ends", "levels", "history", "distances", "recent", "abnormal_since")

    def __init__(self, rule: Rule, signal: str, how: Baseline) -> None:
        super().__init__(rule, signal, (signal, *how.bands, *((SERVICED, DEED) if how.reference_days else ())))
        self.signal = signal
        self.how = how
        self.sums: dict[str, list[float]] = {}  # state: [sum, samples] of this step
        self.ends = 0  # end of this step
        self.history: dict[str, list[list[float]]] = {}  # state: [[stamp, mean], …]
        self.levels: dict[str, list[float]] = {}  # state: [median, deviation, points learnt since, 1 where it stands]
        self.distances: list[float] = []
        self.recent: dict[str, list[float]] = {}  # state: [stamp, its last distances…]
        self.abnormal_since: dict[str, int] = {}
        self._step = int(how.step_seconds * SECOND)
        self._window = int(how.window_days * DAY)
        self._learn = int(how.learn_days * DAY)
        self._relearn = int(max(how.learn_days, RELEARN_DAYS) * DAY)
        self._reference = int(how.reference_days * DAY)
        self._spacing = min(self._window // POINTS_MAX, self._learn // (2 * how.learn_steps))
        self._bands = tuple(how.bands.items())

    def take(self, sample: Sample, facts: Facts) -> Sequence[Judgement]:
        """Add the value to its step; where work was done, what is usual from then on is learnt."""
        if self._reference and sample.signal in {SERVICED, DEED}:
            if self._was_mended(sample):
                self._learn_anew()
            return ()
        is_open = self.is_open(sample.stamp, facts)
        if sample.signal != self.signal or sample.status or not is_open:
            return ()
        value = self.number(sample.value)
        if value is None:
            return ()
        if self.deadline == NEVER:
            self.ends = (sample.stamp // self._step + 1) * self._step
            self.deadline = self.ends
        sums = self.sums.get(state := self._state(facts))
        if sums is None:
            self.sums[state] = [value, 1.0]
        else:
            sums[0] += value
            sums[1] += 1.0
        return ()

    def expire(self, stamp: int, facts: Facts) -> Sequence[Judgement]:  # noqa: ARG002 - the base asks
        """Judge the step that ends here; a step without a value ends knowledge."""
        if not self.sums:
            self.deadline = NEVER
            self.distances.clear()
            return self.say(stamp, Verdict.UNKNOWN, {}) if self.verdict else ()
        self.deadline = self.ends = self.ends + self._step
        means: dict[str, float] = {}
        apart: dict[str, float] = {}
        for name, (total, n) in self.sums.items():
            means[name] = mean = total / n
            if level := self.levels.get(name):
                apart[name] = (mean - level[0]) / level[1]
        smooth, state = self._judge_apart(stamp, apart) if self.how.apart else self._judge_all(apart)
        distances = apart if self.how.apart else dict.fromkeys(means, self.distances[-1] if apart else 0.0)
        self.sums = {}
        verdict = Verdict(self.verdict or Verdict.UNKNOWN) if smooth is None else self._verdict(smooth)
        found: Sequence[Judgement] = ()
        if smooth is not None and verdict != self.verdict:
            found = self.say(stamp, verdict, self._evidence(state, means) | {"distance": round(smooth, 2)})
        self._learn_from(stamp, means, distances)
        return found

    def _verdict(self, smooth: float) -> Verdict:
        """Judge a smoothed distance, with hysteresis."""
        limit = self.how.limit * (_RETURN if self.verdict == Verdict.ACTIVE else 1.0)
        return Verdict.ACTIVE if self._beyond(smooth) > limit else Verdict.NORMAL

    def _beyond(self, distance: float) -> float:
        """Return how far a distance lies on the side that the rule looks at."""
        direction = self.how.direction
        return abs(distance) if direction == "both" else distance if direction == "high" else -distance

    def _stands(self, state: str) -> bool:
        """Tell whether a state's level is a reference that stands."""
        return self.levels.get(state, ())[3:] == [1.0]

    def _judge_all(self, apart: dict[str, float]) -> tuple[float | None, str]:
        """Return the smoothed mean distance of the states, None when none is known well enough, and the heaviest."""
        if not apart:
            return None, ""
        if len(apart) == 1:
            ((state, distance),) = apart.items()
        else:
            weights = {each: self.sums[each][1] for each in apart}
            distance = sum(apart[each] * n for each, n in weights.items()) / sum(weights.values())
            state = max(weights, key=lambda each: weights[each])
        distances = self.distances
        distances.append(distance)
        del distances[: -self.how.smooth_steps]
        return _middle(sorted(distances)), state

    def _judge_apart(self, stamp: int, apart: dict[str, float]) -> tuple[float | None, str]:
        """Return the smoothed distance of the worst state of the last day, None when none is known well enough."""
        for state, distance in apart.items():
            _, *before = self.recent.pop(state, [0.0])
            self.recent[state] = [stamp, *[*before, distance][-self.how.smooth_steps :]]
        self.recent = {state: row for state, row in self.recent.items() if row[0] > stamp - DAY}
        full = {
            state: _middle(sorted(row[1:])) for state, row in self.recent.items() if len(row) > self.how.smooth_steps
        }
        if not full:
            return None, ""
        sign = {"high": 1.0, "low": -1.0}.get(self.how.direction)
        worst = max(full, key=lambda state: full[state] * sign if sign else abs(full[state]))
        return full[worst], worst

    def _state(self, facts: Facts) -> str:
        parts = []
        values = facts.values
        for signal, width in self._bands:
            value = values.get(signal)
            if value is None:
                parts.append("")
            elif width and isinstance(value, int | float):
                parts.append(str(floor(value / width)))
            else:
                parts.append(str(value))
        return "|".join(parts)

    def _evidence(self, state: str, means: dict[str, float]) -> dict[str, Value]:
        level = self.levels.get(state, [0.0, 0.0])
        evidence: dict[str, Value] = {"unit": self.rule.unit, "limit": self.how.limit}
        if state in means:
            evidence["value"] = round(means[state], 4)
        evidence |= {"usual": round(level[0], 4), "deviation": round(level[1], 4)}
        if state.strip("|"):
            evidence["state"] = state
        return evidence

    def _was_mended(self, sample: Sample) -> bool:
        """Tell whether the cause of this alarm has been dealt with, or work been done that changes what is usual."""
        if sample.signal == SERVICED:
            return str(sample.value).partition("|")[0] == self.rule.id
        kind, alarms, *_ = json.loads(str(sample.value))
        return kind == "close" and [self.rule.id, self.subject] in alarms

    def _learn_anew(self) -> None:
        """Learn the levels again; each is judged by its old one until the new one is known."""
        self.history.clear()
        for level in self.levels.values():
            level[3:] = [0.0]

    def _learn_from(self, stamp: int, means: dict[str, float], distances: dict[str, float]) -> None:
        """Learn what is usual; what is not is learnt when it has lasted."""
        limit = min(self.how.limit, _LEARN_LIMIT) if self.how.apart else self.how.limit
        for state, mean in means.items():
            if self._reference:
                if self._beyond(distances.get(state, 0.0)) <= limit or not self._stands(state):
                    self._learn_one(stamp, state, mean)
                continue
            if abs(distances.get(state, 0.0)) <= limit:
                self.abnormal_since.pop(state, None)
            elif stamp - self.abnormal_since.setdefault(state, stamp) < self._relearn:
                continue
            self._learn_one(stamp, state, mean)

    def _learn_one(self, stamp: int, state: str, mean: float) -> None:
        history = self.history.get(state)
        if history is None:
            history = []
            while len(self.history) >= STATES_MAX:
                forgotten = next(iter(self.history))
                del self.history[forgotten]
                self.levels.pop(forgotten, None)
                self.abnormal_since.pop(forgotten, None)
            self.history[state] = history
        elif next(reversed(self.history)) != state:
            self.history[state] = self.history.pop(state)  # the last place is the one met last
        if history and stamp - history[-1][0] < self._spacing:
            return
        history.append([stamp, mean])
        if len(history) > POINTS_MAX or history[0][0] < stamp - self._window:
            self._thin(history, stamp)
        self._renew(state, history, stamp)

    def _thin(self, history: list[list[float]], stamp: int) -> None:
        """Drop what is older than the window, and every second of the older half when there are too many."""
        while history and history[0][0] < stamp - self._window:
            del history[0]
        if len(history) > POINTS_MAX:
            del history[: len(history) // 2 : 2]

    def _renew(self, state: str, history: list[list[float]], stamp: int) -> None:
        """Compute the level again now and then, once the state is known for long enough."""
        level = self.levels.get(state)
        if level is not None and level[2] < _RENEW_POINTS:
            level[2] += 1
            return
        if self._stands(state):
            self._follow_to_the_sound_side(state, history)
            return
        is_new = level is None or self._reference > 0
        if len(history) < self.how.learn_steps or (is_new and stamp - history[0][0] < self._learn):
            return
        stands = self._reference > 0 and stamp - history[0][0] >= self._reference
        self.levels[state] = [*self._level(history), 0, float(stands)]

    def _follow_to_the_sound_side(self, state: str, history: list[list[float]]) -> None:
        """Let a reference take the last points' level where its limit is clearly stricter, never a worse one."""
        middle, deviation, *_ = self.levels[state]
        self.levels[state][2] = 0
        if self.how.direction == "both" or len(history) < self.how.learn_steps:
            return
        found = self._level(history[-self.how.learn_steps :])
        stricter = -self._beyond(found[0] - middle) + self.how.limit * (deviation - found[1])
        if self._beyond(found[0] - middle) <= 0 and stricter > _CLEARLY * deviation:
            self.levels[state] = [*found, 0, 1.0]

    def _level(self, history: list[list[float]]) -> tuple[float, float]:
        """Return median and deviation."""
        values = sorted(value for _, value in history)
        middle = _middle(values)
        deviation = _TO_DEVIATION * _middle(sorted(abs(value - middle) for value in values))
        least = max(self.how.floor, self.how.floor_percent / 100 * abs(middle), 1e-9)
        return middle, max(deviation, least)


def _middle(ordered: list[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
