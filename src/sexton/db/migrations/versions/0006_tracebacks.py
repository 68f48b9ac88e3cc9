"""Tracebacks of functions that failed.

Revision 0006. Written out, not derived from `sexton.db.tables`, so that it never changes after it has shipped.
"""

import sqlalchemy as sa
from alembic import op

from sexton.db.column_types import BigKey
from sexton.db.tables import own_name

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    name, schema = own_name(op.get_bind().dialect.name, "tracebacks")
    op.create_table(
        name,
        sa.Column("run_id", BigKey, primary_key=True, autoincrement=False),
        sa.Column("place", sa.Text),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        schema=schema,
    )
    op.create_index("sexton_tracebacks_created", name, ["created_at", "run_id"], schema=schema)
