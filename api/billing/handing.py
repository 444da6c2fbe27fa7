"""Closed statements as documents: what is chained, put beside what the records say of its machines."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from api.billing.documents.csv_file import to_csv
from api.billing.documents.document import Document, Firm, Issued, Issuer
from api.billing.documents.fatturapa import to_fatturapa
from api.billing.documents.pdf import to_pdf
from api.billing.documents.xlsx import to_xlsx
from api.billing.statements import statement_of
from api.billing.tables import IssuedStatement, StatementEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from api.pages.words import Language

MEDIA_TYPES: Mapping[str, str] = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
    "xml": "application/xml",
}
"""What a statement is handed out as, by the end of its name."""
_FILES_PER_TRY = 1_000_000
"""A file that SdI refused is written again under a number of its own."""


def document_of(session: Session, row: IssuedStatement) -> Document:
    """Return a closed statement as a document: the same for the same statement, whatever the records say by now."""
    body = json.loads(row.body)
    issued = date.fromisoformat(body["issued"])
    issuer = _only(Issuer, body["issuer"])
    earlier = select(IssuedStatement).where(
        IssuedStatement.member_id == row.member_id, IssuedStatement.number < row.number
    )
    return Document(
        statement=statement_of(body["statement"]),
        issuer=Issuer(**issuer),
        customer=Firm(**_only(Firm, body["customer"])),
        number=body["number"],
        day=issued,
        due=issued + timedelta(days=body["issuer"].get("payment_days", 0)),
        machines=body["machines"],
        issued={each.closing: _issued(each) for each in session.scalars(earlier.order_by(IssuedStatement.number))},
        chain=row.digest,
    )


def _only(kind: type[Firm], values: Mapping[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in values.items() if name in names}


def _issued(row: IssuedStatement) -> Issued:
    body = json.loads(row.body)
    return Issued(body["number"], date.fromisoformat(body["issued"]))


def handed(session: Session, row: IssuedStatement, form: str, language: Language) -> tuple[str, bytes]:
    """Return a closed statement as a file, and what the file is called.

    Args:
        session: of the records.
        row: the statement.
        form: one of `MEDIA_TYPES`.
        language: of what people read; an invoice has none.

    Raises:
        NoInvoiceError: it cannot be an electronic invoice; the sentence says why.
    """
    document = document_of(session, row)
    if form == "xml":
        refused = select(func.count()).where(StatementEvent.number == row.number, StatementEvent.kind == "rejected")
        progressive = row.number + _FILES_PER_TRY * (session.scalar(refused) or 0)
        invoice = to_fatturapa(document, progressive, pdf=to_pdf(document, "it"))
        return invoice.name, invoice.content
    write = {"pdf": to_pdf, "xlsx": to_xlsx, "csv": to_csv}[form]
    return f"{row.closing}-{row.member_id}-{row.sequence}-{row.year}.{form}", write(document, language)
