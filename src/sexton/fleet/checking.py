"""`sexton fleet check`: whether a database is reached, who it is, how old Sexton's tables are, what the jobs' are like.

Reads only.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from ..db.connect import read_only
from ..db.migrate import HEAD_REVISION, require_schema, revision
from .database import FleetDatabase
from .identity import confirm_identity
from .used_tables import layout_of
from .visit_results import Condition, VisitResult


def check(database: FleetDatabase, engine: Engine, installation: str, tables: Sequence[str]) -> VisitResult:
    """How it is. tables: whose columns are looked at, see `used_tables`.

    Raises what stands in the way, for `result_of`.
    """
    with read_only(engine) as connection:
        found = revision(connection)
        layout = layout_of(connection, tables)
        if found is None or found < HEAD_REVISION:
            why = "has none of Sexton's tables" if found is None else f"at revision {found}, not {HEAD_REVISION}"
            return VisitResult(database, Condition.BEHIND, f"{why}; run: sexton fleet migrate", why, found, layout)
        require_schema(connection)  # refuses a newer format
        confirm_identity(connection, database, installation)
        return VisitResult(database, Condition.READY, revision=found, layout=layout)
