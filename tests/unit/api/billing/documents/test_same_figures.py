"""Every document of a statement carries the same net, VAT and total."""

from __future__ import annotations

import os
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from api.billing.calendars import civil_month, civil_zone
from api.billing.documents.csv_file import to_csv
from api.billing.documents.document import NoInvoiceError
from api.billing.documents.fatturapa import to_fatturapa
from api.billing.documents.pdf import to_pdf
from api.billing.documents.xlsx import to_xlsx
from api.billing.money import ZERO, exact, share, times, to_cents
from api.billing.statements import Basis, Line, Origin, Part, Rule, Step, Tax, Unit, compose
from shopfloor.periods import HOUR
from shopfloor.states import State
from tests.unit.api.billing.documents.papers import document, every_case
from tests.unit.api.billing.documents.reading import Figures, of_csv, of_pdf, of_xlsx, of_xml, schema

if TYPE_CHECKING:
    from api.billing.documents.document import Document
    from api.billing.statements import Statement

LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"
EXAMPLES = settings(
    max_examples=600 if LONG else 25, deadline=None, derandomize=not LONG, suppress_health_check=list(HealthCheck)
)
MORE = settings(EXAMPLES, max_examples=5000 if LONG else 60)
ZONE = civil_zone("Europe/Rome")
PERIOD = civil_month("2026-11", ZONE)
TAXES = (Tax(Decimal(22)), Tax(Decimal(10)), Tax(Decimal("4.5")), Tax(Decimal(0), "N4"), Tax(Decimal(0), "N6.9"))
_text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@st.composite
def _line(draw: st.DrawFn, number: int) -> Line:
    tax, machine = draw(st.sampled_from(TAXES)), draw(st.sampled_from(["", "m1", "m2"]))
    corrects = draw(st.sampled_from([None, None, Origin("2026-10", f"x/{number}")]))
    days = sorted(draw(st.sets(st.integers(0, 29), min_size=1, max_size=3)))
    unit = draw(st.sampled_from([Unit.SECOND, Unit.MILLIWATT_HOUR, Unit.NONE]))
    name = draw(_text)
    if unit is Unit.NONE:
        amount = Decimal(draw(st.integers(-99_999_99, 99_999_99))) / 100
        quantity, price, whole, basis = 0, None, exact(amount), Basis.FEE
    else:
        basis = Basis.TIME if unit is Unit.SECOND else Basis.ENERGY
        quantity = draw(st.integers(-3_000_000, 3_000_000))
        price = Decimal(draw(st.integers(0, 10**9))) / draw(st.sampled_from([100, 10**4, 10**9]))
        whole = times(price, quantity) if unit is Unit.SECOND else times(price * 36, quantity) / 10_000
        amount = to_cents(whole)
    cents = share(amount, [Decimal(1)] * len(days))
    counts = [quantity // len(days)] * (len(days) - 1)
    counts.append(quantity - sum(counts))
    sessions = [PERIOD.start + (24 * day + 8) * HOUR for day in days]
    return Line(
        reference=f"{basis}/{number}",
        month="2026-11" if corrects is None else corrects.month,
        member="A",
        machine=machine,
        basis=basis,
        tax=tax,
        amount=amount,
        exact=whole,
        state=State.PROCESSING if basis is Basis.TIME else None,
        tariff=draw(st.sampled_from(["", "mill@1"])),
        item=name if basis is Basis.FEE else "",
        unit=unit,
        quantity=quantity,
        price=price,
        steps=(Step(Rule.PRICE, quantity, price, whole), Step(Rule.ROUND, amount=whole)),
        parts=tuple(
            Part(date(2026, 11, 1) + timedelta(days=day), session, count, each)
            for day, session, count, each in zip(days, sessions, counts, cents, strict=True)
        ),
        corrects=corrects,
    )


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    """A month of one member with charges, credits and adjustments, at several rates and with any text."""
    lines = [draw(_line(number)) for number in range(draw(st.integers(0, 6)))]
    return compose("A", "2026-11", PERIOD, "Europe/Rome", lines)


def figures(each: Document) -> Figures:
    statement = each.statement
    return Figures(statement.net, statement.tax, statement.total)


def is_worth_an_invoice(each: Document) -> bool:
    return any(row.base for row in each.statement.vat)


@EXAMPLES
@given(statements())
def test_a_generated_statement_has_the_same_figures_in_pdf_and_workbook(statement: Statement) -> None:
    paper = document(statement)

    assert of_pdf(to_pdf(paper, "it")) == figures(paper)
    assert of_xlsx(to_xlsx(paper, "it")) == figures(paper)


@MORE
@given(statements())
def test_a_generated_statement_has_the_same_figures_in_csv_and_in_a_valid_invoice(statement: Statement) -> None:
    paper = document(statement)

    assert of_csv(to_csv(paper, "it")) == figures(paper)
    if is_worth_an_invoice(paper):
        content = to_fatturapa(paper, 1).content
        assert of_xml(content) == figures(paper)
        schema().assertValid(etree.fromstring(content))
    else:
        with pytest.raises(NoInvoiceError, match="adds to nothing"):
            to_fatturapa(paper, 1)


def test_the_worked_cases_have_the_same_figures_in_all_documents() -> None:
    for paper in every_case():
        assert (
            of_csv(to_csv(paper, "it"))
            == of_pdf(to_pdf(paper, "it"))
            == of_xlsx(to_xlsx(paper, "it"))
            == figures(paper)
        )
        if is_worth_an_invoice(paper):
            content = to_fatturapa(paper, 1).content
            assert of_xml(content) == figures(paper)
            schema().assertValid(etree.fromstring(content))


def test_the_sum_of_all_figures_is_not_nought_in_every_case() -> None:
    assert sum((paper.statement.total for paper in every_case()), ZERO) > 5000
