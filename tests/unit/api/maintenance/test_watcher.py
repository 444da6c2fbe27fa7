"""Live, backtest, batches, crashes, late and shuffled data: the same changes, to the nanosecond."""

from __future__ import annotations

import itertools
import json
import random
from bisect import bisect_left
from functools import cache
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from api.maintenance.alarms import What
from api.maintenance.conditions import Condition, parse_classes
from api.maintenance.deeds import Deed
from api.maintenance.fold import MachineFold
from api.maintenance.incidents import IncidentFold
from api.maintenance.rules import override, parse_rules
from api.maintenance.watcher import Outcome, Watcher
from shopfloor.periods import DAY, HOUR, MINUTE, SECOND
from shopfloor.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from api.maintenance.alarms import Change

RULES = parse_rules(
    """
version = 1
[[rule]]
id = "hot"
title = "hot"
source = "test"
signal = "spindle_temperature"
unit = "Cel"
when = [{ signal = "spindle_speed", above = 100.0, required = false }]
settle_seconds = 60.0
on_delay_seconds = 600.0
off_delay_seconds = 300.0
quiet_days = 0.1
[rule.limit]
high = 60.0
deadband = 5.0
[[rule]]
id = "control"
title = "control"
source = "test"
quiet_days = 0.2
[rule.conditions]
[[rule]]
id = "unusual"
title = "unusual"
source = "test"
signal = "spindle_temperature"
unit = "Cel"
on_delay_seconds = 900.0
off_delay_seconds = 900.0
quiet_days = 0.1
[rule.baseline]
learn_days = 0.5
window_days = 2.0
limit = 4.0
bands = { spindle_speed = 1000.0 }
[[rule]]
id = "service"
title = "service"
source = "test"
unit = "s"
[rule.service]
counters = ["operation_seconds"]
interval = 90000.0
interval_days = 2.5
lead_days = 0.5
recent_days = 2.0
[[rule]]
id = "silent"
title = "silent"
source = "test"
quiet_days = 0.1
[rule.silence]
seconds = 900.0
""",
    origin="test",
)
CLASSES = parse_classes(
    'version = 1\n[[class]]\nname = "drive"\nsource = "test"\ntexts = ["servo*"]\non_delay_seconds = 30',
    origin="test",
)
START = 20_000 * DAY


def make() -> MachineFold:
    return MachineFold("m1", RULES, CLASSES, "maker")


@cache
def world(seed: int) -> tuple[Sample, ...]:
    """Three days of a machine that heats up, alarms, falls silent and counts its hours."""
    draw = random.Random(seed)
    found: dict[tuple[int, str], Sample] = {}
    heat, hours, speed = 40.0, 1_000.0, 0.0

    def add(stamp: int, signal: str, value: float | str | None) -> None:
        found[stamp, signal] = Sample("m1", signal, stamp, value, 0 if value is not None else 0x80310000)

    at = START
    while at < START + 3 * DAY:
        at += draw.choice((20, 60, 60, 300)) * SECOND + draw.randrange(SECOND)
        if draw.random() < 0.004:
            at += draw.randrange(3 * HOUR)  # nothing is known
        if draw.random() < 0.05:
            speed = draw.choice((0.0, 900.0, 2500.0))
            add(at, "spindle_speed", speed)
        target = 75.0 if at > START + DAY and (at // (5 * HOUR)) % 3 == seed % 3 else 45.0
        heat += (target - heat) * 0.2
        add(at, "spindle_temperature", None if draw.random() < 0.003 else round(heat + draw.random(), 1))
        hours += 40.0 if speed else 0.0
        add(at, "operation_seconds", hours - (3.0 if draw.random() < 0.01 else 0.0))
        add(at, "item_state", 3 if speed else 2)
        add(at, "observed", START)
        if draw.random() < 0.02:
            level = draw.choice(("fault", "warning", "normal", "unavailable", "warning"))
            code = draw.choice(("1", "2", ""))
            code = "" if level == "unavailable" else code or ("1" if level != "normal" else "")
            add(at, "condition", Condition("servo", level, code, "SERVO WARNING" if code else "").encode())
    return tuple(found[key] for key in sorted(found))


END = START + 3 * DAY + 6 * HOUR


@cache
def expected(seed: int) -> tuple[Change, ...]:
    fold = make()
    fold.take(world(seed))
    fold.advance(END)
    return tuple(fold.drain())


class Store:
    """What was delivered, as the telemetry store keeps it, and a watcher is told."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, str], Sample] = {}

    def begins(self) -> int | None:
        return min(self.rows)[0] // DAY * DAY if self.rows else None

    def write(self, samples: Iterable[Sample]) -> None:
        self.rows.update({(each.stamp, each.signal): each for each in samples})

    def read(self, start: int, end: int) -> Sequence[Sample]:
        return [self.rows[key] for key in sorted(self.rows) if start <= key[0] < end]


def plain(changes: Iterable[Change]) -> list[object]:
    found: list[object] = json.loads(json.dumps([list(change) for change in changes]))
    return found


def test_the_world_makes_alarms_of_every_rule() -> None:
    raised = {change.rule for change in expected(1) if change.what == "raised"}
    assert raised == {"hot", "control", "unusual", "service", "silent"}


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(1, 3), cuts=st.lists(st.integers(0, 4000), max_size=40))
def test_batches_and_restarts_anywhere_change_nothing(seed: int, cuts: list[int]) -> None:
    samples = world(seed)
    stamps = sorted({sample.stamp for sample in samples})
    bounds = {bisect_left(samples, stamps[cut % len(stamps)], key=lambda sample: sample.stamp) for cut in cuts}
    edges = sorted({0, len(samples), *bounds})
    fold, changes = make(), []
    for start, end in itertools.pairwise(edges):
        fold.take(samples[start:end])
        changes += fold.drain()
        restarted = make()
        restarted.load(fold.save())
        fold = restarted
    fold.advance(END)
    assert plain([*changes, *fold.drain()]) == plain(expected(seed))


def seen(watcher: Watcher, now: int) -> Outcome:
    """Let a watcher see all there is."""
    while (outcome := watcher.see(now)) is None:
        pass
    return outcome


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(1, 3), storm=st.integers(0, 10**6), late=st.sampled_from([0, 5, 3600]))
def test_late_and_shuffled_data_end_in_the_same_changes(seed: int, storm: int, late: int) -> None:
    draw = random.Random(storm)
    store = Store()
    watcher = Watcher(make, store)
    arrivals = [(sample.stamp + draw.randrange(late * SECOND + 1), sample) for sample in world(seed)]
    arrivals.sort(key=lambda each: each[0])
    step = len(arrivals) // 12 + 1
    for start in range(0, len(arrivals), step):
        batch = [sample for _, sample in arrivals[start : start + step]]
        now = arrivals[min(start + step, len(arrivals)) - 1][0]
        store.write(batch)
        if draw.random() < 0.3:  # killed before it saw the batch
            watcher = Watcher(make, store, watcher.states, watcher.said)
        oldest = min(sample.stamp for sample in batch)
        if oldest < watcher.position:
            watcher.revise(oldest)
        seen(watcher, now)
    seen(watcher, END + 2 * SECOND)
    assert plain(watcher.said) == plain(expected(seed))


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(1, 3), minutes=st.sampled_from([1, 60, 60 * 24]))
def test_live_equals_backtest_at_every_pace(seed: int, minutes: int) -> None:
    samples = world(seed)
    store = Store()
    watcher = Watcher(make, store)
    fresh: list[Change] = []
    at, now = 0, START
    while now < END:
        now += minutes * MINUTE
        begun = at
        while at < len(samples) and samples[at].stamp < now:
            at += 1
        store.write(samples[begun:at])
        outcome = seen(watcher, now)
        assert not outcome.withdrawn
        fresh += [*outcome.past, *outcome.fresh]
    seen(watcher, END + 2 * SECOND)
    assert plain(change for change in watcher.said if change.stamp < END) == plain(expected(seed))
    assert {change.alarm for change in fresh} >= {change.alarm for change in expected(seed)}


def test_what_came_late_is_of_the_past_and_what_it_refutes_is_withdrawn() -> None:
    store = Store()
    watcher = Watcher(make, store)
    proofs = [Sample("m1", "observed", START + minute * MINUTE, START) for minute in range(600)]
    hot = [Sample("m1", "spindle_temperature", START + minute * MINUTE, 80.0) for minute in range(100, 200)]
    store.write([each for each in proofs if each.stamp < START + 60 * MINUTE])
    seen(watcher, START + 60 * MINUTE)
    silent = seen(watcher, START + 76 * MINUTE)
    assert [(change.rule, change.what) for change in silent.fresh] == [("silent", "raised")]
    store.write([*proofs, *hot])
    watcher.revise(START + 60 * MINUTE)
    outcome = seen(watcher, START + 600 * MINUTE)
    assert [(change.rule, change.what) for change in outcome.withdrawn] == [("silent", "raised")]
    assert ("hot", "raised") in [(change.rule, change.what) for change in outcome.past]
    assert all(change.rule != "hot" or change.what == "closed" for change in outcome.fresh)


def test_what_people_did_is_done_again_when_late_data_take_the_watcher_back() -> None:
    store = Store()
    watcher = Watcher(make, store)
    hot = [Sample("m1", "spindle_temperature", START + minute * MINUTE, 80.0) for minute in range(100)]
    taken = Deed("take", (("hot", "spindle_temperature"),), "anna", "on my way").sample("m1", START + 30 * MINUTE)
    store.write([*hot, taken])
    seen(watcher, START + 90 * MINUTE)
    before = [(each.what, each.by) for each in watcher.said]
    assert before == [("raised", ""), ("acknowledged", "anna")]
    store.write([Sample("m1", "item_state", START + 5 * MINUTE, 3)])
    watcher.revise(START + 5 * MINUTE)
    outcome = seen(watcher, START + 91 * MINUTE)
    assert [*outcome.fresh, *outcome.past, *outcome.withdrawn] == []
    assert [(each.what, each.by) for each in watcher.said] == before
    assert watcher.fold.alarms["hot", "spindle_temperature"].isa_state == "C"


def test_a_limit_that_is_changed_holds_from_then_on_and_what_was_learnt_is_kept() -> None:
    fold = make()
    fold.take(world(1))
    kept, used = fold.save(), fold.services()["service"].used
    other = MachineFold("m1", tuple(override(each, {"service": {"interval": 1.0}}, origin="own") if each.id == "service"
                                    else each for each in RULES if each.id != "hot"), CLASSES, "maker")  # fmt: skip
    other.load(kept)
    assert other.services()["service"].used == used > 0
    assert {change.what for change in other.drain()} <= {What.CLOSED}
    assert not any(rule == "hot" for rule, _ in other.alarms)


def test_incidents_are_the_same_however_changes_are_cut() -> None:
    whole, cut = IncidentFold(), IncidentFold()
    ordered = sorted(expected(2), key=whole.order)
    whole.take(ordered)
    for change in ordered:
        cut.take([change])
    described = [(each.id, each.severity, each.closed_at, sorted(each.alarms)) for each in whole.incidents]
    assert described == [(each.id, each.severity, each.closed_at, sorted(each.alarms)) for each in cut.incidents]
    assert described
