"""What a document of a statement says: the statement, and what stands beside its amounts. Pure.

PDF, workbook, CSV and invoice are all written from one `Document`, so that they carry the same net, VAT and total.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from api.billing.calendars import civil_month, civil_zone
from api.billing.money import ZERO
from api.billing.statements import Basis, digest
from shopfloor.errors import ExpectedError
from shopfloor.periods import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date
    from decimal import Decimal
    from zoneinfo import ZoneInfo

    from api.billing.statements import Line, Part, Statement

NO_PERSONALITY = "rete-contratto"
"""The legal form that has no personality of its own, so that it can issue no invoice."""


class NoInvoiceError(ExpectedError):
    """The statement cannot be an electronic invoice; the sentence says why, and the mend where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firm:
    """What a document says of a firm, as `api.records.tables.Firm` keeps it. Empty text is what is not known."""

    legal_name: str
    partita_iva: str = ""
    codice_fiscale: str = ""
    sdi_code: str = ""
    pec: str = ""
    street: str = ""
    postal_code: str = ""
    town: str = ""
    province: str = ""
    country: str = "IT"
    rea_office: str = ""
    rea_number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer(Firm):
    """The consortium, as `api.records.tables.Consortium` keeps it.

    Attributes:
        legal_form: what it is in law.
        regime: RegimeFiscale, RF01 to RF20.
        iban: where members pay.
        payment_method: ModalitaPagamento, MP01 to MP23.
        invoices: it sends its statements as electronic invoices; else they are statements only.
    """

    legal_form: str = ""
    regime: str = "RF01"
    iban: str = ""
    payment_method: str = "MP05"
    invoices: bool = False

    def refuse_invoices(self) -> None:
        """Do nothing where the issuer may invoice.

        Raises:
            NoInvoiceError: it may not, or has not chosen to.
        """
        if self.legal_form == NO_PERSONALITY:
            raise NoInvoiceError(
                f"{self.legal_name} is a network contract without legal personality: it has no VAT position of its own "
                "and cannot invoice. Its statements are statements only; the firm that has the others' mandate invoices"
            )
        if not self.invoices:
            raise NoInvoiceError(
                f"{self.legal_name} issues statements only. Ask its accountant, then let the consortium send its "
                "statements as invoices (`invoices`)"
            )


class Issued(NamedTuple):
    """An earlier document of the same member.

    Attributes:
        number: as it stands on it.
        day: of issue.
    """

    number: str
    day: date


class Numbered(NamedTuple):
    """A line and its number, the same in every document of one statement."""

    number: int
    line: Line


class Group(Enum):
    """What the lines of a section have in common."""

    MACHINE = "machine"
    COMMON = "common"
    ADJUSTMENT = "adjustment"


class Section(NamedTuple):
    """Lines that stand together, with their sum.

    Attributes:
        group: what they have in common.
        name: the machine, the month that is corrected, or nothing.
        lines: in order.
        net: what they add to.
    """

    group: Group
    name: str
    lines: tuple[Numbered, ...]
    net: Decimal


class Use(NamedTuple):
    """What of a line belongs to one day and session.

    Attributes:
        number: of the line.
        line: the line.
        part: its quantity and cents.
    """

    number: int
    line: Line
    part: Part


class Day(NamedTuple):
    """What one machine cost on one civil day.

    Attributes:
        day: None for what belongs to no day.
        machine: empty for what concerns none.
        uses: by session and line.
        net: what they add to.
        seconds: of the machine's own charged time, adjustments included.
    """

    day: date | None
    machine: str
    uses: tuple[Use, ...]
    net: Decimal
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A statement as it is handed to its member.

    Attributes:
        statement: every amount comes from it.
        issuer: the consortium.
        customer: the member firm.
        number: of the series, 20 characters of Basic Latin with a digit; empty for a draft.
        day: of issue, None for a draft.
        due: when it is to be paid.
        machines: what each machine is called, by identifier.
        issued: this member's earlier documents by month, for what is corrected.
        chain: hash of the record that closed it, in hexadecimal; empty for a draft.
    """

    statement: Statement
    issuer: Issuer
    customer: Firm
    number: str = ""
    day: date | None = None
    due: date | None = None
    machines: Mapping[str, str] = field(default_factory=dict)
    issued: Mapping[str, Issued] = field(default_factory=dict)
    chain: str = ""

    @property
    def is_draft(self) -> bool:
        """Whether it has no number yet."""
        return not self.number

    @property
    def digest(self) -> str:
        """SHA-256 of the statement's data, in hexadecimal."""
        return digest(self.statement)

    @property
    def zone(self) -> ZoneInfo:
        """The civil zone of days and times of day."""
        return civil_zone(self.statement.zone)

    @property
    def first_day(self) -> date:
        """First civil day of the month."""
        return self.civil(self.statement.period.start).date()

    @property
    def last_day(self) -> date:
        """Last civil day of the month."""
        return self.civil(self.statement.period.end - SECOND).date()

    def called(self, machine: str) -> str:
        """Return a machine's identifier and what it is called; nothing for none."""
        name = self.machines.get(machine, "")
        return machine if name in {"", machine} else f"{machine} {name}"

    def days_of_month(self, month: str) -> tuple[date, date]:
        """Return the first and the last civil day of a month such as `2026-10`."""
        period = civil_month(month, self.zone)
        return self.civil(period.start).date(), self.civil(period.end - SECOND).date()

    def civil(self, instant: int) -> datetime:
        """Return an instant as civil time."""
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=instant // SECOND)).astimezone(self.zone)

    def lines(self) -> tuple[Numbered, ...]:
        """Return all lines with their numbers: machines, what concerns none, then adjustments."""
        ordered = sorted(self.statement.lines, key=lambda line: (line.corrects is not None, not line.machine))
        return tuple(Numbered(number, line) for number, line in enumerate(ordered, 1))

    def sections(self) -> tuple[Section, ...]:
        """Return the lines as they stand together: by machine, in common, by month that is corrected."""

        def kind(each: Numbered) -> tuple[Group, str]:
            line = each.line
            if line.corrects is not None:
                return Group.ADJUSTMENT, line.corrects.month
            return (Group.MACHINE, line.machine) if line.machine else (Group.COMMON, "")

        found = []
        for (group, name), each in groupby(self.lines(), key=kind):
            lines = tuple(each)
            found.append(Section(group, name, lines, sum((row.line.amount for row in lines), ZERO)))
        return tuple(found)

    def days(self) -> tuple[Day, ...]:
        """Return what each day is made of, by machine and day; what belongs to no day comes after a machine's days."""
        uses: dict[tuple[bool, str, bool, str], list[Use]] = {}
        for number, line in self.lines():
            for part in line.parts:
                key = (not line.machine, line.machine, part.day is None, str(part.day or ""))
                uses.setdefault(key, []).append(Use(number, line, part))
        return tuple(_days(uses))


def _days(uses: Mapping[tuple[bool, str, bool, str], list[Use]]) -> Iterator[Day]:
    for _, found in sorted(uses.items()):
        ordered = tuple(sorted(found, key=lambda use: (use.part.session or 0, use.number)))
        first = ordered[0]
        yield Day(
            day=first.part.day,
            machine=first.line.machine,
            uses=ordered,
            net=sum((use.part.amount for use in ordered), ZERO),
            seconds=sum(use.part.quantity for use in ordered if use.line.basis is Basis.TIME),
        )
