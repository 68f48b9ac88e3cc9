"""What the worker needs: overrides and pauses of schedules with their audit, incidents and alerts, missed slots.

Revision 0002. Written out, not derived from `sexton.db.tables`, so that it never changes after it has shipped.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sexton.db.column_types import BigKey
from sexton.db.tables import own_name

revision = "0002"
down_revision = "0001"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    _runs(dialect)
    _schedules(dialect)
    _schedules_audit(dialect)
    _incidents(dialect)
    _alerts(dialect)


def _number(dialect: str) -> sa.Column[int]:
    """A key that the database counts up; SQLite does that for any INTEGER PRIMARY KEY."""
    identity = [sa.Identity()] if dialect == "postgresql" else []
    return sa.Column("id", BigKey, *identity, primary_key=True)


def _where(condition: str) -> dict[str, Any]:
    """A condition for a partial index, in both dialects."""
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def _runs(dialect: str) -> None:
    name, schema = own_name(dialect, "runs")
    op.add_column(name, sa.Column("missed", sa.Integer, nullable=False, server_default="0"), schema=schema)
    op.create_index("sexton_runs_open", name, ["state", "id"], schema=schema, **_where("finished_at IS NULL"))


def _schedules(dialect: str) -> None:
    name, schema = own_name(dialect, "schedules")
    op.create_table(
        name,
        sa.Column("job", sa.Text, primary_key=True),
        sa.Column("expression", sa.Text),
        sa.Column("expression_since", INSTANT),
        sa.Column("schedule", sa.Text),
        sa.Column("timezone", sa.Text),
        sa.Column("paused_at", INSTANT),
        sa.Column("paused_until", INSTANT),
        sa.Column("reason", sa.Text),
        sa.Column("version", BigKey, nullable=False),
        sa.Column("changed_by", sa.Text),
        sa.Column("changed_at", INSTANT),
        schema=schema,
    )


def _schedules_audit(dialect: str) -> None:
    name, schema = own_name(dialect, "schedules_audit")
    op.create_table(
        name,
        _number(dialect),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("version", BigKey, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        schema=schema,
    )
    op.create_index("sexton_schedules_audit_changed", name, ["changed_at", "id"], schema=schema)


def _incidents(dialect: str) -> None:
    name, schema = own_name(dialect, "incidents")
    op.create_table(
        name,
        _number(dialect),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("told_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT),
        schema=schema,
    )
    op.create_index(
        "sexton_incidents_open", name, ["job", "kind"], unique=True, schema=schema, **_where("closed_at IS NULL")
    )
    op.create_index("sexton_incidents_closed", name, ["closed_at", "id"], schema=schema)


def _alerts(dialect: str) -> None:
    name, schema = own_name(dialect, "alerts")
    op.create_table(
        name,
        _number(dialect),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("incident_id", BigKey, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("message", sa.JSON, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_at", INSTANT),
        sa.Column("sent_at", INSTANT),
        sa.Column("error", sa.Text),
        sa.UniqueConstraint("key", name="alerts_key_key"),
        schema=schema,
    )
    op.create_index("sexton_alerts_waiting", name, ["next_at", "id"], schema=schema, **_where("sent_at IS NULL"))
    op.create_index("sexton_alerts_created", name, ["created_at", "id"], schema=schema)
