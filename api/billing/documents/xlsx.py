"""A statement as a workbook: real numbers, days and times, and totals as formulas that stand beside their results.

Sheets: summary, lines, days, sessions. The same document gives the same bytes.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any, NamedTuple

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name

from api import formats
from api.billing.documents.csv_file import harmless
from api.billing.documents.words import BASES, CLAIMS, STATES, UNITS, WORDS, what
from api.billing.documents.writing import corrects, explanation, in_price_units
from api.billing.statements import SCALES, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from decimal import Decimal

    from api.billing.documents.document import Document, Numbered, Use
    from api.pages.words import Language

_FORMATS: Mapping[str, Mapping[str, Any]] = {
    "title": {"bold": True, "font_size": 16},
    "head": {"bold": True, "bottom": 1, "text_wrap": True, "valign": "top", "bg_color": "#ECEEF0"},
    "label": {"font_color": "#55606B"},
    "text": {},
    "wrap": {"text_wrap": True, "valign": "top"},
    "whole": {"num_format": "0"},
    "euro": {"num_format": '#,##0.00\\ "€"'},
    "price": {"num_format": '#,##0.00######\\ "€"'},
    "number": {"num_format": "#,##0.00####"},
    "rate": {"num_format": "0%", "align": "right"},
    "fine_rate": {"num_format": "0.00%"},
    "duration": {"num_format": "[h]:mm:ss"},
    "day": {"num_format": "dd/mm/yyyy"},
    "moment": {"num_format": "dd/mm/yyyy hh:mm:ss"},
    "total_text": {"bold": True, "top": 1},
    "total": {"bold": True, "top": 1, "num_format": '#,##0.00\\ "€"'},
    "total_duration": {"bold": True, "top": 1, "num_format": "[h]:mm:ss"},
}
_DAY_SECONDS = 86_400
_SUMMARY_LABEL, _SUMMARY_VALUE = 26, 18


class _Column(NamedTuple):
    """A column of a sheet.

    Attributes:
        title: its heading, by name of the word.
        width: in characters.
        style: how its cells look.
    """

    title: str
    width: int
    style: str


_LINES = (
    _Column("n", 6, "whole"), _Column("machine", 24, "text"), _Column("basis", 22, "text"),
    _Column("state", 16, "text"), _Column("item", 28, "text"), _Column("band", 9, "text"),
    _Column("tariff", 18, "text"), _Column("month", 11, "text"),
    _Column("hours", 12, "duration"), _Column("quantity", 14, "number"), _Column("unit", 8, "text"),
    _Column("price", 14, "price"), _Column("vat_rate", 10, "rate"), _Column("amount", 14, "euro"),
    _Column("estimated", 14, "number"), _Column("estimated_amount", 14, "euro"), _Column("correction", 34, "text"),
    _Column("calculation", 60, "text"),
)  # fmt: skip
_DAYS = (
    _Column("day", 13, "day"), _Column("machine", 24, "text"), _Column("hours", 12, "duration"),
    _Column("amount", 14, "euro"),
)  # fmt: skip
_SESSIONS = (
    _Column("day", 13, "day"), _Column("session", 20, "moment"), _Column("machine", 24, "text"),
    _Column("n", 6, "whole"), _Column("item", 32, "text"), _Column("claim", 16, "text"), _Column("from", 20, "moment"),
    _Column("until", 20, "moment"), _Column("spans", 8, "whole"), _Column("hours", 12, "duration"),
    _Column("quantity", 14, "number"), _Column("unit", 8, "text"), _Column("amount", 14, "euro"),
    _Column("estimated", 14, "number"),
)  # fmt: skip


def to_xlsx(document: Document, language: Language) -> bytes:
    """Write a statement as a workbook."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        made = document.day or document.last_day
        book.set_properties(
            {
                "title": f"{WORDS[language]['statement']} {document.number}".strip(),
                "author": document.issuer.legal_name,
                "created": datetime.combine(made, time(), UTC),
            }
        )
        _Writer(book, document, language).write()
    return out.getvalue()


class _Writer:
    """Fills one workbook."""

    def __init__(self, book: Any, document: Document, language: Language) -> None:
        self._document, self._language, self._words = document, language, WORDS[language]
        self._styles = {name: book.add_format(dict(style)) for name, style in _FORMATS.items()}
        names = (self._words["summary"], self._words["lines"], self._words["days"], self._words["sessions"])
        self._summary, self._lines, self._days, self._sessions = (book.add_worksheet(name) for name in names)
        for sheet in (self._summary, self._lines, self._days, self._sessions):
            sheet.set_paper(9)
            sheet.fit_to_pages(1, 0)
        for sheet in (self._lines, self._sessions):
            sheet.set_landscape()

    def write(self) -> None:
        """Write all sheets; the summary last, because it points at the others."""
        lines = self._document.lines()
        self._table(self._lines, _LINES, [self._line(each) for each in lines])
        self._foot(self._lines, _LINES, len(lines), {"amount": self._document.statement.net})
        days = [each for each in self._document.days() if each.uses]
        rows = [(each.day, self._document.called(each.machine), each.seconds, each.net) for each in days]
        self._table(self._days, _DAYS, rows)
        whole: dict[str, Decimal | int] = {
            "amount": self._document.statement.net,
            "hours": sum(each.seconds for each in days),
        }
        self._foot(self._days, _DAYS, len(rows), whole)
        uses = [use for each in days for use in each.uses]
        self._table(self._sessions, _SESSIONS, [self._use(use) for use in uses])
        self._foot(self._sessions, _SESSIONS, len(uses), {"amount": self._document.statement.net})
        self._write_summary(len(lines), len(days), len(uses))

    def _table(self, sheet: Any, columns: Sequence[_Column], rows: Sequence[Sequence[Any]]) -> None:
        for index, column in enumerate(columns):
            sheet.set_column(index, index, column.width)
            sheet.write_string(0, index, self._words[column.title], self._styles["head"])
        sheet.freeze_panes(1, 0)
        sheet.repeat_rows(0)
        if rows:
            sheet.autofilter(0, 0, len(rows), len(columns) - 1)
        for number, row in enumerate(rows, 1):
            for index, (column, value) in enumerate(zip(columns, row, strict=True)):
                self._put(sheet, number, index, value, column.style)

    def _put(self, sheet: Any, row: int, column: int, value: Any, style: str) -> None:
        """Write a value by what its column holds; nothing leaves the cell empty."""
        if value is None or value == "":
            return
        write: Mapping[str, Callable[..., Any]] = {"day": sheet.write_datetime, "moment": sheet.write_datetime}
        look = self._styles[style]
        if isinstance(value, str):
            sheet.write_string(row, column, harmless(value), look)
        elif style in write:
            write[style](row, column, value, look)
        elif style == "rate":
            look = self._styles["rate" if value == value.to_integral_value() else "fine_rate"]
            sheet.write_number(row, column, float(value / 100), look)
        else:
            sheet.write_number(row, column, value / _DAY_SECONDS if style == "duration" else float(value), look)

    def _foot(self, sheet: Any, columns: Sequence[_Column], rows: int, totals: Mapping[str, Decimal | int]) -> None:
        """Write the totals under a table, each a formula beside its result."""
        for index, column in enumerate(columns):
            if column.title not in totals:
                sheet.write_blank(rows + 1, index, None, self._styles["total_text"])
                continue
            total, is_time = totals[column.title], column.style == "duration"
            style = self._styles["total_duration" if is_time else "total"]
            value = total / _DAY_SECONDS if is_time else float(total)
            if rows:
                name = xl_col_to_name(index)
                sheet.write_formula(rows + 1, index, f"=SUM({name}2:{name}{rows + 1})", style, value)
            else:
                sheet.write_number(rows + 1, index, value, style)
        sheet.write_string(rows + 1, 0, self._words["total"], self._styles["total_text"])

    def _line(self, numbered: Numbered) -> tuple[Any, ...]:
        number, line = numbered
        is_time, counts = line.unit is Unit.SECOND, line.unit is not Unit.NONE
        return (
            number,
            self._document.called(line.machine),
            BASES[self._language][line.basis],
            "" if line.state is None else STATES[self._language][line.state],
            line.item,
            line.band,
            line.tariff,
            line.month,
            line.quantity if is_time and line.quantity >= 0 else None,
            in_price_units(line.quantity, line.unit) if counts else None,
            UNITS[self._language][SCALES[line.unit][1]],
            line.price,
            line.tax.natura or line.tax.rate,
            line.amount,
            in_price_units(line.flagged, line.unit) if line.flagged else None,
            line.flagged_amount or None,
            corrects(line, self._document, self._language),
            "; ".join(explanation(line, self._document, self._language)),
        )

    def _use(self, use: Use) -> tuple[Any, ...]:
        number, line, part = use
        spans = [segment.period for segment in part.segments]
        is_time, counts = line.unit is Unit.SECOND, line.unit is not Unit.NONE
        claims = dict.fromkeys(CLAIMS[self._language][segment.claim] for segment in part.segments)
        return (
            part.day,
            self._moment(part.session),
            self._document.called(line.machine),
            number,
            what(line, self._language),
            ", ".join(claims),
            self._moment(min((span.start for span in spans), default=None)),
            self._moment(max((span.end for span in spans), default=None)),
            len(spans) or None,
            part.quantity if is_time and part.quantity >= 0 else None,
            in_price_units(part.quantity, line.unit) if counts else None,
            UNITS[self._language][SCALES[line.unit][1]],
            part.amount,
            in_price_units(part.flagged, line.unit) if part.flagged else None,
        )

    def _moment(self, instant: int | None) -> datetime | None:
        """Return civil time as a spreadsheet knows it, without its zone."""
        return None if instant is None else self._document.civil(instant).replace(tzinfo=None)

    def _write_summary(self, lines: int, days: int, uses: int) -> None:
        document, words, sheet = self._document, self._words, self._summary
        sheet.set_column(0, 0, _SUMMARY_LABEL)
        sheet.set_column(1, 3, _SUMMARY_VALUE)
        title = f"{words['statement']} {document.number or words['draft']}"
        sheet.write_string(0, 0, title, self._styles["title"])
        facts: list[tuple[str, Any, str]] = [
            ("member", f"{document.customer.legal_name} ({document.statement.member})", "text"),
            ("issuer", document.issuer.legal_name, "text"),
            ("period", formats.month(document.statement.month, self._language), "text"),
            ("date", document.day, "day"),
            ("due", document.due, "day"),
            ("iban", document.issuer.iban, "text"),
            ("digest", document.digest, "text"),
        ]
        for row, (name, value, style) in enumerate(facts, 2):
            sheet.write_string(row, 0, words[name], self._styles["label"])
            self._put(sheet, row, 1, value, style)
        self._write_vat(len(facts) + 3, lines)
        row = len(facts) + 7 + len(document.statement.vat)
        sheet.write_string(row, 0, words["control"], self._styles["label"])
        amounts = [self._cell("lines", _LINES, lines), self._cell("days", _DAYS, days),
                   self._cell("sessions", _SESSIONS, uses)]  # fmt: skip
        sheet.write_formula(row, 1, f"=ROUND({amounts[0]}-{amounts[1]},2)", self._styles["euro"], 0)
        sheet.write_formula(row, 2, f"=ROUND({amounts[0]}-{amounts[2]},2)", self._styles["euro"], 0)

    def _cell(self, sheet: str, columns: Sequence[_Column], rows: int) -> str:
        """Return the address of the sum under a sheet's amounts."""
        index = [column.title for column in columns].index("amount")
        return f"'{self._words[sheet]}'!{xl_col_to_name(index)}{rows + 2}"

    def _write_vat(self, top: int, lines: int) -> None:
        """Write net and VAT of each rate from the lines, and the total."""
        words, sheet, statement = self._words, self._summary, self._document.statement
        for column, name in enumerate(("vat_rate", "net", "vat", "total")):
            sheet.write_string(top, column, words[name], self._styles["head"])
        titles = [column.title for column in _LINES]
        rates, amounts = (xl_col_to_name(titles.index(name)) for name in ("vat_rate", "amount"))
        where = f"'{words['lines']}'!"
        for row, vat in enumerate(statement.vat, top + 1):
            self._put(sheet, row, 0, vat.tax.natura or vat.tax.rate, "rate")
            same = f"({where}{rates}2:{rates}{lines + 1}=A{row + 1})*{where}{amounts}2:{amounts}{lines + 1}"
            sheet.write_formula(row, 1, f"=ROUND(SUMPRODUCT({same}),2)", self._styles["euro"], float(vat.base))
            formula = "=0" if vat.tax.natura else f"=ROUND(B{row + 1}*A{row + 1},2)"
            sheet.write_formula(row, 2, formula, self._styles["euro"], float(vat.vat))
            sheet.write_formula(row, 3, f"=B{row + 1}+C{row + 1}", self._styles["euro"], float(vat.base + vat.vat))
        foot = top + 1 + len(statement.vat)
        sheet.write_string(foot, 0, words["total"], self._styles["total_text"])
        for column, value in enumerate((statement.net, statement.tax, statement.total), 1):
            name = xl_col_to_name(column)
            if statement.vat:
                sheet.write_formula(
                    foot, column, f"=SUM({name}{top + 2}:{name}{foot})", self._styles["total"], float(value)
                )
            else:
                sheet.write_number(foot, column, 0, self._styles["total"])
