"""How a session of PostgreSQL is opened, and what each of its transactions begins with. None relies on session state.

The driver is left in autocommit and BEGIN is written here, with the settings that a transaction lives by in the same
exchange: the search path (see `search_path`), and what the text of values depends on (see `text_output`). A role, a
database or a pooler may have other ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import Dialect, ExceptionContext

from .column_types import ENCODING
from .faults import SEARCH_PATH_HINT
from .search_path import OWN_SEARCH_PATH, SearchPath, search_path
from .text_output import SESSION_OUTPUT_SETTINGS

READ_ONLY = "sexton_read_only"
"""Execution option of a connection: its transactions read one snapshot and cannot write."""

OWN_TABLES_ONLY = "sexton_our_own"
"""Execution option of a connection: its transactions name nothing but Sexton's own tables."""

TRANSACTION_LIMITS = "sexton_limits"
"""Execution option of a connection: what else is set in the exchange that begins its transactions, as SQL."""

NO_LIMITS: Mapping[str, str] = MappingProxyType({})

READ_LOCK_TIMEOUT = "500ms"
"""How long a transaction that only reads waits for a table that others hold."""

_NOT_FOUND = ("42P01", "42883", "42704", "3F000")
"""SQLSTATEs: there is no such table; function or operator; type; no schema to create something in."""

_SETTINGS = "; ".join(
    f"SET LOCAL {name} = '{value}'" for name, value in {**SESSION_OUTPUT_SETTINGS, "jit": "off"}.items()
)
"""No statement here is long enough to be worth compiling: a look at the catalogue took 1.5 s for that instead of 10 ms,
and a batch has a quarter of a second."""


def transaction_settings(path: str) -> str:
    """The statements that a transaction begins with, wherever it runs: inside a procedure, again after each COMMIT."""
    return f"SET LOCAL search_path = {path}; {_SETTINGS}"


def install_session_hooks(engine: Engine, opened: Callable[[Any], None] | None = None) -> None:
    """Let sessions of this engine begin as they should. opened: gets each connection of the driver, before it is asked
    anything.
    """
    path = SearchPath()
    path.install(engine.dialect)
    event.listen(engine, "do_connect", partial(_connect, path, opened))
    event.listen(engine, "connect", partial(_after_connecting, engine))
    event.listen(engine, "checkout", _check_out)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", _explain)


@contextmanager
def own_tables_only(engine: Engine, limits: Mapping[str, str] = NO_LIMITS) -> Iterator[Connection]:
    """A transaction on Sexton's own tables only: on PostgreSQL nothing that others made is in its search path.

    limits: settings of PostgreSQL for it, by their names, set in the exchange that begins it; numbers with a unit.
    """
    options = {OWN_TABLES_ONLY: True, TRANSACTION_LIMITS: _set_local(limits)}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


def _set_local(limits: Mapping[str, str]) -> str:
    return "".join(f"; SET LOCAL {name} = '{value}'" for name, value in limits.items())


def _connect(
    path: SearchPath, opened: Callable[[Any], None] | None, dialect: Dialect, _record: object, words: Any, options: Any
) -> Any:
    """A session is asked for its search path; what the library asks of it next is asked under ours."""
    connection: Any = dialect.connect(*words, **options)
    if opened is not None:
        opened(connection)
    answers = connection.execute(
        f"BEGIN; SELECT pg_catalog.current_schemas(false); SET LOCAL search_path = {OWN_SEARCH_PATH}"
    )
    answers.nextset()
    path.found(tuple(answers.fetchone()[0]))
    return connection


def _after_connecting(engine: Engine, connection: Any, _record: object) -> None:
    """A database in LATIN1, or a session that speaks it, holds less than all text; `Line` escapes the rest."""
    connection.rollback()  # of what was begun when it was opened
    ours, theirs = connection.info.encoding, connection.info.parameter_status("server_encoding")
    less = ours if ours not in ("utf-8", "ascii") else None if theirs in ("UTF8", "SQL_ASCII") else "ascii"
    setattr(engine.dialect, ENCODING, less)


def _check_out(connection: Any, _record: object, _proxy: object) -> None:
    """A caller that asked for another isolation level has left the driver to begin transactions by itself."""
    if not connection.autocommit:
        connection.autocommit = True


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    level = options.get("isolation_level")
    if level == "AUTOCOMMIT":  # VACUUM, for instance; SQLAlchemy says BEGIN all the same
        return
    own, path = options.get(OWN_TABLES_ONLY, False), search_path(connection.dialect)
    looking = not own and path.is_old
    opening = _opening(OWN_SEARCH_PATH if own or looking else path.sql, level, options.get(READ_ONLY, False))
    _send(connection, opening + options.get(TRANSACTION_LIMITS, ""))
    if looking:
        path.look(connection)
        _send(connection, f"SET LOCAL search_path = {path.sql}")


def _send(connection: Connection, sql: str) -> None:
    """A server-side cursor is asked for by a whole connection; these statements have no rows for one."""
    connection.exec_driver_sql(sql, execution_options={"stream_results": False, "yield_per": None})


def _explain(context: ExceptionContext) -> None:
    """A table, function or operator that was not found may lie in a schema that is not searched."""
    error = context.original_exception
    if getattr(error, "sqlstate", None) in _NOT_FOUND and context.dialect is not None:
        path = search_path(context.dialect)
        setattr(error, SEARCH_PATH_HINT, path.because())
        path.looked = None  # it may have moved to another schema


def _opening(path: str, level: str | None, reading: bool) -> str:
    """One exchange: without parameters, the driver sends several statements at once."""
    mode = "REPEATABLE READ READ ONLY" if reading else level or "READ COMMITTED"
    patience = f"; SET LOCAL lock_timeout = '{READ_LOCK_TIMEOUT}'" if reading else ""
    return f"BEGIN ISOLATION LEVEL {mode}; {transaction_settings(path)}{patience}"
