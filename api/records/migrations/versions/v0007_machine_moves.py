"""Which agents a machine was moved away from, and when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "machine_moves",
        sa.Column("machine_id", sa.String(63), nullable=False),
        sa.Column("agent_id", sa.String(63), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["edge_agents.id"], name=op.f("fk_machine_moves_agent_id_edge_agents"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["machine_id"], ["machines.id"], name=op.f("fk_machine_moves_machine_id_machines"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("machine_id", "agent_id", name=op.f("pk_machine_moves")),
    )


def downgrade() -> None:
    """Go back to the version before."""
    op.drop_table("machine_moves")
