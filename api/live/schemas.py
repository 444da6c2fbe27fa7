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
