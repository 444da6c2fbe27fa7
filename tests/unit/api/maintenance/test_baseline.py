"""What is usual, as it moves with the weeks and as it stands: slow wear is told from another season's level."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from api.maintenance.alarms import What
from api.maintenance.deeds import Deed
from api.maintenance.fold import MachineFold
from api.maintenance.rules import parse_rules
from api.maintenance.service import SERVICED
from shopfloor.periods import DAY, HOUR
from shopfloor.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.maintenance.alarms import Change

START = 20_000 * DAY
TEXT = """version = 1
[[rule]]
id = "shakes"
title = "t"
source = "s"
signal = "x.double"
quiet_days = 1
off_delay_seconds = 172800
[rule.baseline]
direction = "high"
floor_percent = 5
step_seconds = 1800
"""
STANDS = "reference_days = 14\n"


def watch(level: Callable[[float], float], *events: Sample, days: int = 120, text: str = TEXT + STANDS) -> list[Change]:
    """Judge a level given by day, measured every half an hour with some noise."""
    draw = Random(5)
    samples = [
        Sample("m", "x.double", START + step * HOUR // 2, level(step / 48) * (1 + draw.uniform(-0.04, 0.04)))
        for step in range(days * 48)
    ]
    fold = MachineFold("m", parse_rules(text, origin="test"))
    half = len(samples) // 2
    ordered = sorted([*samples, *events], key=lambda sample: (sample.stamp, sample.signal))
    fold.take(ordered[:half])
    kept = fold.save()
    before = fold.drain()
    fold = MachineFold("m", parse_rules(text, origin="test"))
    fold.load(kept)
    fold.take(ordered[half:])
    return [*before, *fold.drain()]


def days_of(changes: list[Change], what: What) -> list[float]:
    return [round((change.stamp - START) / DAY, 1) for change in changes if change.what is what]


def worn(day: float) -> float:
    """A level that creeps up by half a percent a day."""
    return 1.0 + 0.005 * day


def test_wear_that_a_moving_level_follows_is_found_against_a_reference_that_stands() -> None:
    assert days_of(watch(worn, text=TEXT), What.RAISED) == []
    [found] = days_of(watch(worn), What.RAISED)
    assert 45 < found < 75  # a quarter above the level of the first fortnight


def test_a_reference_follows_to_the_sound_side_so_that_the_next_wear_is_found_as_early() -> None:
    changes = watch(lambda day: 1.6 if day < 40 else worn(day - 40), days=130)
    [found] = days_of(changes, What.RAISED)
    assert 85 < found < 115


def test_a_level_that_a_person_closed_is_learnt_as_the_new_reference() -> None:
    def steps(day: float) -> float:
        return 1.0 if day < 30 else 1.4 if day < 80 else 1.9

    closed = Deed("close", (("shakes", "x.double"),), "Ada", "new spindle").sample("m", START + 33 * DAY)
    changes = watch(steps, closed)
    assert days_of(changes, What.CLOSED) == [33.0]
    raised = days_of(changes, What.RAISED)
    assert [round(day) for day in raised] == [30, 80]
    assert abs(float(str(changes[-1].evidence["usual"])) - 1.4) < 0.05


def test_work_entered_for_the_rule_begins_a_new_reference_and_other_work_does_not() -> None:
    def steps(day: float) -> float:
        return 1.0 if day < 30 else 1.2 if day < 80 else 1.35

    done = Sample("m", SERVICED, START + 30 * DAY, "shakes")
    other = Sample("m", SERVICED, START + 30 * DAY, "service-small")
    assert days_of(watch(steps, done), What.RAISED) == []
    [found] = days_of(watch(steps, other), What.RAISED)
    assert 80 <= found < 82
