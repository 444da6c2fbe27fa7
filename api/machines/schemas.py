"""What the API answers about machines."""

from __future__ import annotations

from pydantic import BaseModel, Field

from shopfloor.states import State


class Work(BaseModel):
    """What a machine is working on. Shown to who looks after machines."""

    program: str | None = Field(description="Active program.")
    job: str | None = Field(description="Job on the control.")
    order: str | None = Field(description="Order on the control.")
    parts: int | None = Field(description="Parts in its lifetime.")
    alarm: str | None = Field(description="Active alarm.")


class MachineNow(BaseModel):
    """A machine as it is now."""

    id: str
    name: str
    kind: str
    site: str
    site_name: str
    by_check_in: bool = Field(description="Whether its state is what people say, who check in and out.")
    state: State
    since: str | None = Field(description="When the state began, RFC 3339; null when further back than anybody looked.")
    seconds_in_state: int | None = Field(description="Whole seconds since then.")
    seen: str | None = Field(description="Stamp of its newest data, RFC 3339; null when it never sent any.")
    data_age_seconds: float | None = Field(description="Age of that data.")
    work: Work | None = Field(description="What it is working on; null for who may not see it.")


class MachineList(BaseModel):
    """A page of machines, by id."""

    items: list[MachineNow]
    next_cursor: str | None


class StretchOut(BaseModel):
    """A machine in one state for a while."""

    state: State
    start: str = Field(serialization_alias="from")
    end: str = Field(serialization_alias="to")
    seconds: int = Field(description="Whole seconds, each boundary truncated, so that stretches add exactly.")


class StateList(BaseModel):
    """States that tile a period: every instant has exactly one."""

    items: list[StretchOut]
    next_cursor: str | None
    machine: str
    start: str = Field(serialization_alias="from")
    end: str = Field(serialization_alias="to", description="The end that was asked for, or now when that is earlier.")
    totals: dict[State, int] = Field(description="Seconds by state of the whole period; they add to its length.")


class RawPoint(BaseModel):
    """One sample as it was stored."""

    at: str
    value: bool | int | float | str | None
    quality: str = Field(description="good, uncertain or bad.")


class ReducedPoint(BaseModel):
    """The Good samples of one step."""

    at: str = Field(description="Start of the step.")
    n: int
    min: float
    mean: float
    max: float


class Series(BaseModel):
    """One signal over a period. A step without a sample is left out, never filled."""

    name: str
    unit: str = Field(description="UCUM symbol.")
    resolution: int | None = Field(description="Seconds of a step; null for raw samples.")
    points: list[RawPoint | ReducedPoint]


class SignalList(BaseModel):
    """Signals of a machine over a period."""

    items: list[Series]
    next_cursor: None = None
    machine: str
    start: str = Field(serialization_alias="from")
    end: str = Field(serialization_alias="to")
