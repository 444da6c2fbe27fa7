"""Records as HTTP and CSV carry them: what comes in is closed, what goes out is described."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.records.tables import EMAIL_MAX, ID_MAX, LEGAL_NAME_MAX, NAME_MAX, STREET_MAX, TOWN_MAX


def _text(longest: int, *, shortest: int = 0) -> StringConstraints:
    """One line of text that no spreadsheet takes for a formula."""
    return StringConstraints(
        strip_whitespace=True,
        min_length=shortest,
        max_length=longest,
        pattern=r"^([^\x00-\x1f\x7f=+@\-][^\x00-\x1f\x7f]*)?$",
    )


Id: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", max_length=ID_MAX)]
Name: TypeAlias = Annotated[str, _text(NAME_MAX, shortest=1)]
Text: TypeAlias = Annotated[str, _text(NAME_MAX)]
Street: TypeAlias = Annotated[str, _text(STREET_MAX)]
Town: TypeAlias = Annotated[str, _text(TOWN_MAX)]
Email: TypeAlias = Annotated[str, _text(EMAIL_MAX)]
Code: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, pattern="^[A-Z0-9]*$", max_length=34)]


class Closed(BaseModel):
    """What comes in: a field that is not known is refused."""

    model_config = ConfigDict(extra="forbid")


class FirmFields(Closed):
    """What a tax document says of a firm."""

    legal_name: Annotated[str, _text(LEGAL_NAME_MAX, shortest=1)]
    partita_iva: Code = ""
    codice_fiscale: Code = ""
    sdi_code: Code = ""
    pec: Email = ""
    street: Street = ""
    postal_code: Code = ""
    town: Town = ""
    province: Code = ""
    country: Code = "IT"
    rea_office: Code = ""
    rea_number: Code = ""


LegalForm: TypeAlias = Literal["consorzio", "società consortile", "rete-contratto", "rete-soggetto", "cooperativa"]


class ConsortiumFields(FirmFields):
    """The consortium as issuer."""

    legal_form: LegalForm
    regime: Code = "RF01"
    iban: Code = ""
    payment_days: Annotated[int, Field(ge=0, le=365)] = 30
    payment_method: Code = "MP05"
    invoices: bool = False


class MemberPut(FirmFields):
    """A member firm, without its identifier, which stands in the address."""

    email: Email = ""
    group_name: Text = ""
    active_from: date
    active_to: date | None = None


class SitePut(Closed):
    """A site, without its identifier, which stands in the address."""

    name: Name
    street: Street = ""
    postal_code: Code = ""
    town: Town = ""
    province: Code = ""


class Contact(Closed):
    """Whom to call about a machine."""

    name: Name
    purpose: Text = ""
    phone: Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9 +()/.\-]*$", max_length=40)] = ""
    email: Email = ""


class MachinePut(Closed):
    """A machine, as it is kept, without its identifier, which stands in the address."""

    name: Name
    kind: Text = ""
    site_id: Id
    agent_id: Id | None = Field(
        description="Who speaks for it; null for equipment that people check in to, and no more."
    )
    signals: Annotated[list[Annotated[str, Field(max_length=80)]], Field(max_length=1_000)] = []
    writer_id: Annotated[int, Field(ge=0, le=65_535)] | None = None
    maker: Text = ""
    model: Text = ""
    serial_number: Text = ""
    built_year: Annotated[int, Field(ge=1900, le=2200)] | None = None
    nominal_power_kw: Annotated[float, Field(ge=0, lt=100_000, allow_inf_nan=False)] | None = None
    tariff_group: Text = ""
    contacts: Annotated[list[Contact], Field(max_length=20)] = []
    active_from: date | None = None
    active_to: date | None = None


class MemberFields(MemberPut):
    """A member firm."""

    id: Id


class SiteFields(SitePut):
    """A site."""

    id: Id


class MachineFields(MachinePut):
    """A machine, as it is kept."""

    id: Id


class FileOut(BaseModel):
    """A manual or the photo of a machine."""

    id: str
    purpose: Literal["manual", "photo"]
    name: str
    media_type: str
    bytes: int
    added: str


class FileList(BaseModel):
    """The files of a machine, all of them, the oldest first."""

    items: list[FileOut]
    next_cursor: None = None


class Page(BaseModel):
    """A page of a list."""

    next_cursor: str | None = Field(description="Asks for the next page; null after the last.")


class MemberList(Page):
    """Members, a page of them."""

    items: list[MemberFields]


class SiteList(Page):
    """Sites, a page of them."""

    items: list[SiteFields]


class LineProblem(BaseModel):
    """One thing that is wrong with a line of a file."""

    line: int = Field(description="Number of the line in the file; the header is 1.")
    field: str = Field(description="Which column; empty for the whole line.")
    detail: str


class ImportOutcome(BaseModel):
    """What reading a file in has done, or would do."""

    added: int
    changed: int
    same: int
    written: bool = Field(description="False when it was a dry run, or anything is wrong.")
    problems: list[LineProblem]
