"""In which form keys of effects and subjects of poison are written: NULL for those that are there now.

Revision 0010. Written out, not derived from `sexton.db.tables`, so that it never changes after it has shipped. No
row is touched, however many there are.
"""

import sqlalchemy as sa
from alembic import op

from sexton.db.tables import own_name

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    for table in ("effects", "poison"):
        name, schema = own_name(op.get_bind().dialect.name, table)
        op.add_column(name, sa.Column("form", sa.SmallInteger), schema=schema)
