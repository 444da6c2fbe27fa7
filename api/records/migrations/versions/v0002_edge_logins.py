"""Logins of the broker, and one-time codes of edge agents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "broker_logins",
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("password_hash", sa.String(200), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_broker_logins")),
    )
    op.create_table(
        "enrolment_codes",
        sa.Column("agent_id", sa.String(63), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("used_by", sa.String(64), nullable=True),
        sa.ForeignKeyConstraint(
            ["agent_id"],
            ["edge_agents.id"],
            name=op.f("fk_enrolment_codes_agent_id_edge_agents"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("pk_enrolment_codes")),
    )


def downgrade() -> None:
    """Go back to the version before."""
    op.drop_table("enrolment_codes")
    op.drop_table("broker_logins")
