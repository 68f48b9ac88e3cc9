"""Indexes that a job needs and the database lacks, as statements to copy; for `sexton check` and `sexton doctor`.

Names are quoted as the dialect quotes them. On PostgreSQL an index is built CONCURRENTLY, without stopping writers; a
partitioned table has no such way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Column, Connection, Table, text
from sqlalchemy import inspect as look_into
from sqlalchemy.sql import visitors

from ..db.identifiers import quoted, quoted_table
from ..db.tables import own_tables
from ..policies.contract import Plan

MAX_IDENTIFIER_BYTES = 63
"""Bytes of a name that PostgreSQL keeps."""

ON_DELETE_RULES = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
"""ON DELETE, as pg_constraint writes it."""


@dataclass(frozen=True, slots=True)
class ForeignKeyReference:
    """A foreign key that points at a table. child: the table that has it, quoted.  name: the same, bare.

    columns: of the key, quoted.  rule: ON DELETE.  missing: the statement for an index that is not there, or None.
    """

    child: str
    name: str
    columns: str
    rule: str
    missing: str | None


def is_own(dialect: str, table: Table) -> bool:
    """Whether it is a table of Sexton's, which stays small."""
    return table is own_tables(dialect).metadata.tables.get(table.key)


def missing_index(connection: Connection, plan: Plan) -> str | None:
    """The index on the plan's order, where none leads to its first column, at which every batch starts."""
    columns = [column.name for column in plan.order if not column.system]
    if is_own(connection.dialect.name, plan.table) or not columns:
        return None
    postgresql = connection.dialect.name == "postgresql"
    indexes = (_indexes_postgresql if postgresql else _indexes_sqlite)(connection, plan.table)
    if any(_serves(plan, index) for index in indexes):
        return None
    name = quoted_table(connection.dialect, plan.table)
    concurrently = postgresql and not is_partitioned(connection, name)
    return _create_index(connection, name, plan.table.name, columns, concurrently)


def _serves(plan: Plan, columns: Sequence[str | None]) -> bool:
    """Whether the time column leads, or comes after columns that the condition compares as well."""
    asked = {part.name for part in visitors.iterate(plan.due) if isinstance(part, Column) and part.table is plan.table}
    by = plan.order[0].name
    return by in columns and asked.issuperset(columns[: columns.index(by)])


def foreign_key_references(connection: Connection, table: Table) -> list[ForeignKeyReference]:
    """The foreign keys that point at the table, by the name of the child."""
    if connection.dialect.name == "postgresql":
        return _references_postgresql(connection, table)
    return _references_sqlite(connection, table)


def is_partitioned(connection: Connection, name: str) -> bool:
    """PostgreSQL: whether the table has partitions.  name: quoted."""
    asked = text("SELECT relkind = 'p' FROM pg_class WHERE oid = CAST(:name AS regclass)")
    return bool(connection.execute(asked, {"name": name}).scalar())


def _create_index(
    connection: Connection, table: str, bare: str, columns: Sequence[str], concurrently: bool = False
) -> str:
    quote = partial(quoted, connection.dialect)
    name = "_".join([bare, *columns]).encode()[:MAX_IDENTIFIER_BYTES].decode(errors="ignore")
    how = "CREATE INDEX CONCURRENTLY" if concurrently else "CREATE INDEX"
    return f"{how} {quote(name)} ON {table} ({', '.join(map(quote, columns))})"


def _indexes_sqlite(connection: Connection, table: Table) -> list[list[str | None]]:
    inspector = look_into(connection)
    found: list[list[str | None]] = [list(inspector.get_pk_constraint(table.name)["constrained_columns"])]
    found += [list(index["column_names"]) for index in inspector.get_indexes(table.name)]
    found += [list(constraint["column_names"]) for constraint in inspector.get_unique_constraints(table.name)]
    return found


def _indexes_postgresql(connection: Connection, table: Table) -> list[list[str | None]]:
    """Columns of valid b-tree indexes: one whose building failed is kept up to date but never used."""
    found = connection.execute(
        text(
            "SELECT ARRAY(SELECT CAST(a.attname AS text)"
            "  FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS part(number, place)"
            "  LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = part.number ORDER BY place)"
            " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam"
            " WHERE i.indrelid = CAST(:name AS regclass) AND i.indisvalid AND m.amname = 'btree'"
        ),
        {"name": quoted_table(connection.dialect, table)},
    )
    return list(found.scalars())


def _references_postgresql(connection: Connection, table: Table) -> list[ForeignKeyReference]:
    found = connection.execute(
        text(
            "SELECT k.conrelid::regclass::text AS child, c.relname, c.relkind = 'p' AS partitioned,"
            " CAST(k.confdeltype AS text) AS rule,"
            " ARRAY(SELECT CAST(a.attname AS text) FROM unnest(k.conkey) WITH ORDINALITY AS part(number, place)"
            "  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = part.number ORDER BY place) AS columns,"
            # A lookup by value never wants the rows that an index WHERE … IS NOT NULL leaves out.
            " EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indkey[0] = ANY (k.conkey)"
            "  AND i.indisvalid AND (i.indpred IS NULL"
            "   OR pg_get_expr(i.indpred, i.indrelid) ~ '^\\([^ ()]+ IS NOT NULL\\)$')) AS indexed"
            " FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
            " WHERE k.contype = 'f' AND k.confrelid = CAST(:name AS regclass) AND k.conparentid = 0"
            " ORDER BY child, columns"
        ),
        {"name": quoted_table(connection.dialect, table)},
    )
    quote = partial(quoted, connection.dialect)
    return [
        ForeignKeyReference(
            row.child,
            row.relname,
            ", ".join(map(quote, row.columns)),
            ON_DELETE_RULES[row.rule],
            None
            if row.indexed
            else _create_index(connection, row.child, row.relname, row.columns, not row.partitioned),
        )
        for row in found
    ]


def _references_sqlite(connection: Connection, table: Table) -> list[ForeignKeyReference]:
    inspector, found = look_into(connection), []
    quote = partial(quoted, connection.dialect)
    for child in inspector.get_table_names():
        leading = [index["column_names"][0] for index in inspector.get_indexes(child)]
        leading += inspector.get_pk_constraint(child)["constrained_columns"][:1]
        for key in inspector.get_foreign_keys(child):
            if key["referred_table"].lower() == table.name.lower():
                columns = key["constrained_columns"]
                rule = key.get("options", {}).get("ondelete", "NO ACTION")
                index = _create_index(connection, quote(child), child, columns)
                missing = None if set(columns) & set(leading) else index
                found.append(ForeignKeyReference(quote(child), child, ", ".join(map(quote, columns)), rule, missing))
    return found
