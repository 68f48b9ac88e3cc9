"""Which triggers fire when rows are put back, and what they may write to: said before it happens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import DBAPIError

from ..db.faults import Fault, classify
from ..db.identifiers import quoted_table
from ..errors import JobFailed

_POSTGRESQL = text(
    "SELECT DISTINCT tgname AS name, prosrc AS source FROM pg_trigger JOIN pg_proc p ON p.oid = tgfoid"
    " WHERE NOT tgisinternal AND tgenabled = ANY(:enabled)"
    # A partition has triggers of its own, and those of the whole.
    " AND (tgrelid = to_regclass(:name)"
    " OR tgparentid = 0 AND tgrelid IN (SELECT relid FROM pg_partition_tree(to_regclass(:name))))"
    " AND CASE WHEN :link = '{}'\\:\\:text[] THEN (tgtype & 4) = 4 ELSE (tgtype & 16) = 16 AND (cardinality(tgattr) = 0"
    " OR EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = tgrelid AND attnum = ANY(tgattr)"
    " AND attname = ANY(:link))) END ORDER BY name"
)
_SQLITE = text(
    "SELECT name, sql AS source FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :name COLLATE NOCASE"
    " ORDER BY name"
)
_EVENT = re.compile(r"\b(insert|delete|update)\b(?:\s+of\s+.+?)?\s+on\s", re.IGNORECASE | re.DOTALL)
_WRITES = re.compile(
    r"\b(?:insert\s+into|update|delete\s+from)\s+(?:only\s+)?([a-z_][\w.$]*|\"[^\"]+\")", re.IGNORECASE
)
_NO_TABLES = ("on", "of", "set", "or")


def firing_triggers(
    connection: Connection, parts: Iterable[tuple[Table, Sequence[str]]], *, without: bool = False
) -> list[str]:
    """Each in words, "stamp of orders, which may write to audit". without: those that fire all the same.

    parts: a table and (), rows of which are inserted, or columns that are set again.
    """
    words = []
    for table, link in parts:
        if connection.dialect.name == "sqlite":
            event = "update" if link else "insert"
            found = connection.execute(_SQLITE, {"name": table.name})
            rows = [row for row in found if (on := _EVENT.search(row.source)) and on[1].lower() == event]
        else:
            enabled = ["R", "A"] if without else ["O", "A"]
            given = {"name": quoted_table(connection.dialect, table), "enabled": enabled, "link": list(link)}
            rows = list(connection.execute(_POSTGRESQL, given))
        words += [f"{row.name} of {table.fullname}{_writes(row.source)}" for row in rows]
    return list(dict.fromkeys(words))


def _writes(source: str) -> str:
    # SQLite keeps the whole statement, whose head names the table itself.
    begin = re.search(r"\bbegin\b", source, re.IGNORECASE) if source.lstrip().lower().startswith("create") else None
    body = source[begin.end() :] if begin else source
    named = dict.fromkeys(name for name in _WRITES.findall(body) if name.lower() not in _NO_TABLES)
    return f", which may write to {', '.join(named)}" if named else ""


def disable_triggers(connection: Connection) -> None:
    """No trigger fires until the transaction ends, and no foreign key is asked. JobFailed where that is not allowed."""
    if connection.dialect.name == "sqlite":
        raise JobFailed("SQLite cannot leave triggers out; drop them, put the rows back, and create them again")
    try:
        with connection.begin_nested():
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
    except DBAPIError as error:
        if classify(error) is not Fault.DENIED:
            raise
        raise JobFailed(
            "this role may not leave triggers out; a superuser can allow it: "
            "GRANT SET ON PARAMETER session_replication_role TO the role (PostgreSQL 15 or newer)"
        ) from error
