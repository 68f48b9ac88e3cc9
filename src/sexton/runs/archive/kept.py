"""What keeps rows that were told to go: where fewer went and nothing was said, a trigger swallowed the delete."""

from __future__ import annotations

from sqlalchemy import Connection, Table, text

from ...db.names import quoted_table

_POSTGRESQL = text(
    "SELECT DISTINCT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')"
    # On a row, before it is deleted.
    " AND (tgtype & 1) = 1 AND (tgtype & 2) = 2 AND (tgtype & 8) = 8 AND (tgrelid = to_regclass(:name)"
    " OR tgrelid IN (SELECT relid FROM pg_partition_tree(to_regclass(:name)))) ORDER BY 1"
)

_SQLITE = text(
    "SELECT 'trigger ' || name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :name COLLATE NOCASE"
    " AND lower(sql) LIKE '%delete%' AND lower(sql) LIKE '%raise%ignore%' ORDER BY name"
)


def keepers(connection: Connection, table: Table) -> str:
    """The triggers that may keep rows of the table, in words; "" when none is known."""
    on_sqlite = connection.dialect.name == "sqlite"
    name = table.name if on_sqlite else quoted_table(connection.dialect, table)
    return ", ".join(connection.execute(_SQLITE if on_sqlite else _POSTGRESQL, {"name": name}).scalars())
