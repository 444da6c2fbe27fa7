from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from api.billing.calendars import civil_day
from api.bookings.views import Occupancy, Seen, Status
from api.pages.booking_rows import DASH, Clockwork, Taken, length, line, new_address, occupied, ticks
from api.pages.words import words_of
from shopfloor.periods import HOUR, INSTANT_MAX, MINUTE, Period, parse_instant

ROME = ZoneInfo("Europe/Rome")
NOW = parse_instant("2026-11-19T07:05:00Z")
CLOCK = Clockwork(NOW, ROME, words_of("it"))
DAY = civil_day(date(2026, 11, 19), ROME)


def plain(text: str) -> str:
    """The text with hyphens for its dashes."""
    return text.replace(DASH, "-")


def seen(start: int, end: int, member: str | None) -> Seen:
    period = Period(DAY.start + start * HOUR, DAY.start + end * HOUR)
    status = Status.BUSY if member is None else Status.AHEAD
    return Seen(None if member is None else "b1", "mill-1", member, period, status, None, None, None)


def taken(*bookings: Seen, own: str = "firm-a", opened: list[Period] | None = None) -> Taken:
    return Taken("mill-1", bookings, (), opened, own, may_book=True)


def test_a_day_shows_ones_own_others_and_what_is_free_from_now_on() -> None:
    shown = line(taken(seen(10, 12, "firm-a"), seen(14, 16, None)), DAY, CLOCK, name="M 1", detail="", href="")

    assert [(each.look, plain(each.title)) for each in shown.blocks] == [
        ("free", "08:05-10:00 libera: prenotala"),
        ("own", "10:00-12:00 firm-a"),
        ("free", "12:00-14:00 libera: prenotala"),
        ("busy", "14:00-16:00 un altro socio"),
        ("free", "16:00-24:00 libera: prenotala"),
    ]
    assert shown.blocks[1].href == "/bookings/b1"
    assert shown.blocks[3].href == ""
    assert plain(shown.spoken) == "M 1: 10:00-12:00 firm-a; 14:00-16:00 un altro socio"
    widths = sum(float(each.width[:-1]) for each in shown.blocks)
    assert widths == pytest.approx((24 - 8 - 5 / 60) / 24 * 100, abs=0.01)


def test_closed_hours_are_shown_and_never_offered() -> None:
    hours = [Period(DAY.start + 9 * HOUR, DAY.start + 18 * HOUR)]
    shown = line(taken(opened=hours), DAY, CLOCK, name="M 1", detail="", href="")

    assert [(each.look, plain(each.title)[:11]) for each in shown.blocks] == [
        ("closed", "00:00-09:00"), ("free", "09:00-18:00"), ("closed", "18:00-24:00"),
    ]  # fmt: skip
    assert shown.spoken == "M 1: nessuna prenotazione"


@pytest.mark.parametrize(
    ("day", "hours", "said"),
    [
        (date(2026, 3, 29), 23, "23 ore: cambia l'ora"),
        (date(2026, 10, 25), 25, "25 ore: cambia l'ora"),
        (date(2026, 3, 30), 24, ""),
    ],
)
def test_a_day_on_which_clocks_are_set_says_so_and_keeps_its_hours_in_place(day: date, hours: int, said: str) -> None:
    period = civil_day(day, ROME)
    found = ticks(period, CLOCK)

    assert length(period, CLOCK.say) == said
    assert [each.text for each in found] == ["00", "03", "06", "09", "12", "15", "18", "21", "24"]
    noon = float(next(each.x for each in found if each.text == "12")[:-1])
    assert noon == pytest.approx((hours - 12) / hours * 100, abs=0.01)


def test_free_hours_lead_to_a_form_with_times_on_quarter_hours() -> None:
    slot = Period(NOW, NOW + 30 * MINUTE)

    assert new_address("mill-1", slot, ROME) == (
        "/bookings/new?machine=mill-1&day=2026-11-19&start=08%3A15&end_day=2026-11-19&end=08%3A30"
    )


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Occupancy(is_free=True, until=None), "libera"),
        (Occupancy(is_free=True, until=NOW + 2 * HOUR), "libera fino alle 10:05"),
        (Occupancy(is_free=True, until=NOW + 24 * HOUR), "libera fino a ven 20 nov, 08:05"),
        (Occupancy(is_free=False, until=NOW + HOUR), "prenotata fino alle 09:05, restano 1\xa0h\xa000\xa0min"),
        (Occupancy(is_free=False, until=NOW + HOUR, is_own=True), "tua fino alle 09:05, restano 1\xa0h\xa000\xa0min"),
        (Occupancy(is_free=False, until=NOW + HOUR, is_locked=True), "bloccata fino alle 09:05"),
        (Occupancy(is_free=False, until=None, is_locked=True), "bloccata"),
        (Occupancy(is_free=False, until=None), "prenotata"),
    ],
)
def test_a_machine_says_until_when_it_is_free_or_taken(found: Occupancy, text: str) -> None:
    assert occupied(found, CLOCK) == text


def test_a_period_is_written_with_its_day_and_with_a_second_one_where_it_needs_it() -> None:
    assert plain(CLOCK.span(Period(NOW, DAY.end))) == "gio 19 nov, 08:05-24:00"
    assert plain(CLOCK.span(Period(NOW, DAY.end + HOUR))) == "gio 19 nov, 08:05-ven 20 nov, 01:00"
    assert CLOCK.span(Period(NOW, INSTANT_MAX)) == "da gio 19 nov, 08:05 finché non viene sbloccata"
