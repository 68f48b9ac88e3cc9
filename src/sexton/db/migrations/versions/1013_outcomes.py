"""How a run ended as columns: its note, a code, the counts that are asked about. `wall` is called `local_slot`.

Revision 1013. Written out, not derived from `sexton.db.tables`, so that it never changes after it has shipped. No row
is touched, however many there are: each statement changes the catalogue alone. It begins a format, as a version before
would write columns that are gone, and take a run that only counted for one that took rows.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sexton.db.column_types import BigKey
from sexton.db.tables import own_name

revision = "1013"
down_revision = "0012"

COLUMNS: dict[str, Any] = {
    "picked": BigKey,
    "changed": BigKey,
    "told": BigKey,
    "skipped": BigKey,
    "note": sa.Text,
    "outcome_code": sa.Text,
    "infrastructure_failures": sa.Integer,
}


def upgrade() -> None:
    name, schema = own_name(op.get_bind().dialect.name, "runs")
    for column, kind in COLUMNS.items():
        op.add_column(name, sa.Column(column, kind), schema=schema)
    op.execute(f"ALTER TABLE {f'{schema}.' if schema else ''}{name} RENAME COLUMN wall TO local_slot")
