from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.billing.adjustments import adjust
from api.billing.calendars import civil_month
from api.billing.common import Common, Fee, LentHours, Quota, SharedCost, TrueUp, true_up
from api.billing.money import euros, exact, share, share_line, to_cents, vat_on
from api.billing.rating import Terms, rate_machine
from api.billing.statements import Basis, Line, Part, Tax, canonical, compose, digest, to_data
from api.billing.tariffs import BadTariffError, Book, Minimum, Price, Tier, UnpricedError, Version
from api.usage.segments import Claim, Meter, Metered, Quality, Segment, Source
from shopfloor.periods import HOUR, INSTANT_MAX, SECOND, Period, from_datetime
from shopfloor.states import State

ROME = ZoneInfo("Europe/Rome")
OCTOBER = civil_month("2026-10", ROME)
NOON = from_datetime(datetime(2026, 10, 13, 10, tzinfo=UTC))
TAX = Tax(Decimal(22))


def segment(start: float, end: float, state: State = State.PROCESSING, **more: Any) -> Segment:
    """Hours from noon."""
    period = Period(NOON + int(start * HOUR), NOON + int(end * HOUR))
    return Segment("M1", period, state, Quality.MEASURED, "A", Claim.BADGE)._replace(**more)


def rate(segments: list[Segment], *versions: dict[str, Any]) -> dict[str, Line]:
    book = Book(
        Version(**{"tariff": "mill", "name": str(number), "valid": Period(0, INSTANT_MAX), **each})
        for number, each in enumerate(versions, 1)
    )
    lines = rate_machine("M1", segments, Terms(book, {"A": "founder"}, ROME, "2026-10", OCTOBER))
    return {line.reference: line for line in lines}


HOURLY = {"time": {State.PROCESSING: Price(Decimal(36))}}


def test_parts_and_cycles_cost_by_the_piece_and_by_tier() -> None:
    parts = (Metered(Meter.PARTS, Period(NOON, NOON + SECOND), 12, placed=True),
             Metered(Meter.CYCLES, Period(NOON, NOON + SECOND), 3, placed=True))  # fmt: skip
    tiers = Price(tiers=(Tier(10, Decimal(2)), Tier(None, Decimal(1))))

    lines = rate([segment(0, 1, metered=parts)], {"parts": tiers, "cycles": Price(Decimal("0.10"))})

    assert {key: line.amount for key, line in lines.items()} == {
        "parts/M1/mill@1": Decimal("22.00"), "cycles/M1/mill@1": Decimal("0.30"),
    }  # fmt: skip


def test_what_no_tariff_covers_is_refused_and_what_lies_beside_the_month_is_not_looked_at() -> None:
    early = {"valid": Period(0, NOON), **HOURLY}

    with pytest.raises(UnpricedError, match="no tariff version is valid"):
        rate([segment(0, 1)], early)
    assert rate([segment(0, 1, State.OFF, booked="A")], early) == {}
    assert rate([segment(-1000, -999)], {"valid": Period(NOON, INSTANT_MAX), **HOURLY}) == {}
    over_the_start = OCTOBER.start - NOON
    crossing = segment((over_the_start - HOUR) / HOUR, (over_the_start + HOUR) / HOUR)
    assert (
        rate([crossing], {"valid": Period(OCTOBER.start, INSTANT_MAX), **HOURLY})["time/M1/processing/mill@1"].quantity
        == 3600
    )


def test_tiers_go_on_counting_when_the_version_changes() -> None:
    tiers = Price(tiers=(Tier(3 * 3600, Decimal(40)), Tier(None, Decimal(20))))
    versions = ({"valid": Period(0, NOON), "time": {State.PROCESSING: tiers}},
                {"valid": Period(NOON, INSTANT_MAX), "time": {State.PROCESSING: tiers}})  # fmt: skip

    lines = rate([segment(-2, 2)], *versions)

    assert [str(line.amount) for line in lines.values()] == ["80.00", "60.00"]
    assert [step.quantity for step in lines["time/M1/processing/mill@2"].steps if step.quantity] == [3600, 3600]


def test_an_increment_that_ends_in_another_month_goes_to_the_last_charged_state() -> None:
    end = (OCTOBER.end - NOON) / HOUR
    before = (OCTOBER.start - NOON) / HOUR
    segments = [segment(before - 1, before - 0.5), segment(before - 0.5, before + 0.5, State.OFF)]

    lines = rate(segments, {**HOURLY, "increment_seconds": 3600})

    assert end > 0
    assert [(line.quantity, str(line.amount)) for line in lines.values()] == [(1800, "18.00")]


def test_no_limit_applies_where_no_version_is_valid_at_the_end_of_the_month() -> None:
    capped = {"valid": Period(0, NOON + HOUR), **HOURLY, "monthly_cap": Decimal(1)}

    assert [str(line.amount) for line in rate([segment(0, 1)], capped).values()] == ["36.00"]


def test_a_minimum_without_names_is_for_those_who_used_the_machine() -> None:
    lines = rate([segment(0, 1)], {**HOURLY, "monthly_minimum": Minimum(Decimal("40.00"))})

    assert lines["monthly_minimum/M1/22 %"].amount == Decimal("4.00")


def line(member: str = "A", amount: str = "10.00", **more: Any) -> Line:
    told = {"reference": "r", "month": "2026-10", "member": member, "machine": "M1", "basis": Basis.TIME, "tax": TAX,
            "amount": Decimal(amount), "exact": exact(Decimal(amount))}  # fmt: skip
    return Line(**{**told, **more})


def test_a_statement_refuses_lines_of_others_and_two_of_one_reference() -> None:
    with pytest.raises(ValueError, match="the statement of B"):
        compose("B", "2026-10", OCTOBER, "Europe/Rome", [line()])
    with pytest.raises(ValueError, match="one reference"):
        compose("A", "2026-10", OCTOBER, "Europe/Rome", [line(), line(amount="1.00")])


@given(st.permutations(range(6)), st.lists(st.integers(-10_000, 10_000), min_size=6, max_size=6))
def test_a_statement_is_the_same_bytes_in_any_order_and_its_sums_hold(order: list[int], cents: list[int]) -> None:
    metered = (Metered(Meter.ENERGY, Period(0, SECOND), 5, placed=True),)
    part = Part(date(2026, 10, 1), 0, 1, Decimal(1), 0, (segment(0, 1, metered=metered, sources=(Source("job", 1),)),))
    taxes = [TAX, Tax(Decimal(10)), Tax(Decimal(0), "N4")]
    lines = [
        line(amount=str(Decimal(each) / 100), reference=str(number), tax=taxes[number % 3], parts=(part,))
        for number, each in enumerate(cents)
    ]

    one = compose("A", "2026-10", OCTOBER, "Europe/Rome", lines)
    other = compose("A", "2026-10", OCTOBER, "Europe/Rome", [lines[index] for index in order])

    assert canonical(one) == canonical(other)
    assert digest(one) == digest(other)
    assert one.net == sum(each.amount for each in lines) == sum(row.base for row in one.vat)
    assert one.total == one.net + sum(row.vat for row in one.vat)
    assert all(row.vat == vat_on(row.base, row.tax.rate) for row in one.vat)
    assert to_data(one)["total"] == str(one.total)


@given(st.integers(-1_000_000, 1_000_000), st.lists(st.decimals(0, 1000, places=3), min_size=1, max_size=12))
def test_shares_add_to_the_amount_each_within_a_cent(cents: int, weights: list[Decimal]) -> None:
    amount = Decimal(cents) / 100

    found = share(amount, weights)

    assert sum(found) == amount
    total = sum(weights)
    for each, weight in zip(found, weights, strict=True):
        own = amount * weight / total if total else amount / len(weights)
        assert abs(each - own) < Decimal("0.0100001")


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=20), st.sampled_from([1, -1]))
def test_a_line_is_rounded_once_and_its_cents_are_shared_to_its_parts(parts: list[int], sign: int) -> None:
    exacts = [Decimal(sign * each) for each in parts]
    amount = to_cents(sum(exacts, Decimal(0)))

    found = share_line(amount, exacts)

    assert sum(found) == amount
    assert abs(amount * 3600 - sum(exacts)) <= 18
    assert all(abs(each * 3600 - own) < 36 for each, own in zip(found, exacts, strict=True))


def test_half_a_cent_goes_away_from_zero() -> None:
    assert [str(to_cents(exact(Decimal(each)))) for each in ("0.005", "-0.005", "0.0049999")] == [
        "0.01",
        "-0.01",
        "0.00",
    ]
    assert str(euros(Decimal(1))) == "0.000278"
    with pytest.raises(ValueError, match="one weight or more"):
        share(Decimal(1), [])
    with pytest.raises(ValueError, match="not what 1 parts add to"):
        share_line(Decimal(5), [exact(1)])


def test_an_adjustment_is_the_line_recomputed_whole_less_the_line_as_charged_and_its_reversal_cancels_it() -> None:
    day = date(2026, 10, 13)
    old = line(quantity=5, parts=(Part(day, 1, 5, Decimal("10.00")),))
    new = line(amount="12.00", quantity=6, parts=(Part(day, 1, 5, Decimal("10.00")), Part(day, 2, 1, Decimal("2.00"))))

    [there], [back] = adjust([old], [new]), adjust([new], [old])
    [gone], [come] = adjust([old], []), adjust([], [old])

    assert (there.amount, there.quantity, there.corrects) == (Decimal("2.00"), 1, ("2026-10", "r"))
    assert there.parts == (Part(day, 2, 1, Decimal("2.00")),)
    assert there.amount + back.amount == 0
    assert (gone.amount, come.amount) == (Decimal("-10.00"), Decimal("10.00"))
    assert adjust([old], [replace(old, steps=())]) == []


def test_costs_are_shared_by_charged_seconds_and_alike_where_nobody_used_anything() -> None:
    used = [line("A", quantity=3600), line("B", quantity=1800), line("B", basis=Basis.ENERGY, quantity=9)]
    by_use = Common(shared_costs=[SharedCost("rent", "2026-10", Decimal("10.00"))], members=["A", "B", "C"])
    of_another = Common(
        shared_costs=[SharedCost("rent", "2026-10", Decimal("10.00"), machines=frozenset({"M2"}))], members=["A", "B"]
    )

    assert [str(each.amount) for each in by_use.lines("2026-10", used)] == ["6.67", "3.33"]
    assert [str(each.amount) for each in of_another.lines("2026-10", used)] == ["5.00", "5.00"]
    assert by_use.lines("2026-11", used) == []


def test_quotas_lent_hours_and_fees_come_in_their_month() -> None:
    day = date(2026, 10, 12)
    fee = Fee("A", "late", day, Decimal("5.00"), "M1")
    lent = [LentHours("A", "B", "work", each, 1800, Decimal("33.33")) for each in (day, day, date(2026, 10, 13))]
    common = Common(
        quotas=[Quota("dues", {"A": Decimal("1.00")}, "2026-01", "2026-10")], lent_hours=lent, fees=[fee, fee]
    )

    october = {(each.member, each.reference): str(each.amount) for each in common.lines("2026-10", [])}

    assert october == {
        ("A", "quota/dues"): "1.00",
        ("B", "lent_hours/from A/work/33.33/22 %"): "50.00",
        ("A", "lent_hours/to B/work/33.33/22 %"): "-50.00",
        ("A", "fee/M1/late/2026-10-12"): "5.00",
        ("A", "fee/M1/late/2026-10-12/2"): "5.00",
    }
    assert common.lines("2026-11", []) == []


def test_a_true_up_shares_the_real_cost_by_what_was_charged_or_by_seconds() -> None:
    lines = [line("A", "60.00", quantity=100, tariff="v"), line("B", "20.00", quantity=100, tariff="v")]
    up = TrueUp("mills", frozenset({"M1"}), 2026, Decimal("100.00"), "2026-12")
    provisional = frozenset({"v"})

    assert [str(each.amount) for each in true_up(up, lines, provisional)] == ["15.00", "5.00"]
    assert [str(each.amount) for each in true_up(up._replace(by_seconds=True), lines, provisional)] == [
        "-10.00",
        "30.00",
    ]
    with pytest.raises(BadTariffError, match="provisional"):
        true_up(up, lines, frozenset())


def test_a_start_up_fee_comes_once_per_session() -> None:
    lines = rate([segment(0, 1), segment(2, 3)], {**HOURLY, "start_up": Decimal("2.50")})

    assert (lines["start_up/M1/mill@1"].quantity, lines["start_up/M1/mill@1"].amount) == (2, Decimal("5.00"))


def test_a_limit_falls_on_no_rate_of_vat_at_which_nothing_was_charged() -> None:
    energy = (Metered(Meter.ENERGY, Period(NOON, NOON + SECOND), 5, placed=True),
              Metered(Meter.ENERGY, Period(NOON, NOON + SECOND), 7, placed=False))  # fmt: skip
    free_energy = {"energy": Price(Decimal(0)), "taxes": {Basis.ENERGY: Tax(Decimal(10))}}

    lines = rate([segment(0, 1, metered=energy)], {**HOURLY, **free_energy, "monthly_cap": Decimal("30.00")})

    assert lines["monthly_cap/M1/22 %"].amount == Decimal("-6.00")
    assert "monthly_cap/M1/10 %" not in lines
    assert (lines["energy/M1/mill@1"].quantity, lines["energy/M1/mill@1"].flagged) == (12, 7)
    assert len(lines["energy/M1/mill@1"].parts[0].segments) == 1


def test_what_is_metered_costs_by_the_version_of_its_time_and_nothing_where_that_has_no_price() -> None:
    energy = (Metered(Meter.ENERGY, Period(NOON - SECOND, NOON), 1_000_000, placed=True),
              Metered(Meter.ENERGY, Period(NOON, NOON + SECOND), 2_000_000, placed=True),
              Metered(Meter.PARTS, Period(NOON, NOON + SECOND), 1, placed=True))  # fmt: skip
    before = {"valid": Period(0, NOON), "energy": Price(Decimal("0.20"))}
    after = {"valid": Period(NOON, INSTANT_MAX), "energy": Price(Decimal("0.30"))}

    lines = rate([segment(-1, 1, metered=energy)], before, after)

    assert {key: str(line.amount) for key, line in lines.items()} == {
        "energy/M1/mill@1": "0.20",
        "energy/M1/mill@2": "0.60",
    }


def test_time_that_an_earlier_version_prices_by_tiers_counts_nothing_towards_a_session_minimum() -> None:
    change = NOON + HOUR // 2
    tiered = {State.PROCESSING: Price(tiers=(Tier(3600, Decimal(20)), Tier(None, Decimal(10))))}
    hourly = {State.PROCESSING: Price(Decimal(4))}

    lines = rate(
        [segment(0, 1)],
        {"time": tiered, "valid": Period(0, change)},
        {"time": hourly, "session_minimum": Decimal(12), "valid": Period(change, INSTANT_MAX)},
    )

    assert lines["session_minimum/M1/mill@2"].amount == Decimal("10.00")
