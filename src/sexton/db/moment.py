"""The database's clock: the one judge of leases, and the source of a run's frozen time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from .types import UtcDateTime


class database_now(FunctionElement[datetime]):  # noqa: N801 (reads as the SQL function it is)
    """The instant this expression is evaluated: wall time of the server, not the start of the transaction.

    With an argument, that many seconds later: `database_now(10)`.
    """

    type = UtcDateTime()
    inherit_cache = True


@compiles(database_now, "postgresql")
def _postgresql(element: database_now, compiler: SQLCompiler, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f"(clock_timestamp() + {seconds} * interval '1 second')" if seconds else "clock_timestamp()"


@compiles(database_now, "sqlite")
def _sqlite(element: database_now, compiler: SQLCompiler, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    shift = f", ({seconds}) || ' seconds'" if seconds else ""
    return f"(strftime('%Y-%m-%d %H:%M:%f', 'now'{shift}) || '000')"


def ask_now(connection: Connection) -> datetime:
    """The database's time, aware, UTC; microseconds on PostgreSQL, milliseconds on SQLite."""
    instant: datetime = connection.execute(select(database_now())).scalar_one()
    return instant


def skew(connection: Connection, local: datetime | None = None) -> float:
    """Seconds this machine's clock is ahead of the database's (negative: behind)."""
    here = local if local is not None else datetime.now(UTC)
    return (here - ask_now(connection)).total_seconds()


def lies_ahead(instant: ColumnElement[datetime], seconds: float) -> ColumnElement[bool]:
    """Whether `instant` is more than `seconds` in the database's future."""
    return instant > database_now(seconds)
