"""Equipment without an agent: its use is what people say, who check in and out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    with op.batch_alter_table("machines") as batch_op:
        batch_op.alter_column("agent_id", existing_type=sa.String(63), nullable=True)


def downgrade() -> None:
    """Go back to the version before, which can hold no such equipment: with it, it refuses."""
    with op.batch_alter_table("machines") as batch_op:
        batch_op.alter_column("agent_id", existing_type=sa.String(63), nullable=False)
