"""Wake workers that sleep for want of requests: only while one says that it does, as each NOTIFY makes commits wait.

A worker says so in its row, commits that, looks once more, and sleeps: whoever commits after that look rings.
"""

from __future__ import annotations

from functools import cache

from sqlalchemy import Connection, Select, func, literal, select, text

from ..db.notify import REQUESTS_CHANNEL
from ..db.server_clock import database_now
from ..db.tables import own_tables


def wake_idle(connection: Connection, engine: str) -> None:
    """Ring at the end of this transaction, if somebody sleeps. engine: whose workers, or whose scheduler."""
    if connection.dialect.name == "postgresql":
        connection.execute(_ring(), {"engine": engine})


@cache
def _ring() -> Select[tuple[object]]:
    workers = own_tables("postgresql").workers
    sleeping = select(literal(1)).where(
        workers.c.idle, workers.c.engine == text(":engine"), workers.c.expires_at > database_now("postgresql")
    )
    return select(func.pg_notify(REQUESTS_CHANNEL, "")).where(sleeping.exists())
