"""What `sexton check` finds in the database about a job: errors as preflight tells them, and warnings about speed."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Engine, Table, text
from sqlalchemy import inspect as look_into

from ..db.connect import read_only
from ..db.tables import own_tables
from ..errors import PolicyError
from ..jobs.job import Job
from ..policies.contract import Plan
from .preflight import preflight, require_time
from .runner import planned


def inspected(engine: Engine, job: Job) -> list[str]:
    """Warnings about the job here. PolicyError, SchemaOutdated, DatabaseUnreachable when it could not run."""
    plans = [plan for plan in planned(job) if isinstance(plan, Plan)]
    preflight(engine, job.name, plans)
    warnings: list[str] = []
    with read_only(engine) as connection:
        for plan in plans:
            _checked_time(connection, plan, job.name)
            warnings += _missing_index(connection, plan)
            warnings += _children_without_index(connection, plan)
    return list(dict.fromkeys(warnings))


def _checked_time(connection: Connection, plan: Plan, job: str) -> None:
    try:
        require_time(connection, plan)
    except PolicyError as error:
        raise PolicyError(f"{job}, step {plan.step}: {error}") from error


def _missing_index(connection: Connection, plan: Plan) -> Iterable[str]:
    """Every batch starts at the time column: without an index each one reads the whole table."""
    by = plan.order[0]
    if plan.table is own_tables(connection.dialect.name).metadata.tables.get(plan.table.key):
        return  # ours stay small
    usable = _indexed_postgresql if connection.dialect.name == "postgresql" else _indexed_sqlite
    if by.name not in usable(connection, plan):
        yield f"no index serves {plan.step}; {_create_index(plan.table, [column.name for column in plan.order])}"


def _create_index(table: Table, columns: list[str]) -> str:
    name = "_".join([table.name, *columns])[:63]
    return f"CREATE INDEX {name} ON {table.fullname} ({', '.join(columns)})"


def _indexed_sqlite(connection: Connection, plan: Plan) -> set[str]:
    inspector = look_into(connection)
    columns = set(inspector.get_pk_constraint(plan.table.name)["constrained_columns"])
    for index in inspector.get_indexes(plan.table.name):
        columns.update(name for name in index["column_names"] if name is not None)
    return columns


def _indexed_postgresql(connection: Connection, plan: Plan) -> set[str]:
    """Columns in a valid b-tree index: one whose building failed is kept up to date but never used."""
    found = connection.execute(
        text(
            "SELECT a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam"
            " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)"
            " WHERE i.indrelid = CAST(:name AS regclass) AND i.indisvalid AND m.amname = 'btree'"
        ),
        {"name": connection.dialect.identifier_preparer.format_table(plan.table)},
    )
    return set(found.scalars())


def _children_without_index(connection: Connection, plan: Plan) -> Iterable[str]:
    """A delete looks for children of each row; without an index on the reference it reads the child table each time."""
    if plan.main is None or plan.main.values is not None:
        return
    references = _references if connection.dialect.name == "postgresql" else _sqlite_references
    for child, reference in references(connection, plan):
        index = f"{child.replace('.', '_')}_{reference}"[:63]
        yield f"each delete reads all of {child}; CREATE INDEX {index} ON {child} ({reference})"


def _references(connection: Connection, plan: Plan) -> Iterable[tuple[str, str]]:
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
    return [(child, reference) for child, reference in found]


def _sqlite_references(connection: Connection, plan: Plan) -> Iterable[tuple[str, str]]:
    inspector = look_into(connection)
    for child in inspector.get_table_names():
        leading = [index["column_names"][0] for index in inspector.get_indexes(child)]
        leading += inspector.get_pk_constraint(child)["constrained_columns"][:1]
        for key in inspector.get_foreign_keys(child):
            reference = key["constrained_columns"][0]
            if key["referred_table"] == plan.table.name and reference not in leading:
                yield child, reference
