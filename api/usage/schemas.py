"""Evidence of use as HTTP carries it."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, Field, StringConstraints

from api.records.schemas import Closed, Id, Page
from api.usage.evidence import REASON_LENGTH_MIN
from api.usage.tables import REASON_MAX, TEXT_MAX

_PLAIN = r"^[^\x00-\x1f\x7f]*$"
Instant: TypeAlias = Annotated[str, Field(max_length=40, description="RFC 3339, as 2026-11-22T11:04:41Z.")]
Payer: TypeAlias = Annotated[Id, Field(description="A member, `consortium` or `nobody`.")]
ShownText: TypeAlias = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=TEXT_MAX, pattern=_PLAIN)
]
Why: TypeAlias = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=REASON_LENGTH_MIN, max_length=REASON_MAX, pattern=_PLAIN),
]
Note: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, max_length=REASON_MAX, pattern=_PLAIN)]
ChargedState: TypeAlias = Literal[
    "off", "out_of_service", "maintenance", "setup", "interrupted", "processing", "idle", "unknown"
]


class CheckInIn(Closed):
    """Who uses a machine from now on, or no more."""

    machine: Id
    payer: Payer | None = Field(default=None, description="For whom; null for a check-out of whoever is there.")
    out: bool = False
    at: Instant | None = Field(default=None, description="From when; now, when it is not given.")


class CheckInOut(BaseModel):
    """A check-in or check-out."""

    id: str
    machine: str
    payer: str | None
    out: bool
    at: str
    by: str
    entered: str


class CheckInList(Page):
    """Check-ins, a page of them."""

    items: list[CheckInOut]


class JobRuleIn(Closed):
    """Maps a job or order id to a member."""

    kind: Literal["exact", "prefix", "pattern", "customer"] = Field(
        description="The whole id, its beginning, a regular expression for all of it, or a number that stands in it."
    )
    text: ShownText
    member: Id


class JobRuleOut(JobRuleIn):
    """A rule that maps job and order ids to a member."""

    id: str
    added: str


class JobRuleList(Page):
    """Job rules, a page of them."""

    items: list[JobRuleOut]


class BadgeIn(Closed):
    """Whose a badge is from an instant on."""

    badge: ShownText
    payer: Payer
    since: Instant | None = Field(default=None, description="From when; now, when it is not given.")


class BadgeOut(BaseModel):
    """Whose a badge is from an instant on."""

    badge: str
    payer: str
    since: str


class BadgeList(Page):
    """Badges, a page of them."""

    items: list[BadgeOut]


class CorrectionIn(Closed):
    """A request to charge a period otherwise."""

    machine: Id
    start: Instant = Field(alias="from")
    end: Instant = Field(alias="to")
    payer: Payer | None = Field(default=None, description="Who is to pay; null leaves that as it is.")
    state: ChargedState | None = Field(default=None, description="What it did in truth; null leaves that as it is.")
    reason: Why


class CorrectionOut(BaseModel):
    """A request to charge a period otherwise, and what became of it."""

    id: str
    machine: str
    start: str = Field(alias="from")
    end: str = Field(alias="to")
    payer: str | None
    state: str | None
    reason: str
    member: str | None = Field(description="The firm that asks; null for staff.")
    requested_by: str
    requested: str
    approved: bool | None = Field(description="Null while nobody has decided.")
    decided_by: str | None
    decided: str | None
    decision_reason: str


class CorrectionList(Page):
    """Corrections, a page of them."""

    items: list[CorrectionOut]


class DecisionIn(Closed):
    """What somebody else than who asked decides."""

    approve: bool
    reason: Note = ""


class MaintenanceIn(Closed):
    """A while in which maintenance, or an interruption, is the consortium's."""

    machine: Id
    start: Instant = Field(alias="from")
    end: Instant | None = Field(default=None, alias="to", description="Null while it goes on.")
    cause: Literal["work_order", "alarm"]
    note: Note = ""


class MaintenanceEnd(Closed):
    """When it has ended."""

    end: Instant = Field(alias="to")


class MaintenanceOut(BaseModel):
    """A while in which maintenance, or an interruption, is the consortium's."""

    id: str
    machine: str
    start: str = Field(alias="from")
    end: str | None = Field(alias="to")
    cause: str
    note: str
    by: str


class MaintenanceList(Page):
    """Whiles of the consortium, a page of them."""

    items: list[MaintenanceOut]


class PayerNow(BaseModel):
    """Who pays for a machine now."""

    machine: str
    payer: str | None = Field(
        description="A member, `consortium` or `nobody`; null where it is not the caller's to see."
    )
    claim: str | None = Field(description="Why: correction, consortium, job, badge, booking or none.")
    since: str | None = Field(description="Since when, within today.")
