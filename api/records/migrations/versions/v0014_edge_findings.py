"""What is found of edge agents by what they say of themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "edge_findings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("of", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(400), nullable=False),
        sa.Column("severity", sa.String(12), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("is_over", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edge_findings")),
    )
    op.create_index(op.f("ix_edge_findings_name"), "edge_findings", ["name"])


def downgrade() -> None:
    """Go back to the version before."""
    op.drop_table("edge_findings")
