from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest

from simulators.adapter_log import BadLineError, Line, Tally, parse_line
from simulators.recordings import MAZAK, mapped_lines
from simulators.replay import Pace, Replay
from simulators.tree import Identity, Served
from simulators.workdays import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOG = """\
2017-01-23T18:33:25.767113Z|S2ovr|UNAVAILABLE
2017-10-30T19:25:51.294397Z|execution|UNAVAILABLE
2017-10-30T19:25:51.294397Z|power|UNAVAILABLE
2017-10-30T19:25:51.294397Z|system_cond|Unavailable||||
2017-10-31T09:00:33.124Z|power|ON
2017-10-31T09:00:33.124Z|execution|READY
2017-10-31T09:00:33.124Z|mode|MANUAL
2017-10-31T09:00:33.124Z|system_cond|Normal||||
2017-10-31T09:00:34.5Z|total_time|1000
2017-10-31T09:00:34.5Z|total_time|1001
2017-10-31T09:00:34.5Z|total_time|1001
2017-10-31T09:00:35.5Z|total_time|1001
2017-10-31T09:20:52.497Z|system_cond|Warning|406|||MEMORY PROTECT
2017-10-31T09:21:00.000Z|motion_cond|Fault|685|||SQUARE CANNOT BE DEFINED
2017-10-31T09:21:02.000Z|motion_cond|Normal|685|||
2017-10-31T09:21:03.000Z|system_cond|Normal||||
2017-10-31T09:30:00Z|execution|ACTIVE
2017-10-31T09:30:00Z|mode|AUTOMATIC
2017-10-31T09:30:01Z|Xabs|-12.5
2017-10-31T09:30:02Z|execution|FEED_HOLD
"""


@pytest.fixture
def write_log(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str = LOG, name: str = "day.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return write


def values(served: list[Served], signal: str) -> list[object]:
    return [each.value for each in served if each.signal == signal]


def test_a_line_is_read_to_the_nanosecond() -> None:
    (line,) = parse_line("2017-10-31T09:00:33.1234567Z|Xabs|-1.5\n")

    assert line == Line(1509440433_123456700, "Xabs", ("-1.5",))


def test_a_condition_keeps_bars_in_its_text() -> None:
    (line,) = parse_line("2017-10-31T09:00:33Z|logic_cond|Warning|371|2|HIGH|UP | SWITCH)")

    assert line.fields == ("Warning", "371", "2", "HIGH", "UP | SWITCH)")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "2017-13-01T00:00:00Z|a|1",
        "2017-10-31T09:00:33|a|1",
        "2017-10-31T09:00:33Z|a",
        "2017-10-31T09:00:33Z||1",
    ],
)
def test_a_line_that_is_none_says_what_is_wrong(text: str) -> None:
    with pytest.raises(BadLineError):
        parse_line(text)


def test_bad_lines_are_counted_and_kept_and_the_others_flow_on(write_log: Callable[..., Path]) -> None:
    tally = Tally()
    path = write_log(
        "rubbish\n2017-10-31T09:00:33Z|total_time|abc\n2017-10-31T09:00:34Z|unitNum|4\n2017-10-31T09:00:35Z|Srpm|9\n"
    )

    served = list(mapped_lines([path], MAZAK, tally))

    assert [(each.signal, each.value) for each in served] == [("spindle_speed", 9.0)]
    assert (tally.lines, tally.bad, tally.unmapped) == (4, 2, 1)
    assert "rubbish" in tally.complaints[0]
    assert "total_time is no number" in tally.complaints[1]


def test_every_mapped_line_becomes_a_value_of_its_own_with_its_stamp(write_log: Callable[..., Path]) -> None:
    served = list(mapped_lines([write_log()], MAZAK))

    times = [(each.stamp % (60 * SECOND), each.value) for each in served if each.signal == "power_on_seconds"]
    assert times == [(34_500_000_000, 1000.0), (34_500_000_000, 1001.0), (35_500_000_000, 1001.0)]
    assert values(served, "execution_text") == [None, "READY", "ACTIVE", "FEED_HOLD"]
    assert values(served, "program_state") == [None, 2, 1, 3]
    assert values(served, "channel_state") == [None, 2, 0, 1]
    assert values(served, "operation_mode") == [2, 3]
    assert values(served, "axis_x_position") == [-12.5]


def test_item_state_follows_power_and_execution(write_log: Callable[..., Path]) -> None:
    log = "".join(
        f"2017-10-31T09:00:{second:02d}Z|{item}|{value}\n"
        for second, (item, value) in enumerate(
            [("execution", "ACTIVE"), ("power", "OFF"), ("power", "ON"), ("execution", "UNAVAILABLE")],
        )
    )

    served = list(mapped_lines([write_log(log)], MAZAK))

    assert values(served, "item_state") == [3, 0, 3, None]


def test_the_newest_active_alarm_is_shown_and_faults_block(write_log: Callable[..., Path]) -> None:
    served = list(mapped_lines([write_log()], MAZAK))

    assert values(served, "alarm") == [
        None,
        "",
        "406 MEMORY PROTECT",
        "685 SQUARE CANNOT BE DEFINED",
        "406 MEMORY PROTECT",
        "",
    ]
    assert values(served, "alarm_blocking") == [None, False, False, True, False, False]


def test_a_gzipped_recording_reads_like_a_plain_one(write_log: Callable[..., Path]) -> None:
    plain, packed = write_log(), write_log(name="day.txt.gz")

    assert list(mapped_lines([plain], MAZAK)) == list(mapped_lines([packed], MAZAK))


def player(path: Path, **pace: Any) -> Replay:
    return Replay([path], MAZAK, Identity("mazak", "Mazak", "Mazak", "Integrex", "1"), Pace(**pace))


def test_all_signals_are_lost_before_the_first_value(write_log: Callable[..., Path]) -> None:
    replay = player(write_log())

    opened = replay.open(10**18)

    assert {each.signal for each in opened} == {each.signal for each in MAZAK.variables}
    assert all(each.value is None and each.stamp < 1_509_391_552 * SECOND for each in opened)


def test_old_states_come_at_once_and_the_rest_at_its_own_pace(write_log: Callable[..., Path]) -> None:
    replay, begin = player(write_log(), speed=10.0), 10**18
    replay.open(begin)

    at_once = list(replay.due(begin))
    in_a_second = list(replay.due(begin + SECOND))
    next_two_minutes = [each for second in range(2, 123) for each in replay.due(begin + second * SECOND)]

    assert values(at_once, "execution_text") == [None, "READY"]
    assert values(in_a_second, "power_on_seconds") == [1000.0, 1001.0, 1001.0]
    assert values(next_two_minutes, "alarm") == ["406 MEMORY PROTECT"]
    assert not replay.finished


def test_played_to_its_end_it_has_served_every_mapped_line_once_and_in_order(write_log: Callable[..., Path]) -> None:
    path, now = write_log(), 10**18
    replay = player(path, speed=1000.0, burst=1)
    replay.open(now)

    served: list[Served] = []
    while not replay.finished:
        batch = list(replay.due(now))
        assert all(sum(each.signal == other.signal for other in batch) == 1 for each in batch)
        served += batch
        now += SECOND // 2

    assert served == list(mapped_lines([path], MAZAK))
    assert replay.tally.served == len(served)
    assert replay.lag_seconds(now) == 0.0


def test_moved_to_now_every_stamp_is_shifted_by_one_constant(write_log: Callable[..., Path]) -> None:
    path, now = write_log(), 1_800_000_000 * SECOND
    replay = player(path, speed=1.0, moved_to_now=True)
    replay.open(now)

    served = list(replay.due(now + 3600 * SECOND))

    original = list(mapped_lines([path], MAZAK))[: len(served)]
    assert {left.stamp - right.stamp for left, right in zip(served, original, strict=True)} == {
        now - 1_509_440_433_124_000_000
    }


def test_begun_in_the_middle_it_starts_from_the_last_value_of_each_signal(write_log: Callable[..., Path]) -> None:
    begin = 1_509_442_200 * SECOND  # 09:30:00
    replay = player(write_log(), start=begin)

    opened = {each.signal: each.value for each in replay.open(10**18)}
    first = list(replay.due(10**18))

    assert (opened["execution_text"], opened["power_on_seconds"]) == ("READY", 1001.0)
    assert values(first, "execution_text") == ["ACTIVE"]
