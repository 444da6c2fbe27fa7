"""What PDF, workbook and CSV say, and that they say it in the same bytes."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import openpyxl
import pytest
from pypdf import PdfReader

from api import formats
from api.billing.documents.csv_file import harmless, to_csv
from api.billing.documents.document import Document, Firm
from api.billing.documents.pdf import TypesettingError, to_pdf
from api.billing.documents.words import STATES
from api.billing.documents.writing import explanation
from api.billing.documents.xlsx import to_xlsx
from api.billing.money import exact
from api.billing.statements import Basis, Line, Tax, compose
from api.pages.words import STATES as PAGE_STATES
from api.pages.words import Words
from tests.unit.api.billing.documents.papers import CUSTOMER, ISSUER, document, every_case, of_case

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.pages.words import Language

ROOT = Path(__file__).parents[5]
CAPPED = ("16-minimum-and-cap-over-vat", "B", "2026-10")
LATE = ("14-late-data", "A", "2026-11")
WRITERS: dict[str, Callable[[Document, Language], bytes]] = {"pdf": to_pdf, "xlsx": to_xlsx, "csv": to_csv}
ELSEWHERE = """
from hashlib import sha256
from api.pages.words import STATES as PAGE_STATES
from api.pages.words import Words
from tests.unit.api.billing.documents.test_papers import CAPPED, WRITERS, of_case
print(*(sha256(write(of_case(*CAPPED), "it")).hexdigest() for write in WRITERS.values()))
"""


def text_of(paper: Document, language: Language = "it") -> str:
    pages = PdfReader(io.BytesIO(to_pdf(paper, language))).pages
    return " ".join("\n".join(page.extract_text() for page in pages).replace("\xa0", " ").split())


def empty(**other: object) -> Document:
    sample = of_case(*LATE).statement
    return document(compose("A", "2026-11", sample.period, sample.zone, []), **other)


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_statement_gives_the_same_bytes(name: str) -> None:
    assert WRITERS[name](of_case(*CAPPED), "it") == WRITERS[name](of_case(*CAPPED), "it")


def test_another_process_in_another_zone_and_locale_gives_the_same_bytes() -> None:
    elsewhere = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], cwd=ROOT, capture_output=True, text=True, check=True,
        env={"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"},
    )  # fmt: skip

    assert elsewhere.stdout.split() == [sha256(write(of_case(*CAPPED), "it")).hexdigest() for write in WRITERS.values()]


def test_the_pdf_says_who_whom_what_and_until_when() -> None:
    text = text_of(of_case(*CAPPED))

    for part in (
        "Consorzio Pontalto", "Dalmolin Precisione S.n.c.", "P. IVA 01234560361", "36061 Bassano del Grappa (VI)",
        "Numero 2026/11-03", "Data 04/12/2026", "ottobre 2026 (01/10/2026 \N{EN DASH} 31/10/2026)",
        "Scadenza 03/01/2027", "Totale da pagare 363,26 €", "IT60 X054 2811 1010 0000 0123 456",
        "M1 Centro 5 assi", "mill@1",
        "10:00:00", "10,0000 h", "36,00 €/h", "123,4 kWh", "0,24 €/kWh", "-82,81", "il mese costa al massimo 300,00 €",
        "mar 06/10/2026", "08:00:00 \N{EN DASH} 18:00:00", "prenotazione", "pagina 1 di",
    ):  # fmt: skip
        assert part in text, part
    assert of_case(*CAPPED).digest[:4] in text


def test_the_pdf_speaks_english_too() -> None:
    text = text_of(of_case(*CAPPED), "en")

    assert "Total due €363.26" in text
    assert "the month costs 300.00 € at most" in text
    assert "Tue 06/10/2026" in text


def test_an_adjustment_names_the_document_and_the_line_that_it_corrects() -> None:
    text = text_of(of_case(*LATE))

    assert "Rettifiche di ottobre 2026" in text
    assert "corregge 2026/10-01 del 05/11/2026, riga time/" in text
    assert "ricalcolata per intero: 3:00:00 109,50 già addebitata: 3:14:53 118,55" in text
    assert "Totale a credito -11,04 €" in text
    assert "corregge ottobre 2026, riga" in text_of(of_case(*LATE, issued={}))


@pytest.mark.parametrize(
    ("invoices", "note"),
    [(False, "non è una fattura"), (True, "Dettaglio della fattura elettronica con lo stesso numero")],
)
def test_a_statement_is_no_invoice_unless_the_consortium_invoices(invoices: bool, note: str) -> None:  # noqa: FBT001
    assert note in text_of(of_case(*CAPPED, issuer=replace(ISSUER, invoices=invoices)))


def test_a_draft_says_that_it_is_one() -> None:
    text = text_of(of_case(*CAPPED, number="", day=None, due=None, chain=""))

    assert "Estratto conto Bozza" in text
    assert "gli importi possono ancora cambiare" in text
    assert "Scadenza" not in text
    assert "fattura elettronica" not in text
    assert "Catena" not in text


def test_a_statement_without_lines_says_so() -> None:
    text = text_of(empty(customer=Firm(legal_name="X"), issuer=replace(ISSUER, iban="")))

    assert "In questo mese nessun addebito." in text
    assert "Nulla da pagare" in text
    assert "IBAN" not in text


def test_hundreds_of_lines_and_a_long_name_fill_pages_that_are_numbered() -> None:
    sample = of_case(*LATE).statement
    tax = Tax(Decimal(22))
    lines = [
        Line(
            f"fee/{number:03}", "2026-11", "A", "", Basis.FEE, tax, Decimal(1), exact(Decimal(1)), item=f"voce {number}"
        )
        for number in range(400)
    ]
    statement = compose("A", "2026-11", sample.period, sample.zone, lines)

    paper = document(statement, customer=replace(CUSTOMER, legal_name="Officine meccaniche riunite " * 3))
    pages = PdfReader(io.BytesIO(to_pdf(paper, "it"))).pages

    assert len(pages) > 6
    assert f"pagina {len(pages)} di {len(pages)}" in pages[-1].extract_text()
    assert "voce 399" in " ".join(page.extract_text() for page in pages)


def test_fonts_are_in_the_pdf_and_it_is_dated_by_its_statement() -> None:
    read = PdfReader(io.BytesIO(to_pdf(of_case(*CAPPED), "it")))

    fonts: list[Any] = [font for page in read.pages for font in cast("Any", page)["/Resources"]["/Font"].values()]
    descriptors = [each.get_object()["/DescendantFonts"][0].get_object()["/FontDescriptor"] for each in fonts]
    assert descriptors
    assert all("/FontFile3" in each or "/FontFile2" in each for each in descriptors)
    assert str(read.metadata.creation_date).startswith("2026-12-04") if read.metadata else False
    assert [round(float(each)) for each in read.pages[0].mediabox[2:]] == [595, 842]


def test_a_sign_that_no_font_has_is_shown_as_a_question_mark() -> None:
    text = text_of(
        of_case(*CAPPED, customer=replace(CUSTOMER, legal_name="Ditta \N{CJK UNIFIED IDEOGRAPH-4E2D} Rossi"))
    )

    assert "Ditta ? Rossi" in text


@pytest.mark.parametrize(
    ("program", "why"), [("import time; time.sleep(60)", "was not set within"), ("import nothing_such", "nothing_such")]
)
def test_a_pdf_that_cannot_be_set_says_so(
    program: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "typeset.py").write_text(program, encoding="utf-8")
    monkeypatch.setattr("api.billing.documents.pdf.PROGRAM", tmp_path / "typeset.py")
    monkeypatch.setattr("api.billing.documents.pdf.SECONDS_MAX", 1 if "sleep" in program else 60)

    with pytest.raises(TypesettingError, match=why):
        to_pdf(of_case(*CAPPED), "it")


def test_the_workbook_holds_numbers_days_and_times_and_a_frozen_header() -> None:
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(of_case(*CAPPED), "it")), data_only=True)

    assert book.sheetnames == ["Riepilogo", "Addebiti", "Giorni", "Sessioni"]
    lines, days, sessions = book.worksheets[1:]
    assert [cell.value for cell in lines[2]][12:14] == [0.22, 360]
    assert "€" in lines["N2"].number_format
    assert days["A2"].value == datetime(2026, 10, 6)
    assert sessions["B2"].value == datetime(2026, 10, 6, 8)
    assert {sheet.freeze_panes for sheet in (lines, days, sessions)} == {"A2"}
    assert min(each.width for each in lines.column_dimensions.values()) > 5


def test_a_workbook_without_lines_has_totals_of_nothing() -> None:
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(empty(), "en")))

    assert book["Charges"]["A2"].value == "Total"
    assert [row for row in book["Summary"].iter_rows(values_only=True) if row[0] == "Total"] == [("Total", 0, 0, 0)]


@pytest.mark.parametrize("text", ["=1+1", "+39 059", "-x", "@SUM(A1)", "\tx", "\r=1"])
def test_text_that_would_begin_a_formula_begins_none(text: str) -> None:
    sample = of_case(*LATE).statement
    line = Line("fee/1", "2026-11", "A", "", Basis.FEE, Tax(Decimal(22)), Decimal(1), exact(Decimal(1)), item=text)
    paper = document(compose("A", "2026-11", sample.period, sample.zone, [line]), customer=Firm(legal_name=text))

    assert harmless(text) == f"'{text}"
    cells = [
        cell.value
        for sheet in openpyxl.load_workbook(io.BytesIO(to_xlsx(paper, "it"))).worksheets
        for row in sheet.iter_rows()
        for cell in row
        if cell.data_type == "s"
    ]
    assert not [each for each in cells if each.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert not [part for part in to_csv(paper, "it").decode("utf-8-sig").split(";") if part.startswith(("=", "+", "@"))]


def test_the_csv_has_a_mark_semicolons_decimal_commas_and_days_twice() -> None:
    lines = to_csv(of_case(*CAPPED), "it").decode("utf-8").split("\r\n")

    assert lines[0].startswith("\ufeffGiorno;Data ISO;Tipo;")
    assert lines[2].startswith("06/10/2026;2026-10-06;uso;2;M1 Centro 5 assi;Energia;")
    assert ";123,4;kWh;0,24;10;29,62;" in lines[2]
    assert lines[-2].startswith("31/10/2026;2026-10-31;totale;")
    assert lines[-2].endswith(";363,26;;")


def test_lines_have_one_number_in_all_documents_and_days_add_to_them() -> None:
    for paper in every_case():
        numbers = [number for number, _ in paper.lines()]
        assert numbers == list(range(1, len(numbers) + 1))
        assert sum((day.net for day in paper.days()), Decimal(0)) == paper.statement.net
        assert [each.number for section in paper.sections() for each in section.lines] == numbers


@pytest.mark.parametrize("language", ["it", "en"])
def test_every_case_is_explained_in_both_languages(language: Language) -> None:
    said = [each for paper in every_case() for _, line in paper.lines() for each in explanation(line, paper, language)]

    assert len(said) > 50
    assert not [each for each in said if "{" in each or "None" in each or "  " in each]


@pytest.mark.parametrize("language", ["it", "en"])
def test_a_state_is_called_in_documents_as_it_is_on_pages(language: Language) -> None:
    say = Words(language)

    assert STATES[language] == {state: say(text) for state, text in PAGE_STATES.items()}


def test_amounts_days_and_durations_are_written_as_italy_and_england_do() -> None:
    assert formats.money(Decimal("-1234567.5"), "it") == "-1.234.567,50"
    assert formats.euros(Decimal("-3.1"), "it") == "-3,10\N{NO-BREAK SPACE}€"
    assert formats.euros(Decimal("1234.5"), "en") == "€1,234.50"
    assert formats.money(Decimal("-0.001"), "it") == "0,00"
    assert formats.number(Decimal("2.5"), "it", most=0) == "3"
    assert formats.weekday(date(2026, 10, 13), "it") == "mar 13/10/2026"
    assert formats.month("2026-08", "en") == "August 2026"
    assert [formats.hms(each) for each in (0, -893, 360_005)] == ["0:00:00", "-0:14:53", "100:00:05"]
