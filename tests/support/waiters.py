"""Who waits for a lock, as the server sees it; and waits of our own that are long enough."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, event, text

from .patience import PATIENCE

_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


def somebody_waits(engine: Engine) -> bool:
    """Whether anybody in this database waits for somebody's lock. PostgreSQL only."""
    with engine.connect() as connection:
        return bool(connection.execute(_WAITING).scalar())


def wait_for_writers(engine: Engine) -> None:
    """From now on a writer of SQLite is waited for, who may stand still in the middle of his transaction."""

    def patiently(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000:.0f}").close()

    event.listen(engine, "connect", patiently)
    engine.dispose()  # connections made before do not wait
