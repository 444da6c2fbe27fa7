"""Reads net, VAT and total back from what was written: naively, and by no code of the product."""

from __future__ import annotations

import csv
import io
import os
import re
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import openpyxl
import pytest
from lxml import etree
from pypdf import PdfReader

SHARED = Path(os.environ.get("OFFICINA_SHARED", Path(__file__).parents[6] / "shared")) / "data" / "fatturapa"
CENT = Decimal("0.01")


class Figures(NamedTuple):
    net: Decimal
    vat: Decimal
    total: Decimal


def italian(text: str) -> Decimal:
    return Decimal(text.replace(".", "").replace(",", "."))


def of_csv(content: bytes) -> Figures:
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))
    by_kind: dict[str, list[Decimal]] = {}
    for row in rows:
        by_kind.setdefault(row["Tipo"], []).append(italian(row["Importo"]))
    used = sum(by_kind.get("uso", []), Decimal("0.00"))
    assert used == sum(by_kind.get("imponibile", []), Decimal("0.00")) == by_kind["Totale imponibile"][0]
    assert sum(by_kind.get("IVA", []), Decimal("0.00")) == by_kind["Totale IVA"][0]
    return Figures(used, by_kind["Totale IVA"][0], by_kind["totale"][0])


def of_pdf(content: bytes) -> Figures:
    text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
    total = re.search(r"Totale(?:\s+da\s+pagare|\s+a\s+credito)?\s*(-?[\d.]+,\d\d)\xa0€", text)
    summary = re.search(r"Totale\s+(-?[\d.]+,\d\d)\s+(-?[\d.]+,\d\d)", text)
    assert total is not None, text
    assert summary is not None, text
    return Figures(italian(summary[1]), italian(summary[2]), italian(total[1]))


def of_xlsx(content: bytes) -> Figures:
    """What the workbook shows, after working out its formulas and holding them against what is stored beside them."""
    shown = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
    written = openpyxl.load_workbook(io.BytesIO(content))
    for sheet in written:
        for cell in (cell for row in sheet.iter_rows() for cell in row):
            if cell.data_type == "f":
                worked = Formula(written).value(sheet.title, str(cell.value))
                stored = Decimal(str(number(shown[sheet.title][cell.coordinate].value)))
                assert abs(worked - stored) < Decimal("0.0000001"), (sheet.title, cell.coordinate, cell.value)
    summary = shown.worksheets[0]
    [row] = [row for row in summary.iter_rows(values_only=True) if row[0] == "Totale"]
    net, vat, total = (Decimal(str(value)).quantize(CENT) for value in row[1:4])
    return Figures(net, vat, total)


def number(value: Any) -> Any:
    """A duration is kept as a part of a day."""
    return value.total_seconds() / 86400 if hasattr(value, "total_seconds") else value


class Formula:
    """Works out the few formulas that a statement uses."""

    def __init__(self, book: Any) -> None:
        self.book = book

    def value(self, sheet: str, formula: str) -> Decimal:
        text = formula.removeprefix("=")
        if (match := re.fullmatch(r"ROUND\((.+),2\)", text)) is not None:
            return self.value(sheet, match[1]).quantize(CENT, ROUND_HALF_UP)
        if (match := re.fullmatch(r"SUM\((\w+):(\w+)\)", text)) is not None:
            return sum((self.cell(sheet, each) for each in self.area(sheet, match[1], match[2])), Decimal(0))
        if (match := re.fullmatch(r"SUMPRODUCT\(\('(.+)'!(\w+):(\w+)=(\w+)\)\*'(.+)'!(\w+):(\w+)\)", text)) is not None:
            wanted = self.book[sheet][match[4]].value
            pairs = zip(self.area(match[1], match[2], match[3]), self.area(match[5], match[6], match[7]), strict=True)
            amounts = [self.cell(match[5], b) for a, b in pairs if self.book[match[1]][a].value == wanted]
            return sum(amounts, Decimal(0))
        for sign in "-+*":
            left, found, right = text.partition(sign)
            if found and left:
                a, b = self.value(sheet, left), self.value(sheet, right)
                return {"-": a - b, "+": a + b, "*": a * b}[sign]
        if re.fullmatch(r"\d+", text):
            return Decimal(text)
        other, found, address = text.rpartition("!")
        return self.cell(other.strip("'") if found else sheet, address)

    def area(self, sheet: str, first: str, last: str) -> list[str]:
        return [cell.coordinate for row in self.book[sheet][f"{first}:{last}"] for cell in row]

    def cell(self, sheet: str, address: str) -> Decimal:
        value = self.book[sheet][address].value
        if isinstance(value, str) and value.startswith("="):
            return self.value(sheet, value)
        return Decimal(str(number(value) or 0))


def of_xml(content: bytes) -> Figures:
    """Net, VAT and total of a file: its invoices less its credit notes, after the arithmetic that SdI checks."""
    root = etree.fromstring(content)
    net = vat = total = Decimal("0.00")
    for body in root.findall("FatturaElettronicaBody"):
        sign = -1 if body.findtext("*/*/TipoDocumento") == "TD04" else 1
        check_arithmetic(body)
        rows = body.findall("*/DatiRiepilogo")
        net += sign * sum(Decimal(row.findtext("ImponibileImporto")) for row in rows)
        vat += sign * sum(Decimal(row.findtext("Imposta")) for row in rows)
        total += sign * Decimal(body.findtext("*/*/ImportoTotaleDocumento"))
    return Figures(net, vat, total)


def check_arithmetic(body: Any) -> None:
    """SdI 00400, 00401, 00419, 00421, 00422, 00423, 00429, 00430, stricter than their tolerances where these differ."""
    sums: dict[tuple[Decimal, str], Decimal] = {}
    for line in body.findall("*/DettaglioLinee"):
        key = (Decimal(line.findtext("AliquotaIVA")), line.findtext("Natura") or "")
        assert (key[0] == 0) == bool(key[1])
        total = Decimal(line.findtext("PrezzoTotale"))
        count = Decimal(line.findtext("Quantita") or "1")
        assert abs(count * Decimal(line.findtext("PrezzoUnitario")) - total) <= CENT
        sums[key] = sums.get(key, Decimal(0)) + total
    summed = {}
    for row in body.findall("*/DatiRiepilogo"):
        key = (Decimal(row.findtext("AliquotaIVA")), row.findtext("Natura") or "")
        assert (key[0] == 0) == bool(key[1])
        base = Decimal(row.findtext("ImponibileImporto"))
        assert Decimal(row.findtext("Imposta")) == (base * key[0] / 100).quantize(CENT, ROUND_HALF_UP)
        summed[key] = base
    assert summed == sums
    assert all(base >= 0 for base in summed.values())


@cache
def schema() -> etree.XMLSchema:
    """FatturaPA 1.2.2; the schema of signatures that it imports lies beside it."""
    if not SHARED.is_dir():
        pytest.skip("the schema of FatturaPA is not on this machine")
    return etree.XMLSchema(etree.parse(SHARED / "FatturaPA_v1.2.2.xsd", etree.XMLParser(no_network=True)))
