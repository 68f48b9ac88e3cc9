"""Who waits for a lock, as the server sees it."""

from __future__ import annotations

from sqlalchemy import Engine, text

_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


def somebody_waits(engine: Engine) -> bool:
    """Whether anybody in this database waits for somebody's lock. PostgreSQL only."""
    with engine.connect() as connection:
        return bool(connection.execute(_WAITING).scalar())
