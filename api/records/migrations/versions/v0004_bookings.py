"""Bookings with their history, locks of machines, notices to owners, feeds; the calendars of machines."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_KINDS = "kind IN ('made', 'changed', 'cancelled', 'freed')"


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "calendar_machines",
        sa.Column("machine_id", sa.String(63), nullable=False),
        sa.Column("calendar_id", sa.String(63), nullable=False),
        sa.ForeignKeyConstraint(
            ["machine_id"],
            ["machines.id"],
            name=op.f("fk_calendar_machines_machine_id_machines"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["calendar_id"],
            ["calendars.id"],
            name=op.f("fk_calendar_machines_calendar_id_calendars"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("machine_id", name=op.f("pk_calendar_machines")),
    )
    op.create_index(op.f("ix_calendar_machines_calendar_id"), "calendar_machines", ["calendar_id"])
    op.create_table(
        "bookings",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("machine_id", sa.String(63), nullable=False),
        sa.Column("member_id", sa.String(63), nullable=False),
        sa.Column("starts", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("note", sa.String(120), nullable=False),
        sa.Column("series_id", sa.String(16), nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.CheckConstraint("ends >= starts", name=op.f("ck_bookings_period")),
        sa.CheckConstraint(_KINDS, name=op.f("ck_bookings_kind")),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_bookings_machine_id_machines")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_bookings_member_id_members")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookings")),
    )
    op.create_index("ix_bookings_machine", "bookings", ["machine_id", "ends"])
    op.create_index("ix_bookings_member", "bookings", ["member_id", "ends"])
    op.create_index(op.f("ix_bookings_series_id"), "bookings", ["series_id"])
    op.create_table(
        "booking_changes",
        sa.Column("booking_id", sa.String(16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("machine_id", sa.String(63), nullable=False),
        sa.Column("starts", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.Column("binds", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(80), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.CheckConstraint(_KINDS, name=op.f("ck_booking_changes_kind")),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_booking_changes_booking_id_bookings")),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_booking_changes_machine_id_machines")),
        sa.PrimaryKeyConstraint("booking_id", "number", name=op.f("pk_booking_changes")),
    )
    op.create_index("ix_booking_changes_machine", "booking_changes", ["machine_id", "ends"])
    _create_locks_and_feeds()


def _create_locks_and_feeds() -> None:
    op.create_table(
        "lock_outs",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("machine_id", sa.String(63), nullable=False),
        sa.Column("starts", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(80), nullable=False),
        sa.Column("released", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("ends >= starts", name=op.f("ck_lock_outs_period")),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_lock_outs_machine_id_machines")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lock_outs")),
    )
    op.create_index("ix_lock_outs_machine", "lock_outs", ["machine_id", "ends"])
    op.create_table(
        "booking_notices",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("member_id", sa.String(63), nullable=False),
        sa.Column("booking_id", sa.String(16), nullable=False),
        sa.Column("lock_out_id", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("machine_id", sa.String(63), nullable=False),
        sa.Column("starts", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("proposals", sa.JSON(), nullable=False),
        sa.Column("read", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('freed', 'released')", name=op.f("ck_booking_notices_kind")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_booking_notices_member_id_members")),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_booking_notices_booking_id_bookings")),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_booking_notices_machine_id_machines")),
        sa.ForeignKeyConstraint(
            ["lock_out_id"], ["lock_outs.id"], name=op.f("fk_booking_notices_lock_out_id_lock_outs")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking_notices")),
    )
    op.create_index(op.f("ix_booking_notices_member_id"), "booking_notices", ["member_id"])
    op.create_index(op.f("ix_booking_notices_lock_out_id"), "booking_notices", ["lock_out_id"])
    op.create_table(
        "booking_feeds",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("member_id", sa.String(63), nullable=True),
        sa.Column("machine_id", sa.String(63), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(80), nullable=False),
        sa.Column("revoked", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("member_id IS NOT NULL OR machine_id IS NOT NULL", name=op.f("ck_booking_feeds_subject")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_booking_feeds_member_id_members")),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_booking_feeds_machine_id_machines")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking_feeds")),
        sa.UniqueConstraint("sha256", name=op.f("uq_booking_feeds_sha256")),
    )
    op.create_index(op.f("ix_booking_feeds_member_id"), "booking_feeds", ["member_id"])


def downgrade() -> None:
    """Go back to the version before."""
    tables = ("booking_feeds", "booking_notices", "lock_outs", "booking_changes", "bookings", "calendar_machines")
    for table in tables:
        op.drop_table(table)
