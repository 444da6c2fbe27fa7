"""A statement as PDF: one document gives the same bytes everywhere, its fonts are in it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unicodedata
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api import formats
from api.billing.documents.document import Group
from api.billing.documents.words import CLAIMS, PAYMENT_METHODS, QUALITIES, STATES, WORDS, said, what
from api.billing.documents.writing import corrects, decimal_hours, explanation, price, quantity, tax
from api.billing.statements import Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.billing.documents.document import Day, Document, Firm, Numbered, Section, Use
    from api.pages.words import Language

PROGRAM = Path(__file__).with_name("typeset.py")
SECONDS_MAX = 120
"""Longest time that setting one document may take; one of 33 pages takes two seconds of a processor."""
_UNSHOWN = re.compile(
    "[^\u0020-\u007e\u00a0-\u00ac\u00ae-\u024f\u0370-\u045f\u1e00-\u1eff\u2010-\u2027\u2030-\u2040\u20a0-\u20bf"
    "\u2190-\u226f]"
)
"""What the fonts have no glyph for, which the archive format would refuse: a question mark stands for it."""
_STEPS_TOGETHER = 2
"""Steps of a calculation that are told in one line; more have a line each."""
_GROUPED = 4
"""Characters of a digest or an IBAN that are shown together."""


class TypesettingError(Exception):
    """A document could not be set."""


def to_pdf(document: Document, language: Language) -> bytes:
    """Write a statement as PDF/A-2b, A4.

    Raises:
        TypesettingError: it took too long, or could not be set.
    """
    made = datetime.combine(document.day or document.last_day, time(), UTC)
    data = json.dumps(_shown(_data(document, language)), ensure_ascii=False)
    command = [sys.executable, "-I", str(PROGRAM), str(int(made.timestamp()))]
    try:
        done = subprocess.run(  # noqa: S603 - a program of our own, by its path
            command, input=data.encode(), capture_output=True, check=False, timeout=SECONDS_MAX
        )
    except subprocess.TimeoutExpired as error:
        raise TypesettingError(f"the PDF of {document.number} was not set within {SECONDS_MAX} s") from error
    if done.returncode:
        reason = done.stderr.decode(errors="replace")
        raise TypesettingError(f"the PDF of {document.number} was not set: {reason[-500:]}")
    return done.stdout


def _shown(value: Any) -> Any:
    """Return data with every text as far as the fonts can show it."""
    if isinstance(value, dict):
        return {name: _shown(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shown(each) for each in value]
    return _UNSHOWN.sub("?", unicodedata.normalize("NFC", value)) if isinstance(value, str) else value


def _data(document: Document, language: Language) -> dict[str, Any]:
    """Return everything that the template shows, as text."""
    words, statement = WORDS[language], document.statement
    return {
        "language": language,
        "words": dict(words),
        "title": f"{words['statement']} {document.number or words['draft'].lower()}",
        "author": document.issuer.legal_name,
        "draft": document.is_draft,
        "notes": list(_notes(document, language)),
        "issuer": _firm(document.issuer, language),
        "customer": _firm(document.customer, language),
        "facts": list(_facts(document, language)),
        "vat": [
            [tax(row.tax, language), formats.money(row.base, language), formats.money(row.vat, language)]
            for row in statement.vat
        ],
        "net": formats.money(statement.net, language),
        "tax": formats.money(statement.tax, language),
        "total": formats.euros(statement.total, language),
        "total_name": words["total_due" if statement.total > 0 else "total_credit" if statement.total < 0 else "total"],
        "payment": list(_payment(document, language)),
        "sections": [_section(each, document, language) for each in document.sections()],
        "time": list(_time(document, language)),
        "days": [_day(each, document, language) for each in document.days()],
        "rules": [
            [said(name, language), " > ".join(said(each, language) for each in value.split(" > "))]
            for name, value in (*statement.policy.items(), *statement.basis_versions.items())
            if value
        ],
        "digest": _grouped(document.digest),
        "chain": _grouped(document.chain),
    }


def _notes(document: Document, language: Language) -> Iterator[str]:
    words = WORDS[language]
    if document.is_draft:
        yield words["draft_note"]
    if not document.issuer.invoices:
        yield words["only_note"]
    elif not document.is_draft:
        yield words["invoice_note"]


def _firm(firm: Firm, language: Language) -> dict[str, Any]:
    words = WORDS[language]
    place = " ".join(filter(None, (firm.postal_code, firm.town, f"({firm.province})" if firm.province else "")))
    codes = (
        (words["vat_id"], " ".join(filter(None, ("" if firm.country == "IT" else firm.country, firm.partita_iva)))
         if firm.partita_iva else ""),
        (words["tax_id"], firm.codice_fiscale if firm.codice_fiscale != firm.partita_iva else ""),
        (words["rea"], f"{firm.rea_office} {firm.rea_number}" if firm.rea_number else ""),
    )  # fmt: skip
    return {
        "name": firm.legal_name,
        "lines": [each for each in (firm.street, place, "" if firm.country == "IT" else firm.country) if each],
        "codes": [f"{name} {value}" for name, value in codes if value],
    }


def _facts(document: Document, language: Language) -> Iterator[list[str]]:
    words = WORDS[language]
    first, last = formats.day(document.first_day, language), formats.day(document.last_day, language)
    yield [words["number"], document.number or words["draft"]]
    if document.day is not None:
        yield [words["date"], formats.day(document.day, language)]
    yield [words["period"], f"{formats.month(document.statement.month, language)} ({first} \N{EN DASH} {last})"]
    yield [words["member"], document.statement.member]
    if document.due is not None and document.statement.total > 0:
        yield [words["due"], formats.day(document.due, language)]


def _payment(document: Document, language: Language) -> Iterator[list[str]]:
    """Yield how the total is to be paid; a single text says that nothing is."""
    words, issuer = WORDS[language], document.issuer
    if document.statement.total <= 0:
        yield [words["credit_note"] if document.statement.total < 0 else words["nothing_due"]]
        return
    method = PAYMENT_METHODS[language].get(issuer.payment_method, issuer.payment_method)
    yield [words["payment"], method]
    if document.due is not None:
        yield [words["due"], formats.day(document.due, language)]
    if issuer.iban:
        yield [words["iban"], _grouped(issuer.iban.replace(" ", ""))]
    if document.number:
        yield [words["reason"], f"{words['statement']} {document.number}, {document.statement.member}"]


def _section(section: Section, document: Document, language: Language) -> dict[str, Any]:
    words = WORDS[language]
    if section.group is Group.ADJUSTMENT:
        title = words["adjustments"].format(month=formats.month(section.name, language))
    else:
        title = section.name or words["common"]
    beside = document.machines.get(section.name, "")
    return {
        "title": title,
        "beside": "" if beside == title else beside,
        "net": formats.money(section.net, language),
        "lines": [_line(each, section.group, document, language) for each in section.lines],
    }


def _line(numbered: Numbered, group: Group, document: Document, language: Language) -> dict[str, Any]:
    number, line = numbered
    estimated = ""
    if line.flagged:
        shown = quantity(line.flagged, line.unit, language)
        amount = f" ({formats.euros(line.flagged_amount, language)})" if line.unit is Unit.SECOND else ""
        estimated = f"{WORDS[language]['estimated']} {shown}{amount}"
    machine = line.machine if group is Group.ADJUSTMENT else ""
    steps = explanation(line, document, language)
    told = steps if len(steps) > _STEPS_TOGETHER else ["; ".join(steps)]
    details = [corrects(line, document, language), *told, estimated]
    return {
        "number": str(number),
        "what": ", ".join(filter(None, (machine, what(line, language)))),
        "band": line.band,
        "details": [each for each in details if each],
        "tariff": line.tariff,
        "quantity": quantity(line.quantity, line.unit, language),
        "decimal": decimal_hours(line.quantity, line.unit, language),
        "price": price(line.price, line.unit, language),
        "tax": tax(line.tax, language),
        "amount": formats.money(line.amount, language),
    }


def _time(document: Document, language: Language) -> Iterator[list[str]]:
    """Yield the rows of the recorded time; the machine is named in its first one."""
    before = ""
    for machine, state, quality, seconds in document.statement.spent:
        yield [
            document.called(machine) if machine != before else "",
            STATES[language][state],
            QUALITIES[language][quality],
            quantity(seconds, Unit.SECOND, language),
            decimal_hours(seconds, Unit.SECOND, language),
        ]
        before = machine


def _day(day: Day, document: Document, language: Language) -> dict[str, Any]:
    words = WORDS[language]
    return {
        "day": words["no_day"] if day.day is None else formats.weekday(day.day, language),
        "machine": document.called(day.machine) or words["common"],
        "hours": formats.hms(day.seconds) if day.seconds else "",
        "net": formats.money(day.net, language),
        "uses": [_use(use, document, language) for use in day.uses],
    }


def _use(use: Use, document: Document, language: Language) -> list[str]:
    number, line, part = use
    spans = [segment.period for segment in part.segments]
    used = ""
    if spans:
        first, last = document.civil(min(each.start for each in spans)), document.civil(max(each.end for each in spans))
        used = f"{formats.clock(first)} \N{EN DASH} {formats.clock(last)}"
    claims = dict.fromkeys(CLAIMS[language][segment.claim] for segment in part.segments)
    session = ""
    if part.session is not None:
        begun = document.civil(part.session)
        session = formats.clock(begun)
        if begun.date() != part.day:
            session = f"{formats.day(begun.date(), language)} {session}"
    return [
        session,
        str(number),
        ", ".join(filter(None, (what(line, language), line.band))),
        used,
        ", ".join(claims),
        quantity(part.quantity, line.unit, language) if part.quantity else "",
        formats.money(part.amount, language),
    ]


def _grouped(text: str) -> str:
    return " ".join(text[start : start + _GROUPED] for start in range(0, len(text), _GROUPED))
