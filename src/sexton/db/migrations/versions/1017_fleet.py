"""The fleet: which databases there are, and whether one is still the one that was taken in.

Revision 1017. Written out, not derived from `sexton.db.tables`, so that it never changes after it has shipped. It only
adds: an older package goes on beside it.
"""

import sqlalchemy as sa
from alembic import op

from sexton.db.tables import own_name

revision = "1017"
down_revision = "1016"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    name, schema = own_name(dialect, "identity")
    for column in ("fleet_name", "cluster", "installation"):
        op.add_column(name, sa.Column(column, sa.Text), schema=schema)
    name, schema = own_name(dialect, "databases")
    op.create_table(
        name,
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("secret", sa.Text),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("first_seen_at", INSTANT, nullable=False),
        sa.Column("last_seen_at", INSTANT, nullable=False),
        sa.Column("gone_at", INSTANT),
        schema=schema,
    )
