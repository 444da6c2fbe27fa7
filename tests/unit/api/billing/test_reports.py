"""Use told apart by what a member charges its own customers by."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from api.billing.reports import By, Report, Works
from api.billing.statements import Basis, Line, Part, Tax
from api.usage.segments import Claim, Quality, Segment, Work
from shopfloor.periods import SECOND, Period, parse_instant
from shopfloor.states import State

ROME = ZoneInfo("Europe/Rome")
DAY = date(2026, 10, 13)
NOON = parse_instant("2026-10-13T10:00:00Z")


def span(start: float, end: float) -> Period:
    """Return seconds after noon as a period."""
    return Period(NOON + round(start * SECOND), NOON + round(end * SECOND))


def segment(period: Period) -> Segment:
    return Segment("m1", period, State.PROCESSING, Quality.MEASURED, "alfa", Claim.JOB)


def line(basis: Basis, quantity: int, amount: str, *segments: Segment) -> Line:
    part = Part(DAY, NOON, quantity, Decimal(amount), segments=segments)
    return Line("x", "2026-10", "alfa", "m1", basis, Tax(Decimal(22)), Decimal(amount), Decimal(amount) * 3600,
                quantity=quantity, parts=(part,))  # fmt: skip


def report(by: By, first: date = DAY, last: date = DAY) -> Report:
    return Report([by], {"m1": "vignola"}, ROME, first, last)


def test_parts_and_energy_go_to_orders_by_their_seconds_and_add_up() -> None:
    works = Works([Work(span(0, 30), "J-1", "O-1", "P"), Work(span(30, 100), "J-2", "O-2", "P")])
    told = report(By.ORDER)

    told.take_lines([line(Basis.PARTS, 11, "1.00", segment(span(0, 100)))], works)
    told.take_lines([line(Basis.ENERGY, 7, "0.05", segment(span(0, 100)))], works)

    found = {key[0]: each for key, each in told.rows}
    assert {order: each.pieces for order, each in found.items()} == {"O-1": 3, "O-2": 8}
    assert sum(each.energy for each in found.values()) == 7
    assert {order: each.net for order, each in found.items()} == {"O-1": Decimal("0.32"), "O-2": Decimal("0.73")}


def test_what_was_made_before_and_after_a_segment_is_not_of_it() -> None:
    works = Works([Work(span(-50, -20), "J-0", "", ""), Work(span(10, 20), "J-1", "", ""),
                   Work(span(500, 600), "J-2", "", "")])  # fmt: skip
    told = report(By.JOB)

    told.take_time([segment(span(0, 100)), segment(span(20, 21))], works)

    assert {key[0]: each.seconds for key, each in told.rows} == {"": 91, "J-1": 10}


def test_a_job_of_less_than_a_second_is_no_row() -> None:
    told = report(By.JOB)

    told.take_time([segment(span(0, 10))], Works([Work(span(4.2, 4.6), "J-1", "", "")]))

    assert {key[0]: each.seconds for key, each in told.rows} == {"": 10}


def test_days_outside_of_what_is_asked_count_nothing() -> None:
    told = report(By.DAY, first=date(2026, 10, 14), last=date(2026, 10, 14))
    night = segment(Period(NOON, NOON + 20 * 3600 * SECOND))

    told.take_time([night], Works([]))
    told.take_lines([line(Basis.TIME, 72_000, "9.00", night)], Works([]))

    assert {key[0]: each.seconds for key, each in told.rows} == {"2026-10-14": 8 * 3600}
