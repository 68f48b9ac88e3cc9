"""Which triggers fire when rows are put back, and what they may write to: said before it happens."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import DBAPIError

from ..db.faults import Fault, classify
from ..db.names import quoted_table
from ..errors import JobFailed

_POSTGRESQL = text(
    "SELECT tgname AS name, prosrc AS source FROM pg_trigger JOIN pg_proc p ON p.oid = tgfoid"
    " WHERE tgrelid = to_regclass(:name) AND NOT tgisinternal AND (tgtype & 4) = 4"
    " AND tgenabled = ANY(:enabled) ORDER BY tgname"
)
_SQLITE = text(
    "SELECT name, sql AS source FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :name COLLATE NOCASE"
    " AND lower(sql) LIKE '%insert%' ORDER BY name"
)
_WRITES = re.compile(
    r"\b(?:insert\s+into|update|delete\s+from)\s+(?:only\s+)?([a-z_][\w.$]*|\"[^\"]+\")", re.IGNORECASE
)
_NO_TABLES = ("on", "of", "set", "or")


def firing(connection: Connection, tables: Iterable[Table], *, without: bool = False) -> list[str]:
    """Each in words, "stamp of orders, which may write to audit". without: those that fire all the same."""
    words = []
    for table in tables:
        if connection.dialect.name == "sqlite":
            rows = connection.execute(_SQLITE, {"name": table.name})
        else:
            enabled = ["R", "A"] if without else ["O", "A"]
            name = quoted_table(connection.dialect, table)
            rows = connection.execute(_POSTGRESQL, {"name": name, "enabled": enabled})
        words += [f"{row.name} of {table.fullname}{_writes(row.source)}" for row in rows]
    return words


def _writes(source: str) -> str:
    # SQLite keeps the whole statement, whose head says INSERT ON the table itself.
    begin = re.search(r"\bbegin\b", source, re.IGNORECASE) if source.lstrip().lower().startswith("create") else None
    body = source[begin.end() :] if begin else source
    named = dict.fromkeys(name for name in _WRITES.findall(body) if name.lower() not in _NO_TABLES)
    return f", which may write to {', '.join(named)}" if named else ""


def silence(connection: Connection) -> None:
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
