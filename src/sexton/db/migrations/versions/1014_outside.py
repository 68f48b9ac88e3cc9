"""Calls to the outside, deliveries of messages, budgets, and how far roll-ups have come.

Revision 1014. Written out, not derived from `sexton.db.tables`, so that it never changes after it has shipped. It only
adds: an older package goes on beside it.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sexton.db.column_types import BigKey
from sexton.db.tables import own_name

revision = "1014"
down_revision = "1013"

ENDED_BADLY = "state IN ('failed', 'gave_up', 'unknown')"
"""Few of many rows: who looks for them reads no others."""

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _calls()
    _destinations()
    _budgets()
    _deliveries()
    _watermarks()
    name, schema = _name("effects")
    op.add_column(name, sa.Column("delivered_at", INSTANT), schema=schema)


def _name(name: str) -> tuple[str, str | None]:
    return own_name(op.get_bind().dialect.name, name)


def _create(name: str, *columns: sa.schema.SchemaItem) -> None:
    own, schema = _name(name)
    op.create_table(own, *columns, schema=schema)


def _index(name: str, table: str, columns: list[str], where: str = "", *, unique: bool = False) -> None:
    own, schema = _name(table)
    partial: dict[str, Any] = {}
    if where:
        partial = {"postgresql_where": sa.text(where), "sqlite_where": sa.text(where)}
    op.create_index(name, own, columns, unique=unique, schema=schema, **partial)


def _call_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("claim", sa.Text),
        sa.Column("leased_until", INSTANT),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("first_at", INSTANT),
        sa.Column("next_at", INSTANT),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("code", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("run_id", BigKey),
        sa.Column("note", sa.Text),
    ]


def _calls() -> None:
    _create(
        "calls",
        sa.Column("job", sa.Text, primary_key=True),
        sa.Column("step", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("destination", sa.Text, nullable=False),
        *_call_columns(),
        sa.Column("closed_at", INSTANT),
    )
    _index("sexton_calls_claimed", "calls", ["claim"], "claim IS NOT NULL")
    _index("sexton_calls_closed", "calls", ["closed_at"], "closed_at IS NOT NULL")
    _index("sexton_calls_open", "calls", ["job", "first_at"], "closed_at IS NULL")
    _index("sexton_calls_ended_badly", "calls", ["closed_at"], ENDED_BADLY)


def _destinations() -> None:
    _create(
        "destinations",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("rest_until", INSTANT),
        sa.Column("rests", sa.Integer, nullable=False, server_default="0"),
        sa.Column("lasting", sa.Text),
        sa.Column("probe", sa.Text),
        sa.Column("probe_until", INSTANT),
        sa.Column("since_rest", sa.Integer),
        sa.Column("failed_subjects", sa.JSON),
        sa.Column("first_failed_at", INSTANT),
        sa.Column("last_failed_at", INSTANT),
        sa.Column("last_ok_at", INSTANT),
        sa.Column("disabled_at", INSTANT),
        sa.Column("disabled_by", sa.Text),
        sa.Column("reason", sa.Text),
    )
    _index("sexton_destinations_unwell", "destinations", ["name"], "rest_until IS NOT NULL OR disabled_at IS NOT NULL")


def _budgets() -> None:
    _create(
        "budgets",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("taken", sa.JSON, nullable=False),
        sa.Column("over_at", INSTANT, nullable=False),
    )


def _deliveries() -> None:
    _create(
        "deliveries",
        sa.Column("id", BigKey, primary_key=True),
        sa.Column("outbox", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("message_key", sa.Text, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
        sa.Column("send_before", INSTANT),
        sa.Column("batch", sa.Text),
        sa.Column("created_at", INSTANT, nullable=False),
        *_call_columns(),
        sa.Column("closed_at", INSTANT),
    )
    _index("sexton_deliveries_once", "deliveries", ["outbox", "message", "channel", "recipient", "route"], unique=True)
    _index("sexton_deliveries_open", "deliveries", ["destination", "priority", "id"], "closed_at IS NULL")
    _index("sexton_deliveries_closed", "deliveries", ["closed_at"], "closed_at IS NOT NULL")
    _index("sexton_deliveries_ended_badly", "deliveries", ["closed_at"], ENDED_BADLY)


def _watermarks() -> None:
    _create(
        "watermarks",
        sa.Column("job", sa.Text, primary_key=True),
        sa.Column("step", sa.Text, primary_key=True),
        sa.Column("closed_to", INSTANT),
        sa.Column("sealed_to", INSTANT),
        sa.Column("begins_at", INSTANT),
        sa.Column("kept_to", INSTANT),
        sa.Column("told_from", INSTANT),
        sa.Column("looked_at", INSTANT),
        sa.Column("definition", sa.Text),
        sa.Column("updated_at", INSTANT, nullable=False),
    )
