"""What the live stream sends, for the documentation of the API."""

from __future__ import annotations

from pydantic import BaseModel, Field

from shopfloor.states import State


class LiveValue(BaseModel):
    """The newest sample of one signal."""

    value: bool | int | float | str | None
    at: str
    quality: str | None = Field(default=None, description="uncertain or bad; left out when good.")


class MachineEvent(BaseModel):
    """Event `machine`: what changed of one machine."""

    id: str
    state: State
    since: str | None
    seen: str | None
    values: dict[str, LiveValue] | None = Field(default=None, description="Only to who may see what machines work on.")


class SnapshotMachine(MachineEvent):
    """One machine of the snapshot."""

    name: str
    kind: str
    site: str
    site_name: str


class SnapshotEvent(BaseModel):
    """Event `snapshot`: all that the caller may see. The first event, and again for a reader that fell behind."""

    now: str
    machines: list[SnapshotMachine]


class HeartbeatEvent(BaseModel):
    """Event `heartbeat`: nothing else was sent for a while."""

    now: str


class PutAsideOut(BaseModel):
    """Messages that could not be stored and are alike."""

    publisher: str = Field(description="Who sent them.")
    machine: str = Field(description="By the topic; empty where that names none.")
    reasons: str = Field(description="Names of the reasons, comma-separated.")
    entries: int = Field(description="How many messages.")
    samples: int = Field(description="How many values.")
    first: str = Field(description="When the first was put aside, RFC 3339.")
    last: str = Field(description="When the last was, RFC 3339.")


class PutAsideList(BaseModel):
    """What collectors hold in quarantine; a collector that has been silent for a day is left out."""

    items: list[PutAsideOut]
