"""The foundation: runs, leases, effects, outbox events, poison.

Revision 0001. Written out, not derived from `sexton.db.tables`, so that it never changes after it has shipped.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sexton.db.column_types import BigKey
from sexton.db.tables import own_name

revision = "0001"
down_revision = None

INSTANT = sa.DateTime(timezone=True)
TAKEN = "state IN ('queued', 'running', 'succeeded', 'partial', 'skipped')"
STATES = (
    "state IN ('queued', 'running', 'succeeded', 'partial', 'failed', 'timed_out', 'abandoned', 'skipped', 'cancelled')"
)
REFUSE = """
CREATE OR REPLACE FUNCTION sexton.refuse(reason text) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RAISE EXCEPTION '%', reason USING ERRCODE = 'check_violation';
END $$
"""


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    if dialect == "postgresql":
        op.execute(REFUSE)
    _runs(dialect)
    _leases(dialect)
    _effects(dialect)
    _outbox_events(dialect)
    _poison(dialect)


def _json(dialect: str) -> sa.types.TypeEngine[object]:
    if dialect != "postgresql":
        return sa.JSON()
    from sqlalchemy.dialects.postgresql import JSONB

    return JSONB()


def _number(dialect: str) -> sa.Column[int]:
    """A key that the database counts up; SQLite does that for any INTEGER PRIMARY KEY."""
    identity = [sa.Identity()] if dialect == "postgresql" else []
    return sa.Column("id", BigKey, *identity, primary_key=True)


def _where(condition: str) -> dict[str, Any]:
    """A condition for a partial index, in both dialects."""
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def _runs(dialect: str) -> None:
    name, schema = own_name(dialect, "runs")
    op.create_table(
        name,
        _number(dialect),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("database", sa.Text, nullable=False),
        sa.Column("slot", INSTANT),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("epoch", BigKey, nullable=False),
        sa.Column("as_of", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.Column("batches", sa.Integer, nullable=False, server_default="0"),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("definition", sa.Text, nullable=False),
        sa.UniqueConstraint("job", "database", "slot", "attempt", name="runs_attempt_key"),
        sa.CheckConstraint(STATES, name="runs_state_check"),
        schema=schema,
    )
    op.create_index(
        "sexton_runs_once_a_slot", name, ["job", "database", "slot"], unique=True, schema=schema, **_where(TAKEN)
    )
    op.create_index("sexton_runs_job_started", name, ["job", "started_at"], schema=schema)
    op.create_index("sexton_runs_finished", name, ["finished_at", "id"], schema=schema)


def _leases(dialect: str) -> None:
    name, schema = own_name(dialect, "leases")
    op.create_table(
        name,
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text),
        sa.Column("epoch", BigKey, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        schema=schema,
    )


def _effects(dialect: str) -> None:
    name, schema = own_name(dialect, "effects")
    op.create_table(
        name,
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("run_id", BigKey),
        sa.Column("created_at", INSTANT, nullable=False),
        schema=schema,
    )
    op.create_index("sexton_effects_created", name, ["created_at", "key"], schema=schema)


def _outbox_events(dialect: str) -> None:
    name, schema = own_name(dialect, "outbox_events")
    op.create_table(
        name,
        _number(dialect),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text),
        sa.Column("payload", _json(dialect), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("published_at", INSTANT),
        sa.Column("attempt_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("last_attempted_at", INSTANT),
        sa.Column("last_error", sa.Text),
        schema=schema,
    )
    op.create_index("sexton_outbox_events_waiting", name, ["id"], schema=schema, **_where("published_at IS NULL"))
    op.create_index("sexton_outbox_events_published", name, ["published_at", "id"], schema=schema)


def _poison(dialect: str) -> None:
    name, schema = own_name(dialect, "poison")
    op.create_table(
        name,
        sa.Column("job", sa.Text, primary_key=True),
        sa.Column("step", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("run_id", BigKey),
        sa.Column("first_seen_at", INSTANT, nullable=False),
        sa.Column("last_seen_at", INSTANT, nullable=False),
        sa.Column("next_at", INSTANT),
        schema=schema,
    )
