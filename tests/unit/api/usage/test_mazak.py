"""Twenty-seven months of a real machine: intervals tile every day, and stand beside the control's own counters."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from api.usage.segments import Quality
from shopfloor.periods import DAY, Period, parse_instant
from shopfloor.states import State
from tests.unit.api.usage.recorded import RECORDINGS, counted_in, day_of_file, intervals, read, table

PAGE = Path(__file__).parents[4] / "docs" / "usage-mazak.md"
EVENTS = RECORDINGS / "events_2016-10_2018-12.txt.gz"
LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"
SOME = ("20171026", "20180212", "20180516")
pytestmark = pytest.mark.skipif(not EVENTS.exists(), reason="the recordings are not here")


def test_the_intervals_of_27_months_tile_every_day() -> None:
    recording = read([EVENTS])
    whole = Period(parse_instant("2016-10-05T00:00:00Z"), parse_instant("2018-12-31T00:00:00Z"))

    found = intervals(recording, whole)

    assert all(before.period.end == after.period.start for before, after in pairwise(found))
    days = dict.fromkeys(range(whole.start // DAY, whole.end // DAY), 0)
    for each in found:
        for day in each.period.days():
            part = each.period.clip(Period(day * DAY, (day + 1) * DAY))
            days[day] += part.seconds if part else 0
    assert set(days.values()) == {86_400}
    assert {each.quality for each in found} == {Quality.MEASURED, Quality.UNKNOWN}
    assert all(each.sources for each in found if each.quality is Quality.MEASURED)
    assert {State.PROCESSING, State.SETUP, State.INTERRUPTED, State.IDLE, State.UNKNOWN} <= {
        each.state for each in found
    }


def test_the_table_of_complete_days_is_what_the_recordings_give() -> None:
    files = sorted((RECORDINGS / "raw").iterdir())
    chosen = [path for path in files if LONG or any(day in path.name for day in SOME)]
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| 201")]

    assert len(rows) == len(files) == 46
    assert set(table(chosen)) <= set(rows)


@pytest.mark.parametrize("day", SOME)
def test_the_control_counts_automatic_time_while_it_processes_and_hardly_ever_while_nothing_is_known(day: str) -> None:
    [path] = [path for path in (RECORDINGS / "raw").iterdir() if day in path.name.split("-")[1]]
    recording = read([path])
    found = intervals(recording, day_of_file(path))

    automatic = counted_in(recording.readings["automatic"], found, day_of_file(path))

    processing = sum(each.period.seconds for each in found if each.state is State.PROCESSING)
    assert abs(automatic[State.PROCESSING] - processing) <= 0.05 * processing
    assert automatic[State.UNKNOWN] == 0
