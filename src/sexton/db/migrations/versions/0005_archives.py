"""Files that rows were written to before they were deleted.

Revision 0005. Written out, not derived from `sexton.db.tables`, so that it never changes after it has shipped.
"""

import sqlalchemy as sa
from alembic import op

from sexton.db.column_types import BigKey
from sexton.db.tables import own_name

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    name, schema = own_name(op.get_bind().dialect.name, "archives")
    op.create_table(
        name,
        sa.Column("file", sa.Text, primary_key=True),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("run_id", BigKey, nullable=False),
        sa.Column("rows", BigKey),
        sa.Column("deleted", BigKey, nullable=False),
        sa.Column("sha256", sa.Text),
        sa.Column("size", BigKey),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        schema=schema,
    )
