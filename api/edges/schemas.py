"""What the API is told and answers about edge agents."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.edges.codes import CODE_LENGTH_MAX
from api.records.schemas import Closed, Id, Page, Text
from shopfloor.broker_files import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN
from shopfloor.wire.edge import CONFIGURATION_MAX


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


class HealthOut(BaseModel):
    """How an agent is."""

    silent: bool = Field(description="It did not say for half a minute how it is.")
    heard: str | None = Field(description="When it said it last; null for never.")
    health: dict[str, Any] | None = Field(description="As the agent wrote it, see docs/edge.md; null for never.")


class RequestIn(Closed):
    """What an agent is asked to do."""

    kind: Literal["discover", "check", "apply"] = Field(
        description="Look at one server, look at the machines of a configuration, or put one in force."
    )
    endpoint: Annotated[str, StringConstraints(max_length=1000)] = Field(
        default="", description="Of `discover`: opc.tcp://host:port/path."
    )
    configuration: Annotated[str, StringConstraints(max_length=CONFIGURATION_MAX)] = Field(
        default="", description="Of `check` and `apply`: TOML with [[machine]] tables; empty: what is in force."
    )
    machines: list[Annotated[str, StringConstraints(max_length=64)]] = Field(
        default=[], max_length=1000, description="Of `check`: those to look at; empty for all."
    )
    must_connect: bool = Field(
        default=True, description="Of `apply`: the configuration before comes back when a machine cannot be reached."
    )


class ReplyOut(BaseModel):
    """What an agent answered."""

    done: bool
    at: str
    error: str = Field(description="What is wrong and how to mend it; empty when it was done.")
    code: str = Field(description="Stable word of the cause of `error`; empty where there is none.")
    problems: list[str] = Field(description="Every mistake of the configuration, with its line.")
    configuration: str = Field(description="Of `discover`: to be corrected and applied; of `check`: what is in force.")
    machines: list[dict[str, Any]] = Field(description="Of `check`: what was seen of each machine.")
    touched: list[str] = Field(description="Of `apply`: the machines whose watching began anew or ended.")
