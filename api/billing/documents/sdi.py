"""What the Italian exchange system (SdI) checks of an invoice beyond its schema. Pure.

The rules are those controls of its technical specifications (annex A, 1.9) that depend on the file alone; where
implementers differ on a tolerance the narrowest is taken. What it would refuse is not exported.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from api.billing.money import CENT, ZERO, vat_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

NAMESPACE = "http://ivaservizi.agenziaentrate.gov.it/docs/xsd/fatture/v1.2"
"""Of the root element, in FatturaPA 1.2.2 and 1.2.3."""
LINES_MAX = 9999
"""Highest NumeroLinea (NumeroLineaType)."""
CREDIT_NOTE = "TD04"


class Refusal(NamedTuple):
    """What SdI would refuse.

    Attributes:
        code: of its control.
        detail: what is wrong, with the figures.
    """

    code: str
    detail: str

    def __str__(self) -> str:
        return f"SdI {self.code}: {self.detail}"


def refusals(root: Element) -> list[Refusal]:
    """Return everything that SdI would refuse of an invoice, or of several in one file."""
    found = list(_header(root))
    numbers: set[tuple[str, str]] = set()
    for body in root.iter("FatturaElettronicaBody"):
        found += [*_general(body), *_lines(body), *_summaries(body), *_total(body)]
        named = (_text(body, "*/*/Numero"), _text(body, "*/*/TipoDocumento"))
        if named in numbers:
            found.append(Refusal("00409", f"two documents of the file have the number {named[0]}"))
        numbers.add(named)
    return found


def _text(element: Element, path: str) -> str:
    return element.findtext(path) or ""


def _amount(element: Element, path: str) -> Decimal:
    return Decimal(element.findtext(path) or 0)


def _tax(element: Element) -> tuple[Decimal, str]:
    return _amount(element, "AliquotaIVA"), _text(element, "Natura")


def _header(root: Element) -> Iterator[Refusal]:
    header = root.find("FatturaElettronicaHeader")
    if header is None:
        yield Refusal("00200", "there is no header")
        return
    buyer = "CessionarioCommittente/DatiAnagrafici/"
    codes = _text(header, f"{buyer}IdFiscaleIVA/IdCodice"), _text(header, f"{buyer}CodiceFiscale")
    if not any(codes):
        yield Refusal("00417", "the member has neither a partita IVA nor a codice fiscale")
    seller = "CedentePrestatore/DatiAnagrafici/"
    own = _text(header, f"{seller}IdFiscaleIVA/IdCodice"), _text(header, f"{seller}CodiceFiscale")
    if {*own} & {*codes} - {""}:
        yield Refusal("00471", "seller and buyer are one: nobody invoices itself")


def _general(body: Element) -> Iterator[Refusal]:
    number, day = _text(body, "*/*/Numero"), _text(body, "*/*/Data")
    if not any(each.isdigit() for each in number):
        yield Refusal("00425", f"the number {number!r} has no digit")
    if _text(body, "*/*/TipoDocumento") == CREDIT_NOTE:
        for linked in body.iter("DatiFattureCollegate"):
            if _text(linked, "Data") > day:
                yield Refusal("00418", f"the credit note of {day} is older than {_text(linked, 'IdDocumento')}")


def _lines(body: Element) -> Iterator[Refusal]:
    for line in body.iter("DettaglioLinee"):
        number, total = _text(line, "NumeroLinea"), _amount(line, "PrezzoTotale")
        rate, natura = _tax(line)
        if not rate and not natura:
            yield Refusal("00400", f"line {number} has the rate 0 and no Natura")
        if rate and natura:
            yield Refusal("00401", f"line {number} has a rate and a Natura")
        whole = _amount(line, "PrezzoUnitario") * Decimal(line.findtext("Quantita") or 1)
        if abs(whole - total) > CENT:
            yield Refusal("00423", f"line {number}: {whole} is charged as {total}")


def _summaries(body: Element) -> Iterator[Refusal]:
    sums: dict[tuple[Decimal, str], Decimal] = {}
    for line in body.iter("DettaglioLinee"):
        sums[_tax(line)] = sums.get(_tax(line), ZERO) + _amount(line, "PrezzoTotale")
    summed = [_tax(row) for row in body.iter("DatiRiepilogo")]
    for rate, natura in sums.keys() - set(summed):
        yield Refusal("00419", f"the rate {rate} {natura} has no summary")
    for row in body.iter("DatiRiepilogo"):
        rate, natura = _tax(row)
        base, vat = _amount(row, "ImponibileImporto"), _amount(row, "Imposta")
        if not rate and not natura:
            yield Refusal("00429", "a summary has the rate 0 and no Natura")
        if rate and natura:
            yield Refusal("00430", "a summary has a rate and a Natura")
        if vat != vat_on(base, rate):
            yield Refusal("00421", f"{rate} % of {base} is not {vat}")
        if base != sums.get((rate, natura), ZERO):
            yield Refusal("00422", f"the lines at {rate} {natura} add to {sums.get((rate, natura), ZERO)}, not {base}")


def _total(body: Element) -> Iterator[Refusal]:
    rows = list(body.iter("DatiRiepilogo"))
    whole = sum((_amount(row, "ImponibileImporto") + _amount(row, "Imposta") for row in rows), ZERO)
    total = _amount(body, "*/*/ImportoTotaleDocumento")
    if total != whole:
        yield Refusal("total", f"the summaries add to {whole}, the document says {total}")
