"""What is said at a machine, as HTTP carries it."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, Field, StringConstraints

from api.floor.tables import REASON_ID_MAX
from api.records.schemas import Closed, Id, Name, Page
from api.usage.schemas import Instant, Note  # noqa: TC001 - read when fields are made

ReasonId: TypeAlias = Annotated[str, StringConstraints(pattern="^[a-z0-9][a-z0-9-]*$", max_length=REASON_ID_MAX)]


class ReasonFields(Closed):
    """Why a machine stands still."""

    id: ReasonId
    it: Name = Field(description="What it is called in Italian.")
    en: Name = Field(description="What it is called in English.")


class ReasonList(Page):
    """The reasons from which a person at a machine chooses, in their order."""

    items: list[ReasonFields]


class ReasonsPut(Closed):
    """The reasons of some machines, in place of the list before."""

    site: Id | None = Field(default=None, description="Of machines at this site; null for every site.")
    kind: Annotated[str, StringConstraints(strip_whitespace=True, max_length=120)] = Field(
        default="", description="Of machines of this kind; empty for every kind."
    )
    reasons: list[ReasonFields] = Field(max_length=24, description="In their order; empty takes the list away.")


class StopOut(BaseModel):
    """A while in which a machine stood still."""

    from_: str = Field(alias="from")
    to: str
    state: Literal["idle", "interrupted"]
    seconds: int
    lasts: bool = Field(description="It goes on.")
    reason: ReasonFields | None = Field(description="That somebody gave; null for none.")


class StopList(Page):
    """The stops of a machine, a page of them, the newest first."""

    items: list[StopOut]


class TagIn(Closed):
    """The reason of a stop."""

    at: Instant = Field(description="Inside the stop, for example its beginning.")
    reason: ReasonId


class TagOut(TagIn):
    """The reason of a stop, as it was kept."""

    machine: str
    by: str
    entered: str


class PayerName(BaseModel):
    """A firm that somebody can be checked in for."""

    id: str
    name: str


class PayerList(Page):
    """Firms that somebody can be checked in for, a page of them."""

    items: list[PayerName]


class CallIn(Closed):
    """What is the matter."""

    note: Note = ""


class CallOut(BaseModel):
    """A call for maintenance, and what became of it."""

    id: str
    at: str
    by: str
    alert: str | None = Field(description="The alert that it became; null in the first seconds.")
    taken_by: str = Field(description="Who comes; empty for nobody yet.")
    taken: str | None
    note: str = Field(description="What they wrote.")
    is_over: bool


class CallList(Page):
    """Calls of the last days, a page of them, the newest first."""

    items: list[CallOut]
