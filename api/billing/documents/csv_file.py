"""A statement as CSV for spreadsheets of Italy: semicolons, decimal comma, UTF-8 with its mark, CR LF.

One row for each day and session of each line, then net and VAT by rate, then the total. What is written in a day's
first column for people stands in ISO 8601 in the second.
"""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import TYPE_CHECKING

from api import formats
from api.billing.documents.words import BASES, STATES, UNITS, WORDS
from api.billing.documents.writing import corrects, in_price_units
from api.billing.statements import SCALES, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.billing.documents.document import Document
    from api.billing.statements import Line, Part
    from api.pages.words import Language

COLUMNS = ("day", "iso_day", "kind", "n", "machine", "basis", "state", "band", "item", "tariff", "month", "session",
           "hours", "quantity", "unit", "price", "vat_rate", "amount", "estimated", "correction")  # fmt: skip
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")
_FINEST = Decimal("0.000001")


def harmless(text: str) -> str:
    """Return text that a spreadsheet takes for text: one that would begin a formula gets an apostrophe before it."""
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def to_csv(document: Document, language: Language) -> bytes:
    """Write a statement as CSV; headings and words are in a language, numbers and days as Italy writes them."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    words = WORDS[language]
    writer.writerow([words[name] for name in COLUMNS])
    for row in _rows(document, language):
        writer.writerow([row.get(name, "") for name in COLUMNS])
    return out.getvalue().encode("utf-8-sig")


def _rows(document: Document, language: Language) -> Iterator[dict[str, str]]:
    words = WORDS[language]
    for number, line in document.lines():
        named = _named(line, document, language) | {"n": str(number), "kind": words["row_use"]}
        for part in line.parts:
            yield named | _measured(line, part, document)
    last = {"day": formats.day(document.last_day, "it"), "iso_day": str(document.last_day)}
    statement = document.statement
    for row in statement.vat:
        rate = row.tax.natura or _number(row.tax.rate)
        yield last | {"kind": words["row_net"], "vat_rate": rate, "amount": _money(row.base)}
        yield last | {"kind": words["row_vat"], "vat_rate": rate, "amount": _money(row.vat)}
    for kind, amount in (("row_net", statement.net), ("row_vat", statement.tax), ("row_total", statement.total)):
        yield last | {"kind": f"{words['total']} {words[kind]}" if kind != "row_total" else words[kind],
                      "amount": _money(amount)}  # fmt: skip


def _named(line: Line, document: Document, language: Language) -> dict[str, str]:
    return {
        "machine": harmless(document.called(line.machine)),
        "basis": BASES[language][line.basis],
        "state": "" if line.state is None else STATES[language][line.state],
        "band": harmless(line.band),
        "item": harmless(line.item),
        "tariff": harmless(line.tariff),
        "month": line.month,
        "unit": UNITS[language][SCALES[line.unit][1]],
        "price": "" if line.price is None else _number(line.price),
        "vat_rate": line.tax.natura or _number(line.tax.rate),
        "correction": harmless(corrects(line, document, language)),
    }


def _measured(line: Line, part: Part, document: Document) -> dict[str, str]:
    counts = bool(SCALES[line.unit][1])
    return {
        "day": "" if part.day is None else formats.day(part.day, "it"),
        "iso_day": "" if part.day is None else str(part.day),
        "session": "" if part.session is None else document.civil(part.session).isoformat(),
        "hours": formats.hms(part.quantity) if line.unit is Unit.SECOND else "",
        "quantity": _number(in_price_units(part.quantity, line.unit)) if counts else "",
        "amount": _money(part.amount),
        "estimated": _number(in_price_units(part.flagged, line.unit)) if part.flagged else "",
    }


def _money(amount: Decimal) -> str:
    return f"{amount:.2f}".replace(".", ",")


def _number(value: Decimal) -> str:
    """Write a number with a decimal comma and up to six decimals, without thousands."""
    text = f"{value.quantize(_FINEST, rounding='ROUND_HALF_UP'):f}"
    return text.rstrip("0").rstrip(".").replace(".", ",")
