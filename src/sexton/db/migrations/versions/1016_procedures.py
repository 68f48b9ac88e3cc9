"""Functions that procedures inside PostgreSQL run by, slots of jobs, windows of roll-ups, and the view `job_runs`.

Revision 1016. Written out, not derived from `sexton.db.tables`, so that it never changes after it has shipped; nor do
the files of `functions`, whose names end in their number.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from sexton.db.tables import own_name

revision = "1016"
down_revision = "1015"

FUNCTIONS = Path(__file__).parents[1] / "functions"
ORDER = (
    "procedure_run_v1",
    "catch_up_v1",
    "due_slot_v1",
    "guard_v1",
    "batches_v1",
    "rests_v1",
    "refusals_v1",
    "left_over_v1",
    "rollup_walk_v1",
    "rollup_step_v1",
)


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    name, schema = own_name(dialect, "slots")
    op.create_table(
        name,
        sa.Column("job", sa.Text, primary_key=True),
        sa.Column("slot", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("local_slot", sa.Text),
        schema=schema,
    )
    name, schema = own_name(dialect, "windows")
    op.create_table(
        name,
        sa.Column("definition", sa.Text, primary_key=True),
        sa.Column("starts", sa.DateTime(timezone=True), primary_key=True),
        schema=schema,
    )
    if dialect != "postgresql":
        return
    # Bodies may name functions that a later file makes.
    op.execute("SET LOCAL check_function_bodies = off")
    for file in ORDER:
        op.execute(sa.text((FUNCTIONS / f"{file}.sql").read_text("utf-8").replace(":", "\\:")))
