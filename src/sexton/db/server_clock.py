"""The database's clock: the one judge of leases, and the source of a run's frozen time."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, literal_column, select

from .column_types import UtcDateTime


def database_now(dialect: str, later: float = 0) -> ColumnElement[datetime]:
    """The instant at which this expression is evaluated: wall time of the server, not the start of the transaction.

    later: that many seconds added.
    """
    if dialect == "postgresql":
        shift = f" + interval '{later:.3f} seconds'" if later else ""
        return literal_column(f"(clock_timestamp(){shift})", UtcDateTime())
    shift = f", '{later:+.3f} seconds'" if later else ""
    return literal_column(f"(strftime('%Y-%m-%d %H:%M:%f', 'now'{shift}) || '000')", UtcDateTime())


def now_of_statement(dialect: str, later: float = 0) -> ColumnElement[datetime]:
    """The same, evaluated once a statement: an index is used only by what is the same for all rows."""
    return select(database_now(dialect, later)).scalar_subquery()


def ask_now(connection: Connection) -> datetime:
    """The database's time, aware, UTC; microseconds on PostgreSQL, milliseconds on SQLite."""
    instant: datetime = connection.execute(select(database_now(connection.dialect.name))).scalar_one()
    return instant


def skew(database_time: datetime) -> float:
    """Seconds this machine's clock is ahead of a time just asked from the database (negative: behind)."""
    return (datetime.now(UTC) - database_time).total_seconds()
