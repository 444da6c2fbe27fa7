"""The oracle of a month of load agrees with the naive one; what is judged by both finds every difference."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from shopfloor.periods import DAY, SECOND, Period
from shopfloor.samples import slices
from shopfloor.states import Hole, state_of
from shopfloor.stores.sqlite import SqliteStore
from tests.benchmarks.month import differing_lines, judge_machine, last_month
from tests.benchmarks.month_life import CHANGES_PER_DAY, FACTS, Block, Plan, life, machine_id
from tests.benchmarks.month_oracle import Bills, Lines, price_table
from tests.unit.api.billing.oracle import Line, Oracle

AUTUMN = int(datetime(2026, 10, 25, 0, tzinfo=UTC).timestamp())
"""Within the day of 25 hours."""
OCTOBER_ENDS = int(datetime(2026, 10, 31, 23, tzinfo=UTC).timestamp())
PLAN = Plan(3, 5, OCTOBER_ENDS - 30 * 86_400, OCTOBER_ENDS)


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def bills_of(blocks: list[Block]) -> Bills:
    bills = Bills()
    pieces = (piece for block in blocks for piece in block.pieces)
    bills.take(machine_id(0), pieces, (each for block in blocks for each in block.used))
    return bills


def naive(blocks: list[Block]) -> Lines:
    """Rate the same second by second."""
    pieces = [piece for block in blocks for piece in block.pieces]
    machine: dict[str, Any] = {"bookings": [], "corrections": [], "badges": []}
    machine["states"] = [{"from": at(each.start), "to": at(each.end), "state": each.state} for each in pieces]
    machine["jobs"] = [
        {"from": at(each.start), "to": at(each.end), "id": each.member.removeprefix("f-") + "-1"}
        for each in pieces
        if each.member is not None
    ]
    machine["energy_used"] = [
        {"from": at(each.start), "to": at(each.end), "kwh": Decimal(each.amount) / 1_000_000}
        for block in blocks
        for each in block.used
    ]
    lines = Oracle(price_table(machine), None, pieces[0].start, pieces[-1].end).rate()
    return {
        (month, f"f-{member}", reference.replace("/M1/", f"/{machine_id(0)}/")): line
        for (month, member, reference), line in lines.items()
        if line.quantity or line.amount
    }


@pytest.mark.parametrize("begin", [AUTUMN, OCTOBER_ENDS - 2 * 3600])
def test_pieces_cost_what_their_seconds_cost(begin: int) -> None:
    blocks = list(life(Plan(7, 3, begin, begin + 4 * 3600), 0))

    bills, expected = bills_of(blocks), naive(blocks)

    months = {month for month, _, _ in expected}
    assert {key: line for month in months for key, line in bills.lines(month).items()} == expected
    assert len(expected) > 5


@pytest.mark.parametrize("number", [0, 2])
def test_what_a_machine_says_is_what_it_does(number: int) -> None:
    """Also of one that is switched off at night, and says nothing then."""
    blocks = list(life(PLAN, number))
    pieces = [piece for block in blocks for piece in block.pieces]
    samples = [sample for block in blocks for sample in block.said]

    assert all(before.end == after.start for before, after in pairwise(pieces))
    assert [sample.stamp for sample in samples] == sorted(sample.stamp for sample in samples)
    facts: dict[str, Any] = {}
    spoken = iter(samples)
    following = next(spoken, None)
    for piece in pieces:
        while following is not None and following.stamp < (piece.start + 1) * SECOND:
            facts[following.signal] = following.value
            following = next(spoken, None)
        if piece.member is not None:
            assert state_of({name: facts[name] for name in FACTS["off"]}) == piece.state
            assert facts["job"].startswith(piece.member.removeprefix("f-"))
        else:
            assert facts["job"] == ""
    assert len(pieces) / 30.5 == pytest.approx(CHANGES_PER_DAY, rel=0.15)


def test_the_judge_finds_what_is_missing_changed_invented_or_unseen() -> None:
    plan = Plan(3, 5, OCTOBER_ENDS - 86_400, OCTOBER_ENDS)
    blocks = list(life(plan, 0))
    said = [sample for block in blocks for sample in block.said]
    [lost, changed] = [each for each in said if each.signal == "energy_watt_hours"][10:12]
    invented = said[0]._replace(signal="parts", stamp=said[0].stamp + 1, value=7)
    hole = Hole("m-000", Period(invented.stamp, invented.stamp + SECOND), (), "evicted")

    store = SqliteStore(":memory:")
    store.write(slices(said), now=plan.end * SECOND + DAY)
    other = SqliteStore(":memory:")
    wrong = [each for each in said if each != lost and each.signal != "observed"]
    wrong[wrong.index(changed)] = changed._replace(value=1.0)
    wrong += [invented, invented._replace(signal="hole", stamp=hole.period.end, value=hole.encode())]
    other.write(slices(wrong), now=plan.end * SECOND + DAY)

    right, stored = judge_machine(store, plan, 0, blocks)
    found, _ = judge_machine(other, plan, 0, blocks)
    store.close()
    other.close()

    assert right == []
    assert 0 < stored <= len(said)
    assert [each.split()[1] for each in found] == ["parts", "energy_watt_hours", "energy_watt_hours", "watched", "a"]


def test_the_judge_finds_a_cent_and_a_line_that_is_not_there() -> None:
    lines = bills_of(list(life(PLAN, 0))).lines("2026-10")
    first, second, *_ = sorted(lines)
    wrong = {**lines, first: Line(lines[first].quantity, lines[first].amount + Fraction(1, 100))}
    del wrong[second]

    assert differing_lines(lines, lines) == []
    assert len(differing_lines(lines, wrong)) == 2


def test_the_newest_month_that_may_be_closed_is_over_for_the_days_of_its_review() -> None:
    assert last_month(datetime(2026, 11, 3, tzinfo=UTC)) == "2026-09"
    assert last_month(datetime(2026, 11, 5, tzinfo=UTC)) == "2026-10"
    assert last_month(datetime(2027, 1, 23, tzinfo=UTC)) == "2026-12"
