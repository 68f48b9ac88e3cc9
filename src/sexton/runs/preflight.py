"""Before a run is claimed: would its statements work here? Tables, columns, privileges, asked of the database.

On PostgreSQL each statement is EXPLAINed, which checks names, types and privileges and reads no row; on SQLite it is
prepared. What is wrong is told in one line with the job's name, and nothing is started.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from ..db.connect import read_only
from ..db.faults import Fault, classify, describe
from ..db.instants import offset_of
from ..db.migrate import require_schema
from ..db.render import for_driver, render
from ..errors import PolicyError
from ..policies.contract import Plan
from .picked import AMONG


def preflight(engine: Engine, job: str, plans: Iterable[Any]) -> None:
    """PolicyError, SchemaOutdated or DatabaseUnreachable when the job could not run."""
    own = [plan for plan in plans if isinstance(plan, Plan)]
    with read_only(engine) as connection:
        require_schema(connection)
        for plan in own:
            try:
                _prepare(connection, plan, job)
            except DBAPIError as error:
                if classify(error) not in (Fault.SCHEMA, Fault.DENIED):
                    raise
                raise PolicyError(f"{job}, step {plan.step}: {_plainly(describe(error))}") from error


def _prepare(connection: Connection, plan: Plan, job: str) -> None:
    dialect = connection.dialect
    if dialect.name == "postgresql":
        from .picked import batch_statement, lock_statement

        _refuse_hidden_rows(connection, plan, job)
        if plan.lock_first:
            lock = lock_statement(plan, onward=False, excluding=True, waiting=False)
            _explain(connection, render(lock, dialect, naming=_null))
        _explain(connection, render(batch_statement(plan, excluding=True), dialect, naming=_null))
        return
    from .preview import preview_statement

    asked = preview_statement(dialect.name, plan, excluding=True)
    _explain(connection, render(asked, dialect, naming=lambda _name: "NULL"))


def _null(name: str) -> str:
    """A parameter's place: typed where the database could not tell the type from its surroundings."""
    if offset_of(name) is not None:
        return f"CAST(NULL AS timestamp{'' if name.endswith('_naive') else ' with time zone'})"
    return "'{}'" if name == AMONG else "NULL"


def _explain(connection: Connection, sql: str) -> None:
    connection.exec_driver_sql(for_driver("EXPLAIN " + sql, connection.dialect))


def _refuse_hidden_rows(connection: Connection, plan: Plan, job: str) -> None:
    """A role under row level security would see no due rows and report success for months."""
    name = connection.dialect.identifier_preparer.format_table(plan.table)
    there = connection.execute(text("SELECT to_regclass(:name)"), {"name": name}).scalar()
    if there is None:
        raise PolicyError(f"{job}, step {plan.step}: there is no table {plan.table.fullname} in this database")
    if connection.execute(text("SELECT row_security_active(CAST(:name AS regclass))"), {"name": name}).scalar():
        raise PolicyError(
            f"{job}, step {plan.step}: row level security hides rows of {plan.table.fullname} from this role; "
            "use its owner or a role with BYPASSRLS"
        )


def _plainly(description: str) -> str:
    """Without the state's number in front: people need the words."""
    return re.sub(r"^(42\w{3}|3F\w{3})( \S+)?: ", "", description)
