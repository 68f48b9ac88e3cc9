"""Which rows of an archive file are still in their table, though a run came to its end.

Revision 0008. Written out, not derived from `sexton.db.tables`, so that it never changes after it has shipped.
"""

import sqlalchemy as sa
from alembic import op

from sexton.db.tables import own_name

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    name, schema = own_name(op.get_bind().dialect.name, "archives")
    op.add_column(name, sa.Column("waiting", sa.Text), schema=schema)
