"""The local time of a slot beside its instant, so that new rules of a time zone never run a day's slot twice (T7).

Revision 0003. Written out, not derived from `sexton.db.tables`, so that it never changes after it has shipped.
"""

import sqlalchemy as sa
from alembic import op

from sexton.db.tables import own_name

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    name, schema = own_name(op.get_bind().dialect.name, "runs")
    op.add_column(name, sa.Column("wall", sa.Text), schema=schema)
