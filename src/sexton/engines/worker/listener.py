"""PostgreSQL's NOTIFY as something to select on. It only wakes faster: who cannot listen looks once a second."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from ...db.notify import NOTIFY_CHANNEL


class Listener:
    """One connection of our own that listens. Errors of the driver pass."""

    def __init__(self, engine: Engine) -> None:
        words, options = engine.dialect.create_connect_args(engine.url)
        # No connection of the pool: it has no transaction, and it is never given back.
        connection: Any = engine.dialect.connect(*words, **{"connect_timeout": 5, **options})
        connection.autocommit = True
        connection.execute(f"LISTEN {NOTIFY_CHANNEL}")
        self._connection = connection

    @property
    def closed(self) -> bool:
        """Whether the connection is lost."""
        return bool(self._connection.closed)

    def fileno(self) -> int:
        """For select."""
        return int(self._connection.fileno())

    def heard(self) -> list[bytes]:
        """What was notified since the last time, not decoded: others choose their encoding, and what they send."""
        line = self._connection.pgconn
        line.consume_input()
        return [notification.extra for notification in iter(line.notifies, None)]

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
