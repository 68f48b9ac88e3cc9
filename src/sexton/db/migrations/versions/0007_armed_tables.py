"""Which tables people looked at when they armed a policy.

Revision 0007. Written out, not derived from `sexton.db.tables`, so that it never changes after it has shipped.
"""

import sqlalchemy as sa
from alembic import op

from sexton.db.tables import own_name

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    name, schema = own_name(op.get_bind().dialect.name, "armed")
    op.add_column(name, sa.Column("tables", sa.JSON), schema=schema)
    # It meant "one run", and now means "so many rows": nobody knows how many of them are gone.
    armed = sa.table(name, sa.column("allowed"), schema=schema)
    op.execute(armed.update().values(allowed=None))
