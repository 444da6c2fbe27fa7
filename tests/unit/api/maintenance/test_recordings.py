"""Recordings of real machines through the whole chain, with the shipped rules and nothing set for a recording."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from api.maintenance.backtest import Result, run
from api.maintenance.catalogue import shipped_classes, shipped_rules
from api.maintenance.cli import app
from api.maintenance.fold import MachineFold
from api.maintenance.recordings import UnreadableRecordingError, read_adapter, read_recording
from api.maintenance.rules import for_kind
from shopfloor.periods import DAY, HOUR, Period, format_instant, parse_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

DATA = Path(__file__).resolve().parents[5] / "shared" / "data"
for _parent in Path(__file__).resolve().parents:
    if (_parent.parent / "shared" / "data").is_dir():
        DATA = _parent.parent / "shared" / "data"


def recording(folder: str, pattern: str) -> list[Path]:
    found = sorted((DATA / folder).glob(pattern))
    if not found:
        pytest.skip(f"the recording {folder} is not here")
    return found


def replay(paths: Sequence[Path], maker: str = "") -> Result:
    rules = for_kind(shipped_rules(), "")
    return run(MachineFold("machine", rules, shipped_classes(), maker), read_recording(paths, "machine"))


@cache
def mazak() -> Result:
    return replay(recording("nist-sms-mazak01", "events*.gz"), "Mazak")


def test_machine_temperature_three_of_four_failures_with_few_false_episodes() -> None:
    [path] = recording("nab-machine-temperature", "*.csv.gz")
    labels = json.loads((path.parent / "labels.json").read_text())
    windows = [
        Period(parse_instant(f"{start}Z"), parse_instant(f"{end}Z"))
        for start, end in ((a.replace(" ", "T"), b.replace(" ", "T")) for a, b in labels["label_windows"])
    ]
    points = [parse_instant(each.replace(" ", "T") + "Z") for each in labels["label_points"]]
    result = replay([path])
    spans = [Period(each.raised, max(each.returned or result.period.end, each.raised)) for each in result.episodes]
    hit = [window for window in windows if any(window.overlaps(span) for span in spans)]
    false = [span for span in spans if not any(window.overlaps(span) for window in windows)]
    for window, point in zip(windows, points, strict=True):
        first = next((span.start for span in spans if window.overlaps(span)), None)
        lead = "missed" if first is None else f"{(point - first) / HOUR:.1f} h before"
        print(f"{format_instant(point)}: {lead}")
    print(f"{len(hit)} of 4 windows, {len(false)} false episodes, {len(result.messages)} messages")
    assert len(hit) >= 3
    assert len(false) <= 4


def test_every_maintenance_episode_of_the_mazak_is_represented_in_few_messages() -> None:
    result = mazak()
    [path] = recording("nist-sms-mazak01", "maintenance_episodes.csv")
    with path.open(encoding="utf-8") as file:
        episodes = list(csv.DictReader(file))
    assert len(episodes) == 45
    missing = []
    for each in episodes:
        prefix = f"{each['data_item']}|{each['code']}|"
        first, last = parse_instant(each["first_raised"]), parse_instant(each["last_cleared"])
        is_there = any(
            alarm.subject.startswith(prefix) and incident.since <= last and incident.activity >= first
            for incident in result.incidents
            for alarm in incident.alarms.values()
        )
        if not is_there:
            missing.append(each)
    print(f"{len(result.incidents)} incidents, {len(result.messages)} messages")
    assert missing == []
    assert len(result.messages) <= 90


def test_the_tool_changer_breakdown_is_one_incident_of_twelve_weeks() -> None:
    [breakdown] = [
        each for each in mazak().incidents if any("MAGAZINE DRUM" in alarm.subject for alarm in each.alarms.values())
    ]
    assert format_instant(breakdown.since)[:10] == "2018-02-15"
    assert format_instant(breakdown.activity)[:10] == "2018-05-09"
    assert 80 <= (breakdown.activity - breakdown.since) / DAY <= 87
    assert "SHIFTER SENSOR" in breakdown.first.subject
    assert not breakdown.is_open


def test_a_sound_machine_at_full_rate_raises_nothing() -> None:
    result = replay(recording("mtconnect-okuma", "okuma.txt.gz"), "Okuma")
    assert result.changes == []


def test_service_is_metered_across_unrecorded_days() -> None:
    result = replay(recording("nist-sms-hurco01", "raw/*.gz"), "Hurco")
    service = result.fold.services()["service-small"]
    assert service.meter == "spindle_seconds.counter"
    assert 500_000 < service.used < 515_000  # 6.68 to 7.19 million seconds on the counter, most of it unrecorded
    due = service.due(result.fold.position)
    assert due.by == "calendar"
    assert due.by_counter is not None
    assert due.by_counter > result.period.end


def test_assets_of_many_lines_and_conditions_of_one_instant_are_read() -> None:
    lines = [
        "2022-08-08T13:51:34.7Z|a|NORMAL||||",
        "2022-08-08T13:51:34.7Z|@ASSET@|1|CuttingTool|--multiline--AB",
        "<CuttingTool>2022|x|FAULT||||</CuttingTool>",
        "--multiline--AB",
        "2022-08-08T13:51:34.7Z|b|FAULT|12|||TEXT|WITH BAR",
        "2022-08-08T13:51:35Z|S1load|UNAVAILABLE|pexecution|ACTIVE",
        "no recording",
    ]
    samples = list(read_adapter(lines, "m"))
    assert [each.signal for each in samples] == ["condition", "condition", "spindle_load", "item_state"]
    assert samples[1].stamp == samples[0].stamp + 1
    assert json.loads(str(samples[1].value))["text"] == "TEXT|WITH BAR"
    assert samples[2].value is None
    assert samples[3].value == 3


def test_what_is_no_recording_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("time,value\n1,2\n")
    with pytest.raises(UnreadableRecordingError, match="timestamp"):
        read_recording([tmp_path / "a.csv"], "m")
    (tmp_path / "b.txt").write_text("hello\n")
    with pytest.raises(UnreadableRecordingError, match="no samples"):
        read_recording([tmp_path / "b.txt"], "m")


def test_the_command_shows_episodes_lead_time_and_rate(tmp_path: Path) -> None:
    rows = [
        f"2026-01-01 {minute // 60:02}:{minute % 60:02}:00,{90 if 300 <= minute < 600 else 40}" for minute in range(900)
    ]
    (tmp_path / "spindle_temperature.csv").write_text("\n".join(["timestamp,spindle_temperature", *rows]))
    arguments = ["test", "spindle-hot", str(tmp_path / "spindle_temperature.csv"), "--service", "2026-01-01T08:00:00Z"]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "2026-01-01T05:01:00Z to still active  spindle-hot spindle_temperature" in shown.output
    assert "1 episodes, 1 incidents" in shown.output
    assert "2026-01-01T08:00:00Z: raised 3.0 h before" in shown.output
