"""What runs over a fleet: a row a job and database, and one a run over all of them.

Revision 1018. Written out, not derived from `sexton.db.tables`, so that it never changes after it has shipped. It only
adds: an older package goes on beside it.
"""

import sqlalchemy as sa
from alembic import op

from sexton.db.column_types import BigKey
from sexton.db.tables import own_name

revision = "1018"
down_revision = "1017"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    name, schema = own_name(dialect, "fleet_jobs")
    op.create_table(
        name,
        sa.Column("database", sa.Text, primary_key=True),
        sa.Column("job", sa.Text, primary_key=True),
        sa.Column("next_at", INSTANT),
        sa.Column("slot", INSTANT),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("visited_at", INSTANT, nullable=False),
        schema=schema,
    )
    op.create_index("sexton_fleet_jobs_next", name, ["next_at"], schema=schema)
    name, schema = own_name(dialect, "fleet_runs")
    op.create_table(
        name,
        sa.Column("id", BigKey, primary_key=True),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("only", sa.Text, nullable=False),
        sa.Column("as_of", INSTANT),
        sa.Column("begun_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("wave", sa.Integer, nullable=False),
        sa.Column("canaries", sa.JSON, nullable=False),
        sa.Column("error", sa.Text),
        schema=schema,
    )
    op.create_index("sexton_fleet_runs_job", name, ["job", "begun_at"], schema=schema)
