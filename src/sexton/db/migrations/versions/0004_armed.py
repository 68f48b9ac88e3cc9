"""Which policies of the settings file people have confirmed.

Revision 0004. Written out, not derived from `sexton.db.tables`, so that it never changes after it has shipped.
"""

import sqlalchemy as sa
from alembic import op

from sexton.db.column_types import BigKey
from sexton.db.tables import own_name

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    name, schema = own_name(op.get_bind().dialect.name, "armed")
    op.create_table(
        name,
        sa.Column("policy", sa.Text, primary_key=True),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("armed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("armed_by", sa.Text, nullable=False),
        sa.Column("allowed", BigKey),
        schema=schema,
    )
