"""What people say of who used a machine, and the segments of its days."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "badge_owners",
        sa.Column("badge", sa.String(length=120), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("payer", sa.String(length=63), nullable=False),
        sa.PrimaryKeyConstraint("badge", "since", name=op.f("pk_badge_owners")),
    )
    op.create_table(
        "job_rules",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("text", sa.String(length=120), nullable=False),
        sa.Column("member_id", sa.String(length=63), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_job_rules_member_id_members")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_rules")),
        sa.UniqueConstraint("kind", "text", name=op.f("uq_job_rules_kind")),
    )
    op.create_table(
        "check_ins",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("machine_id", sa.String(length=63), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("payer", sa.String(length=63), nullable=True),
        sa.Column("is_out", sa.Boolean(), nullable=False),
        sa.Column("by", sa.String(length=40), nullable=False),
        sa.Column("entered", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_check_ins_machine_id_machines")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_ins")),
    )
    op.create_index("ix_check_ins_machine_id_at", "check_ins", ["machine_id", "at"], unique=False)
    op.create_table(
        "corrections",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("machine_id", sa.String(length=63), nullable=False),
        sa.Column("starts", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.Column("payer", sa.String(length=63), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("member_id", sa.String(length=63), nullable=True),
        sa.Column("requested_by", sa.String(length=40), nullable=False),
        sa.Column("requested", sa.BigInteger(), nullable=False),
        sa.Column("is_approved", sa.Boolean(), nullable=True),
        sa.Column("decided_by", sa.String(length=40), nullable=True),
        sa.Column("decided", sa.BigInteger(), nullable=True),
        sa.Column("decision_reason", sa.String(length=500), nullable=False),
        sa.CheckConstraint("decided_by IS NULL OR decided_by <> requested_by", name=op.f("ck_corrections_another")),
        sa.CheckConstraint("ends > starts", name=op.f("ck_corrections_period")),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_corrections_machine_id_machines")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_corrections_member_id_members")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    op.create_index("ix_corrections_machine_id_starts", "corrections", ["machine_id", "starts"], unique=False)
    op.create_table(
        "maintenance_times",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("machine_id", sa.String(length=63), nullable=False),
        sa.Column("starts", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=True),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("by", sa.String(length=40), nullable=False),
        sa.Column("entered", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("cause IN ('work_order', 'alarm')", name=op.f("ck_maintenance_times_cause")),
        sa.CheckConstraint("ends IS NULL OR ends > starts", name=op.f("ck_maintenance_times_period")),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_maintenance_times_machine_id_machines")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance_times")),
    )
    op.create_index(
        "ix_maintenance_times_machine_id_starts", "maintenance_times", ["machine_id", "starts"], unique=False
    )
    op.create_table(
        "usage_days",
        sa.Column("machine_id", sa.String(length=63), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("built", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("last_utc_day", sa.Integer(), nullable=False),
        sa.Column("is_stale", sa.Boolean(), nullable=False),
        sa.Column("policy", sa.String(length=64), nullable=False),
        sa.Column("texts", sa.JSON(), nullable=False),
        sa.Column("work", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_usage_days_machine_id_machines")),
        sa.PrimaryKeyConstraint("machine_id", "day", name=op.f("pk_usage_days")),
    )
    op.create_table(
        "usage_parts",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("machine_id", sa.String(length=63), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("payer", sa.String(length=63), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("is_pinned", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_usage_parts_machine_id_machines")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_usage_parts")),
    )
    op.create_index("ix_usage_parts_machine_id_day", "usage_parts", ["machine_id", "day"], unique=False)
    op.create_index("ix_usage_parts_payer_day", "usage_parts", ["payer", "day"], unique=False)
    changes = sa.table("changes", sa.column("name", sa.String), sa.column("number", sa.BigInteger))
    op.bulk_insert(changes, [{"name": "usage", "number": 0}])


def downgrade() -> None:
    """Go back to the version before."""
    op.execute("DELETE FROM changes WHERE name = 'usage'")
    op.drop_index("ix_usage_parts_payer_day", table_name="usage_parts")
    op.drop_index("ix_usage_parts_machine_id_day", table_name="usage_parts")
    op.drop_table("usage_parts")
    op.drop_table("usage_days")
    op.drop_index("ix_maintenance_times_machine_id_starts", table_name="maintenance_times")
    op.drop_table("maintenance_times")
    op.drop_index("ix_corrections_machine_id_starts", table_name="corrections")
    op.drop_table("corrections")
    op.drop_index("ix_check_ins_machine_id_at", table_name="check_ins")
    op.drop_table("check_ins")
    op.drop_table("job_rules")
    op.drop_table("badge_owners")
