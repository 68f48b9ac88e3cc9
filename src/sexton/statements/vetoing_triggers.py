"""What in a table can keep a statement from changing a row without an error: triggers, and on PostgreSQL rules."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, Table, text

from ..db.identifiers import quoted_table
from ..policies.contract import Operation

RULE_EVENTS: Mapping[Operation, str] = {"update": "2", "insert": "3", "delete": "4"}
"""What pg_rewrite.ev_type says of a rule."""

_TRIGGERS = text(
    "SELECT DISTINCT t.tgname FROM pg_trigger t WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'"
    " AND (t.tgrelid = to_regclass(:name) OR t.tgrelid IN (SELECT relid FROM pg_partition_tree(to_regclass(:name))))"
    # Of the type's bits, 1 is FOR EACH ROW, 2 is BEFORE, 8 is DELETE, 16 is UPDATE.
    " AND t.tgtype & :bits = :bits ORDER BY t.tgname"
)
_RULES = text(
    "SELECT rulename FROM pg_rewrite WHERE ev_class = to_regclass(:name) AND ev_enabled <> 'D'"
    ' AND ev_type = CAST(:event AS "char") ORDER BY rulename'
)
_SQLITE = text(
    "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :name COLLATE NOCASE"
    " AND sql LIKE :event ORDER BY name"
)


def vetoing_triggers(connection: Connection, table: Table, *, deletes: bool) -> list[str]:
    """Triggers that may keep a row of the table from being deleted, or from being changed as it should be."""
    if connection.dialect.name == "sqlite":
        event = f"%{'DELETE' if deletes else 'UPDATE'}%"
        return list(connection.execute(_SQLITE, {"name": table.name, "event": event}).scalars())
    # Before a delete one can say no; a change can be undone before it and after it.
    values = {"name": quoted_table(connection.dialect, table), "bits": 1 | 2 | 8 if deletes else 1 | 16}
    return list(connection.execute(_TRIGGERS, values).scalars())


def rewrite_rules(connection: Connection, table: Table, operation: Operation) -> list[str]:
    """PostgreSQL: rules that put other statements in the place of ours, or beside them."""
    name = quoted_table(connection.dialect, table)
    return list(connection.execute(_RULES, {"name": name, "event": RULE_EVENTS[operation]}).scalars())
