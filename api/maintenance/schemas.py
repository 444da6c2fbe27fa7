"""Maintenance as HTTP carries it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, Field, StringConstraints

from api.records.schemas import Closed, Id, Name

Instant: TypeAlias = Annotated[str, Field(max_length=40, description="RFC 3339.")]
Words: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4_000, pattern=r"^[^\x00]*$")]
Line: TypeAlias = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
]
Reason: TypeAlias = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400, pattern=r"^[^\x00]*$")
]
RuleName: TypeAlias = Annotated[str, StringConstraints(max_length=80)]


class AlarmFields(BaseModel):
    """An alarm of an alert."""

    rule: str
    subject: str
    title: str
    what: str
    at: str
    since: str
    severity: str
    evidence: dict[str, Any]


class DeedFields(BaseModel):
    """What somebody did with an alert."""

    kind: str
    at: str
    by: str
    note: str
    until: str | None
    to: str


class AttemptFields(BaseModel):
    """A try to deliver a message."""

    at: str
    answer: str
    words: str


class DeliveryFields(BaseModel):
    """A message to somebody, and every try to deliver it."""

    channel: str
    status: str
    kind: str
    due: str
    attempts: list[AttemptFields]


class Alert(BaseModel):
    """Something that happened to a machine, or to an edge agent."""

    id: str
    machine: str | None
    edge: str | None
    name: str
    title: str
    severity: str
    state: Literal["active", "returned", "closed", "withdrawn"]
    since: str
    raised: str
    returned: str | None
    closed: str | None
    known: str
    is_past: bool = Field(description="It was over, or history, when it came to be known: it was not sent.")
    activations: int
    rule: str
    rule_words: str
    source: str
    advice: str
    taken_by: str | None
    shelved_until: str | None
    shelved_reason: str
    assigned_to: str
    hides: list[str]


class AlertWhole(Alert):
    """An alert with all that belongs to it."""

    alarms: list[AlarmFields]
    deeds: list[DeedFields]
    deliveries: list[DeliveryFields]
    work_orders: list[int]


class AlertList(BaseModel):
    """A page of alerts, the newest first."""

    items: list[Alert]
    next_cursor: str | None


class ActionPost(Closed):
    """What somebody does with an alert."""

    kind: Literal["take", "shelve", "unshelve", "assign", "comment", "close"]
    note: Words = ""
    shelve_for: Literal["hour", "shift"] | None = Field(default=None, description="Of `shelve`, in place of `until`.")
    until: Instant | None = Field(default=None, description="Of `shelve`: at most 90 days ahead.")
    to: Line = Field(default="", description="Of `assign`: to whom.")


class RuleFields(BaseModel):
    """A rule as it holds."""

    id: str
    version: int
    kind: str = Field(description="The way of judging.")
    title: str
    signal: str
    unit: str
    severity: str
    enabled: bool
    words: str
    source: str
    advice: str
    values: dict[str, Any] = Field(description="The numbers of the way of judging.")
    kinds: list[str]


class RuleChangeFields(BaseModel):
    """A version of a rule that somebody made."""

    version: int
    machine: str
    values: dict[str, Any] | None
    source: str
    at: str
    by: str


class RuleWhole(RuleFields):
    """A rule with its versions."""

    changes: list[RuleChangeFields]
    machines: dict[str, RuleFields] = Field(description="As it holds for single machines that differ.")


class RuleList(BaseModel):
    """Every rule."""

    items: list[RuleFields]
    next_cursor: str | None


class RulePut(Closed):
    """A change of a rule: a new version."""

    machine: Id | None = None
    values: dict[str, Any] | None = Field(
        default=None,
        description='As a `[[rule]]` of a file, for example {"limit": {"high": 70.0}}; null takes it back.',
    )
    source: Line = ""


class BacktestPost(Closed):
    """A span over which a rule is tried."""

    machine: Id
    start: Instant
    end: Instant
    values: dict[str, Any] | None = None


class EpisodeFields(BaseModel):
    """An alarm that a rule would have raised."""

    subject: str
    since: str
    raised: str
    returned: str | None
    evidence: dict[str, Any]


class LeadFields(BaseModel):
    """Known work on the machine, and how long before it the rule would have spoken."""

    done: str
    work_order: int
    lead_seconds: int | None


class Backtest(BaseModel):
    """What a rule would have said."""

    episodes: list[EpisodeFields]
    count: int
    incidents_per_month: float
    messages: int
    known: list[LeadFields]


class PartFields(Closed):
    """A part that was used."""

    name: Name
    quantity: Annotated[int, Field(ge=1, le=10_000)] = 1
    spare: int | None = Field(default=None, ge=1, le=2**31 - 1, description="Spare part whose stock goes down.")


Parts: TypeAlias = Annotated[list[PartFields], Field(max_length=50)]
Minutes: TypeAlias = Annotated[int, Field(ge=0, le=100_000)]


class WorkOrderPost(Closed):
    """Work that is to be done."""

    machine: Id
    title: Annotated[Line, Field(min_length=1)]
    text: Words = ""
    alert: Annotated[str, Field(max_length=16)] | None = None
    rule: RuleName = Field(
        default="", description="Service of the plan that it does, or rule that learns anew after it."
    )
    due: Instant | None = None
    assignee: Line = ""


class WorkOrderPatch(Closed):
    """What is to be otherwise; what is left out stays."""

    title: Annotated[Line, Field(min_length=1)] | None = None
    text: Words | None = None
    due: Instant | None = None
    assignee: Line | None = None
    state: Literal["open", "in_progress", "cancelled"] | None = None
    minutes: Minutes | None = None
    parts: Parts | None = None


class WorkOrderClose(Closed):
    """Work that was done: its counter starts anew at that time, and its alert is closed."""

    done: Instant | None = Field(
        default=None, description="When the work was done; by default now. It may be long ago."
    )
    text: Words = ""
    minutes: Minutes = 0
    parts: Parts = Field(default_factory=list)


class LockOutPost(Closed):
    """Why a machine is locked out, as members read it."""

    reason: Annotated[Reason, Field(max_length=200)]


class GiveBackPost(Closed):
    """What was checked before the machine is given back."""

    check: Annotated[Words, Field(min_length=1)]


class WorkOrderFields(BaseModel):
    """A work order."""

    number: int
    machine: str
    alert: str | None
    rule: str
    title: str
    text: str
    state: str
    assignee: str
    opened: str
    opened_by: str
    due: str | None
    done: str | None
    closed: str | None
    closed_by: str
    minutes: int
    parts: list[dict[str, Any]]
    is_locked_out: bool
    released: str | None
    return_check: str


class WorkPhotoOut(BaseModel):
    """A photo of a work order."""

    id: str
    name: str
    media_type: str
    bytes: int
    added: str


class WorkPhotoList(BaseModel):
    """The photos of a work order, all of them, the oldest first."""

    items: list[WorkPhotoOut]
    next_cursor: None = None


class WorkOrderList(BaseModel):
    """A page of work orders, the newest first."""

    items: list[WorkOrderFields]
    next_cursor: str | None


class PlanFields(BaseModel):
    """A service of the plan."""

    machine: str
    rule: str
    title: str
    last: str | None
    used: float
    left: float | None
    unit: str
    due: str | None
    by: str


class PlanList(BaseModel):
    """The plan, the next first."""

    items: list[PlanFields]
    next_cursor: str | None


class ReliabilityFields(BaseModel):
    """How a machine held out over a year."""

    failures: int
    down_seconds: int
    mean_seconds_between: float | None
    mean_seconds_to_repair: float | None
    availability: float


class SpareFields(BaseModel):
    """A spare part."""

    id: int
    machine: str | None
    name: str
    part_number: str
    supplier: str
    place: str
    stock: int
    least: int


class SparePost(Closed):
    """A spare part to keep."""

    machine: Id | None = None
    name: Name
    part_number: Line = ""
    supplier: Line = ""
    place: Line = ""
    stock: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    least: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class MachineMaintenance(BaseModel):
    """What there is of a machine's maintenance."""

    plan: list[PlanFields]
    history: list[WorkOrderFields]
    spares: list[SpareFields]
    contacts: list[dict[str, Any]]
    reliability: ReliabilityFields
    unknown_codes: dict[str, int]


class ChannelPost(Closed):
    """Where the caller wants to be told."""

    name: Name
    address: Annotated[str, Field(min_length=5, max_length=1_000, description="In apprise's form; it is never shown.")]
    drops_repeats: bool = False


class ChannelFields(BaseModel):
    """A channel, without its address."""

    id: str
    name: str
    service: str
    drops_repeats: bool
    test: str | None = Field(description="How the last test fared: queued, sent, unknown, dead.")
    test_words: str


class ChannelList(BaseModel):
    """The caller's channels."""

    items: list[ChannelFields]
    next_cursor: str | None


class HoursFields(Closed):
    """A weekly span in civil time; over midnight when it ends before it starts."""

    days: Annotated[list[Annotated[int, Field(ge=0, le=6)]], Field(min_length=1, max_length=7)]
    start: Annotated[int, Field(ge=0, lt=1440)]
    end: Annotated[int, Field(ge=0, le=1440)]


Spans: TypeAlias = Annotated[list[HoursFields], Field(max_length=20)]


class DutyFields(Closed):
    """When, and of what, the caller is told."""

    least: Literal["low", "medium", "high"] = "low"
    shifts: Spans = Field(default_factory=list)
    quiet: Spans = Field(default_factory=list)
    on_call: Spans = Field(default_factory=list)


class EscalationFields(Closed):
    """Who is told in which order, and where the dead-man's ping goes."""

    steps: Annotated[list[Annotated[list[Annotated[str, Field(max_length=16)]], Field(max_length=50)]],
                     Field(max_length=10)] = Field(default_factory=list)  # fmt: skip
    step_minutes: dict[Literal["low", "medium", "high"], Annotated[float, Field(ge=1, le=10_080)]] = Field(
        default_factory=dict
    )
    ping: Annotated[str, Field(max_length=1_000)] | None = Field(
        default=None, description="Address in apprise's form; null leaves it as it is, empty takes it away."
    )
    ping_minutes: Annotated[int, Field(ge=1, le=1_440)] = 5


class EscalationShown(BaseModel):
    """Who is told in which order, and how the last ping fared."""

    steps: list[list[str]]
    step_minutes: dict[str, float]
    pings: bool
    ping_minutes: int
    pinged: str | None
    ping_answer: str


class WindowPost(Closed):
    """A time in which alarms of a machine, or of a site, are expected."""

    site: Id
    machine: Id | None = None
    start: Instant
    end: Instant
    reason: Reason


class WindowFields(BaseModel):
    """A planned window."""

    id: int
    site: str
    machine: str | None
    start: str
    end: str
    reason: str


class WindowList(BaseModel):
    """The planned windows that are not over."""

    items: list[WindowFields]
    next_cursor: str | None


class Chatterer(BaseModel):
    """An alarm that came and went often within an hour."""

    alarm: str
    times: int


class FiguresFields(BaseModel):
    """Alarms of a period, beside their targets; it begins later where nobody watched before."""

    since: str
    came: int
    per_day: float
    per_day_target: float
    peak_ten_minutes: int
    peak_hour: int
    peak_hour_target: int
    peak_minute: int
    peak_minute_target: int
    flood_share: float
    flood_share_target: float
    severities: dict[str, float]
    chattering: list[Chatterer]
    stale: int
    minutes_to_take: float | None
    incidents_per_machine_month: float
    incidents_per_machine_month_target: float
    deliveries: dict[str, int]
    unknown_codes: dict[str, int]
