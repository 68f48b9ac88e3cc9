"""Jobs on demand, and which engine carries a run.

Revision 1015. Written out, not derived from `sexton.db.tables`, so that it never changes after it has shipped. It only
adds: an older package goes on beside it.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sexton.db.column_types import BigKey
from sexton.db.tables import own_name

revision = "1015"
down_revision = "1014"

INSTANT = sa.DateTime(timezone=True)

BUSY_TABLE = (
    "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,"
    " autovacuum_analyze_scale_factor = 0.5"
)
"""Each row is written, changed and deleted within a second: what is dead has to go before claims stumble over it."""


def upgrade() -> None:
    _requests()
    _dead_requests()
    _workers()
    _request_counts()
    _engine_counts()
    name, schema = _name("runs")
    op.add_column(name, sa.Column("engine", sa.Text), schema=schema)
    op.add_column(name, sa.Column("submitted_at", INSTANT), schema=schema)
    op.add_column(name, sa.Column("submissions", sa.Integer), schema=schema)
    op.add_column(name, sa.Column("request", BigKey), schema=schema)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE sexton.requests SET ({BUSY_TABLE})")


def _name(name: str) -> tuple[str, str | None]:
    return own_name(op.get_bind().dialect.name, name)


def _create(name: str, *columns: sa.schema.SchemaItem, numbered_once: bool = False) -> None:
    """numbered_once: a number that was deleted is never given again; elsewhere a sequence does that."""
    own, schema = _name(name)
    op.create_table(own, *columns, schema=schema, sqlite_autoincrement=numbered_once)


def _index(name: str, table: str, columns: list[Any], where: str = "", *, unique: bool = False) -> None:
    own, schema = _name(table)
    partial: dict[str, Any] = {}
    if where:
        partial = {"postgresql_where": sa.text(where), "sqlite_where": sa.text(where)}
    op.create_index(name, own, columns, unique=unique, schema=schema, **partial)


def _what_is_asked() -> list[sa.Column[Any]]:
    return [
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("args", sa.Text, nullable=False),
        sa.Column("args_version", sa.Integer, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("crashes", sa.Integer, nullable=False, server_default="0"),
        sa.Column("unique_key", sa.Text),
        sa.Column("serial_key", sa.Text),
        sa.Column("asked_by", sa.Text),
        sa.Column("created_at", INSTANT, nullable=False),
    ]


def _requests() -> None:
    _create(
        "requests",
        sa.Column("id", BigKey, primary_key=True),
        *_what_is_asked(),
        sa.Column("engine", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("run_at", INSTANT),
        sa.Column("holder", sa.Text),
        sa.Column("claimed_at", INSTANT),
        sa.Column("begun", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("cancelled_by", sa.Text),
        sa.Column("unknown_since", INSTANT),
        sa.Column("submitted_at", INSTANT),
        sa.Column("submissions", sa.Integer, nullable=False, server_default="0"),
        numbered_once=True,
    )
    _index("sexton_requests_ready", "requests", ["engine", sa.text("priority DESC"), "id"], "state = 'ready'")
    _index("sexton_requests_delayed", "requests", ["run_at"], "state = 'delayed'")
    _index("sexton_requests_running", "requests", ["holder"], "state = 'running'")
    _index("sexton_requests_submitted", "requests", ["submitted_at"], "state = 'submitted'")
    waiting = "unique_key IS NOT NULL AND state IN ('ready', 'delayed', 'blocked', 'submitted')"
    _index("sexton_requests_unique", "requests", ["job", "unique_key"], waiting, unique=True)
    _index("sexton_requests_serial", "requests", ["job", "serial_key", "id"], "serial_key IS NOT NULL")


def _dead_requests() -> None:
    _create(
        "dead_requests",
        sa.Column("id", BigKey, primary_key=True, autoincrement=False),
        *_what_is_asked(),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("traceback", sa.Text),
        sa.Column("died_at", INSTANT, nullable=False),
    )
    _index("sexton_dead_requests_died", "dead_requests", ["died_at"])


def _workers() -> None:
    _create(
        "workers",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("engine", sa.Text, nullable=False),
        sa.Column("idle", sa.Boolean, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
    )


def _request_counts() -> None:
    _create(
        "request_counts",
        sa.Column("job", sa.Text, primary_key=True),
        sa.Column("minute", INSTANT, primary_key=True),
        sa.Column("holder", sa.Text, primary_key=True),
        sa.Column("succeeded", sa.Integer, nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("died", sa.Integer, nullable=False),
        sa.Column("run_ms", BigKey, nullable=False),
        sa.Column("waited_ms", BigKey, nullable=False),
    )
    _index("sexton_request_counts_minute", "request_counts", ["minute"])


def _engine_counts() -> None:
    _create(
        "engine_counts",
        sa.Column("engine", sa.Text, primary_key=True),
        sa.Column("day", INSTANT, primary_key=True),
        sa.Column("submitted", sa.Integer, nullable=False),
        sa.Column("resubmitted", sa.Integer, nullable=False),
        sa.Column("duplicates", sa.Integer, nullable=False),
    )
