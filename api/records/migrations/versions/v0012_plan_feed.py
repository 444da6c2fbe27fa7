"""A calendar address of who looks after machines that names no machine: it shows the maintenance plan."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    with op.batch_alter_table("booking_feeds") as batch_op:
        batch_op.drop_constraint(op.f("ck_booking_feeds_subject"), type_="check")


def downgrade() -> None:
    """Go back to the version before, which knows no address of the plan: those are taken back first."""
    op.execute("DELETE FROM booking_feeds WHERE member_id IS NULL AND machine_id IS NULL")
    with op.batch_alter_table("booking_feeds") as batch_op:
        batch_op.create_check_constraint(
            op.f("ck_booking_feeds_subject"), "member_id IS NOT NULL OR machine_id IS NOT NULL"
        )
