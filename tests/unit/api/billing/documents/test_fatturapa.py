from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, fromstring

import pytest
from lxml import etree

from api.billing.documents.document import Firm, Issued, NoInvoiceError
from api.billing.documents.fatturapa import PROGRESSIVE_MAX, to_fatturapa
from api.billing.documents.latin import basic, latin
from api.billing.documents.sdi import refusals
from api.billing.money import exact
from api.billing.statements import Basis, Line, Tax, compose
from tests.unit.api.billing.documents.papers import CUSTOMER, ISSUER, document, of_case
from tests.unit.api.billing.documents.reading import schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.billing.documents.document import Document

LATE = ("14-late-data", "A", "2026-11")
COMMON = ("15-common-costs", "A", "2026-10")


def written(paper: Document) -> Element:
    content = to_fatturapa(paper, 1).content
    schema().assertValid(etree.fromstring(content))
    return fromstring(content)  # noqa: S314 - it was written a line above


def kinds(root: Element) -> list[str]:
    return [each.text or "" for each in root.iter("TipoDocumento")]


def of_fees(*amounts: tuple[str, str]) -> Document:
    """A statement of fees: amount and Natura, or a rate."""
    lines = [
        Line(f"fee/{number}", "2026-11", "A", "", Basis.FEE, tax, Decimal(amount), exact(Decimal(amount)), item="x")
        for number, (amount, tax) in enumerate(
            (amount, Tax(Decimal(0), name) if name.startswith("N") else Tax(Decimal(name))) for amount, name in amounts
        )
    ]
    sample = of_case(*LATE).statement
    return document(compose("A", "2026-11", sample.period, sample.zone, lines))


def test_what_is_given_back_is_a_credit_note_linked_to_what_it_corrects() -> None:
    root = written(of_case(*LATE))

    assert kinds(root) == ["TD04"]
    [link] = root.iter("DatiFattureCollegate")
    assert [each.text for each in link] == ["1", "2026/10-01", "2026-11-05"]
    assert [each.text for each in root.iter("PrezzoTotale")] == ["9.05"]
    assert root.findtext(".//ImportoTotaleDocumento") == "11.04"
    assert root.find(".//DatiPagamento") is None


def test_a_rate_below_nothing_is_a_credit_note_beside_the_invoice_of_the_others() -> None:
    root = written(of_case(*COMMON, issued={}))

    assert kinds(root) == ["TD01", "TD04"]
    assert {each.text for each in root.iter("Numero")} == {"2026/11-03"}
    assert [each.text for each in root.iter("ImportoTotaleDocumento")] == ["50.00", "57.23"]
    assert [each.findtext("IdDocumento") for each in root.iter("DatiFattureCollegate")] == ["2026/11-03"]
    assert root.findtext(".//Natura") == "N4"


def test_a_credit_note_alone_is_linked_to_nothing_where_nothing_is_known() -> None:
    root = written(of_fees(("-5.00", "22")))

    assert kinds(root) == ["TD04"]
    assert root.find(".//DatiFattureCollegate") is None


def test_what_is_not_known_of_a_firm_is_left_out() -> None:
    issuer = replace(ISSUER, codice_fiscale="92012340367", rea_office="", rea_number="", iban="", province="")

    root = written(replace(of_fees(("5.00", "22")), issuer=issuer, due=None))

    assert root.findtext(".//IdTrasmittente/IdCodice") == root.findtext(".//CedentePrestatore//CodiceFiscale")
    for name in ("IscrizioneREA", "CedentePrestatore//Provincia", "DataScadenzaPagamento", "IBAN"):
        assert root.find(f".//{name}") is None
    assert root.findtext(".//ImportoPagamento") == "6.10"


def test_a_member_without_a_partita_iva_is_known_by_its_codice_fiscale() -> None:
    root = written(of_case(*LATE, customer=replace(CUSTOMER, partita_iva="", codice_fiscale="92012340367")))

    assert root.find(".//CessionarioCommittente//IdFiscaleIVA") is None
    assert root.findtext(".//CessionarioCommittente//CodiceFiscale") == "92012340367"


def test_amounts_outside_of_vat_above_77_47_bear_a_stamp_and_reverse_charge_does_not() -> None:
    stamped = {
        (amount, natura): written(of_fees((amount, natura))).findtext(".//ImportoBollo")
        for amount, natura in (("77.47", "N4"), ("77.48", "N4"), ("500.00", "N6.9"), ("500.00", "N2.2"))
    }

    assert list(stamped.values()) == [None, "2.00", None, "2.00"]


def test_no_euro_sign_and_no_typographic_dash_or_quote_is_in_the_file() -> None:
    named = replace(CUSTOMER, legal_name="Fratelli \N{EURO SIGN}uro \N{EM DASH} \N{LEFT DOUBLE QUOTATION MARK}Łódź")

    text = to_fatturapa(of_case(*LATE, customer=named), 1).content.decode()

    assert 'Fratelli EURuro - "Lódz' in text.replace("&quot;", '"')
    assert all(ord(each) <= 0xFF for each in text)


def test_a_file_is_named_by_its_sender_and_a_number_of_five_letters_and_digits() -> None:
    names = [to_fatturapa(of_case(*LATE), progressive).name for progressive in (1, 36, PROGRESSIVE_MAX)]

    assert names == ["IT02345670369_00001.xml", "IT02345670369_00010.xml", "IT02345670369_ZZZZZ.xml"]


def test_the_statement_as_pdf_may_be_attached() -> None:
    root = fromstring(to_fatturapa(of_case(*LATE), 1, pdf=b"%PDF-1.7").content)  # noqa: S314 - written here

    assert root.findtext(".//NomeAttachment") == "estratto-conto-2026-11-03.pdf"
    assert root.findtext(".//Attachment") == "JVBERi0xLjc="


@pytest.mark.parametrize(
    ("firm", "shown"),
    [
        (replace(CUSTOMER, sdi_code="", pec="dalmolin@pec.example"), ("0000000", "dalmolin@pec.example")),
        (CUSTOMER, ("ABC1234", None)),
        (Firm(legal_name="Kovač d.o.o.", partita_iva="12345678", street="Ulica 1", town="Koper", country="SI"),
         ("XXXXXXX", None)),
    ],
)  # fmt: skip
def test_an_invoice_finds_its_way_by_code_or_pec_and_abroad_by_none(firm: Firm, shown: tuple[str, str | None]) -> None:
    root = written(of_case(*LATE, customer=firm))

    assert (root.findtext(".//CodiceDestinatario"), root.findtext(".//PECDestinatario")) == shown


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda paper: replace(paper, issuer=replace(ISSUER, legal_form="rete-contratto")), "without legal person"),
        (lambda paper: replace(paper, issuer=replace(ISSUER, invoices=False)), "statements only"),
        (lambda paper: replace(paper, issuer=replace(ISSUER, partita_iva="")), "the consortium has no partita IVA"),
        (lambda paper: replace(paper, issuer=replace(ISSUER, street="")), "the consortium has no street"),
        (lambda paper: replace(paper, customer=replace(CUSTOMER, postal_code="")), "the member has no CAP"),
        (lambda paper: replace(paper, customer=replace(CUSTOMER, partita_iva="")), "no codice fiscale"),
        (lambda paper: replace(paper, customer=replace(CUSTOMER, partita_iva=ISSUER.partita_iva)), "SdI 00471"),
        (lambda paper: replace(paper, number="", day=None), "close the month first"),
        (lambda paper: replace(paper, number="2026/11-0000000000003"), "longer than 20"),
        (lambda paper: replace(paper, number="novembre"), "SdI 00425"),
        (lambda paper: replace(paper, issued={"2026-10": Issued("2026/10-01", date(2027, 1, 1))}), "SdI 00418"),
        (lambda _: of_fees(("5.00", "22"), ("-5.00", "22")), "adds to nothing"),
        (lambda _: of_fees(("5.00", "22.125")), "more than two decimals"),
        (lambda _: of_fees(*[("0.01", "22")] * 10_000), "10000 lines"),
    ],
)  # fmt: skip
def test_what_sdi_would_refuse_is_refused_with_its_reason(change: Callable[[Document], Document], why: str) -> None:
    with pytest.raises(NoInvoiceError, match=why):
        to_fatturapa(change(of_case(*LATE)), 1)


@pytest.mark.parametrize("progressive", [0, PROGRESSIVE_MAX + 1])
def test_a_progressive_beyond_five_letters_and_digits_is_refused(progressive: int) -> None:
    with pytest.raises(NoInvoiceError, match="progressive"):
        to_fatturapa(of_case(*LATE), progressive)


def test_several_problems_are_told_at_once() -> None:
    with pytest.raises(NoInvoiceError, match=r"no street; .*no town"):
        to_fatturapa(of_case(*LATE, customer=replace(CUSTOMER, street=" ", town="")), 1)


def _set(path: str, text: str | None) -> Callable[[Element], None]:
    def change(root: Element) -> None:
        for element in root.findall(path):
            element.text = text

    return change


def _drop(path: str, name: str) -> Callable[[Element], None]:
    def change(root: Element) -> None:
        for parent in root.findall(path):
            for child in parent.findall(name):
                parent.remove(child)

    return change


def _add(path: str, name: str, text: str) -> Callable[[Element], None]:
    def change(root: Element) -> None:
        for parent in root.findall(path):
            SubElement(parent, name).text = text

    return change


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (_set(".//Imposta", "1.00"), ["00421", "00421", "total", "total"]),
        (_set(".//ImponibileImporto", "1.00"), ["00421", "00422", "00422", "total", "total"]),
        (_set(".//PrezzoTotale", "1.00"), ["00422", "00422", "00423", "00423", "00423", "00423"]),
        (_set(".//DettaglioLinee/AliquotaIVA", "0.00"), ["00400", "00400", "00400", "00422", "00419"]),
        (_add(".//DettaglioLinee[AliquotaIVA='22.00']", "Natura", "N4"), ["00401", "00401", "00401", "00419", "00422"]),
        (_drop(".//DatiRiepilogo", "Natura"), ["00419", "00422", "00429"]),
        (_add(".//DatiRiepilogo[AliquotaIVA='22.00']", "Natura", "N4"), ["00419", "00422", "00430"]),
        (_set(".//ImportoTotaleDocumento", "1.00"), ["total", "total"]),
        (_set(".//Numero", "none"), ["00409", "00425", "00425"]),
        (_set(".//TipoDocumento", "TD01"), ["00409"]),
        (_drop(".//CessionarioCommittente/DatiAnagrafici", "IdFiscaleIVA"), ["00417"]),
        (_drop(".", "FatturaElettronicaHeader"), ["00200"]),
    ],
)
def test_each_control_finds_what_it_looks_for(change: Callable[[Element], None], codes: list[str]) -> None:
    root = written(of_case(*COMMON, issued={}))
    assert refusals(root) == []
    if codes == ["00409", "00425", "00425"]:
        _set(".//TipoDocumento", "TD01")(root)

    change(root)

    assert sorted(each.code for each in refusals(root)) == sorted(codes)


def test_latin_text_keeps_accents_and_basic_text_drops_them() -> None:
    mixed = "Caffè\tPérez \N{EN DASH} 5 \N{EURO SIGN} \N{CJK UNIFIED IDEOGRAPH-4E2D}\N{ZERO WIDTH SPACE}\x07"

    assert latin(mixed, 80) == "Caffè Pérez - 5 EUR ?"
    assert basic(mixed, 80) == "Caffe Perez - 5 EUR ?"
    assert latin(mixed, 6) == "Caffè"
