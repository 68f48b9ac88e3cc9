"""Which tables refer to another one, by foreign keys: of a SQLite file, and as PostgreSQL's catalogue has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, text

from .identifiers import quoted_table

_REFERENCES = text(
    'SELECT m.name, k.id, k."from", k."to" FROM sqlite_master m, pragma_foreign_key_list(m.name) k'
    " WHERE m.type = 'table' AND k.\"table\" = :name COLLATE NOCASE AND k.on_delete IN :rules"
    " ORDER BY m.name, k.id, k.seq"
).bindparams(bindparam("rules", expanding=True))
"""A key without "to" refers to the primary key."""

_KEYS = text(
    "WITH RECURSIVE whole AS (SELECT to_regclass(:name)::oid AS oid"
    # Whoever refers to a partition, or to the table that it is one of, refers to its rows.
    " UNION SELECT relid FROM pg_partition_ancestors(to_regclass(:name))"
    " UNION SELECT relid FROM pg_partition_tree(to_regclass(:name)))"
    " SELECT k.conrelid AS number, n.nspname AS schema, c.relname AS name, k.conname AS constraint_name,"
    " pg_table_is_visible(c.oid) AS visible,"
    " ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u (number, place)"
    "  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number ORDER BY u.place) AS referring,"
    " ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u (number, place)"
    "  JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number ORDER BY u.place) AS referred"
    " FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE k.contype = 'f' AND k.confdeltype = ANY (CAST(:rules AS \"char\"[]))"
    " AND k.confrelid IN (SELECT oid FROM whole)"
    # The same key stands there once more for each partition, of this table and of the one that refers to it.
    " AND NOT EXISTS (SELECT 1 FROM pg_constraint p"
    "  WHERE p.oid = k.conparentid AND p.confrelid IN (SELECT oid FROM whole))"
    " ORDER BY n.nspname, c.relname, k.conname"
)


def keys_to(connection: Connection, parent: Table, rules: str) -> list[Row[Any]]:
    """PostgreSQL: every foreign key to this table, to one of its partitions, or to a table that it is a part of.

    rules: what it says ON DELETE, as letters of pg_constraint.
    """
    values = {"name": quoted_table(connection.dialect, parent), "rules": list(rules)}
    return list(connection.execute(_KEYS, values).all())


def referring_tables(
    connection: Connection, parent: Table, rules: Iterable[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Every foreign key to this table: the child, and which of its columns refers to which, in small letters.

    rules: what it says ON DELETE, "CASCADE".  "" stands for a column that the table has not.
    """
    keys = [one.name.lower() for one in parent.primary_key.columns if not one.system]
    found: dict[tuple[str, int], dict[str, str]] = {}
    for child, number, referring, referred in connection.execute(
        _REFERENCES, {"name": parent.name, "rules": list(rules)}
    ):
        pairs = found.setdefault((child, number), {})
        pairs[referring] = referred.lower() if referred else next(iter(keys[len(pairs) :]), "")
    for (child, _), pairs in found.items():
        yield child, pairs
