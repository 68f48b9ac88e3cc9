"""Wake a worker that waits: PostgreSQL's NOTIFY, delivered with the commit. Elsewhere workers look once a second."""

from __future__ import annotations

from sqlalchemy import Connection, text

CHANNEL = "sexton_wake"
"""Workers LISTEN on it; a pooler may swallow it, so they look once a second anyway."""


def wake(connection: Connection, what: str = "") -> None:
    """Tell workers at the end of this transaction. what: number of a queued run, or empty for a changed schedule."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_notify(:channel, :what)"), {"channel": CHANNEL, "what": what})
