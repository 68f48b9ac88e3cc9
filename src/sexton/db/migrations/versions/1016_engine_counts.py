"""What was handed to each engine that carries runs, and what came of it, by day.

Revision 1016. Written out, not derived from `sexton.db.tables`, so that it never changes after it has shipped. It only
adds: an older package goes on beside it.
"""

import sqlalchemy as sa
from alembic import op

from sexton.db.tables import own_name

revision = "1016"
down_revision = "1015"


def upgrade() -> None:
    own, schema = own_name(op.get_bind().dialect.name, "engine_counts")
    op.create_table(
        own,
        sa.Column("engine", sa.Text, primary_key=True),
        sa.Column("day", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("submitted", sa.Integer, nullable=False),
        sa.Column("resubmitted", sa.Integer, nullable=False),
        sa.Column("duplicates", sa.Integer, nullable=False),
        schema=schema,
    )
