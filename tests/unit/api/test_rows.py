from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages.rows import Facts, Row, table
from api.pages.times import clock, duration, full_day, long_day, moment, timer
from api.pages.words import Language, choose_language, words_of
from shopfloor.periods import HOUR, MINUTE, SECOND, Period, parse_instant
from shopfloor.states import State, Stretch

ROME = ZoneInfo("Europe/Rome")
NOW = parse_instant("2026-11-19T13:26:08Z")


def facts(state: State = State.PROCESSING, **more: Any) -> Facts:
    base = Facts("a", "A", "mill", "north", state, NOW - 18 * MINUTE, NOW - 2 * SECOND, [], {}, None)
    return base._replace(**more)


def row(it: Facts, language: Language = "it") -> Row:
    shown = table([it], now=NOW, zone=ROME, say=words_of(language))
    return (*shown.needs, *shown.fine)[0]


def test_a_row_says_state_and_since_when_in_civil_time() -> None:
    it = row(facts())

    assert (it.word, it.since, it.duration) == (
        "In lavorazione",
        "dalle\N{NO-BREAK SPACE}14:08",
        "18\N{NO-BREAK SPACE}min",
    )


def test_another_day_is_named() -> None:
    assert row(facts(since=NOW - 20 * HOUR)).since == "da mer 18 nov, 18:26"
    assert row(facts(since=NOW - 20 * HOUR), "en").since == "since Wed 18 Nov, 18:26"


def test_a_value_carries_its_age_and_beyond_a_minute_the_age_gives_way_to_since_when() -> None:
    assert row(facts()).age == "2\N{NO-BREAK SPACE}s fa"
    late = row(facts(seen=NOW - 90 * SECOND))
    assert (late.age, late.is_stale) == ("senza dati dalle\N{NO-BREAK SPACE}14:24", True)


def test_a_machine_that_never_sent_data_says_so() -> None:
    it = row(facts(State.UNKNOWN, since=None, seen=None))

    assert (it.since, it.duration, it.age) == ("mai ricevuti dati", "", "mai ricevuti dati")


def test_need_decides_the_order() -> None:
    every = [facts(state, id=state.value, name=state.value) for state in State]

    shown = table(every, now=NOW, zone=ROME, say=words_of("it"))

    assert [each.mark for each in shown.needs] == ["interrupted", "unknown"]
    assert [each.mark for each in shown.fine][-2:] == ["unreachable", "off"]
    assert len(shown.fine) == len(State) - 2


def test_who_may_not_see_work_sees_none() -> None:
    it = row(facts(work=None))

    assert (it.now, it.now_detail) == ("", "")


def test_an_alarm_that_stops_the_machine_comes_before_its_program() -> None:
    work = {"program": "O4711", "alarm": "Coolant", "job": "J1"}

    assert row(facts(State.INTERRUPTED, work=work)).now == "Coolant"
    assert row(facts(State.INTERRUPTED, work=work)).now_detail == "O4711, commessa J1"
    assert row(facts(State.PROCESSING, work=work)).now == "O4711"


_STRETCHES = st.lists(st.tuples(st.sampled_from(list(State)), st.integers(1, 5 * HOUR)), max_size=12)


@given(_STRETCHES)
def test_the_times_of_a_row_add_up_to_its_window(parts: list[tuple[State, int]]) -> None:
    stretches, end = [], NOW
    for state, length in parts:
        stretches.append(Stretch(Period(end - length, end), state))
        end -= length

    it = row(facts(stretches=stretches[::-1]))

    minutes = [int(each.split(":")[0]) * 60 + int(each.split(":")[1]) for each in it.totals if each]
    assert sum(minutes) == 480


def test_a_strip_covers_its_window_to_the_present() -> None:
    stretches = [
        Stretch(Period(NOW - 100 * HOUR, NOW - 4 * HOUR), State.OFF),
        Stretch(Period(NOW - 4 * HOUR, NOW), State.INTERRUPTED),
    ]

    first, last = row(facts(State.INTERRUPTED, stretches=stretches)).strip.shapes

    assert (first.x, first.width, first.is_now) == ("0.000%", "50.000%", False)
    assert (last.x, last.end, last.is_now) == ("50.000%", "100.000%", True)


@pytest.mark.parametrize(
    ("seconds", "it", "en"),
    [
        (45, "45 s", "45 s"),
        (18 * 60, "18 min", "18 min"),
        (3840, "1 h 04 min", "1 h 04 min"),
        (259_200, "3 giorni", "3 days"),
    ],
)
def test_durations_are_written_with_units_that_do_not_break(seconds: int, it: str, en: str) -> None:
    assert duration(seconds * SECOND, words_of("it")).replace("\N{NO-BREAK SPACE}", " ") == it
    assert duration(seconds * SECOND, words_of("en")).replace("\N{NO-BREAK SPACE}", " ") == en
    assert clock(64) == "1:04"


def test_a_running_time_shows_seconds_up_to_an_hour() -> None:
    assert (timer(842), timer(3599), timer(3600 * 5 + 60 * 7)) == ("14:02", "59:59", "5:07")


def test_a_moment_names_its_day_when_it_is_another_one_and_its_year_when_that_is() -> None:
    italian, today = words_of("it"), date(2026, 11, 19)

    assert moment(NOW, today, ROME, italian) == "14:26"
    assert moment(NOW - 24 * HOUR, today, ROME, italian) == "mer 18 nov, 14:26"
    assert moment(parse_instant("2025-11-19T13:26:08Z"), today, ROME, italian) == "mer 19 nov 2025, 14:26"


def test_days_are_written_as_each_language_writes_them() -> None:
    today = date(2026, 11, 19)

    assert long_day(today, words_of("it")) == "giovedì 19 novembre"
    assert full_day(today, words_of("en")) == "Thu 19 Nov 2026"


@pytest.mark.parametrize(
    ("asked", "accepted", "chosen"),
    [
        (None, "", "it"),
        (None, "en-GB,en;q=0.9", "en"),
        (None, "de-DE,de;q=0.9,en;q=0.5", "en"),
        ("it", "en-GB", "it"),
        ("xx", "fr", "it"),
    ],
)
def test_the_language_is_the_one_chosen_else_the_browsers_else_the_houses(
    asked: str | None, accepted: str, chosen: str
) -> None:
    assert choose_language(asked, accepted, "it") == chosen
