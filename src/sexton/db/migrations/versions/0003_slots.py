"""The local time of a slot, so that new rules of a time zone never run it twice; when a job was first seen.

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
    name, schema = own_name(dialect, "schedules")
    op.add_column(name, sa.Column("seen_at", sa.DateTime(timezone=True)), schema=schema)
