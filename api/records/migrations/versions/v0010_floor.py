"""What is said at a machine: lists of reasons, reasons of stops, calls for maintenance."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "stop_lists",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(120), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("site", "kind", name=op.f("pk_stop_lists")),
    )
    op.create_table(
        "stop_tags",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("machine_id", sa.String(63), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("it", sa.String(120), nullable=False),
        sa.Column("en", sa.String(120), nullable=False),
        sa.Column("by", sa.String(40), nullable=False),
        sa.Column("entered", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_stop_tags_machine_id_machines")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stop_tags")),
    )
    op.create_index("ix_stop_tags_machine_id_at", "stop_tags", ["machine_id", "at"])
    op.create_table(
        "maintenance_calls",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("machine_id", sa.String(63), nullable=False),
        sa.Column("call", sa.String(16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("is_over", sa.Boolean(), nullable=False),
        sa.Column("by", sa.String(40), nullable=False),
        sa.Column("by_name", sa.String(120), nullable=False),
        sa.Column("note", sa.String(4000), nullable=False),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_maintenance_calls_machine_id_machines")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance_calls")),
    )
    op.create_index(op.f("ix_maintenance_calls_machine_id"), "maintenance_calls", ["machine_id"])


def downgrade() -> None:
    """Go back to the version before."""
    op.drop_table("maintenance_calls")
    op.drop_table("stop_tags")
    op.drop_table("stop_lists")
