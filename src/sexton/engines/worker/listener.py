"""PostgreSQL's NOTIFY as something to select on. It only wakes faster: who cannot listen looks once a second."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ...db.notify import NOTIFY_CHANNEL


class Listener:
    """One connection of our own that listens. Errors of the driver pass."""

    def __init__(self, engine: Engine, channel: str = NOTIFY_CHANNEL) -> None:
        words, options = engine.dialect.create_connect_args(engine.url)
        # No connection of the pool: it has no transaction, and it is never given back.
        connection: Any = engine.dialect.connect(*words, **{"connect_timeout": 5, **options})
        connection.autocommit = True
        connection.execute(f"LISTEN {channel}")
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


def heard_by(engine: Engine, listener: Listener | None, channel: str) -> tuple[Listener | None, list[bytes]]:
    """What a listener heard, and the listener; one that is missing or lost is made anew. None: here nobody can listen.

    A new one may have missed something: whoever calls looks when he has one that he had not.
    """
    if engine.dialect.name != "postgresql":
        return None, []
    try:
        if listener is None or listener.closed:
            return Listener(engine, channel), [b""]
        return listener, listener.heard()
    except Exception as error:  # the driver's own errors: it cannot listen here, or no more
        if not isinstance(error, OSError | SQLAlchemyError) and not type(error).__module__.startswith("psycopg"):
            raise
        if listener is not None:
            listener.close()
        return None, []
