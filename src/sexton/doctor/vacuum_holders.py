"""PostgreSQL: who keeps dead rows and old WAL from being cleared, as far as this role may see."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from ..jobs.duration import duration_words
from .finding import Finding
from .workload import size_words

LONG_TRANSACTION_SECONDS = 600.0
"""Seconds from which an open transaction is named."""

MAX_STANDBY_LAG_SECONDS = 60.0
"""Seconds that a standby may be behind."""

MAX_SLOT_WAL_BYTES = 1024**3
"""Bytes of WAL that a slot in use may keep."""


def vacuum_holders(connection: Connection) -> Iterator[Finding]:
    """Long transactions, prepared ones, replication slots, standbys."""
    if connection.dialect.name == "sqlite":
        return
    found = [*_transactions(connection), *_prepared(connection), *_slots(connection), *_standbys(connection)]
    yield from found
    sees_all = text("SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'), quote_ident(current_user)")
    sees, role = connection.execute(sees_all).one()
    if not sees:
        words = f"transactions and standbys of others are hidden from {role}, so that they were not looked at"
        yield Finding("note", "transactions", words, f"GRANT pg_read_all_stats TO {role};")
    elif not found:
        yield Finding("ok", "transactions", "nobody holds back vacuum, or lags behind")


def _transactions(connection: Connection) -> Iterator[Finding]:
    asked = text(
        "SELECT pid, coalesce(usename, '') AS role, coalesce(nullif(application_name, ''), 'no name') AS application,"
        " state, extract(epoch FROM clock_timestamp() - xact_start) AS seconds FROM pg_stat_activity"
        " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        " AND xact_start < clock_timestamp() - make_interval(secs => :long) ORDER BY xact_start LIMIT 5"
    )
    for row in connection.execute(asked, {"long": LONG_TRANSACTION_SECONDS}):
        words = (
            f"process {row.pid} ({row.application}, role {row.role}, {row.state}) has had a transaction open for "
            f"{duration_words(float(row.seconds))}: no row deleted since is cleared; end it if nobody needs it"
        )
        yield Finding("warning", "transactions", words, f"SELECT pg_terminate_backend({row.pid});")


def _prepared(connection: Connection) -> Iterator[Finding]:
    asked = text(
        "SELECT quote_literal(gid) AS name, extract(epoch FROM clock_timestamp() - prepared) AS seconds"
        " FROM pg_prepared_xacts WHERE database = current_database()"
        " AND prepared < clock_timestamp() - make_interval(secs => :long) ORDER BY prepared LIMIT 5"
    )
    for row in connection.execute(asked, {"long": LONG_TRANSACTION_SECONDS}):
        words = f"transaction {row.name}, prepared {duration_words(float(row.seconds))} ago, holds locks and old rows"
        yield Finding("warning", "transactions", words, f"ROLLBACK PREPARED {row.name};")


def _slots(connection: Connection) -> Iterator[Finding]:
    asked = text(
        "SELECT slot_name, quote_literal(slot_name) AS name, active,"
        " CASE WHEN pg_is_in_recovery() THEN 0 ELSE coalesce(pg_current_wal_lsn() - restart_lsn, 0) END AS kept"
        " FROM pg_replication_slots WHERE restart_lsn IS NOT NULL OR xmin IS NOT NULL OR catalog_xmin IS NOT NULL"
        " ORDER BY kept DESC LIMIT 5"
    )
    for row in connection.execute(asked):
        size = size_words(float(row.kept))
        if not row.active:
            words = f"nobody reads from replication slot {row.slot_name}, which keeps {size} of WAL, and old rows"
            yield Finding("warning", "slots", words, f"SELECT pg_drop_replication_slot({row.name});")
        elif row.kept > MAX_SLOT_WAL_BYTES:
            words = f"replication slot {row.slot_name} is {size} of WAL behind: a purge at full speed makes that worse"
            yield Finding("warning", "slots", words)


def _standbys(connection: Connection) -> Iterator[Finding]:
    asked = text(
        "SELECT coalesce(nullif(application_name, ''), client_addr::text, 'no name') AS name,"
        " extract(epoch FROM replay_lag) AS seconds FROM pg_stat_replication"
        " WHERE extract(epoch FROM replay_lag) > :lag ORDER BY seconds DESC LIMIT 5"
    )
    for row in connection.execute(asked, {"lag": MAX_STANDBY_LAG_SECONDS}):
        words = f"standby {row.name} is {duration_words(float(row.seconds))} behind: a purge makes that worse"
        yield Finding("warning", "standbys", words)
