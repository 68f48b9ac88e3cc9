"""What concerns every job: the server, its clock, a pooler in between, whether it may be written at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, text

from ..db.migrate import HEAD_REVISION, require_schema
from ..db.server_clock import ask_now, skew
from ..errors import SchemaOutdated
from .finding import Finding

CLOCK_WARNING, CLOCK_LIMIT = 5.0, 60.0
"""Seconds between the clocks from which it is said, and from which nothing runs."""

OLDEST_TESTED_VERSION = 150_000
"""The oldest server that Sexton is tested on, as server_version_num."""


def server(connection: Connection) -> Iterator[Finding]:
    """Version, time zone, and what forbids writing."""
    if connection.dialect.name == "sqlite":
        yield from _sqlite(connection)
        return
    row = connection.execute(
        text(
            "SELECT current_setting('server_version') AS version,"
            " CAST(current_setting('server_version_num') AS int) AS number,"
            " (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone') AS zone,"
            " (SELECT reset_val = 'on' FROM pg_settings WHERE name = 'default_transaction_read_only') AS read_only,"
            " (SELECT setting = 'on' FROM pg_settings WHERE name = 'autovacuum') AS autovacuum,"
            " pg_is_in_recovery() AS standby"
        )
    ).one()
    words = f"PostgreSQL {row.version}; time zone of sessions {row.zone}, which jobs do not depend on"
    yield Finding("ok", "server", words)
    if row.number < OLDEST_TESTED_VERSION:
        yield Finding("note", "server", "older than 15, the oldest that Sexton is tested on")
    if row.standby:
        yield Finding("wrong", "server", "this is a standby, which nobody can write to; name the primary")
    elif row.read_only:
        words = "transactions are read-only here by default (default_transaction_read_only), so that no job can run"
        yield Finding("wrong", "server", words)
    if not row.autovacuum:
        words = "autovacuum is off: what jobs delete and change never makes room for new rows"
        lines = "ALTER SYSTEM SET autovacuum = on;\nSELECT pg_reload_conf();"
        yield Finding("warning", "autovacuum", words, lines)


def _sqlite(connection: Connection) -> Iterator[Finding]:
    version = connection.execute(text("SELECT sqlite_version()")).scalar_one()
    mode = connection.execute(text("PRAGMA journal_mode")).scalar_one()
    yield Finding("ok", "server", f"SQLite {version}, journal mode {mode}")
    if mode not in ("wal", "memory"):
        words = "no write-ahead log: readers and jobs wait for each other; is the file on a network share?"
        yield Finding("warning", "server", words)
    file = connection.engine.url.database
    if file and os.path.exists(file) and not os.access(file, os.W_OK):
        yield Finding("wrong", "server", f"{file} may not be written by this account")


def clock(connection: Connection) -> Iterator[Finding]:
    """How far this machine's clock is from the database's, which judges what is due."""
    apart = skew(ask_now(connection))
    words = f"this machine's clock is {apart:+.1f} s from the database's"
    if abs(apart) > CLOCK_LIMIT:
        yield Finding("wrong", "clock", f"{words}; nothing runs from {CLOCK_LIMIT:.0f} s on; set the clocks right")
    elif abs(apart) > CLOCK_WARNING:
        yield Finding("warning", "clock", f"{words}; set the clocks right")
    else:
        yield Finding("ok", "clock", words)


def pooler(connection: Connection) -> Iterator[Finding]:
    """Whether the server process we talk to is the one that the connection was opened to."""
    if connection.dialect.name == "sqlite":
        return
    driver: Any = connection.connection.driver_connection
    if driver.info.backend_pid == connection.execute(text("SELECT pg_backend_pid()")).scalar_one():
        yield Finding("ok", "pooler", "none in between")
        return
    words = (
        "a pooler stands between, such as PgBouncer; all of Sexton works through its transaction pooling but LISTEN: "
        "a worker looks for triggers by itself, so that they start a little later"
    )
    yield Finding("note", "pooler", words)


def schema(connection: Connection) -> Iterator[Finding]:
    """Whether Sexton's own tables are there."""
    try:
        require_schema(connection)
    except SchemaOutdated as error:
        yield Finding("wrong", "schema", str(error))
    else:
        yield Finding("ok", "schema", f"Sexton's own tables are at revision {HEAD_REVISION}")
