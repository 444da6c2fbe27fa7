from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopfloor.periods import (
    DAY,
    HOUR,
    INSTANT_MAX,
    MINUTE,
    SECOND,
    InvalidInstantError,
    Period,
    format_instant,
    format_ticks,
    from_datetime,
    parse_instant,
    subtract,
    to_datetime,
    union,
)

YEAR_1700 = parse_instant("1700-01-01T00:00:00Z")
instants = st.integers(YEAR_1700, INSTANT_MAX)
near = st.integers(0, 100)
periods = st.tuples(near, near).map(lambda pair: Period(min(pair), max(pair)))


@given(instants)
def test_an_instant_survives_being_written_and_read(stamp: int) -> None:
    assert parse_instant(format_instant(stamp)) == stamp


@given(instants, st.integers(-14 * 60, 14 * 60))
def test_an_instant_is_the_same_whatever_offset_it_is_written_with(stamp: int, minutes: int) -> None:
    second = stamp // SECOND * SECOND
    zone = timezone(timedelta(minutes=minutes))
    assert parse_instant(to_datetime(second, zone).isoformat()) == second


@given(instants, st.integers(0, 9))
def test_a_fraction_may_have_any_number_of_digits(stamp: int, digits: int) -> None:
    whole = format_instant(stamp // SECOND * SECOND).removesuffix("Z")
    fraction = f"{stamp % SECOND:09d}"[:digits]
    text = f"{whole}.{fraction}Z" if fraction else f"{whole}Z"
    expected = stamp // SECOND * SECOND + int(fraction.ljust(9, "0"))
    assert parse_instant(text) == expected
    assert parse_instant(text) == expected, "the second reading takes the short way"


def test_digits_beyond_the_ninth_are_cut_off() -> None:
    assert parse_instant("1970-01-01T00:00:00.1234567899Z") == 123_456_789


def test_an_instant_is_written_with_no_three_six_or_nine_digits() -> None:
    assert format_instant(0) == "1970-01-01T00:00:00Z"
    assert format_instant(120_000_000) == "1970-01-01T00:00:00.120Z"
    assert format_instant(120_000) == "1970-01-01T00:00:00.000120Z"
    assert format_instant(1) == "1970-01-01T00:00:00.000000001Z"
    assert format_instant(-1) == "1969-12-31T23:59:59.999999999Z"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Z",
        "now",
        "2026-11-22",
        "2026-11-22T11:04:41",
        "2026-11-22T11:04:41.5",
        "2026-11-22T11:04:41.Z",
        "2026-11-22T11:04:41,5Z",
        "2026-11-22T11:04:41,5+00:00",
        "2026-11-22T11:04:41.5 Z",
        "2026-11-22T11:04:41.5ZZ",
        "2026-11-22T11:04:41.5Z+01:00",
        "2026-11-22T11:04:41+01:00.5",
        "2026-11-22T11:04:41.\u0661Z",
        "\u0662026-11-22T11:04:41Z",
        "2026-W47-7T11:04:41Z",
        "2026-11-22T25:04:41Z",
        "2026-11-22T11:04:60Z",
        "2026-02-29T11:04:41Z",
        "2026-11-22T11:04:41+24:00",
        "20261122T110441Z",
        "2026-11-22X11:04:41Z",
        "+2026-11-22T11:04:41Z",
    ],
)
def test_what_is_no_rfc_3339_instant_is_refused_by_name(text: str) -> None:
    parse_instant("2026-11-22T11:04:41Z")
    with pytest.raises(InvalidInstantError) as caught:
        parse_instant(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:00Z", "1601-01-01T00:00:00Z", "1699-12-31T23:59:59.999999999Z", "2262-04-11T23:47:16.854775808Z",
     "9999-12-31T23:59:59Z"],
)  # fmt: skip
def test_an_instant_that_means_no_time_or_does_not_fit_64_bits_is_refused(text: str) -> None:
    with pytest.raises(InvalidInstantError, match="1700 to 2262"):
        parse_instant(text)


def test_the_last_instant_of_64_bits_is_read() -> None:
    assert parse_instant("2262-04-11T23:47:16.854775807Z") == INSTANT_MAX


@given(st.text(max_size=40))
def test_any_text_is_an_instant_or_refused(text: str) -> None:
    try:
        stamp = parse_instant(text)
    except InvalidInstantError:
        return
    assert YEAR_1700 <= stamp <= INSTANT_MAX


@given(instants)
def test_ticks_and_picoseconds_add_to_the_instant(stamp: int) -> None:
    text, picoseconds = format_ticks(stamp)
    assert 0 <= picoseconds < 10_000
    assert len(text.partition(".")[2]) == len("0000000Z")
    assert parse_instant(text) + picoseconds // 100 == stamp


@given(st.datetimes(min_value=datetime(1700, 1, 2), max_value=datetime(2262, 1, 1), timezones=st.just(UTC)))
def test_a_datetime_survives_as_an_instant(moment: datetime) -> None:
    assert to_datetime(from_datetime(moment)) == moment


def test_a_datetime_without_a_zone_is_no_instant() -> None:
    with pytest.raises(InvalidInstantError, match="no zone"):
        from_datetime(datetime(2026, 1, 1))


def test_a_period_holds_its_start_and_not_its_end() -> None:
    period = Period(10, 20)
    assert 10 in period
    assert 19 in period
    assert 20 not in period
    assert period
    assert not Period(10, 10)


def test_a_period_cannot_end_before_it_starts() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        Period(2, 1)


@given(st.lists(st.integers(0, 10 * SECOND), min_size=2, max_size=20))
def test_the_seconds_of_adjoining_periods_add_exactly(cuts: list[int]) -> None:
    cuts.sort()
    parts = [Period(start, end) for start, end in pairwise(cuts)]
    assert sum(part.seconds for part in parts) == Period(cuts[0], cuts[-1]).seconds


@given(periods, periods)
def test_what_two_periods_share_is_in_both_and_nothing_else_is(one: Period, other: Period) -> None:
    shared = one.clip(other)
    inside = {instant for instant in range(101) if instant in one and instant in other}
    assert inside == (set() if shared is None else set(range(shared.start, shared.end)))
    assert shared is None or shared
    if one and other:
        assert one.overlaps(other) == (shared is not None)


def test_a_period_touches_each_utc_day_it_has_an_instant_of() -> None:
    assert list(Period(0, DAY).days()) == [0]
    assert list(Period(DAY - 1, DAY + 1).days()) == [0, 1]
    assert list(Period(-1, 0).days()) == [-1]
    assert list(Period(HOUR + MINUTE, HOUR + MINUTE).days()) == [0]


def members(parts: list[Period]) -> set[int]:
    return {instant for part in parts for instant in range(part.start, part.end)}


@given(st.lists(periods, max_size=8))
def test_a_union_holds_the_same_instants_sorted_apart_and_none_empty(parts: list[Period]) -> None:
    merged = union(parts)
    assert members(merged) == members(parts)
    assert all(merged)
    assert all(one.end < other.start for one, other in pairwise(merged))


@given(periods, st.lists(periods, max_size=8))
def test_a_difference_and_what_was_taken_away_tile_the_whole(whole: Period, parts: list[Period]) -> None:
    left = list(subtract(whole, parts))
    assert members(left) == members([whole]) - members(parts)
    assert all(left)
    assert all(one.end < other.start for one, other in pairwise(left))
