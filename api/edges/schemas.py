"""What the API is told and answers about edge agents."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from api.edges.codes import CODE_LENGTH_MAX
from api.records.schemas import Closed, Id, Page, Text
from shopfloor.broker_files import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN


class EnrollIn(BaseModel):
    """What an agent sends to be enrolled."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(max_length=CODE_LENGTH_MAX, description="One-time code, as the administrator was shown it.")
    password: str = Field(
        min_length=PASSWORD_LENGTH_MIN,
        max_length=PASSWORD_LENGTH_MAX,
        pattern="^[A-Za-z0-9_-]+$",
        description="Random; the agent makes and keeps it. It will be its password at the broker.",
    )


class EnrolledOut(BaseModel):
    """Where the agent connects to, by its id as user name and client id."""

    publisher: str = Field(description="PublisherId of the agent.")
    host: str = Field(description="Of the broker.")
    port: int
    ca: str | None = Field(description="PEM of the authority of the broker's certificate; null for plain text.")


class InvitationOut(BaseModel):
    """A code that waits for its agent."""

    code: str = Field(description="Shown this once.")
    expires: str = Field(description="RFC 3339.")


class EdgePut(Closed):
    """A program that speaks for machines over MQTT, without its identifier, which stands in the address."""

    site_id: Id
    name: Text = ""
    is_active: bool = Field(default=True, description="Whether it may speak at all.")


class EdgeFields(EdgePut):
    """A program that speaks for machines over MQTT."""

    id: Id


class EdgeOut(EdgeFields):
    """An edge agent or other publisher, and how it stands at the broker."""

    enrolled: str | None = Field(description="Since when it holds its login; null while it holds none.")
    code_expires: str | None = Field(description="Until when a code waits for it; null when none does.")


class EdgeList(Page):
    """Edge agents, a page of them."""

    items: list[EdgeOut]
