"""The documents of a scenario: who issues them and whom they go to, and their files in a folder."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from api.billing.documents.document import Document, Firm, Issued, Issuer, NoInvoiceError
from api.records.rules import site_problems
from shopfloor.errors import ExpectedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from api.billing.scenarios.reader import Scenario
    from api.billing.scenarios.values import Node
    from api.billing.statements import Statement
    from api.pages.words import Language

_NAMED = "legal_name"
FIRM_KEYS = tuple(each.name for each in fields(Firm) if each.name != _NAMED)
"""What a scenario may say of a firm, beside its `name`."""
_ISSUER_KEYS = tuple(each.name for each in fields(Issuer) if each.name not in {_NAMED, "invoices"})
PAYMENT_DAYS = 30
UNNAMED = Issuer(legal_name="Consorzio")
"""Who issues the statements of a scenario that does not say so."""


@dataclass(frozen=True, slots=True)
class Papers:
    """What documents say beside the figures.

    Attributes:
        issuer: who issues them.
        payment_days: from a statement's date to when it is due.
        firms: of the members, by code.
        machines: what machines are called, by identifier.
    """

    issuer: Issuer
    payment_days: int
    firms: Mapping[str, Firm]
    machines: Mapping[str, str]


class File(NamedTuple):
    """A file of a document.

    Attributes:
        name: without a folder.
        content: its bytes.
    """

    name: str
    content: bytes


def read_issuer(node: Node | None) -> tuple[Issuer, int]:
    """Read who issues the statements, and how many days there are to pay them.

    Raises:
        BadScenarioError: naming the place and the mend.
    """
    if node is None:
        return UNNAMED, PAYMENT_DAYS
    node.table(*_ISSUER_KEYS, "invoices", "payment_days", required=("name",))
    invoices = node["invoices"].flag() if "invoices" in node else False
    days = node["payment_days"].whole() if "payment_days" in node else PAYMENT_DAYS
    return Issuer(legal_name=node["name"].text(), invoices=invoices, **_texts(node, _ISSUER_KEYS)), days


def read_firm(node: Node, code: str) -> Firm:
    """Read what is told of a member's firm; its code stands for a name that is not told.

    Raises:
        BadScenarioError: naming the place and the mend.
    """
    name = node["name"].text() if "name" in node else code
    return Firm(legal_name=name, **_texts(node, FIRM_KEYS))


def _texts(node: Node, keys: Sequence[str]) -> dict[str, Any]:
    values = {key: node[key].text() for key in keys if key in node}
    for problem in site_problems(values):
        raise node[problem.field].refuse(problem.detail)
    return values


def documents(scenario: Scenario) -> list[Document]:
    """Return a document for each statement of a scenario, numbered within its month.

    A month is issued when it is closed, else on its last day, and no earlier than the one before.

    Raises:
        ExpectedError: what the scenario tells cannot be charged.
    """
    papers = scenario.papers
    closed = {each.month: each.at for each in scenario.closings}
    issued: dict[str, dict[str, Issued]] = {}
    found: list[Document] = []
    numbers: dict[str, int] = {}
    day: date | None = None
    for statement in scenario.statements():
        month, member = statement.month, statement.member
        numbers[month] = numbers.get(month, 0) + 1
        number = f"{month.replace('-', '/')}-{numbers[month]:02d}"
        day = _day(statement, closed.get(month), day)
        own = issued.setdefault(member, {})
        paper = Document(
            statement=statement,
            issuer=papers.issuer,
            customer=papers.firms[member],
            number=number,
            day=day,
            due=day + timedelta(days=papers.payment_days),
            machines=papers.machines,
            issued=dict(own),
        )
        own[month] = Issued(number, day)
        found.append(paper)
    return found


def _day(statement: Statement, closed: int | None, before: date | None) -> date:
    blank = Document(statement=statement, issuer=UNNAMED, customer=UNNAMED)
    day = blank.last_day if closed is None else blank.civil(closed).date()
    return day if before is None else max(day, before)


def render(papers: Sequence[Document], language: Language) -> Iterator[File | NoInvoiceError]:
    """Write every document of a scenario; where there can be no invoice, yield why not."""
    from api.billing.documents.csv_file import to_csv
    from api.billing.documents.fatturapa import to_fatturapa
    from api.billing.documents.pdf import to_pdf
    from api.billing.documents.xlsx import to_xlsx

    progressive = 0
    for paper in papers:
        name = re.sub(r"[^A-Za-z0-9._-]", "-", f"{paper.number}-{paper.statement.member}")
        yield File(f"{name}.pdf", to_pdf(paper, language))
        yield File(f"{name}.xlsx", to_xlsx(paper, language))
        yield File(f"{name}.csv", to_csv(paper, language))
        try:
            invoice = to_fatturapa(paper, progressive + 1)
        except NoInvoiceError as error:
            yield error
            continue
        progressive += 1
        yield File(invoice.name, invoice.content)


def save(scenario: Scenario, folder: Path, language: Language) -> list[str]:
    """Write all documents of a scenario into a folder; nothing is written when one of them cannot be.

    Returns:
        Why there are statements without an invoice, each reason once.

    Raises:
        ExpectedError: what the scenario tells cannot be charged, or the folder cannot be written.
    """
    made = list(render(documents(scenario), language))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in made:
            if isinstance(file, File):
                (folder / file.name).write_bytes(file.content)
    except OSError as error:
        raise ExpectedError(f"{folder} cannot be written: {error.strerror}") from error
    return list(dict.fromkeys(str(each) for each in made if isinstance(each, NoInvoiceError)))
