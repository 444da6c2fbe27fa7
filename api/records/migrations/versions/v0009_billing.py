"""What things cost, what was closed and stated, and what has to be decided about kept days."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
_NO_UPDATE = (
    "CREATE TRIGGER statements_no_update BEFORE UPDATE ON statements BEGIN SELECT RAISE(ABORT, 'append-only'); END"
)
_NO_DELETE = (
    "CREATE TRIGGER statements_no_delete BEFORE DELETE ON statements BEGIN SELECT RAISE(ABORT, 'append-only'); END"
)
_REFUSE = """CREATE FUNCTION refuse_change_of_statements() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'append-only'; END $$"""
_NO_CHANGE = """CREATE TRIGGER statements_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON statements
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_statements()"""
_APPEND_ONLY = {"sqlite": [_NO_UPDATE, _NO_DELETE], "postgresql": [_REFUSE, _NO_CHANGE]}


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "closings",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("issued", sa.Date(), nullable=False),
        sa.Column("closed", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(length=40), nullable=False),
        sa.Column("ground", sa.JSON(), nullable=False),
        sa.Column("accepted", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("month", name=op.f("pk_closings")),
    )
    op.create_table(
        "price_entries",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=40), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_entries")),
    )
    op.create_table(
        "budgets",
        sa.Column("member_id", sa.String(length=63), nullable=False),
        sa.Column("amount", sa.Numeric(precision=12, scale=2), nullable=False),
        sa.Column("warn_percent", sa.Integer(), nullable=False),
        sa.Column("warned", sa.String(length=7), nullable=False),
        sa.CheckConstraint("warn_percent BETWEEN 1 AND 100", name=op.f("ck_budgets_warn_percent")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_budgets_member_id_members")),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_budgets")),
    )
    op.create_table(
        "contests",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("member_id", sa.String(length=63), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("reference", sa.String(length=400), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("by", sa.String(length=40), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("decision", sa.String(length=500), nullable=False),
        sa.Column("decided_by", sa.String(length=40), nullable=True),
        sa.Column("decided", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(decided_by IS NULL) = (decided IS NULL)", name=op.f("ck_contests_decided")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_contests_member_id_members")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contests")),
    )
    op.create_index("ix_contests_month", "contests", ["month"], unique=False)
    op.create_table(
        "statements",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("closing", sa.String(length=7), nullable=False),
        sa.Column("member_id", sa.String(length=63), nullable=False),
        sa.Column("net", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("total", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["closing"], ["closings.month"], name=op.f("fk_statements_closing_closings")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_statements_member_id_members")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_statements")),
        sa.UniqueConstraint("closing", "member_id", name=op.f("uq_statements_closing")),
        sa.UniqueConstraint("year", "sequence", name=op.f("uq_statements_year")),
    )
    op.create_index("ix_statements_member_id", "statements", ["member_id"], unique=False)
    op.create_table(
        "statement_events",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("by", sa.String(length=40), nullable=False),
        sa.Column("entered", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["number"], ["statements.number"], name=op.f("fk_statement_events_number_statements")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement_events")),
    )
    op.create_index("ix_statement_events_number", "statement_events", ["number"], unique=False)
    op.create_table(
        "rated_segments",
        sa.Column("closing", sa.String(length=7), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("machine_id", sa.String(length=63), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["closing"], ["closings.month"], name=op.f("fk_rated_segments_closing_closings")),
        sa.ForeignKeyConstraint(["digest"], ["usage_parts.digest"], name=op.f("fk_rated_segments_digest_usage_parts")),
        sa.PrimaryKeyConstraint("closing", "month", "machine_id", "digest", name=op.f("pk_rated_segments")),
    )
    op.create_index("ix_rated_segments_digest", "rated_segments", ["digest"], unique=False)
    op.add_column("usage_days", sa.Column("doubts", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("usage_days", sa.Column("has_doubts", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index(op.f("ix_usage_days_has_doubts"), "usage_days", ["has_doubts"], unique=False)
    op.add_column("consortium", sa.Column("invoices", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE usage_days SET is_stale = TRUE")
    for statement in _APPEND_ONLY[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    """Go back to the version before."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER statements_append_only ON statements")
        op.execute("DROP FUNCTION refuse_change_of_statements()")
    op.drop_column("consortium", "invoices")
    op.drop_index(op.f("ix_usage_days_has_doubts"), table_name="usage_days")
    op.drop_column("usage_days", "has_doubts")
    op.drop_column("usage_days", "doubts")
    op.drop_index("ix_rated_segments_digest", table_name="rated_segments")
    op.drop_table("rated_segments")
    op.drop_index("ix_statement_events_number", table_name="statement_events")
    op.drop_table("statement_events")
    op.drop_index("ix_statements_member_id", table_name="statements")
    op.drop_table("statements")
    op.drop_index("ix_contests_month", table_name="contests")
    op.drop_table("contests")
    op.drop_table("budgets")
    op.drop_table("price_entries")
    op.drop_table("closings")
