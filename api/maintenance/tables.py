"""The tables of maintenance: four stages, each its own and each replayable from the one before; and what people set.

Condition (a rule evaluated in event time) -> alarm -> incident -> notification.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from api.records.base import Base, Stamp

NAME_MAX = 80
"""Longest name of what is watched: a machine's id, or `edge/` and an agent's."""
RULE_MAX = 80
SUBJECT_MAX = 1_000
"""Longest subject; the control's own words are part of it."""
INCIDENT_ID = 16
RANDOM_ID = 16
WORDS_MAX = 4_000


class Watched(Base):
    """A machine, or an edge agent, that is watched.

    Attributes:
        name: the machine's id, or `edge/` and the agent's.
        since: when the watching began; what was before is history, and wakes nobody.
        arrived: everything that was marked as arrived up to then has been judged.
        plan: service work: rule, since, used, left, due, by, unit, as it stood a quarter of an hour ago at most.
        unknown_codes: how often the control said what the class map does not know, by item, code and text.
    """

    __tablename__ = "watched"

    name: Mapped[str] = mapped_column(String(NAME_MAX), primary_key=True)
    since: Mapped[Stamp]
    arrived: Mapped[Stamp] = mapped_column(default=0)
    unknown_codes: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
    plan: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)


class WatchState(Base):
    """What rules knew of a machine before the samples of an instant, compressed."""

    __tablename__ = "watch_states"

    name: Mapped[str] = mapped_column(ForeignKey("watched.name", ondelete="CASCADE"), primary_key=True)
    position: Mapped[Stamp] = mapped_column(primary_key=True)
    state: Mapped[bytes] = mapped_column(LargeBinary)


class ConditionRow(Base):
    """First stage: what a rule said of a condition from an instant on."""

    __tablename__ = "conditions"
    __table_args__ = (Index("ix_conditions_name_stamp", "name", "stamp"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_MAX))
    stamp: Mapped[Stamp]
    rule: Mapped[str] = mapped_column(String(RULE_MAX))
    subject: Mapped[str] = mapped_column(String(SUBJECT_MAX))
    verdict: Mapped[str] = mapped_column(String(8))
    evidence: Mapped[dict[str, Any]] = mapped_column(JSON)
    severity: Mapped[str] = mapped_column(String(12))


class AlarmChange(Base):
    """Second stage: what became of an alarm.

    Attributes:
        name: whose.
        stamp: event time.
        since: when the condition began; with name, rule and subject the alarm's identity.
        what: see `api.maintenance.alarms.What`.
        known: when it came to be known.
        withdrawn: when later data took it back, None while it holds.
    """

    __tablename__ = "alarm_changes"
    __table_args__ = (Index("ix_alarm_changes_name_stamp", "name", "stamp"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_MAX))
    stamp: Mapped[Stamp]
    rule: Mapped[str] = mapped_column(String(RULE_MAX))
    subject: Mapped[str] = mapped_column(String(SUBJECT_MAX))
    what: Mapped[str] = mapped_column(String(16))
    since: Mapped[Stamp]
    severity: Mapped[str] = mapped_column(String(12))
    evidence: Mapped[dict[str, Any]] = mapped_column(JSON)
    worked_seconds: Mapped[float]
    by: Mapped[str] = mapped_column(String(120))
    known: Mapped[Stamp]
    withdrawn: Mapped[Stamp | None]


class IncidentRow(Base):
    """Third stage: an incident, made of the alarms of one cause; the watch alone writes it.

    Attributes:
        id: short and stable: a digest of `key`.
        key: `api.maintenance.incidents.Incident.id`.
        name: whose: a machine, or `edge/` and an agent.
        rule: of the first cause.
        subject: of the first cause.
        since: when the first condition began.
        raised: when its first alarm came.
        activity: the last time that an alarm came or returned.
        returned: when the last active alarm returned; 0 while one is active.
        closed: when the last alarm was closed; 0 while it is open.
        known: when it came to be known.
        is_past: it was over, or history, when it came to be known: shown, not sent.
        withdrawn: when later data took it back, None while it holds.
        alarms: the last change of each, as `Change` has it.
        hides: what it is the cause of.
        payer: the firm whose job ran when it began, empty for none known.
        told: fourth stage: what has been said of it, as `NotificationFold` keeps it.
    """

    __tablename__ = "incidents"
    __table_args__ = (Index("ix_incidents_open", "closed", "withdrawn"),)

    id: Mapped[str] = mapped_column(String(INCIDENT_ID), primary_key=True)
    key: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(String(NAME_MAX), index=True)
    rule: Mapped[str] = mapped_column(String(RULE_MAX))
    subject: Mapped[str] = mapped_column(String(SUBJECT_MAX))
    severity: Mapped[str] = mapped_column(String(12))
    since: Mapped[Stamp] = mapped_column(index=True)
    raised: Mapped[Stamp]
    activity: Mapped[Stamp]
    activations: Mapped[int]
    returned: Mapped[Stamp]
    closed: Mapped[Stamp]
    known: Mapped[Stamp]
    is_past: Mapped[bool]
    withdrawn: Mapped[Stamp | None]
    alarms: Mapped[list[Any]] = mapped_column(JSON)
    hides: Mapped[list[str]] = mapped_column(JSON)
    payer: Mapped[str] = mapped_column(String(63), default="")
    told: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class DeedRow(Base):
    """What a person did with an incident; never changed.

    Attributes:
        at: when it was done, also when entered late.
        entered: when it was entered.
        kind: see `api.maintenance.deeds.Kind`, or `comment`.
        by: who: `person:ID`, `key:ID`.
        by_name: as the log shows it.
        until: end of a shelving.
        assignee: to whom.
        alarms: rule and subject of each alarm that it was done to.
    """

    __tablename__ = "incident_deeds"

    id: Mapped[int] = mapped_column(primary_key=True)
    incident: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    name: Mapped[str] = mapped_column(String(NAME_MAX), index=True)
    at: Mapped[Stamp]
    entered: Mapped[Stamp]
    kind: Mapped[str] = mapped_column(String(16))
    by: Mapped[str] = mapped_column(String(40))
    by_name: Mapped[str] = mapped_column(String(120))
    note: Mapped[str] = mapped_column(String(WORDS_MAX), default="")
    until: Mapped[Stamp] = mapped_column(default=0)
    assignee: Mapped[str] = mapped_column(String(120), default="")
    alarms: Mapped[list[list[str]]] = mapped_column(JSON)


class MaintenanceCall(Base):
    """Somebody at a machine called maintenance, or took the call back; never changed.

    Attributes:
        call: the call that it is about.
        at: when.
        is_over: nobody is wanted any more.
        by: who: `person:ID`, `key:ID`.
        by_name: as people call them.
    """

    __tablename__ = "maintenance_calls"

    id: Mapped[int] = mapped_column(primary_key=True)
    machine_id: Mapped[str] = mapped_column(ForeignKey("machines.id"), index=True)
    call: Mapped[str] = mapped_column(String(RANDOM_ID))
    at: Mapped[Stamp]
    is_over: Mapped[bool]
    by: Mapped[str] = mapped_column(String(40))
    by_name: Mapped[str] = mapped_column(String(120))
    note: Mapped[str] = mapped_column(String(WORDS_MAX), default="")


class EdgeFinding(Base):
    """Something was found of an agent, or is over; never changed.

    Attributes:
        name: `edge/` and the agent's id.
        at: when.
        of: see `api.maintenance.findings.Found`; the rest likewise.
    """

    __tablename__ = "edge_findings"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_MAX), index=True)
    at: Mapped[Stamp]
    of: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(400))
    severity: Mapped[str] = mapped_column(String(12))
    evidence: Mapped[dict[str, Any]] = mapped_column(JSON)
    is_over: Mapped[bool]


class ServiceEntry(Base):
    """Service work that was done: it resets the counter at its time, also when it is entered late.

    Attributes:
        rule: of which service.
        at: when the work was done.
        entered: when it was entered.
        used: use that had gone by since the service when it was entered; 0 for work just done.
    """

    __tablename__ = "service_entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_MAX), index=True)
    rule: Mapped[str] = mapped_column(String(RULE_MAX))
    at: Mapped[Stamp]
    entered: Mapped[Stamp]
    used: Mapped[float] = mapped_column(default=0.0)
    by: Mapped[str] = mapped_column(String(40))


class DeliveryRow(Base):
    """Fourth stage: a message to a person through one channel; see `api.maintenance.outbox.Delivery`."""

    __tablename__ = "deliveries"
    __table_args__ = (Index("ix_deliveries_status_due", "status", "due"),)

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    incident: Mapped[str] = mapped_column(String(INCIDENT_ID), index=True)
    channel: Mapped[str] = mapped_column(String(RANDOM_ID))
    grave: Mapped[bool]
    due: Mapped[Stamp]
    status: Mapped[str] = mapped_column(String(12))
    begun: Mapped[Stamp] = mapped_column(default=0)
    message: Mapped[str] = mapped_column(Text)


class AttemptRow(Base):
    """A try to deliver, and the channel's own answer."""

    __tablename__ = "delivery_attempts"

    delivery: Mapped[str] = mapped_column(ForeignKey("deliveries.key", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[Stamp]
    answer: Mapped[str] = mapped_column(String(12))
    words: Mapped[str] = mapped_column(String(600))


class UsedLink(Base):
    """A one-tap link that was used."""

    __tablename__ = "used_links"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    until: Mapped[Stamp]


class ChannelRow(Base):
    """Where a person is told.

    Attributes:
        address: in apprise's form; a secret, never shown.
        drops_repeats: see `api.maintenance.channels.Channel`.
    """

    __tablename__ = "channels"

    id: Mapped[str] = mapped_column(String(RANDOM_ID), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    address: Mapped[str] = mapped_column(String(1_000))
    drops_repeats: Mapped[bool] = mapped_column(default=False)


class Duty(Base):
    """When and of what a person is told.

    Attributes:
        least: the least severity that concerns them.
        shifts: hours in which they work, as objects with days, start and end in minutes; empty for always.
        quiet: hours in which they are not to be disturbed.
        on_call: hours in which grave incidents reach them all the same.
    """

    __tablename__ = "duties"

    person: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), primary_key=True)
    least: Mapped[str] = mapped_column(String(12), default="low")
    shifts: Mapped[list[Any]] = mapped_column(JSON, default=list)
    quiet: Mapped[list[Any]] = mapped_column(JSON, default=list)
    on_call: Mapped[list[Any]] = mapped_column(JSON, default=list)


class Escalation(Base):
    """Who is told, in steps, and how long each step has; one row.

    Attributes:
        steps: people's ids of each step; empty for everybody of maintenance at once.
        step_minutes: by severity; what is not named does not go on.
        ping: address that is called while Officina is alive, empty for none; a secret.
        ping_minutes: how often.
        pinged: when it answered last.
        ping_answer: what it said.
    """

    __tablename__ = "escalation"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    steps: Mapped[list[list[str]]] = mapped_column(JSON, default=list)
    step_minutes: Mapped[dict[str, float]] = mapped_column(JSON, default=dict)
    ping: Mapped[str] = mapped_column(String(1_000), default="")
    ping_minutes: Mapped[int] = mapped_column(default=5)
    pinged: Mapped[Stamp] = mapped_column(default=0)
    ping_answer: Mapped[str] = mapped_column(String(200), default="")


class PlannedWindow(Base):
    """A time in which staff expect alarms of a machine: they are on record, and wake nobody.

    Attributes:
        machine: empty for every machine of the site.
    """

    __tablename__ = "planned_windows"

    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str] = mapped_column(ForeignKey("sites.id"))
    machine: Mapped[str | None] = mapped_column(ForeignKey("machines.id"))
    start: Mapped[Stamp]
    end: Mapped[Stamp] = mapped_column(index=True)
    reason: Mapped[str] = mapped_column(String(400))
    by: Mapped[str] = mapped_column(String(40))


class RuleChange(Base):
    """An owner's change of a rule, for all machines or for one; the newest of each holds, and none is overwritten.

    Attributes:
        machine: empty for all.
        version: of the rule from then on.
        values: what is changed, as a `[[rule]]` of a file; None takes every change back.
        source: whose word the change is.
    """

    __tablename__ = "rule_changes"
    __table_args__ = (UniqueConstraint("rule", "machine", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    rule: Mapped[str] = mapped_column(String(RULE_MAX))
    machine: Mapped[str] = mapped_column(String(63), default="")
    version: Mapped[int]
    values: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    source: Mapped[str] = mapped_column(String(400), default="")
    at: Mapped[Stamp]
    by: Mapped[str] = mapped_column(String(40))


class WorkOrder(Base):
    """Work on a machine, from an incident, from the plan, or by itself.

    Attributes:
        number: as people say it.
        incident: that it came from, None for none.
        rule: service that it does, empty for none.
        state: `open`, `in_progress`, `closed`, `cancelled`.
        due: when it is to be done, None for no date.
        done: when the work was done, also when entered late.
        minutes: of work.
        parts: objects with spare, name, quantity.
        lock_out: what keeps the machine from being booked, None for nothing.
        released: when the machine was given back, None while it was not.
        return_check: what was looked at before the machine was given back.
    """

    __tablename__ = "work_orders"

    number: Mapped[int] = mapped_column(primary_key=True)
    machine: Mapped[str] = mapped_column(ForeignKey("machines.id"), index=True)
    incident: Mapped[str | None] = mapped_column(ForeignKey("incidents.id"), index=True)
    rule: Mapped[str] = mapped_column(String(RULE_MAX), default="")
    title: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(String(WORDS_MAX), default="")
    state: Mapped[str] = mapped_column(String(12), default="open", index=True)
    assignee: Mapped[str] = mapped_column(String(120), default="")
    opened: Mapped[Stamp]
    opened_by: Mapped[str] = mapped_column(String(40))
    due: Mapped[Stamp | None]
    done: Mapped[Stamp | None]
    closed: Mapped[Stamp | None]
    closed_by: Mapped[str] = mapped_column(String(40), default="")
    minutes: Mapped[int] = mapped_column(default=0)
    parts: Mapped[list[Any]] = mapped_column(JSON, default=list)
    lock_out: Mapped[str | None] = mapped_column(ForeignKey("lock_outs.id"))
    released: Mapped[Stamp | None]
    return_check: Mapped[str] = mapped_column(String(WORDS_MAX), default="")


class WorkPhoto(Base):
    """A photo of a work order."""

    __tablename__ = "work_photos"

    id: Mapped[str] = mapped_column(String(RANDOM_ID), primary_key=True)
    work_order: Mapped[int] = mapped_column(ForeignKey("work_orders.number"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    media_type: Mapped[str] = mapped_column(String(80))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    added: Mapped[Stamp]


class Spare(Base):
    """A part that is kept for a machine, or for all.

    Attributes:
        machine: None for every machine.
        stock: how many there are.
        least: so few, or fewer, have to be ordered.
    """

    __tablename__ = "spares"

    id: Mapped[int] = mapped_column(primary_key=True)
    machine: Mapped[str | None] = mapped_column(ForeignKey("machines.id"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    part_number: Mapped[str] = mapped_column(String(80), default="")
    supplier: Mapped[str] = mapped_column(String(120), default="")
    place: Mapped[str] = mapped_column(String(120), default="")
    stock: Mapped[int] = mapped_column(default=0)
    least: Mapped[int] = mapped_column(default=0)
