"""SQL of the settings that asks for one value: one SELECT that can only read, in a session of its own (SEC-8).

Beside its read-only transaction nothing of it is left: it stands where only a query can stand, it is sent so that the
server takes one statement, its transaction is rolled back, and its session ends with what functions left in it. What
a function does outside of the database stays done.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Engine, Row, text

from .connect import open_database, read_only
from .render import for_driver
from .search_path import search_path
from .statement_timeout import limited_time
from .trust import trusted_of

QUOTED = re.compile(
    r"""--[^\n]*|/\*.*?\*/                                    # comments
    |[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"    # texts and names
    |(\$(?:[^\W\d]\w*)?\$).*?\1                                # texts between dollars
    """,
    re.DOTALL | re.VERBOSE,
)
"""Parts of a text of SQL inside which nothing is a word of SQL."""

_QUERIES = re.compile(r"[\s(]*(?:SELECT|WITH|VALUES)\b", re.IGNORECASE)


def one_query(sql: str) -> str:
    """The text without blanks and semicolons at its end. ValueError when it is not one query, as far as one can see.

    What cannot be seen here, a text that never ends for instance, the database refuses.
    """
    query = sql.rstrip().rstrip(";").rstrip()
    bare = QUOTED.sub(" ", query).rstrip()
    if ";" in bare.rstrip("; \t\n"):
        raise ValueError("holds more than one statement; write one SELECT that returns one value")
    if not _QUERIES.match(bare):
        raise ValueError("is no query; write one SELECT that returns one value")
    return query


def ask_in_own_session(engine: Engine, sql: str, seconds: float) -> Any:
    """The first value of the first row, None without any. engine: says which database.  seconds: for all of it.

    ValueError as of `one_query`; SQLAlchemy's errors; DatabaseUnreachable."""
    rows = rows_in_own_session(engine, sql, seconds, most=1)
    return rows[0][0] if rows else None


def rows_in_own_session(engine: Engine, sql: str, seconds: float, *, most: int) -> list[Row[Any]]:
    """The first rows, at most so many; the same otherwise."""
    query = one_query(sql)
    marker = "?" if engine.dialect.name == "sqlite" else "%s"
    # The line feeds end a comment. The parameter makes the driver send it by the protocol that takes one statement.
    asked = f"SELECT * FROM (\n{for_driver(query, engine.dialect)}\n) AS asked LIMIT {marker}"
    apart = open_database(engine.url, create=False, trusted=trusted_of(engine))
    search_path(apart.dialect).adopt(search_path(engine.dialect))  # asked each second, in a database of many tables
    try:
        with read_only(apart) as connection, limited_time(connection, seconds):
            try:
                with connection.begin_nested():
                    rows = [*connection.exec_driver_sql(asked, (most,))]
            finally:
                if engine.dialect.name == "postgresql":  # behind a pooler the session is not ours to end
                    connection.execute(text("SELECT pg_catalog.pg_advisory_unlock_all()"))
                connection.rollback()
            return rows
    finally:
        apart.dispose()
