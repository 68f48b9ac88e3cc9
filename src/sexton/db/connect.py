"""Open a database the way Sexton needs it. Nothing relies on session state: a transaction pooler may stand between.

SQLite: WAL, foreign keys on, every transaction BEGIN IMMEDIATE (a read that becomes a write fails at once otherwise),
5 s busy timeout, 32 MB page cache. PostgreSQL: psycopg 3, READ COMMITTED by transaction, no prepared statements,
keepalives on; see `sessions`.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from ..errors import DatabaseUnreachable, HeldElsewhere, SettingsError
from ..files import provide
from ..masking import scrubbed
from .address import place as place
from .effect_keys import SqliteKeys
from .faults import Fault, classify, describe, last_function_error, sqlstate
from .sessions import READ_ONLY, install_session_hooks
from .trust import TRUSTED_ROLES

_POSTGRESQL_ARGUMENTS: dict[str, object] = {
    "application_name": "sexton",
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    # A pooler in transaction mode gives every transaction another server session: what one prepared, the next lacks.
    "prepare_threshold": None,
    "autocommit": True,  # BEGIN is ours
}

SQLITE_BUSY_SECONDS = 5.0
"""Seconds to wait for another writer of a SQLite file."""

_SQLITE_PRAGMAS = (
    "foreign_keys = ON",
    "synchronous = NORMAL",
    "temp_store = MEMORY",
    # KiB, filled as needed: with the default of 2 MB a purge reads the pages of its indexes again and again, and
    # takes twice as long.
    "cache_size = -32000",
)


def open_database(url: str | URL, *, create: bool = True, trusted: Sequence[str] = ()) -> Engine:
    """An engine for this URL, or that of another engine; connects on first use only. SettingsError for what is no URL.

    create: make a SQLite file that is not there; else connecting raises DatabaseUnreachable.
    trusted: the setting `trusted_roles`, for `db.trust`.
    """
    target = _parse(url)
    if target.get_backend_name() == "sqlite":
        return _open_sqlite(target, create)
    # Of a run that calls: itself, and two that call; one beyond the pool is opened anew each time.
    return _open_postgresql(target, trusted, _POSTGRESQL_ARGUMENTS, kept=3, beyond=1)


def open_for_visit(
    url: str | URL,
    *,
    connect_seconds: float,
    opened: Callable[[Any], None],
    trusted: Sequence[str] = (),
    connections: int = 1,
) -> Engine:
    """The same with so many connections and no more: for a visit to a database of a fleet. Who needs one waits.

    connect_seconds: in which the server has to answer; rounded up to whole ones, at least 2, as libpq counts.
    opened: gets each connection of PostgreSQL's driver, before it is asked anything.
    """
    target = _parse(url)
    if target.get_backend_name() == "sqlite":
        return _open_sqlite(target, create=False)
    arguments = {**_POSTGRESQL_ARGUMENTS, "connect_timeout": max(ceil(connect_seconds), 2)}
    return _open_postgresql(target, trusted, arguments, kept=connections, beyond=0, opened=opened)


def _open_postgresql(
    target: URL,
    trusted: Sequence[str],
    arguments: Mapping[str, object],
    *,
    kept: int,
    beyond: int,
    opened: Callable[[Any], None] | None = None,
) -> Engine:
    engine = create_engine(
        target,
        hide_parameters=True,
        enable_from_linting=False,
        pool_size=kept,
        max_overflow=beyond,
        pool_timeout=10,
        execution_options={TRUSTED_ROLES: tuple(trusted)},
        connect_args={key: value for key, value in arguments.items() if key not in target.query},
    )
    install_session_hooks(engine, opened)
    return engine


def connection_arguments(url: str) -> dict[str, Any]:
    """What the driver is given for this URL of PostgreSQL, for a library that connects by itself. SettingsError."""
    target = _parse(url)
    _, words = target.get_dialect()().create_connect_args(target)
    ours = {key: value for key, value in _POSTGRESQL_ARGUMENTS.items() if key not in ("autocommit", *target.query)}
    return {**ours, **words}


def open_to_look(url: str) -> Engine:
    """The same for a database that is not ours yet: a SQLite file has to exist, and not even its journal mode changes.

    DatabaseUnreachable when there is no such file.
    """
    target = _parse(url)
    path = target.database or ":memory:"
    if target.get_backend_name() != "sqlite" or path.startswith((":", "file:")):
        return open_database(url)
    if not os.path.isfile(path):
        raise DatabaseUnreachable(f"there is no {place(target)}")
    look = target.set(database=f"file:{quote(path)}", query={**target.query, "mode": "ro", "uri": "true"})
    engine = create_engine(
        look, hide_parameters=True, enable_from_linting=False, connect_args={"timeout": SQLITE_BUSY_SECONDS}
    )
    event.listen(engine, "connect", _leave_transactions_to_us)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _parse(url: str | URL) -> URL:
    try:
        target = make_url(url)
        if target.drivername in ("postgresql", "postgres"):
            target = target.set(drivername="postgresql+psycopg")
        if target.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
            raise NoSuchModuleError(target.drivername)
        if "%" in (target.host or ""):  # a folder of sockets, written as libpq takes it: %2Frun%2Fpostgresql
            target = target.set(host=unquote(target.host or ""))
        target.get_dialect().import_dbapi()
        target.get_dialect()().create_connect_args(target)  # as the driver will read it
    except (ArgumentError, ValueError):
        # Nothing of the text is repeated, and no error behind it is kept: it may be a piece of a password.
        raise SettingsError(
            "database: not a URL; write for instance sqlite:///sexton.db or postgresql+psycopg://host/name"
        ) from None
    except NoSuchModuleError as error:
        raise SettingsError(f"database: no support for {error}; use sqlite:/// or postgresql+psycopg://") from error
    except ImportError as error:
        raise SettingsError("database: PostgreSQL needs its driver; run: pip install 'sexton[postgres]'") from error
    if "@" in (target.host or ""):
        raise SettingsError("database: its user or password holds a bare @; write %40 (and %3A for :, %2F for /)")
    return target


def _open_sqlite(target: URL, create: bool) -> Engine:
    arguments = {"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False}
    engine = create_engine(target, hide_parameters=True, enable_from_linting=False, connect_args=arguments)
    event.listen(engine, "do_connect", _make_file if create else _before_connecting)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _leave_transactions_to_us(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we write BEGIN ourselves


def _prepare_sqlite(connection: Any, _record: object) -> None:
    _leave_transactions_to_us(connection, _record)
    connection.create_function("sexton_refuse", 1, _refuse)
    keys = SqliteKeys(str(connection.execute("PRAGMA encoding").fetchone()[0]))
    connection.create_function("sexton_part", 5, keys.part, deterministic=True)
    connection.create_function("sexton_bounded", 1, keys.bounded, deterministic=True)
    _write_ahead(connection)
    for pragma in _SQLITE_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _before_connecting(_dialect: object, _record: object, arguments: list[Any], _more: object) -> None:
    require_file(str(arguments[0]) if arguments else ":memory:")


def _make_file(_dialect: object, _record: object, arguments: list[Any], _more: object) -> None:
    """SQLite makes files as the umask says, and -wal and -shm like the file itself: so it finds ours there (SEC-5)."""
    name = str(arguments[0]) if arguments else ":memory:"
    path, _, query = name.partition("?")
    if not name.startswith(("file:", ":")):
        provide(name)
    elif path.startswith("file:") and path != "file::memory:" and _made_by(parse_qs(query)):
        provide(unquote(path.removeprefix("file:").removeprefix("//")))


def _made_by(query: Mapping[str, list[str]]) -> bool:
    """Whether SQLite would make the file that a URI names."""
    return query.get("mode", ["rwc"]) == ["rwc"] and "memdb" not in query.get("vfs", [])


def require_file(path: str) -> None:
    """SQLite makes what it does not find; a reader of a mistyped name would see an empty database.

    DatabaseUnreachable where there is no such file.
    """
    if not path.startswith((":", "file:")) and not os.path.exists(path):
        raise DatabaseUnreachable(f"there is no SQLite file {path}; run: sexton migrate, which makes it")


def _write_ahead(connection: Any) -> None:
    """Turn a new file to WAL: when several processes do so at once, SQLite refuses all but one without waiting."""
    end = time.monotonic() + SQLITE_BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(random.uniform(0.001, 0.02))
        else:
            return


def _refuse(reason: str) -> int:
    last_function_error.reason = reason
    raise ValueError(reason)


def _begin_sqlite(connection: Connection) -> None:
    read_only = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if read_only else 'OFF'}")
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


@contextmanager
def read_only(engine: Engine) -> Iterator[Connection]:
    """One transaction that sees one snapshot and cannot write: previews, history, checks.

    HeldElsewhere when a table stays locked, by a migration for instance; DatabaseUnreachable.
    """
    with connection_errors_translated(engine), _locked_as_unreachable(), engine.connect() as connection:
        reading = connection.execution_options(**{READ_ONLY: True})
        with reading.begin():
            yield reading


@contextmanager
def _locked_as_unreachable() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if classify(error) is not Fault.LOCKED:
            raise
        raise HeldElsewhere(f"blocked: a table is locked by others ({describe(error)}); try again later") from error


@contextmanager
def connection_errors_translated(engine: Engine) -> Iterator[None]:
    """Turn "cannot connect" inside the block into DatabaseUnreachable, which names host and database only."""
    try:
        yield
    except DBAPIError as error:
        if type(error.orig).__name__ == "ProgrammingError" and sqlstate(error) is None:
            # The driver refused what the URL asks for, before it connected.
            raise SettingsError(f"database: {scrubbed(_first_words(error))}") from error
        if classify(error) is not Fault.GONE:
            raise
        raise DatabaseUnreachable(f"{place(engine.url)} cannot be reached: {scrubbed(_first_words(error))}") from error


def _first_words(error: DBAPIError) -> str:
    words = describe(error)
    return words if len(words) <= 160 else words[:157] + "..."
