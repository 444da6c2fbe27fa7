"""The tables of bookings: what is held now, all that was done, what is locked, who is to be told, and feeds."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from api.access.tables import RANDOM_ID_MAX
from api.records.base import Base, Stamp
from api.records.tables import ID_MAX, NAME_MAX

ACTOR_MAX = 80
"""Longest name of who does something, as the audit trail has it."""
REASON_MAX = 200


class Booking(Base):
    """A machine that is reserved for a member: what it holds now.

    What it held before is in its changes, which are never edited; this row repeats the last one of them, so that
    conflicts are found by an index.

    Attributes:
        starts: first instant that it holds.
        ends: first instant after; equal to `starts` when it holds nothing any more.
        kind: the last change's.
        note: of its member, shown to nobody else's people.
        series_id: the bookings that were made together, None for one alone.
        number: of its last change, from 0.
    """

    __tablename__ = "bookings"
    __table_args__ = (
        CheckConstraint("ends >= starts", name="period"),
        CheckConstraint("kind IN ('made', 'changed', 'cancelled', 'freed')", name="kind"),
        Index("ix_bookings_machine", "machine_id", "ends"),
        Index("ix_bookings_member", "member_id", "ends"),
    )

    id: Mapped[str] = mapped_column(String(RANDOM_ID_MAX), primary_key=True)
    machine_id: Mapped[str] = mapped_column(String(ID_MAX), ForeignKey("machines.id"))
    member_id: Mapped[str] = mapped_column(String(ID_MAX), ForeignKey("members.id"))
    starts: Mapped[Stamp]
    ends: Mapped[Stamp]
    kind: Mapped[str] = mapped_column(String(10))
    note: Mapped[str] = mapped_column(String(NAME_MAX), default="")
    series_id: Mapped[str | None] = mapped_column(String(RANDOM_ID_MAX), index=True)
    number: Mapped[int] = mapped_column(default=0)


class BookingChange(Base):
    """One thing that was done with a booking, as `api.bookings.facts.Change` has it.

    Attributes:
        number: 0 when it was made, then 1, 2 and so on.
        at: when.
        who: as the audit trail has it.
        binds: from when on giving up what it holds costs.
        reason: why, where the consortium took it back.
    """

    __tablename__ = "booking_changes"
    __table_args__ = (
        CheckConstraint("kind IN ('made', 'changed', 'cancelled', 'freed')", name="kind"),
        Index("ix_booking_changes_machine", "machine_id", "ends"),
    )

    booking_id: Mapped[str] = mapped_column(ForeignKey("bookings.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[Stamp]
    kind: Mapped[str] = mapped_column(String(10))
    machine_id: Mapped[str] = mapped_column(String(ID_MAX), ForeignKey("machines.id"))
    starts: Mapped[Stamp]
    ends: Mapped[Stamp]
    binds: Mapped[Stamp]
    who: Mapped[str] = mapped_column(String(ACTOR_MAX))
    reason: Mapped[str] = mapped_column(String(REASON_MAX), default="")


class LockOut(Base):
    """A machine that nobody can book for a while.

    Attributes:
        starts: from when.
        ends: until when; `INSTANT_MAX` until it is released.
        reason: why, as members read it.
        who: as the audit trail has it.
        released: when it was ended before its time, None when it was not.
    """

    __tablename__ = "lock_outs"
    __table_args__ = (
        CheckConstraint("ends >= starts", name="period"),
        Index("ix_lock_outs_machine", "machine_id", "ends"),
    )

    id: Mapped[str] = mapped_column(String(RANDOM_ID_MAX), primary_key=True)
    machine_id: Mapped[str] = mapped_column(String(ID_MAX), ForeignKey("machines.id"))
    starts: Mapped[Stamp]
    ends: Mapped[Stamp]
    reason: Mapped[str] = mapped_column(String(REASON_MAX))
    created: Mapped[Stamp]
    who: Mapped[str] = mapped_column(String(ACTOR_MAX))
    released: Mapped[Stamp | None]


class BookingNotice(Base):
    """Something that the owner of a booking has to be told, kept in the transaction that makes it true.

    Attributes:
        kind: `freed` when a lock took the machine away, `released` when it is free again.
        starts: what the booking held before.
        ends: first instant after that.
        proposals: identifiers of like machines that are free in that period.
        read: when the member's people noted it, None while they have not.
    """

    __tablename__ = "booking_notices"
    __table_args__ = (CheckConstraint("kind IN ('freed', 'released')", name="kind"),)

    id: Mapped[str] = mapped_column(String(RANDOM_ID_MAX), primary_key=True)
    member_id: Mapped[str] = mapped_column(String(ID_MAX), ForeignKey("members.id"), index=True)
    booking_id: Mapped[str] = mapped_column(ForeignKey("bookings.id"))
    lock_out_id: Mapped[str] = mapped_column(ForeignKey("lock_outs.id"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    at: Mapped[Stamp]
    machine_id: Mapped[str] = mapped_column(String(ID_MAX), ForeignKey("machines.id"))
    starts: Mapped[Stamp]
    ends: Mapped[Stamp]
    reason: Mapped[str] = mapped_column(String(REASON_MAX), default="")
    proposals: Mapped[list[Any]] = mapped_column(JSON, default=list)
    read: Mapped[Stamp | None]


class BookingFeed(Base):
    """An unguessable address that shows bookings to a calendar program.

    Attributes:
        sha256: of its token, in hexadecimal.
        member_id: through whose eyes it looks; None for who looks after machines.
        machine_id: whose bookings it shows; None for all of the member's, and without one for the maintenance plan.
        who: who made it.
        revoked: from then on it shows nothing.
    """

    __tablename__ = "booking_feeds"

    id: Mapped[str] = mapped_column(String(RANDOM_ID_MAX), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    member_id: Mapped[str | None] = mapped_column(String(ID_MAX), ForeignKey("members.id"), index=True)
    machine_id: Mapped[str | None] = mapped_column(String(ID_MAX), ForeignKey("machines.id"))
    created: Mapped[Stamp]
    who: Mapped[str] = mapped_column(String(ACTOR_MAX))
    revoked: Mapped[Stamp | None]
