"""The product and a naive second implementation agree to the cent on generated scenarios."""

from __future__ import annotations

import copy
import random
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from api.billing.scenarios.reader import read
from tests.unit.api.billing.houses import AFTER, LENGTH, examples, houses
from tests.unit.api.billing.oracle import Line, Oracle, second_of

if TYPE_CHECKING:
    from api.billing.statements import Statement

EXAMPLES = examples(200, 4000)
FEWER = examples(40, 1000)


def naive(table: dict[str, Any], base: datetime, known_at: datetime | None = None) -> dict[tuple[str, str, str], Line]:
    begun = second_of(base)
    at = None if known_at is None else second_of(known_at)
    return Oracle(table, at, begun, begun + LENGTH + AFTER).rate()


def stated(statements: list[Statement]) -> dict[tuple[str, str, str], Line]:
    """Sum lines and their adjustments."""
    sums: dict[tuple[str, str, str], Line] = {}
    for line in (line for statement in statements for line in statement.lines):
        key = (line.month, line.member, line.reference)
        before = sums.get(key, Line(0, Fraction(0)))
        sums[key] = Line(before.quantity + line.quantity, before.amount + Fraction(line.amount))
    return sums


def nonzero(lines: dict[tuple[str, str, str], Line]) -> dict[tuple[str, str, str], Line]:
    return {key: line for key, line in lines.items() if line != Line(0, Fraction(0))}


@EXAMPLES
@given(houses())
def test_every_line_agrees_to_the_cent(drawn: tuple[dict[str, Any], datetime]) -> None:
    table, base = drawn

    assert nonzero(stated(read(table).statements())) == nonzero(naive(table, base))


@FEWER
@given(houses(), st.integers(59, 68))
def test_what_was_charged_and_its_adjustments_are_what_is_right(
    drawn: tuple[dict[str, Any], datetime], closed_after_days: int
) -> None:
    table, base = drawn
    closed = base + timedelta(days=closed_after_days)
    table = {**table, "closings": [{"month": month, "at": closed} for month in table["months"]]}
    statements = read(table).statements()
    first = [each for each in statements if each.month in table["months"]]

    originals = [line for each in first for line in each.lines if line.corrects is None]
    known_then = nonzero(naive(table, base, closed))
    assert {
        (line.month, line.member, line.reference): line.amount for line in originals if line.quantity or line.amount
    } == {key: line.amount for key, line in known_then.items()}
    assert nonzero(stated(statements)) == nonzero(naive(table, base))


@FEWER
@given(houses(), st.integers(0, 2**32), st.lists(st.integers(1, LENGTH - 1), max_size=6))
def test_order_repetition_and_cuts_of_the_data_change_no_byte_of_money(
    drawn: tuple[dict[str, Any], datetime], seed: int, cuts: list[int]
) -> None:
    table, base = drawn
    changed = copy.deepcopy(table)
    machine = changed["machines"][0]
    machine["states"] = [part for row in machine["states"] for part in cut(row, base, cuts)]
    shuffle = random.Random(seed).shuffle
    for rows in (each for each in machine.values() if isinstance(each, list)):
        rows.extend(copy.deepcopy(rows[:2]))
        shuffle(rows)

    before, after = read(table).statements(), read(changed).statements()

    assert [(each.member, each.month, each.net, each.vat, each.total) for each in before] == [
        (each.member, each.month, each.net, each.vat, each.total) for each in after
    ]
    assert stated(before) == stated(after)
    parts = [[(part.day, part.session, part.quantity, part.amount) for line in each.lines for part in line.parts]
             for each in before]  # fmt: skip
    assert parts == [
        [(part.day, part.session, part.quantity, part.amount) for line in each.lines for part in line.parts]
        for each in after
    ]


def cut(row: dict[str, Any], base: datetime, cuts: list[int]) -> list[dict[str, Any]]:
    bounds = [base + timedelta(seconds=each) for each in sorted(set(cuts))]
    inside = [row["from"], *(each for each in bounds if row["from"] < each < row["to"]), row["to"]]
    return [{**row, "from": start, "to": end} for start, end in pairwise(inside)]
