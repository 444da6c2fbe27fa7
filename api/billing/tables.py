"""The tables of billing: what things cost, what was closed and stated, what became of it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, Numeric, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from api.records.base import Base, Stamp
from api.records.tables import ID_MAX
from api.usage.tables import RANDOM_ID_MAX, REASON_MAX, WHO_MAX

MONTH = 7
"""Length of `2026-10`."""
REFERENCE_MAX = 400
_DIGEST = 64


class PriceEntry(Base):
    """One entry of the price list: a tariff, a calendar, a quota, a shared cost, lent hours, a fee or a true-up.

    Attributes:
        kind: the table of a scenario file that it is a row of.
        text: TOML, as a scenario file has it.
    """

    __tablename__ = "price_entries"

    id: Mapped[str] = mapped_column(String(RANDOM_ID_MAX), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    by: Mapped[str] = mapped_column(String(WHO_MAX))
    changed: Mapped[Stamp]


class MonthClosing(Base):
    """A month that was closed, and everything that it was calculated from but for the segments.

    Attributes:
        month: as `2026-10`.
        issued: date of its statements.
        closed: when.
        by: who closed it.
        ground: groups of members, machines, settings, price list, contested lines, versions of calendars, time zone
            data and code.
        accepted: reason by machine for unknown time without evidence of use.
    """

    __tablename__ = "closings"

    month: Mapped[str] = mapped_column(String(MONTH), primary_key=True)
    issued: Mapped[date]
    closed: Mapped[Stamp]
    by: Mapped[str] = mapped_column(String(WHO_MAX))
    ground: Mapped[dict[str, Any]] = mapped_column(JSON)
    accepted: Mapped[dict[str, str]] = mapped_column(JSON)


class RatedSegments(Base):
    """That a closing rated some segments, for the month that it closes or, corrected, for an earlier one.

    Attributes:
        closing: the month that was closed.
        month: the month that was rated.
    """

    __tablename__ = "rated_segments"
    __table_args__ = (Index("ix_rated_segments_digest", "digest"),)

    closing: Mapped[str] = mapped_column(ForeignKey("closings.month"), primary_key=True)
    month: Mapped[str] = mapped_column(String(MONTH), primary_key=True)
    machine_id: Mapped[str] = mapped_column(String(ID_MAX), primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("usage_parts.digest"), primary_key=True)


class IssuedStatement(Base):
    """A closed statement. The database refuses to change or remove it.

    Attributes:
        number: 1, 2, 3 and so on, without a gap: its place in the chain.
        year: of its date.
        sequence: 1, 2, 3 and so on within the year: the number of the document is `sequence/year`.
        body: what is chained, JSON.
        digest: of this statement and all before it, see `shopfloor.hashed_log`.
    """

    __tablename__ = "statements"
    __table_args__ = (
        UniqueConstraint("year", "sequence"),
        UniqueConstraint("closing", "member_id"),
        Index("ix_statements_member_id", "member_id"),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    year: Mapped[int]
    sequence: Mapped[int]
    closing: Mapped[str] = mapped_column(ForeignKey("closings.month"))
    member_id: Mapped[str] = mapped_column(ForeignKey("members.id"))
    net: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    total: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    body: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(_DIGEST))


class StatementEvent(Base):
    """What became of a statement: sent, paid, unpaid again, rejected by the exchange system, accepted by it."""

    __tablename__ = "statement_events"
    __table_args__ = (Index("ix_statement_events_number", "number"),)

    id: Mapped[str] = mapped_column(String(RANDOM_ID_MAX), primary_key=True)
    number: Mapped[int] = mapped_column(ForeignKey("statements.number"))
    kind: Mapped[str] = mapped_column(String(12))
    day: Mapped[date]
    note: Mapped[str] = mapped_column(String(REASON_MAX), default="")
    by: Mapped[str] = mapped_column(String(WHO_MAX))
    entered: Mapped[Stamp]


class LineContest(Base):
    """A member contests a line of a month that is not closed: the line stays out until somebody has decided.

    Attributes:
        month: of the line.
        reference: of the line, see `api.billing.statements.Line`.
        decided_by: None while nobody has.
    """

    __tablename__ = "contests"
    __table_args__ = (
        CheckConstraint("(decided_by IS NULL) = (decided IS NULL)", name="decided"),
        Index("ix_contests_month", "month"),
    )

    id: Mapped[str] = mapped_column(String(RANDOM_ID_MAX), primary_key=True)
    member_id: Mapped[str] = mapped_column(ForeignKey("members.id"))
    month: Mapped[str] = mapped_column(String(MONTH))
    reference: Mapped[str] = mapped_column(String(REFERENCE_MAX))
    reason: Mapped[str] = mapped_column(String(REASON_MAX))
    by: Mapped[str] = mapped_column(String(WHO_MAX))
    at: Mapped[Stamp]
    decision: Mapped[str] = mapped_column(String(REASON_MAX), default="")
    decided_by: Mapped[str | None] = mapped_column(String(WHO_MAX))
    decided: Mapped[Stamp | None]


class Budget(Base):
    """What a member means to spend in a month.

    Attributes:
        amount: euros, net.
        warn_percent: it is warned when so much is reached.
        warned: the month in which it was warned last.
    """

    __tablename__ = "budgets"
    __table_args__ = (CheckConstraint("warn_percent BETWEEN 1 AND 100", name="warn_percent"),)

    member_id: Mapped[str] = mapped_column(ForeignKey("members.id"), primary_key=True)
    amount: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    warn_percent: Mapped[int] = mapped_column(default=80)
    warned: Mapped[str] = mapped_column(String(MONTH), default="")


class MonthRun(Base):
    """A dry run or a closing of a month that goes on, or has ended, see `api.billing.runs`.

    Attributes:
        kind: `look` or `close`.
        by: who began it.
        basis: what it began from.
        beat: when it was heard of last.
        step: what it is at.
        done: how many machines are.
        machines: of how many.
        ended: when; None while it goes on, or when its process has died.
        outcome: how it ended.
        result: what came of it.
    """

    __tablename__ = "month_runs"
    __table_args__ = (Index("ix_month_runs_month_kind", "month", "kind"),)

    id: Mapped[str] = mapped_column(String(RANDOM_ID_MAX), primary_key=True)
    month: Mapped[str] = mapped_column(String(MONTH))
    kind: Mapped[str] = mapped_column(String(8))
    by: Mapped[str] = mapped_column(String(WHO_MAX))
    basis: Mapped[str] = mapped_column(String(120))
    begun: Mapped[Stamp]
    beat: Mapped[Stamp]
    step: Mapped[str] = mapped_column(String(16))
    done: Mapped[int]
    machines: Mapped[int]
    ended: Mapped[Stamp | None]
    outcome: Mapped[str | None] = mapped_column(String(16))
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
