"""Who we are to receivers of messages, and incidents that come and go.

Revision 0012. Written out, not derived from `sexton.db.tables`, so that it never changes after it has shipped.
"""

import secrets

import sqlalchemy as sa
from alembic import op

from sexton.db.tables import own_name

revision = "0012"
down_revision = "0011"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    name, schema = own_name(dialect, "identity")
    made = op.create_table(
        name,
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.CheckConstraint("number = 1", name="identity_number_check"),
        schema=schema,
    )
    op.bulk_insert(made, [{"number": 1, "id": secrets.token_hex(8)}])
    name, schema = own_name(dialect, "alerts")
    op.create_index("sexton_alerts_sent", name, ["channel", "sent_at"], schema=schema)
    name, schema = own_name(dialect, "incidents")
    op.add_column(name, sa.Column("openings", sa.Integer, nullable=False, server_default="1"), schema=schema)
    op.add_column(name, sa.Column("reopened_at", INSTANT), schema=schema)
    op.add_column(name, sa.Column("restless_since", INSTANT), schema=schema)
    where = sa.text("restless_since IS NOT NULL")
    columns = ["job", "kind"]
    op.create_index(
        "sexton_incidents_restless", name, columns, schema=schema, postgresql_where=where, sqlite_where=where
    )
