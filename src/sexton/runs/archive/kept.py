"""What keeps rows that were told to go: a database that deletes fewer of them without an error has a reason."""

from __future__ import annotations

from sqlalchemy import Connection, Table, text

from ...db.names import quoted_table

_POSTGRESQL = text(
    "SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgrelid = to_regclass(:name) AND NOT tgisinternal"
    " AND tgenabled IN ('O', 'A') AND (tgtype & 1) = 1 AND (tgtype & 2) = 2 AND (tgtype & 8) = 8"
    " UNION ALL SELECT 'rule ' || rulename FROM pg_rewrite WHERE ev_class = to_regclass(:name) AND ev_type = '4'"
    " UNION ALL SELECT 'row security' FROM pg_class WHERE oid = to_regclass(:name) AND relrowsecurity ORDER BY 1"
)
"""Triggers before a row is deleted, rules ON DELETE."""

_SQLITE = text(
    "SELECT 'trigger ' || name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :name COLLATE NOCASE"
    " AND lower(sql) LIKE '%delete%' AND lower(sql) LIKE '%raise%ignore%' ORDER BY name"
)


def keepers(connection: Connection, table: Table) -> str:
    """The triggers and rules that may keep rows of the table, in words; "" when none is known."""
    on_sqlite = connection.dialect.name == "sqlite"
    name = table.name if on_sqlite else quoted_table(connection.dialect, table)
    return ", ".join(connection.execute(_SQLITE if on_sqlite else _POSTGRESQL, {"name": name}).scalars())
