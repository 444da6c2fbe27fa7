"""Links that come for the asking leave the second factor where it is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    with op.batch_alter_table("invitations") as batch_op:
        batch_op.add_column(sa.Column("keeps_factor", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    """Go back to the version before."""
    with op.batch_alter_table("invitations") as batch_op:
        batch_op.drop_column("keeps_factor")
