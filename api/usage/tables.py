"""The tables of usage: what people and readers say of who used a machine, and the segments that follow from it."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from api.records.base import Base, Stamp
from api.records.tables import ID_MAX

RANDOM_ID_MAX = 16
TEXT_MAX = 120
"""Longest job rule and badge."""
REASON_MAX = 500
WHO_MAX = 40
"""Longest name of an actor, `person:ID`."""
_DIGEST = 64


class MemberRule(Base):
    """A rule that maps a job or order id to a member, see `api.usage.evidence.JobRule`."""

    __tablename__ = "job_rules"
    __table_args__ = (UniqueConstraint("kind", "text"),)

    id: Mapped[str] = mapped_column(String(RANDOM_ID_MAX), primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    text: Mapped[str] = mapped_column(String(TEXT_MAX))
    member_id: Mapped[str] = mapped_column(ForeignKey("members.id"))
    added: Mapped[Stamp]


class BadgeOwner(Base):
    """Whose badge it is from an instant on, until it is given to another.

    Attributes:
        badge: as the reader shows it.
        since: from when.
        payer: a member, `consortium` for maintenance, `nobody` for a badge that is lost.
    """

    __tablename__ = "badge_owners"

    badge: Mapped[str] = mapped_column(String(TEXT_MAX), primary_key=True)
    since: Mapped[Stamp] = mapped_column(primary_key=True)
    payer: Mapped[str] = mapped_column(String(ID_MAX))


class CheckIn(Base):
    """Somebody said at a machine that it is used for a member from now on, or no more.

    Attributes:
        at: from when.
        payer: a member, or `consortium` for maintenance; None for a check-out of whoever is there.
        is_out: a check-out.
        by: who said so.
        entered: when.
    """

    __tablename__ = "check_ins"
    __table_args__ = (Index("ix_check_ins_machine_id_at", "machine_id", "at"),)

    id: Mapped[str] = mapped_column(String(RANDOM_ID_MAX), primary_key=True)
    machine_id: Mapped[str] = mapped_column(ForeignKey("machines.id"))
    at: Mapped[Stamp]
    payer: Mapped[str | None] = mapped_column(String(ID_MAX))
    is_out: Mapped[bool]
    by: Mapped[str] = mapped_column(String(WHO_MAX))
    entered: Mapped[Stamp]


class CorrectionRequest(Base):
    """A request to charge a period otherwise; it counts when another person has approved it.

    Attributes:
        payer: a member, `consortium` or `nobody`; None leaves the payer as it is.
        state: what the machine did in truth; None leaves that as it is.
        member_id: the firm that asks, None for staff.
        is_approved: None while nobody has decided.
    """

    __tablename__ = "corrections"
    __table_args__ = (
        CheckConstraint("ends > starts", name="period"),
        CheckConstraint("decided_by IS NULL OR decided_by <> requested_by", name="another"),
        Index("ix_corrections_machine_id_starts", "machine_id", "starts"),
    )

    id: Mapped[str] = mapped_column(String(RANDOM_ID_MAX), primary_key=True)
    machine_id: Mapped[str] = mapped_column(ForeignKey("machines.id"))
    starts: Mapped[Stamp]
    ends: Mapped[Stamp]
    payer: Mapped[str | None] = mapped_column(String(ID_MAX))
    state: Mapped[str | None] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(REASON_MAX))
    member_id: Mapped[str | None] = mapped_column(ForeignKey("members.id"))
    requested_by: Mapped[str] = mapped_column(String(WHO_MAX))
    requested: Mapped[Stamp]
    is_approved: Mapped[bool | None]
    decided_by: Mapped[str | None] = mapped_column(String(WHO_MAX))
    decided: Mapped[Stamp | None]
    decision_reason: Mapped[str] = mapped_column(String(REASON_MAX), default="")


class MaintenanceTime(Base):
    """A while in which maintenance (`work_order`) or an interruption (`alarm`) is the consortium's.

    Attributes:
        ends: None while it goes on.
        note: which work order or alarm.
    """

    __tablename__ = "maintenance_times"
    __table_args__ = (
        CheckConstraint("ends IS NULL OR ends > starts", name="period"),
        CheckConstraint("cause IN ('work_order', 'alarm')", name="cause"),
        Index("ix_maintenance_times_machine_id_starts", "machine_id", "starts"),
    )

    id: Mapped[str] = mapped_column(String(RANDOM_ID_MAX), primary_key=True)
    machine_id: Mapped[str] = mapped_column(ForeignKey("machines.id"))
    starts: Mapped[Stamp]
    ends: Mapped[Stamp | None]
    cause: Mapped[str] = mapped_column(String(16))
    note: Mapped[str] = mapped_column(String(REASON_MAX), default="")
    by: Mapped[str] = mapped_column(String(WHO_MAX))
    entered: Mapped[Stamp]


class UsageDay(Base):
    """That the segments of one machine and civil day are built, and from what.

    Attributes:
        built: the present of the building: samples that arrived later are not in it.
        until: how far it reaches, before the end of the day only while that is going on.
        last_utc_day: the last UTC day whose samples decide it, as days since 1970; far in the future while something is
            open, such as when an unreachable machine returns.
        is_stale: evidence that concerns it was changed since.
        policy: digest of the settings that it was built by.
        texts: job ids and badges that the machine showed, so that a new rule knows which days it concerns.
        work: what was made when: spans of job, order and part, packed.
        doubts: what has to be decided: start, end, reason and evidence of each.
        has_doubts: whether there is any.
    """

    __tablename__ = "usage_days"

    machine_id: Mapped[str] = mapped_column(ForeignKey("machines.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    built: Mapped[Stamp]
    until: Mapped[Stamp]
    last_utc_day: Mapped[int]
    is_stale: Mapped[bool] = mapped_column(default=False)
    policy: Mapped[str] = mapped_column(String(_DIGEST))
    texts: Mapped[list[str]] = mapped_column(JSON)
    work: Mapped[bytes] = mapped_column(LargeBinary)
    doubts: Mapped[list[Any]] = mapped_column(JSON)
    has_doubts: Mapped[bool] = mapped_column(index=True)


class UsagePart(Base):
    """The segments of one machine, civil day and payer: what is charged is rated from these.

    Attributes:
        digest: SHA-256 of what is packed.
        payer: a member, `(consortium)` or `(unattributed)`.
        is_current: False for what a closed month was rated from and later samples have changed.
        is_pinned: a closed month was rated from it: it is never removed.
        body: packed segments, see `api.usage.packing`.
    """

    __tablename__ = "usage_parts"
    __table_args__ = (
        Index("ix_usage_parts_payer_day", "payer", "day"),
        Index("ix_usage_parts_machine_id_day", "machine_id", "day"),
    )

    digest: Mapped[str] = mapped_column(String(_DIGEST), primary_key=True)
    machine_id: Mapped[str] = mapped_column(ForeignKey("machines.id"))
    day: Mapped[date]
    payer: Mapped[str] = mapped_column(String(ID_MAX))
    is_current: Mapped[bool] = mapped_column(default=True)
    is_pinned: Mapped[bool] = mapped_column(default=False)
    body: Mapped[bytes] = mapped_column(LargeBinary)
