"""The oracle of a month of load agrees with the naive one, and the lives that it rates are whole."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from tests.benchmarks.month_life import FACTS, MARGIN_SECONDS, Block, Plan, life, machine_id, month_plan
from tests.benchmarks.month_oracle import Bills, Lines, price_table
from tests.unit.api.billing.oracle import Oracle

AUTUMN = int(datetime(2026, 10, 25, 0, tzinfo=UTC).timestamp())
"""Within the day of 25 hours."""
OCTOBER_ENDS = int(datetime(2026, 10, 31, 23, tzinfo=UTC).timestamp())


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def naive(blocks: list[Block]) -> Lines:
    """Rate the same second by second; what the meter told is spread there over what was on."""
    pieces = [piece for block in blocks for piece in block.pieces]
    rows = [{"from": at(each.start), "to": at(each.end), "state": each.state} for each in pieces]
    machine: dict[str, Any] = {"states": rows, "bookings": [], "corrections": [], "badges": []}
    machine["jobs"] = [
        {"from": at(each.start), "to": at(each.end), "id": f"{each.member}".removeprefix("f-") + "-1"}
        for each in pieces
        if each.member is not None
    ]
    # What was metered is placed below: a second that is off takes none, as in a night of standby.
    machine["energy_used"] = []
    oracle = Oracle(price_table(machine), None, pieces[0].start, pieces[-1].end)
    seconds = oracle.walk()
    used = [each for block in blocks for each in block.used]
    rows = [{"from": at(each.start), "to": at(each.end), "kwh": each.amount} for each in used]
    by_second = {each.at: each for each in seconds}
    for row, each in zip(rows, used, strict=True):
        assert all(by_second[second].payer == each.member.removeprefix("f-") for second in range(each.start, each.end))
        row["kwh"] = _kwh(each.amount)
    machine["energy_used"] = rows
    lines = oracle.rate()
    return {
        (month, f"f-{member}", reference.replace("/M1/", f"/{machine_id(0)}/")): line
        for (month, member, reference), line in lines.items()
        if line.quantity or line.amount
    }


def _kwh(milliwatt_hours: int) -> Any:
    from decimal import Decimal

    return Decimal(milliwatt_hours) / 1_000_000


@pytest.mark.parametrize("begin", [AUTUMN, OCTOBER_ENDS - 2 * 3600])
def test_pieces_cost_what_their_seconds_cost(begin: int) -> None:
    blocks = list(life(Plan(7, 3, begin, begin + 4 * 3600), 0))
    bills = Bills()

    bills.take(machine_id(0), (piece for block in blocks for piece in block.pieces),
               (each for block in blocks for each in block.used))  # fmt: skip

    expected = naive(blocks)
    months = {month for month, _, _ in expected}
    assert {key: line for month in months for key, line in bills.lines(month).items()} == expected
    assert len(expected) > 5
