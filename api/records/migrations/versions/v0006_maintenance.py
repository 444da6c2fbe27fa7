"""Maintenance: the four stages, what people set, and work orders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "alarm_changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("stamp", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.String(length=80), nullable=False),
        sa.Column("subject", sa.String(length=1000), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("severity", sa.String(length=12), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("worked_seconds", sa.Double(), nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("known", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm_changes")),
    )
    op.create_index("ix_alarm_changes_name_stamp", "alarm_changes", ["name", "stamp"], unique=False)
    op.create_table(
        "conditions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("stamp", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.String(length=80), nullable=False),
        sa.Column("subject", sa.String(length=1000), nullable=False),
        sa.Column("verdict", sa.String(length=8), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("severity", sa.String(length=12), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conditions")),
    )
    op.create_index("ix_conditions_name_stamp", "conditions", ["name", "stamp"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("incident", sa.String(length=16), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("grave", sa.Boolean(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("begun", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_deliveries")),
    )
    op.create_index(op.f("ix_deliveries_incident"), "deliveries", ["incident"], unique=False)
    op.create_index("ix_deliveries_status_due", "deliveries", ["status", "due"], unique=False)
    op.create_table(
        "escalation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("step_minutes", sa.JSON(), nullable=False),
        sa.Column("ping", sa.String(length=1000), nullable=False),
        sa.Column("ping_minutes", sa.Integer(), nullable=False),
        sa.Column("pinged", sa.BigInteger(), nullable=False),
        sa.Column("ping_answer", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_escalation")),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("rule", sa.String(length=80), nullable=False),
        sa.Column("subject", sa.String(length=1000), nullable=False),
        sa.Column("severity", sa.String(length=12), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("raised", sa.BigInteger(), nullable=False),
        sa.Column("activity", sa.BigInteger(), nullable=False),
        sa.Column("activations", sa.Integer(), nullable=False),
        sa.Column("returned", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.BigInteger(), nullable=False),
        sa.Column("known", sa.BigInteger(), nullable=False),
        sa.Column("is_past", sa.Boolean(), nullable=False),
        sa.Column("withdrawn", sa.BigInteger(), nullable=True),
        sa.Column("alarms", sa.JSON(), nullable=False),
        sa.Column("hides", sa.JSON(), nullable=False),
        sa.Column("payer", sa.String(length=63), nullable=False),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
    )
    op.create_index(op.f("ix_incidents_name"), "incidents", ["name"], unique=False)
    op.create_index("ix_incidents_open", "incidents", ["closed", "withdrawn"], unique=False)
    op.create_index(op.f("ix_incidents_since"), "incidents", ["since"], unique=False)
    op.create_table(
        "rule_changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rule", sa.String(length=80), nullable=False),
        sa.Column("machine", sa.String(length=63), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("values", sa.JSON(), nullable=True),
        sa.Column("source", sa.String(length=400), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_changes")),
        sa.UniqueConstraint("rule", "machine", "version", name=op.f("uq_rule_changes_rule")),
    )
    op.create_table(
        "service_entries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("rule", sa.String(length=80), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("entered", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.Double(), nullable=False),
        sa.Column("by", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_entries")),
    )
    op.create_index(op.f("ix_service_entries_name"), "service_entries", ["name"], unique=False)
    op.create_table(
        "used_links",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_used_links")),
    )
    op.create_table(
        "watched",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("arrived", sa.BigInteger(), nullable=False),
        sa.Column("unknown_codes", sa.JSON(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_watched")),
    )
    op.create_table(
        "channels",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("person", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("address", sa.String(length=1000), nullable=False),
        sa.Column("drops_repeats", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name=op.f("fk_channels_person_people"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channels")),
    )
    op.create_index(op.f("ix_channels_person"), "channels", ["person"], unique=False)
    op.create_table(
        "delivery_attempts",
        sa.Column("delivery", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.String(length=12), nullable=False),
        sa.Column("words", sa.String(length=600), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery"], ["deliveries.key"], name=op.f("fk_delivery_attempts_delivery_deliveries"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("delivery", "number", name=op.f("pk_delivery_attempts")),
    )
    op.create_table(
        "duties",
        sa.Column("person", sa.String(length=16), nullable=False),
        sa.Column("least", sa.String(length=12), nullable=False),
        sa.Column("shifts", sa.JSON(), nullable=False),
        sa.Column("quiet", sa.JSON(), nullable=False),
        sa.Column("on_call", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name=op.f("fk_duties_person_people"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_duties")),
    )
    op.create_table(
        "incident_deeds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("incident", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("entered", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("by", sa.String(length=40), nullable=False),
        sa.Column("by_name", sa.String(length=120), nullable=False),
        sa.Column("note", sa.String(length=4000), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("assignee", sa.String(length=120), nullable=False),
        sa.Column("alarms", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incidents.id"], name=op.f("fk_incident_deeds_incident_incidents")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_deeds")),
    )
    op.create_index(op.f("ix_incident_deeds_incident"), "incident_deeds", ["incident"], unique=False)
    op.create_index(op.f("ix_incident_deeds_name"), "incident_deeds", ["name"], unique=False)
    op.create_table(
        "watch_states",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["name"], ["watched.name"], name=op.f("fk_watch_states_name_watched"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("name", "position", name=op.f("pk_watch_states")),
    )
    op.create_table(
        "planned_windows",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("machine", sa.String(length=63), nullable=True),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=400), nullable=False),
        sa.Column("by", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["machine"], ["machines.id"], name=op.f("fk_planned_windows_machine_machines")),
        sa.ForeignKeyConstraint(["site"], ["sites.id"], name=op.f("fk_planned_windows_site_sites")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_planned_windows")),
    )
    op.create_index(op.f("ix_planned_windows_end"), "planned_windows", ["end"], unique=False)
    op.create_table(
        "spares",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("machine", sa.String(length=63), nullable=True),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("part_number", sa.String(length=80), nullable=False),
        sa.Column("supplier", sa.String(length=120), nullable=False),
        sa.Column("place", sa.String(length=120), nullable=False),
        sa.Column("stock", sa.Integer(), nullable=False),
        sa.Column("least", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["machine"], ["machines.id"], name=op.f("fk_spares_machine_machines")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_spares")),
    )
    op.create_index(op.f("ix_spares_machine"), "spares", ["machine"], unique=False)
    op.create_table(
        "work_orders",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("machine", sa.String(length=63), nullable=False),
        sa.Column("incident", sa.String(length=16), nullable=True),
        sa.Column("rule", sa.String(length=80), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("text", sa.String(length=4000), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("assignee", sa.String(length=120), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("opened_by", sa.String(length=40), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=True),
        sa.Column("done", sa.BigInteger(), nullable=True),
        sa.Column("closed", sa.BigInteger(), nullable=True),
        sa.Column("closed_by", sa.String(length=40), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("lock_out", sa.String(length=16), nullable=True),
        sa.Column("released", sa.BigInteger(), nullable=True),
        sa.Column("return_check", sa.String(length=4000), nullable=False),
        sa.ForeignKeyConstraint(["lock_out"], ["lock_outs.id"], name=op.f("fk_work_orders_lock_out_lock_outs")),
        sa.ForeignKeyConstraint(["incident"], ["incidents.id"], name=op.f("fk_work_orders_incident_incidents")),
        sa.ForeignKeyConstraint(["machine"], ["machines.id"], name=op.f("fk_work_orders_machine_machines")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_work_orders")),
    )
    op.create_index(op.f("ix_work_orders_incident"), "work_orders", ["incident"], unique=False)
    op.create_index(op.f("ix_work_orders_machine"), "work_orders", ["machine"], unique=False)
    op.create_index(op.f("ix_work_orders_state"), "work_orders", ["state"], unique=False)
    op.create_table(
        "work_photos",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("work_order", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("media_type", sa.String(length=80), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["work_order"], ["work_orders.number"], name=op.f("fk_work_photos_work_order_work_orders")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_photos")),
    )
    op.create_index(op.f("ix_work_photos_work_order"), "work_photos", ["work_order"], unique=False)


def downgrade() -> None:
    """Go back to the version before."""
    op.drop_index(op.f("ix_work_photos_work_order"), table_name="work_photos")
    op.drop_table("work_photos")
    op.drop_index(op.f("ix_work_orders_state"), table_name="work_orders")
    op.drop_index(op.f("ix_work_orders_machine"), table_name="work_orders")
    op.drop_index(op.f("ix_work_orders_incident"), table_name="work_orders")
    op.drop_table("work_orders")
    op.drop_index(op.f("ix_spares_machine"), table_name="spares")
    op.drop_table("spares")
    op.drop_index(op.f("ix_planned_windows_end"), table_name="planned_windows")
    op.drop_table("planned_windows")
    op.drop_table("watch_states")
    op.drop_index(op.f("ix_incident_deeds_name"), table_name="incident_deeds")
    op.drop_index(op.f("ix_incident_deeds_incident"), table_name="incident_deeds")
    op.drop_table("incident_deeds")
    op.drop_table("duties")
    op.drop_table("delivery_attempts")
    op.drop_index(op.f("ix_channels_person"), table_name="channels")
    op.drop_table("channels")
    op.drop_table("watched")
    op.drop_table("used_links")
    op.drop_index(op.f("ix_service_entries_name"), table_name="service_entries")
    op.drop_table("service_entries")
    op.drop_table("rule_changes")
    op.drop_index(op.f("ix_incidents_since"), table_name="incidents")
    op.drop_index("ix_incidents_open", table_name="incidents")
    op.drop_index(op.f("ix_incidents_name"), table_name="incidents")
    op.drop_table("incidents")
    op.drop_table("escalation")
    op.drop_index("ix_deliveries_status_due", table_name="deliveries")
    op.drop_index(op.f("ix_deliveries_incident"), table_name="deliveries")
    op.drop_table("deliveries")
    op.drop_index("ix_conditions_name_stamp", table_name="conditions")
    op.drop_table("conditions")
    op.drop_index("ix_alarm_changes_name_stamp", table_name="alarm_changes")
    op.drop_table("alarm_changes")
