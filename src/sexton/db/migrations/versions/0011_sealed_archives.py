"""What archive files have to be, beside their digests, and the folder that an archiving policy was armed for.

Revision 0011. Written out, not derived from `sexton.db.tables`, so that it never changes after it has shipped.
"""

import sqlalchemy as sa
from alembic import op

from sexton.db.tables import own_name

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    name, schema = own_name(op.get_bind().dialect.name, "archives")
    for column in (sa.Column("longest", sa.BigInteger), sa.Column("text_size", sa.BigInteger)):
        op.add_column(name, column, schema=schema)
    op.add_column(name, sa.Column("manifest", sa.Text), schema=schema)
    name, schema = own_name(op.get_bind().dialect.name, "armed")
    op.add_column(name, sa.Column("folder", sa.Text), schema=schema)
