"""Roll-ups of gauges: one code, every store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from api.watch.minutes import NAME, Minutes
from api.watch.tables import JobRun
from shopfloor.periods import DAY, MINUTE, SECOND, Period
from shopfloor.samples import Slice
from tests.services.records import records_in_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.records.database import Records
    from shopfloor.stores.port import Store

TODAY = 20_800 * DAY
NOW = TODAY + 3 * 60 * MINUTE + 7 * SECOND


@pytest.fixture
def records() -> Iterator[Records]:
    opened = records_in_memory()
    yield opened
    opened.close()


class Watched:
    """A store that remembers the minutes that were written to it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.minutes: dict[tuple[str, int], tuple[int, float, float, float]] = {}
        self.written = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)

    def write(self, slices: object, minutes: object = (), *, now: int) -> object:
        for each in minutes:  # type: ignore[attr-defined]
            self.minutes[each.signal, each.stamp] = each[3:]
            self.written += 1
        return self.store.write(slices, minutes, now=now)  # type: ignore[arg-type]


def say(store: Store, start: int, end: int, now: int, value: float = 10.0) -> None:
    stamps = range(start, end, 20 * SECOND)
    store.write([Slice("mc-1", each, {"spindle_load": value, "item_state": 3}) for each in stamps], now=now)


def test_what_came_in_is_reduced_to_minutes_and_only_whole_ones(store: Store, records: Records) -> None:
    watched = Watched(store)
    say(store, TODAY + 60 * MINUTE, NOW, NOW)
    Minutes(records, watched).run(NOW)  # type: ignore[arg-type]

    stamps = [stamp for _, stamp in watched.minutes]
    assert (min(stamps), max(stamps), len(stamps)) == (TODAY + 60 * MINUTE, NOW // MINUTE * MINUTE - MINUTE, 120)
    assert set(watched.minutes.values()) == {(3, 10.0, 10.0, 10.0)}
    assert {signal for signal, _ in watched.minutes} == {"spindle_load"}
    steps = store.reduce("mc-1", ["spindle_load"], Period(TODAY, NOW), step_seconds=3600)
    assert [step.n for step in steps["spindle_load"]] == [180, 180, 1]


def test_the_next_run_looks_at_what_is_new_alone(store: Store, records: Records) -> None:
    watched = Watched(store)
    say(store, TODAY + 60 * MINUTE, NOW, NOW)
    job = Minutes(records, watched)  # type: ignore[arg-type]
    job.run(NOW)
    before = watched.written
    say(store, NOW, NOW + 5 * MINUTE, NOW + 5 * MINUTE)
    job.run(NOW + 5 * MINUTE)

    assert watched.written - before == 20  # the 15 minutes in which something may have come late, and 5 new ones
    assert len(watched.minutes) == 125


def test_what_came_later_still_is_in_the_minutes_when_the_day_is_over(store: Store, records: Records) -> None:
    watched = Watched(store)
    say(store, TODAY + 60 * MINUTE, NOW, NOW)
    job = Minutes(records, watched)  # type: ignore[arg-type]
    job.run(NOW)
    say(store, TODAY + 10 * MINUTE, TODAY + 11 * MINUTE, NOW + MINUTE, value=90.0)  # from an agent that was cut off
    job.run(NOW + 2 * MINUTE)
    assert ("spindle_load", TODAY + 10 * MINUTE) not in watched.minutes

    job.run(TODAY + DAY + MINUTE)
    assert watched.minutes["spindle_load", TODAY + 10 * MINUTE] == (3, 90.0, 90.0, 90.0)


def test_a_new_leader_goes_on_where_the_last_one_ended(store: Store, records: Records) -> None:
    watched = Watched(store)
    yesterday = NOW - DAY
    say(store, yesterday - 60 * MINUTE, yesterday, yesterday)
    with records.writing() as session:
        session.add(JobRun(name=NAME, ended=yesterday - MINUTE, failed=0, error=""))
    Minutes(records, watched).run(NOW)  # type: ignore[arg-type]

    assert len(watched.minutes) in {60, 61}
