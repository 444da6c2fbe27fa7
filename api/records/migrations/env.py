"""Runs migrations on the connection that `api.records.database` opened, within its transaction."""

from __future__ import annotations

from alembic import context

from api.records.all_tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    compare_type=True,
    transaction_per_migration=False,
)
context.run_migrations()
