"""What the pages of money show adds up at every level, down to the second."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from api import formats
from api.billing.statements import Basis
from api.pages.charges import draft
from api.pages.money_rows import by_day, curve, money, open_statement, shares, stretches
from api.pages.words import words_of
from shopfloor.periods import Period
from tests.unit.api.billing.test_closing import CLOSED, MILLS, OCTOBER, Money, furnish, october
from tests.unit.api.usage.stored import at, house

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from api.billing.documents.document import Document
    from api.pages.money_rows import Opened
    from api.usage.segments import Segment

SAY = words_of("en")
NOTHING = {"part": "", "day": "", "session": ""}


@pytest.fixture(scope="module")
def it() -> Iterator[Money]:
    with house(MILLS) as made:
        money_house = furnish(made)
        money_house.tell(october(), now="2026-11-03T10:00")
        yield money_house


@pytest.fixture(scope="module")
def document(it: Money) -> Document:
    [stated] = it.ledger.preview(OCTOBER, now=at(CLOSED), member="alfa")
    return draft(stated, "Alfa S.r.l.", {"mill-1": "Mill 1"}, "Consorzio")


def read(text: str) -> Decimal:
    return Decimal(text.replace(",", "").replace("\N{MINUS SIGN}", "-").replace("\N{EN DASH}", "0"))


def measured(it: Money, document: Document, opened: Opened) -> Mapping[int, Sequence[Segment]]:
    found: dict[int, list[Segment]] = {}
    with it.records.reading() as session:
        for use in opened.uses:
            rated = it.ledger.rated(session, OCTOBER, document.statement.member, use.line.machine)
            parts = [part for line in rated if line.reference == use.line.reference for part in line.parts]
            same = [each for each in parts if (each.day, each.session) == (use.part.day, use.part.session)]
            found[use.number] = [segment for part in same for segment in part.segments]
    return found


def test_every_column_adds_up_to_the_figure_that_opened_it(document: Document) -> None:
    opened = open_statement(document, NOTHING, {}, SAY)

    for column in opened.columns:
        assert sum(read(row.amount) for row in column.rows) == read(column.amount)
    for before, after in zip(opened.columns, opened.columns[1:], strict=False):
        assert next(row.amount for row in before.rows if row.is_here) == after.amount
    assert opened.columns[0].amount == formats.money(document.statement.net, "en")
    assert sum(use.part.amount for use in opened.uses) == read(opened.amount)


def test_what_an_address_names_is_open_and_what_it_names_in_vain_is_not(document: Document) -> None:
    opened = open_statement(
        document, {**NOTHING, "part": "machine mill-1", "day": "2026-10-23"}, {"month": OCTOBER}, SAY
    )
    amiss = open_statement(document, {"part": "machine none", "day": "x", "session": "y"}, {}, SAY)

    [here] = [row for row in opened.columns[1].rows if row.is_here]
    assert "day=2026-10-23" in here.query
    assert here.query.startswith(f"month={OCTOBER}&")
    assert amiss.columns == open_statement(document, NOTHING, {}, SAY).columns


def test_a_line_of_time_opens_into_segments_that_add_to_its_seconds(it: Money, document: Document) -> None:
    opened = open_statement(document, {**NOTHING, "part": "machine mill-1"}, {}, SAY)
    found = measured(it, document, opened)

    timed = [use for use in opened.uses if use.line.basis is Basis.TIME]
    assert timed
    for use in timed:
        assert sum(segment.period.seconds for segment in found[use.number]) == use.part.quantity
    assert all(each.spans[0].sources for each in shares(opened, document, found, SAY) if each.spans)
    states, window = stretches(opened, found)
    assert window is not None
    assert window == Period(states[0].period.start, states[-1].period.end)


def test_what_concerns_no_machine_opens_without_day_and_session(document: Document) -> None:
    opened = open_statement(document, {**NOTHING, "part": "common"}, {}, SAY)

    assert [row.name for row in opened.columns[1].rows] == ["Of no day"]
    assert stretches(opened, {}) == ([], None)


def test_days_grow_to_the_net_and_the_curve_ends_there(document: Document) -> None:
    grown = by_day(document.statement.lines, 31)
    drawn = curve(grown, grown[:10], Decimal(10_000), "en")

    assert grown == sorted(grown)
    assert grown[-1] == document.statement.net
    assert drawn.present.startswith("M0.0 ")
    assert drawn.limit.endswith("%")


def test_an_amount_below_nothing_has_a_true_minus_and_nothing_is_a_dash() -> None:
    assert money(Decimal("-14.60"), "it") == "\N{MINUS SIGN}14,60"
    assert money(Decimal(0), "it") == "\N{EN DASH}"
