"""A statement as an Italian electronic invoice: FatturaPA FPR12, schema 1.2.2 and 1.2.3.

One file for a statement. What is owed is an invoice (TD01). A rate of VAT whose lines add to less than nothing becomes
a credit note (TD04) of its own in the same file, linked to what it corrects: SdI counts the numbers of credit notes
apart (control 00404), so that both carry the number of the statement.
"""

from __future__ import annotations

from base64 import b64encode
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, NamedTuple
from xml.etree.ElementTree import Element, SubElement, indent, register_namespace, tostring

from api.billing.documents.document import Issued, NoInvoiceError
from api.billing.documents.latin import basic, latin
from api.billing.documents.sdi import CREDIT_NOTE, LINES_MAX, NAMESPACE, refusals
from api.billing.documents.words import what
from api.billing.documents.writing import quantity
from api.billing.money import CENT, ZERO
from api.billing.statements import SCALES, Basis, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from api.billing.documents.document import Document, Firm, Issuer, Numbered
    from api.billing.statements import Line, VatRow

INVOICE = "TD01"
ABROAD_CODE = "XXXXXXX"
"""CodiceDestinatario of a firm outside of Italy."""
UNKNOWN_CODE = "0000000"
"""CodiceDestinatario of a firm that is reached by PEC, or in its tax drawer."""
ABROAD_POSTAL_CODE = "00000"
STAMP = Decimal("2.00")
STAMPED_ABOVE = Decimal("77.47")
"""Amounts outside of VAT above which a document bears a stamp of 2 euros."""
STAMPED = frozenset({"N1", "N2.1", "N2.2", "N3.5", "N3.6", "N4"})
"""Natura of amounts that bear the stamp; what leaves the country, or reverse charge, does not."""
_LAWS = {
    "N1": "Escluso, art. 15 DPR 633/72",
    "N2": "Non soggetto, DPR 633/72",
    "N3": "Non imponibile, DPR 633/72",
    "N4": "Esente, art. 10 DPR 633/72",
    "N5": "Regime del margine",
    "N6": "Inversione contabile, artt. 17 e 74 DPR 633/72",
    "N7": "IVA assolta in altro stato UE",
}
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PROGRESSIVE_LENGTH = 5
PROGRESSIVE_MAX = len(_DIGITS) ** _PROGRESSIVE_LENGTH - 1
"""Highest number of a file of one sender: five letters and digits."""
_NUMBER_MAX = 20
_FINEST = Decimal("0.00000001")

register_namespace("p", NAMESPACE)


class Invoice(NamedTuple):
    """A file to be sent to SdI.

    Attributes:
        name: as SdI wants it; a name is never used again, not even for a file that was refused.
        content: XML.
    """

    name: str
    content: bytes


def to_fatturapa(document: Document, progressive: int, *, pdf: bytes = b"") -> Invoice:
    """Write a statement as an electronic invoice.

    Args:
        document: a closed statement of a consortium that invoices.
        progressive: number of the file, from 1 on, never used twice by one sender; a file that SdI refused is written
            again under the next one, with the number of the statement.
        pdf: the statement as PDF, to be attached; nothing attaches nothing.

    Raises:
        NoInvoiceError: it cannot be one; the sentence names everything that is missing or would be refused.
    """
    document.issuer.refuse_invoices()
    problems = list(_problems(document, progressive))
    if problems:
        which = f"the statement of {document.customer.legal_name} for {document.statement.month}"
        raise NoInvoiceError(f"{which} cannot be an invoice: {'; '.join(problems)}")
    sequence = _encoded(progressive)
    root = Element(f"{{{NAMESPACE}}}FatturaElettronica", {"versione": "FPR12"})
    _header(SubElement(root, "FatturaElettronicaHeader"), document, sequence)
    for kind, rows in _split(document):
        _body(SubElement(root, "FatturaElettronicaBody"), document, kind, rows)
    if pdf:
        _attach(next(root.iter("FatturaElettronicaBody")), document, pdf)
    refused = refusals(root)
    if refused:
        raise NoInvoiceError(f"SdI would refuse the statement {document.number}: {'; '.join(map(str, refused))}")
    indent(root)
    content = tostring(root, encoding="UTF-8", xml_declaration=True) + b"\n"
    return Invoice(f"{document.issuer.country}{_sender(document.issuer)}_{sequence}.xml", content)


def _split(document: Document) -> Iterator[tuple[str, list[VatRow]]]:
    """Yield the documents of the file: what is owed, then what is given back."""
    owed = [row for row in document.statement.vat if row.base >= 0]
    returned = [row for row in document.statement.vat if row.base < 0]
    if any(row.base for row in owed):
        yield INVOICE, owed
    if returned:
        yield CREDIT_NOTE, returned


def _problems(document: Document, progressive: int) -> Iterator[str]:
    if document.is_draft or document.day is None:
        yield "it is a draft: close the month first"
    elif len(document.number) > _NUMBER_MAX or document.number != basic(document.number, _NUMBER_MAX):
        yield f"the number {document.number!r} is longer than {_NUMBER_MAX} characters, or not of Basic Latin"
    if not 0 < progressive <= PROGRESSIVE_MAX:
        yield f"the progressive {progressive} is none of 1 to {PROGRESSIVE_MAX}"
    if not any(row.base for row in document.statement.vat):
        yield "it adds to nothing, and an invoice of nothing is no use to anybody"
    if len(document.statement.lines) > LINES_MAX:
        yield f"it has {len(document.statement.lines)} lines, and an invoice {LINES_MAX} at most"
    for row in document.statement.vat:
        if row.tax.rate != row.tax.rate.quantize(CENT):
            yield f"the rate {row.tax.rate} has more than two decimals"
    if not document.issuer.partita_iva:
        yield "the consortium has no partita IVA"
    yield from (f"the consortium has no {each}" for each in _missing(document.issuer))
    yield from (f"the member has no {each}" for each in _missing(document.customer))
    if not (document.customer.partita_iva or document.customer.codice_fiscale):
        yield "the member has no partita IVA and no codice fiscale (SdI 00417)"


def _missing(firm: Firm) -> Iterator[str]:
    needed = {"name": firm.legal_name, "street": firm.street, "town": firm.town}
    if firm.country == "IT":
        needed |= {"CAP": firm.postal_code}
    yield from (name for name, value in needed.items() if not latin(value, _NUMBER_MAX))


def _encoded(progressive: int) -> str:
    text = ""
    for _ in range(_PROGRESSIVE_LENGTH):
        progressive, digit = divmod(progressive, len(_DIGITS))
        text = _DIGITS[digit] + text
    return text


def _sender(issuer: Issuer) -> str:
    """Return what names the sender: for an Italian firm its codice fiscale, which mostly is its partita IVA."""
    return issuer.codice_fiscale or issuer.partita_iva


def _header(header: Element, document: Document, sequence: str) -> None:
    issuer, customer = document.issuer, document.customer
    transmission = SubElement(header, "DatiTrasmissione")
    _identity(SubElement(transmission, "IdTrasmittente"), issuer.country, _sender(issuer))
    _put(transmission, "ProgressivoInvio", sequence)
    _put(transmission, "FormatoTrasmissione", "FPR12")
    code = customer.sdi_code or (UNKNOWN_CODE if customer.country == "IT" else ABROAD_CODE)
    _put(transmission, "CodiceDestinatario", code)
    if code == UNKNOWN_CODE and customer.pec:
        _put(transmission, "PECDestinatario", customer.pec)
    seller = SubElement(header, "CedentePrestatore")
    _firm(seller, issuer, regime=issuer.regime)
    if issuer.rea_number:
        registered = SubElement(seller, "IscrizioneREA")
        _put(registered, "Ufficio", issuer.rea_office)
        _put(registered, "NumeroREA", issuer.rea_number)
        _put(registered, "StatoLiquidazione", "LN")
    _firm(SubElement(header, "CessionarioCommittente"), customer)


def _identity(element: Element, country: str, code: str) -> None:
    _put(element, "IdPaese", country)
    _put(element, "IdCodice", code)


def _firm(element: Element, firm: Firm, regime: str = "") -> None:
    data = SubElement(element, "DatiAnagrafici")
    if firm.partita_iva:
        _identity(SubElement(data, "IdFiscaleIVA"), firm.country, firm.partita_iva)
    if firm.codice_fiscale:
        _put(data, "CodiceFiscale", firm.codice_fiscale)
    _put(SubElement(data, "Anagrafica"), "Denominazione", latin(firm.legal_name, 80))
    if regime:
        _put(data, "RegimeFiscale", regime)
    seat = SubElement(element, "Sede")
    _put(seat, "Indirizzo", latin(firm.street, 60))
    _put(seat, "CAP", firm.postal_code if firm.country == "IT" else ABROAD_POSTAL_CODE)
    _put(seat, "Comune", latin(firm.town, 60))
    if firm.country == "IT" and firm.province:
        _put(seat, "Provincia", firm.province)
    _put(seat, "Nazione", firm.country)


def _body(body: Element, document: Document, kind: str, rows: Sequence[VatRow]) -> None:
    sign = -1 if kind == CREDIT_NOTE else 1
    taxes = {row.tax for row in rows}
    lines = [each for each in document.lines() if each.line.tax in taxes]
    total = sign * sum((row.base + row.vat for row in rows), ZERO)
    general = SubElement(body, "DatiGenerali")
    data = SubElement(general, "DatiGeneraliDocumento")
    _put(data, "TipoDocumento", kind)
    _put(data, "Divisa", document.statement.currency)
    _put(data, "Data", str(document.day))
    _put(data, "Numero", document.number)
    if sum((abs(row.base) for row in rows if row.tax.natura in STAMPED), ZERO) > STAMPED_ABOVE:
        stamp = SubElement(data, "DatiBollo")
        _put(stamp, "BolloVirtuale", "SI")
        _put(stamp, "ImportoBollo", f"{STAMP}")
    _put(data, "ImportoTotaleDocumento", f"{total:.2f}")
    _put(data, "Causale", latin(_reason(document), 200))
    for issued, numbers in _linked(document, lines, kind):
        link = SubElement(general, "DatiFattureCollegate")
        for number in numbers:
            _put(link, "RiferimentoNumeroLinea", str(number))
        _put(link, "IdDocumento", basic(issued.number, _NUMBER_MAX))
        _put(link, "Data", str(issued.day))
    goods = SubElement(body, "DatiBeniServizi")
    for each in lines:
        _detail(SubElement(goods, "DettaglioLinee"), each, document, sign)
    for row in rows:
        _summary(SubElement(goods, "DatiRiepilogo"), row, sign)
    if kind == INVOICE and document.statement.total > 0:
        _payment(SubElement(body, "DatiPagamento"), document)


def _reason(document: Document) -> str:
    digest = document.digest[:16]
    return (
        f"Uso delle macchine condivise, {document.statement.month}. Estratto conto {document.number}, impronta {digest}"
    )


def _linked(document: Document, lines: Iterable[Numbered], kind: str) -> list[tuple[Issued, list[int]]]:
    """Return what a document corrects, and with which lines; a credit note without any, the invoice beside it."""
    corrected: dict[str, list[int]] = {}
    for number, line in lines:
        if line.corrects is not None and line.corrects.month in document.issued:
            corrected.setdefault(line.corrects.month, []).append(number)
    found = [(document.issued[month], numbers) for month, numbers in sorted(corrected.items())]
    if not found and kind == CREDIT_NOTE and document.day is not None and next(_split(document))[0] == INVOICE:
        found = [(Issued(document.number, document.day), [])]
    return found


def _detail(element: Element, numbered: Numbered, document: Document, sign: int) -> None:
    number, line = numbered
    total = _signed(line.amount, sign)
    count, price = _priced(line, total)
    _put(element, "NumeroLinea", str(number))
    _put(element, "Descrizione", latin(_description(line, document, with_quantity=count is None), 1000))
    if count is not None:
        _put(element, "Quantita", _decimals(count))
        _put(element, "UnitaMisura", basic(SCALES[line.unit][1], 10))
    first, last = document.days_of_month(line.month)
    _put(element, "DataInizioPeriodo", str(first))
    _put(element, "DataFinePeriodo", str(last))
    _put(element, "PrezzoUnitario", _decimals(price))
    _put(element, "PrezzoTotale", f"{total:.2f}")
    _put(element, "AliquotaIVA", f"{line.tax.rate:.2f}")
    if line.tax.natura:
        _put(element, "Natura", line.tax.natura)
    _manage(element, "RIGA", line.reference)
    if line.machine:
        _manage(element, "MACCHINA", line.machine)


def _priced(line: Line, total: Decimal) -> tuple[Decimal | None, Decimal]:
    """Return quantity and unit price whose product is the total to the cent (control 00423), else the total alone.

    The schema knows no negative quantity, so that the price carries the sign.
    """
    if line.price is None or line.unit is Unit.NONE or not line.quantity:
        return None, total
    count = (abs(line.quantity) / SCALES[line.unit][0]).quantize(_FINEST, rounding=ROUND_HALF_UP)
    price = -line.price if total < 0 else line.price
    if price != price.quantize(_FINEST) or abs(count * price - total) >= CENT:
        return None, total
    return count, price


def _description(line: Line, document: Document, *, with_quantity: bool) -> str:
    parts = [
        what(line, "it"),
        f"fascia {line.band}" if line.band else "",
        document.called(line.machine),
        f"tariffa {line.tariff}" if line.tariff else "",
        quantity(line.quantity, line.unit, "it") if with_quantity and line.quantity else "",
        "stimato in parte" if line.flagged and line.basis is Basis.TIME else "",
        f"rettifica di {line.corrects.month}" if line.corrects is not None else "",
    ]
    return ", ".join(filter(None, parts))


def _signed(amount: Decimal, sign: int) -> Decimal:
    """Return an amount or its opposite, and nought without a sign."""
    return sign * amount + ZERO


def _decimals(value: Decimal) -> str:
    """Write two to eight decimals, no more than there are."""
    text = f"{value.quantize(_FINEST):f}".rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:0<2}"


def _summary(element: Element, row: VatRow, sign: int) -> None:
    _put(element, "AliquotaIVA", f"{row.tax.rate:.2f}")
    if row.tax.natura:
        _put(element, "Natura", row.tax.natura)
    _put(element, "ImponibileImporto", f"{_signed(row.base, sign):.2f}")
    _put(element, "Imposta", f"{_signed(row.vat, sign):.2f}")
    if row.tax.natura:
        _put(element, "RiferimentoNormativo", _LAWS[row.tax.natura.partition(".")[0]])
    else:
        _put(element, "EsigibilitaIVA", "I")


def _payment(element: Element, document: Document) -> None:
    _put(element, "CondizioniPagamento", "TP02")
    detail = SubElement(element, "DettaglioPagamento")
    _put(detail, "ModalitaPagamento", document.issuer.payment_method)
    if document.due is not None:
        _put(detail, "DataScadenzaPagamento", str(document.due))
    _put(detail, "ImportoPagamento", f"{document.statement.total:.2f}")
    if document.issuer.iban:
        _put(detail, "IBAN", document.issuer.iban.replace(" ", ""))


def _attach(body: Element, document: Document, pdf: bytes) -> None:
    attached = SubElement(body, "Allegati")
    _put(attached, "NomeAttachment", latin(f"estratto-conto-{document.number.replace('/', '-')}.pdf", 60))
    _put(attached, "FormatoAttachment", "PDF")
    _put(attached, "Attachment", b64encode(pdf).decode())


def _manage(element: Element, kind: str, text: str) -> None:
    data = SubElement(element, "AltriDatiGestionali")
    _put(data, "TipoDato", kind)
    _put(data, "RiferimentoTesto", latin(text, 60))


def _put(element: Element, name: str, text: str) -> None:
    SubElement(element, name).text = text
