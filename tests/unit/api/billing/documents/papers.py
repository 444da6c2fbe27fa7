"""Firms, and documents of the worked cases, for the tests of what is handed out."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.billing.documents.document import Document, Firm, Issued, Issuer
from api.billing.scenarios.reader import load

if TYPE_CHECKING:
    from api.billing.statements import Statement

CASES = Path(__file__).parents[4] / "golden" / "billing"
ISSUER = Issuer(
    legal_name="Consorzio Pontalto \N{EN DASH} Macchine condivise",
    partita_iva="02345670369",
    street="Via dell\N{RIGHT SINGLE QUOTATION MARK}Artigiano 12",
    postal_code="41012",
    town="Carpi",
    province="MO",
    rea_office="MO",
    rea_number="123456",
    legal_form="consorzio",
    iban="IT60X0542811101000000123456",
    invoices=True,
)
CUSTOMER = Firm(
    legal_name="Dalmolin Precisione S.n.c.",
    partita_iva="01234560361",
    street="Via Forni 3",
    postal_code="36061",
    town="Bassano del Grappa",
    province="VI",
    sdi_code="ABC1234",
)


def document(statement: Statement, **other: Any) -> Document:
    """A closed document of a statement; what is named stands in it instead."""
    fields: dict[str, Any] = {
        "issuer": ISSUER,
        "customer": CUSTOMER,
        "number": "2026/11-03",
        "day": date(2026, 12, 4),
        "due": date(2027, 1, 3),
        "machines": {"M1": "Centro 5 assi"},
        "issued": {"2026-10": Issued("2026/10-01", date(2026, 11, 5))},
        "chain": "ab" * 32,
    }
    return Document(statement=statement, **(fields | other))


def of_case(case: str, member: str, month: str, **other: Any) -> Document:
    """The document of a member's month in a worked case."""
    [found] = [
        each
        for each in load(CASES / case / "scenario.toml").statements()
        if (each.member, each.month) == (member, month)
    ]
    return document(found, **other)


def every_case() -> list[Document]:
    """The documents of all worked cases."""
    return [document(each) for case in sorted(CASES.iterdir()) for each in load(case / "scenario.toml").statements()]
