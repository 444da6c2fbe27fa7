from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from api.billing.calendars import DAY_KINDS, Hours
from api.billing.calendars import Calendar as Bands
from api.billing.tariffs import Book, Price, Tier, Version
from api.bookings import ical
from api.bookings.estimates import Estimate, estimate
from api.bookings.feeds import Event, Feed
from api.bookings.slots import Likeness, find_free, first_slot, free_periods
from shopfloor.periods import HOUR, MINUTE, Period, parse_instant, union
from shopfloor.states import State

ROME = ZoneInfo("Europe/Rome")
NINE = parse_instant("2026-11-19T08:00:00Z")
YEARS = Period(parse_instant("2026-01-01T00:00:00Z"), parse_instant("2028-01-01T00:00:00Z"))
_periods = st.lists(
    st.tuples(st.integers(0, 96), st.integers(1, 12)).map(
        lambda it: Period(it[0] * 15 * MINUTE, (it[0] + it[1]) * 15 * MINUTE)
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_periods, _periods)
def test_free_hours_and_what_is_taken_are_together_what_is_open_and_never_overlap(
    opened: list[Period], taken: list[Period]
) -> None:
    opened = union(opened)
    free = list(free_periods(opened, taken))

    assert not any(each.overlaps(other) for each in free for other in taken)
    for quarter in range(0, 110 * 15 * MINUTE, 15 * MINUTE):
        is_open = any(quarter in each for each in opened) and not any(quarter in each for each in taken)
        assert is_open == any(quarter in each for each in free)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_periods, st.sampled_from([15, 30, 45, 60, 120, 7]))
def test_a_slot_is_as_long_as_wanted_begins_on_a_step_and_lies_in_free_hours(taken: list[Period], minutes: int) -> None:
    window = [Period(7 * MINUTE, 25 * HOUR)]
    found = list(find_free("mill-1", window, taken, minutes=minutes, step_minutes=15))

    for each in found:
        assert each.slot.end - each.slot.start == minutes * MINUTE
        assert each.slot.start % (15 * MINUTE) == 0
        assert each.period.clip(each.slot) == each.slot
        assert not any(each.slot.overlaps(other) for other in taken)
    fitting = [each for each in free_periods(window, taken) if first_slot(each, minutes=minutes, step_minutes=15)]
    assert [each.period for each in found] == fitting


@pytest.mark.parametrize(
    ("one", "other", "stands_in"),
    [
        (("Fresatrice", "5 assi"), ("fresatrice ", "5 ASSI"), True),
        (("Fresatrice", ""), ("Fresatrice", ""), True),
        (("Fresatrice", "5 assi"), ("Fresatrice", ""), False),
        (("Fresatrice", ""), ("Tornio", ""), False),
        (("", ""), ("", ""), False),
    ],
)
def test_machines_of_one_kind_and_tariff_stand_in_for_one_another(
    one: tuple[str, str], other: tuple[str, str], *, stands_in: bool
) -> None:
    assert Likeness(*one).fits(Likeness(*other)) is stands_in


def version(**more: object) -> Version:
    prices = {"time": {State.PROCESSING: Price(Decimal(36))}, "booked_unused": Price(Decimal(6))} | more
    return Version(tariff="T", name="1", valid=YEARS, **prices)  # type: ignore[arg-type]


def test_an_estimate_is_what_the_rating_charges_for_the_whole_slot() -> None:
    period = Period(NINE, NINE + 90 * MINUTE)

    assert estimate(Book([version()]), "mill-1", "A", "", period, zone=ROME) == Estimate(
        Decimal("54.00"), Decimal("9.00"), is_tiered=False
    )
    dear = version(start_up=Decimal(10), session_minimum=Decimal(80), monthly_cap=Decimal(1))
    found = estimate(Book([dear]), "mill-1", "A", "", period, zone=ROME)
    assert found == Estimate(Decimal("90.00"), Decimal("9.00"), is_tiered=False)


def test_an_estimate_goes_by_the_bands_of_the_slot_also_over_the_end_of_a_month() -> None:
    days = {day: [Hours(0, "low"), Hours(360, "high")] for day in DAY_KINDS}
    calendar = Bands("bands", "1", days)
    price = Price(bands={"low": Decimal(10), "high": Decimal(20)})
    book = Book([version(calendar=calendar, time={State.PROCESSING: price})])
    night = Period(parse_instant("2026-11-30T22:00:00Z"), parse_instant("2026-12-01T06:00:00Z"))

    assert estimate(book, "mill-1", "A", "", night, zone=ROME) == Estimate(
        Decimal("100.00"), Decimal("48.00"), is_tiered=False
    )


def test_tiers_are_told_and_no_tariff_is_no_number() -> None:
    tiers = Price(tiers=[Tier(1, Decimal(50)), Tier(None, Decimal(40))])
    period = Period(NINE, NINE + HOUR)
    found = estimate(Book([version(time={State.PROCESSING: tiers})]), "mill-1", "A", "", period, zone=ROME)

    assert found is not None
    assert found.is_tiered
    assert estimate(Book([]), "mill-1", "A", "", period, zone=ROME) is None
    half = Period(YEARS.end - HOUR, YEARS.end + HOUR)
    assert estimate(Book([version()]), "mill-1", "A", "", half, zone=ROME) is None
    assert estimate(Book([version(time={})]), "mill-1", "A", "", period, zone=ROME) is None


def event(**more: object) -> Event:
    values = {
        "id": "b1", "sequence": 2, "changed": NINE - HOUR, "created": NINE - 2 * HOUR, "machine": "M 1", "site": "Nord",
        "period": Period(NINE, NINE + HOUR), "member": "firm-a", "note": "Lotto 7", "is_over": False,
    }  # fmt: skip
    return Event(**(values | more))  # type: ignore[arg-type]


def test_a_calendar_program_reads_bookings_in_utc_with_what_became_of_them() -> None:
    feed = Feed("M 1", [event(), event(id="b2", member="", note="", is_over=True)])
    read = Calendar.from_ical(ical.render(feed, house="Consorzio Prova", language="it", zone="UTC"))
    first, second = read.events

    assert read["X-WR-CALNAME"] == "M 1 · Consorzio Prova"
    assert not [part for part in read.walk() if part.name == "VTIMEZONE"]
    assert first.start.isoformat() == "2026-11-19T08:00:00+00:00"
    assert first.end.isoformat() == "2026-11-19T09:00:00+00:00"
    assert (first["UID"], first["SEQUENCE"], first["STATUS"]) == ("booking-b1@officina", 2, "CONFIRMED")
    assert (first["SUMMARY"], first["DESCRIPTION"], first["LOCATION"]) == ("M 1 · firm-a", "Lotto 7", "Nord")
    assert (second["SUMMARY"], second["STATUS"], second["TRANSP"]) == ("M 1 · Occupata", "CANCELLED", "TRANSPARENT")
    assert "DESCRIPTION" not in second


def test_a_calendar_is_the_same_bytes_each_time() -> None:
    feed = Feed("M 1", [event(note="a, b; c\\d\n" + "è" * 80)])
    assert ical.render(feed, house="", language="en", zone="UTC") == ical.render(
        feed, house="", language="en", zone="UTC"
    )
