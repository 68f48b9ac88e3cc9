"""The local time of a slot, so that new rules of a time zone never run it twice; when a job was first seen; who asked.

Revision 0003. Written out, not derived from `sexton.db.tables`, so that it never changes after it has shipped.
"""

import sqlalchemy as sa
from alembic import op

from sexton.db.tables import own_name

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    name, schema = own_name(dialect, "runs")
    op.add_column(name, sa.Column("wall", sa.Text), schema=schema)
    op.add_column(name, sa.Column("asked_by", sa.Text), schema=schema)
    runs = sa.table(name, *map(sa.column, ("id", "job", "database", "state")), schema=schema)
    first = sa.select(sa.func.min(runs.c.id)).where(runs.c.state == "queued").group_by(runs.c.job, runs.c.database)
    op.execute(sa.delete(runs).where(runs.c.state == "queued", runs.c.id.not_in(first)))
    queued = sa.text("state = 'queued'")
    op.create_index(
        "sexton_runs_queued",
        name,
        ["job", "database"],
        unique=True,
        schema=schema,
        postgresql_where=queued,
        sqlite_where=queued,
    )
    name, schema = own_name(dialect, "schedules")
    op.add_column(name, sa.Column("seen_at", sa.DateTime(timezone=True)), schema=schema)
