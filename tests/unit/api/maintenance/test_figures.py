"""The figures of maintenance: how densely alarms came, and how a machine held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.maintenance import orders_records
from api.maintenance.figures import Activation, alarm_figures
from api.maintenance.tables import IncidentRow, Watched
from api.records.database import open_records
from shopfloor.periods import DAY, HOUR, MINUTE, SECOND, Period, parse_instant
from tests.services.records import new_records

if TYPE_CHECKING:
    from pathlib import Path

NOW = parse_instant("2026-11-23T09:00:00Z")


def test_the_worst_minute_and_hour_are_found_wherever_they_begin() -> None:
    stamps = [NOW - HOUR, NOW - HOUR + 50 * SECOND, NOW - HOUR + 70 * SECOND, NOW - HOUR + 71 * SECOND, NOW - MINUTE]
    came = [Activation(stamp, "hot", "low") for stamp in stamps]
    found = alarm_figures(came, Period(NOW - DAY, NOW))
    assert (found.peak_minute, found.peak_hour) == (3, 5)
    nothing = alarm_figures([], Period(NOW - DAY, NOW))
    assert (nothing.peak_minute, nothing.peak_hour) == (0, 0)


def test_a_machine_is_shown_beside_its_period_before_only_where_that_was_watched_throughout(tmp_path: Path) -> None:
    place = new_records(tmp_path)
    records = open_records(place)
    try:
        with records.writing() as session:
            session.add(Watched(name="old", since=NOW - 90 * DAY))
            session.add(Watched(name="new", since=NOW - 10 * DAY))
            for number, at in enumerate((NOW - 45 * DAY, NOW - 3 * DAY)):
                session.add(_failure(f"i{number}", at))
        with records.reading() as session:
            held = orders_records.held_out(session, ["old", "new", "unknown"], days=30, now=NOW)
    finally:
        records.close()
    old, new = held["old"], held["new"]
    assert old.before is not None
    assert (old.now.failures, old.before.failures, old.is_short) == (1, 1, False)
    assert old.now.mean_seconds_to_repair == 12 * 3600
    assert old.now.availability == old.before.availability == 1 - 0.5 / 30
    assert (new.before, new.is_short, new.since, new.now.availability) == (None, True, NOW - 10 * DAY, 1.0)
    assert held["unknown"].now.mean_seconds_between is None


def _failure(name: str, at: int) -> IncidentRow:
    """Return a grave incident of twelve hours."""
    over = at + 12 * HOUR
    return IncidentRow(id=name, key=name, name="old", rule="hot", subject="a", severity="high", since=at, raised=at,
                       activity=at, activations=1, returned=over, closed=over, known=at, is_past=False, alarms=[],
                       hides=[])  # fmt: skip
