"""What holds of every month, whatever was used, booked, corrected and priced."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.billing.calendars import DAY_KINDS, Calendar, Hours, civil_month
from api.billing.money import exact
from api.billing.rating import Terms, rate_machine
from api.billing.scenarios.reader import read
from api.billing.statements import Basis
from api.billing.tariffs import BadTariffError, Book, Price, Tier, Version
from api.usage.segments import CONSORTIUM, UNATTRIBUTED, Claim, Quality, Segment
from shopfloor.periods import DAY, HOUR, INSTANT_MAX, SECOND, Period, from_datetime
from shopfloor.states import State
from tests.unit.api.billing.houses import examples, houses

if TYPE_CHECKING:
    from api.billing.months import House
    from api.billing.statements import Line

EXAMPLES = examples(30, 1000)
MANY = examples(60, 2000)
ROME = ZoneInfo("Europe/Rome")
MONDAY = from_datetime(datetime(2026, 7, 6, 4, tzinfo=UTC))
"""In a month of one offset without a holiday."""
METERED = {Basis.TIME, Basis.BOOKED_UNUSED, Basis.ENERGY, Basis.START_UP, Basis.SESSION_MINIMUM}
FINE = Calendar("fine", "1", dict.fromkeys(DAY_KINDS, (Hours(0, "low"), Hours(480, "high"), Hours(1140, "mid"))))

Drawn = tuple[dict[str, Any], datetime]


def months(drawn: Drawn) -> tuple[House, list[tuple[Period, list[Line]]]]:
    table, _ = drawn
    house = read(table).house(None)
    return house, [(house.terms(month).period, house.lines(month)) for month in table["months"]]


@EXAMPLES
@given(houses())
def test_all_seconds_of_a_month_have_one_payer_and_are_as_many_as_really_passed(drawn: Drawn) -> None:
    table, _ = drawn
    house = read(table).house(None)

    [segments] = house.machines.values()
    assert all(before.period.end == after.period.start for before, after in pairwise(segments))
    for month in table["months"]:
        spent = [row for rows in house.spent(month).values() for row in rows]
        assert sum(row.seconds for row in spent) == house.terms(month).period.seconds
        assert set(house.spent(month)) <= {"A", "B", "C", UNATTRIBUTED, CONSORTIUM}


@EXAMPLES
@given(houses())
def test_no_second_is_charged_twice_and_none_of_which_nothing_is_known(drawn: Drawn) -> None:
    for _, lines in months(drawn)[1]:
        charged = sorted(
            (segment.period.start, segment.period.end, segment.quality)
            for line in lines
            if line.basis in {Basis.TIME, Basis.BOOKED_UNUSED}
            for part in line.parts
            for segment in part.segments
        )
        assert all(before[1] <= after[0] for before, after in pairwise(charged))
        assert Quality.UNKNOWN not in {quality for _, _, quality in charged}


@EXAMPLES
@given(houses())
def test_a_line_is_within_half_a_cent_of_what_is_exact_and_its_parts_add_to_it(drawn: Drawn) -> None:
    for _, lines in months(drawn)[1]:
        for line in lines:
            assert abs(exact(line.amount) - line.exact) <= exact(Decimal("0.005"))
            assert sum(part.amount for part in line.parts) == line.amount
            assert sum(part.quantity for part in line.parts) == line.quantity


@EXAMPLES
@given(houses())
def test_a_member_pays_between_the_minimum_and_the_cap_and_nothing_for_nothing(drawn: Drawn) -> None:
    house, stated = months(drawn)
    for period, lines in stated:
        version = house.book.at("M1", "", period.end - 1)
        assert version is not None
        for member in {line.member for line in lines}:
            own = [line for line in lines if line.member == member]
            used = [line for line in own if line.basis in METERED]
            net = sum((line.amount for line in own), Decimal(0))
            assert all(line.amount >= 0 for line in used)
            assert used, "a limit without use"
            if version.monthly_minimum is not None:
                assert net >= version.monthly_minimum.amount
            if version.monthly_cap is not None:
                assert net <= version.monthly_cap
            assert all(line.amount < 0 for line in own if line.basis is Basis.MONTHLY_CAP)
            assert all(line.amount > 0 for line in own if line.basis is Basis.MONTHLY_MINIMUM)


def used(start: int, seconds: int, state: State = State.PROCESSING, quality: Quality = Quality.MEASURED) -> Segment:
    return Segment("M1", Period(start, start + seconds * SECOND), state, quality, "A", Claim.BADGE)


def rate(segments: list[Segment], **version: Any) -> list[Line]:
    book = Book(
        [Version(**{"tariff": "mill", "name": "1", "valid": Period(0, INSTANT_MAX), "calendar": FINE, **version})]
    )
    terms = Terms(book, {"A": ""}, ROME, "2026-07", civil_month("2026-07", ROME))
    return rate_machine("M1", segments, terms)


def total(lines: list[Line]) -> Decimal:
    return sum((line.amount for line in lines), Decimal(0))


instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(
    lambda each: from_datetime(each.replace(tzinfo=UTC))
)


@MANY
@given(instants, st.integers(1, 400 * 3600), st.data())
def test_bands_part_every_period_without_gap_by_what_the_wall_clock_shows(
    start: int, seconds: int, data: st.DataObject
) -> None:
    period = Period(start, start + seconds * SECOND)

    parts = list(FINE.cut(period, ROME))

    assert (parts[0][1].start, parts[-1][1].end) == (period.start, period.end)
    assert all(before[1].end == after[1].start for before, after in pairwise(parts))
    assert sum(part.seconds for _, part, _ in parts) == period.seconds
    instant = data.draw(st.integers(period.start, period.end - 1))
    [(day, band)] = [(day, band) for day, part, band in parts if instant in part]
    wall = datetime.fromtimestamp(instant // SECOND, ROME)
    assert day == wall.date()
    assert band == ("low" if wall.hour < 8 else "high" if wall.hour < 19 else "mid")


cents = st.integers(0, 9999).map(lambda each: Decimal(each) / 100)
spans = st.lists(st.integers(0, 400_000), min_size=2, max_size=12, unique=True).map(sorted)


@MANY
@given(spans, st.integers(0, 3), st.fixed_dictionaries(dict.fromkeys(("low", "high", "mid"), cents)), cents)
def test_a_session_costs_the_same_in_any_week_of_one_tariff(
    cuts: list[int], weeks: int, prices: dict[str, Decimal], start_up: Decimal
) -> None:
    def priced(start: int) -> list[Line]:
        segments = [used(start + a * SECOND, b - a) for a, b in list(pairwise(cuts))[::2]]
        return rate(segments, time={State.PROCESSING: Price(bands=prices)}, start_up=start_up or None)

    before, after = priced(MONDAY), priced(MONDAY + weeks * 7 * DAY)

    assert [(each.reference, each.quantity, each.amount) for each in before] == [
        (each.reference, each.quantity, each.amount) for each in after
    ]


@MANY
@given(spans, spans, st.fixed_dictionaries(dict.fromkeys(("low", "high", "mid"), cents)))
def test_cutting_use_anywhere_changes_no_amount(cuts: list[int], more: list[int], prices: dict[str, Decimal]) -> None:
    whole = used(MONDAY, cuts[-1])
    inner = [0, *(each for each in sorted({*cuts, *more}) if 0 < each < cuts[-1]), cuts[-1]]
    pieces = [used(MONDAY + a * SECOND, b - a) for a, b in pairwise(inner)]
    version = {"time": {State.PROCESSING: Price(bands=prices)}, "increment_seconds": 360}

    once, often = rate([whole], **version), rate(pieces, **version)

    assert [(each.reference, each.quantity, each.amount) for each in once] == [
        (each.reference, each.quantity, each.amount) for each in often
    ]


@st.composite
def graduated(draw: st.DrawFn) -> Price:
    limits = sorted(draw(st.sets(st.integers(1, 40_000), min_size=1, max_size=3)))
    return Price(tiers=(*(Tier(limit, draw(cents)) for limit in limits), Tier(None, draw(cents))))


@MANY
@given(st.lists(st.integers(1, 9_000), min_size=1, max_size=6), st.randoms(use_true_random=False), graduated())
def test_the_order_of_sessions_changes_no_total_of_tiers_and_more_use_never_costs_less(
    lengths: list[int], dice: Any, price: Price
) -> None:
    def priced(seconds: list[int]) -> Decimal:
        return total(rate([used(MONDAY + n * 4 * HOUR, each) for n, each in enumerate(seconds)],
                          time={State.PROCESSING: price}))  # fmt: skip

    shuffled = dice.sample(lengths, len(lengths))
    dearest = max(tier.price for tier in price.tiers)

    assert priced(shuffled) == priced(lengths)
    longer = priced([*lengths[:-1], lengths[-1] + 1]) - priced(lengths)
    assert 0 <= longer <= dearest / 3600 + Decimal("0.01")


@MANY
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), min_size=1, max_size=5), st.integers(0, 40))
def test_an_instant_has_one_version_or_the_tariffs_are_refused(rows: list[tuple[int, int]], day: int) -> None:
    versions = [
        Version(tariff="mill", name=str(number), valid=Period(MONDAY + start * DAY, MONDAY + (start + days) * DAY))
        for number, (start, days) in enumerate(rows)
    ]
    instant = MONDAY + day * DAY
    covering = [each for each in versions if instant in each.valid]
    overlap = any(one.valid.overlaps(other.valid) for n, one in enumerate(versions) for other in versions[:n])

    if overlap:
        with pytest.raises(BadTariffError, match="overlap"):
            Book(versions)
    else:
        assert Book(versions).at("M1", "", instant) == (covering[0] if covering else None)


@MANY
@given(st.integers(0, 3_000), st.integers(1, 3_000), st.sampled_from(["B", "C"]), cents)
def test_what_is_corrected_and_set_right_again_leaves_every_member_with_what_it_owed(
    start: int, seconds: int, other: str, price: Decimal
) -> None:
    base = datetime(2026, 10, 13, 6, tzinfo=UTC)

    def corrected(payer: str, days: int) -> dict[str, Any]:
        begin = base + timedelta(seconds=start)
        return {"from": begin, "to": begin + timedelta(seconds=seconds), "payer": payer, "reason": "the wrong badge",
                "requested_by": "anna", "approved_by": "bruno", "approved_at": base + timedelta(days=days)}  # fmt: skip

    table = {
        "members": {"A": {}, "B": {}, "C": {}},
        "machines": [{
            "id": "M1",
            "states": [{"from": base, "to": base + timedelta(hours=2), "state": "processing"}],
            "badges": [{"at": base, "member": "A", "event": "in"}],
            "corrections": [corrected(other, 40), corrected("A", 70)],
        }],
        "tariffs": [{"name": "mill", "versions": [{"from": date(2026, 1, 1), "time": {"processing": price}}]}],
        "closings": [{"month": f"2026-{month}", "at": datetime(2026, month, 5, tzinfo=UTC) + timedelta(days=31)}
                     for month in (10, 11)],
    }  # fmt: skip
    statements = read(table).statements()
    [first] = [each.net for each in statements if each.month == "2026-10" and each.member == "A"]

    owed: dict[str, Decimal] = {}
    for each in statements:
        owed[each.member] = owed.get(each.member, Decimal(0)) + each.net
    assert owed["A"] == first
    assert {net for member, net in owed.items() if member != "A"} <= {Decimal(0)}
    lines = [line for each in statements for line in each.lines if line.corrects is not None]
    assert sum((line.amount for line in lines), Decimal(0)) == 0
