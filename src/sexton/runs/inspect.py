"""What `sexton check` finds in the database about a job: errors as preflight tells them, and warnings about speed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy import inspect as look_into
from sqlalchemy.types import NullType

from ..db.connect import read_only
from ..db.tables import own_tables
from ..db.types import is_time
from ..errors import PolicyError
from ..jobs.job import Job
from ..policies.contract import Plan
from .preflight import preflight
from .runner import planned


def inspected(engine: Engine, job: Job) -> list[str]:
    """Warnings about the job here. PolicyError, SchemaOutdated, DatabaseUnreachable when it could not run."""
    plans = [plan for plan in planned(job) if isinstance(plan, Plan)]
    preflight(engine, job.name, plans)
    warnings: list[str] = []
    with read_only(engine) as connection:
        for plan in plans:
            _require_time(connection, plan, job.name)
            warnings += _missing_index(connection, plan)
            warnings += _children_without_index(connection, plan)
    return list(dict.fromkeys(warnings))


def _require_time(connection: Connection, plan: Plan, job: str) -> None:
    """The column's type here, not the one the policy was written with. PolicyError when it is no time."""
    by = plan.order[0]
    if by in plan.key or not is_time(by.type):
        return
    columns = look_into(connection).get_columns(plan.table.name, schema=plan.table.schema)
    found = next((column["type"] for column in columns if column["name"] == by.name), NullType())
    textual = connection.dialect.name == "sqlite" and "CHAR" in str(found).upper() + "CHAR" * (str(found) == "TEXT")
    if not is_time(found) and not textual:
        raise PolicyError(f"{job}, step {plan.step}: {plan.table.fullname}.{by.name} is {found} here, which is no time")


def _missing_index(connection: Connection, plan: Plan) -> Iterable[str]:
    """Every batch starts at the time column: without an index each one reads the whole table."""
    by = plan.order[0]
    if plan.table is own_tables(connection.dialect.name).metadata.tables.get(plan.table.key):
        return  # ours stay small
    inspector = look_into(connection)
    indexes: list[list[Any]] = [
        list(index["column_names"]) for index in inspector.get_indexes(plan.table.name, schema=plan.table.schema)
    ]
    indexes.append(inspector.get_pk_constraint(plan.table.name, schema=plan.table.schema)["constrained_columns"])
    if not any(by.name in columns for columns in indexes if columns):
        columns = ", ".join(column.name for column in plan.order)
        yield f"no index serves {plan.step}; CREATE INDEX ON {plan.table.fullname} ({columns})"


def _children_without_index(connection: Connection, plan: Plan) -> Iterable[str]:
    """A delete looks for children of each row; without an index on the reference it reads the child table each time."""
    if plan.main is None or plan.main.values is not None or connection.dialect.name != "postgresql":
        return
    name = connection.dialect.identifier_preparer.format_table(plan.table)
    found = connection.execute(
        text(
            "SELECT DISTINCT c.conrelid::regclass::text AS child, a.attname AS reference FROM pg_constraint c"
            " JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]"
            " WHERE c.contype = 'f' AND c.confrelid = CAST(:name AS regclass) AND NOT EXISTS ("
            "  SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1] AND i.indisvalid)"
        ),
        {"name": name},
    )
    for child, reference in found:
        yield f"each delete reads all of {child}; CREATE INDEX ON {child} ({reference})"
