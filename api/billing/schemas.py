"""Prices, previews, statements and closings as HTTP carries them: money as decimal text, with its currency."""

from __future__ import annotations

from datetime import date
from decimal import Decimal  # noqa: TC003 - read when classes are made
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, Field, StringConstraints

from api.billing.service import TEXT_MAX
from api.billing.tables import REFERENCE_MAX
from api.records.schemas import Closed, Id, Page
from api.usage.schemas import Note, Why  # noqa: TC001 - read when classes are made

Month: TypeAlias = Annotated[str, StringConstraints(pattern=r"^2[0-9]{3}-(0[1-9]|1[0-2])$")]
Kind: TypeAlias = Literal["tariffs", "calendars", "quotas", "shared_costs", "lent_hours", "fees", "true_ups"]
Toml: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=TEXT_MAX, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"),
    Field(description="One row of the table, as a scenario file has it (docs/scenario.md), without its heading."),
]
Reference: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=REFERENCE_MAX, pattern=r"^[^\x00-\x1f\x7f]*$")
]


class EntryIn(Closed):
    """An entry of the price list."""

    kind: Kind
    text: Toml


class EntryOut(BaseModel):
    """An entry of the price list."""

    id: str
    kind: str
    name: str = Field(description="Its name, item or section.")
    text: str
    by: str
    changed: str


class EntryList(Page):
    """Entries of the price list, a page of them."""

    items: list[EntryOut]
    closed_until: str | None = Field(description="The last closed month: what it was charged by stays as it is.")


class TryIn(Closed):
    """Prices to be tried on a month before they are kept."""

    month: Month
    entries: list[EntryIn] = Field(default_factory=list, max_length=50)
    removed: list[Annotated[str, Field(max_length=16, pattern="^[0-9a-f]*$")]] = Field(
        default_factory=list, max_length=50
    )


class Difference(BaseModel):
    """What other prices would make of a member's month."""

    member: str
    before: str
    after: str
    difference: str
    currency: str


class Differences(BaseModel):
    """What other prices would make of a month."""

    month: str
    items: list[Difference]


class BudgetStatus(BaseModel):
    """How far a member's month is from what it means to spend."""

    amount: str
    warn_percent: int
    reached_percent: int
    is_warned: bool


class Preview(BaseModel):
    """A month that is open, as if it ended now."""

    month: str
    member: str
    until: str = Field(description="How far it reaches.")
    currency: str
    net: str
    tax: str
    total: str
    forecast_net: str = Field(description="What the month comes to when it goes on like this.")
    forecast_low: str | None = Field(description="With quiet days to come; null when there is too little to say.")
    forecast_high: str | None = Field(description="With busy days to come; null when there is too little to say.")
    budget: BudgetStatus | None
    statement: dict[str, Any] = Field(description="All lines down to days and sessions, as a closed one has them.")


class PreviewList(Page):
    """Previews, a page of them."""

    items: list[Preview]


class StatementRow(BaseModel):
    """A closed statement."""

    id: str
    number: str
    month: str
    member: str
    issued: date
    currency: str
    net: str
    total: str
    paid: bool
    exchange: str = Field(description="sent, rejected or accepted; empty while it was not sent.")


class StatementList(Page):
    """Closed statements, a page of them."""

    items: list[StatementRow]


class EventOut(BaseModel):
    """What became of a statement."""

    kind: str
    day: date
    note: str
    by: str
    entered: str


class MailOut(BaseModel):
    """One time that a statement was sent by e-mail."""

    at: str
    to: str
    status: str = Field(description="queued, sent, unknown (no answer came), dead (given up) or cancelled.")
    tried: int = Field(description="How often.")
    last: str | None = Field(description="When it was tried last.")
    words: str = Field(description="The mail server's.")


class StatementOut(StatementRow):
    """A closed statement with everything in it."""

    digest: str = Field(description="Of this statement and all before it.")
    body: dict[str, Any] = Field(description="What is chained.")
    events: list[EventOut]
    mails: list[MailOut] = Field(description="Each time that it was sent by e-mail, the oldest first.")


class MailIn(Closed):
    """Which statements are sent by e-mail, though they were before."""

    month: Month
    member: Annotated[str | None, Field(max_length=63)] = Field(
        default=None, description="Every member, when it is not given."
    )


class MailsOut(BaseModel):
    """What was queued; the watch sends it within seconds."""

    sent: list[str] = Field(description="Statements that are on their way.")
    waiting: list[str] = Field(description="Statements that were on their way already, and are not sent twice.")
    without: list[str] = Field(description="Members without an e-mail address.")


class EventIn(Closed):
    """What became of a statement."""

    kind: Literal["sent", "rejected", "accepted", "paid", "unpaid"]
    day: date | None = Field(default=None, description="Today, when it is not given.")
    note: Note = ""


class UsedSegment(BaseModel):
    """What a line was measured in."""

    start: str = Field(alias="from")
    end: str = Field(alias="to")
    state: str
    quality: str
    claim: str
    seconds: int
    sources: list[list[str]] = Field(description="Signal and stamp of each sample, or kind and time of evidence.")


class SegmentList(Page):
    """Segments, a page of them."""

    items: list[UsedSegment]


class ContestIn(Closed):
    """A line that a member contests."""

    member: Id
    month: Month
    reference: Reference
    reason: Why


class ContestOut(BaseModel):
    """A line that is contested, and what became of it."""

    id: str
    member: str
    month: str
    reference: str
    reason: str
    by: str
    at: str
    decision: str
    decided_by: str | None
    decided: str | None


class ContestList(Page):
    """Contests, a page of them."""

    items: list[ContestOut]


class ContestDecision(Closed):
    """What somebody else than who contested decides."""

    reason: Why


class ClosingIn(Closed):
    """A month to be closed."""

    month: Month
    issued: date | None = Field(default=None, description="Date of the statements; today, when it is not given.")
    accepted: Annotated[dict[str, Why], Field(max_length=1_000)] = Field(
        default={}, description="Why unknown time without evidence of use is accepted, by machine; `*` for every one."
    )


class ClosingOut(BaseModel):
    """A month that is closed."""

    month: str
    issued: date
    closed: str
    by: str
    statements: int


class ClosingList(Page):
    """Closed months, a page of them."""

    items: list[ClosingOut]


class BudgetIn(Closed):
    """What a member means to spend in a month."""

    amount: Annotated[Decimal, Field(ge=0, lt=10_000_000, max_digits=9, decimal_places=2)] | None
    warn_percent: Annotated[int, Field(ge=1, le=100)] = 80


class BudgetOut(BaseModel):
    """What a member means to spend in a month; null for no budget."""

    member: str
    amount: str | None
    currency: str
    warn_percent: int | None


class DecisionOut(BaseModel):
    """Something that somebody has to decide before the month can be closed."""

    kind: str = Field(description="unattributed, unknown, correction or contest.")
    machine: str | None
    member: str | None
    start: str | None = Field(alias="from")
    end: str | None = Field(alias="to")
    id: str | None = Field(description="Of the correction or contest.")
    evidence: list[str]


class DecisionList(Page):
    """What somebody has to decide, a page of it."""

    items: list[DecisionOut]


class UsageRow(BaseModel):
    """Use and money of one key."""

    key: dict[str, str]
    seconds: int
    energy_kwh: str
    parts: int
    net: str
    currency: str


class UsageList(Page):
    """Use and money, a page of it."""

    items: list[UsageRow]
    start: date = Field(alias="from")
    end: date = Field(alias="to", description="The first day that is not in it.")
    by: list[str]
