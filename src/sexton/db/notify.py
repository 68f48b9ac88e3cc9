"""PostgreSQL's NOTIFY, delivered with the commit, once a transaction. Elsewhere workers look once a second.

Any role that may connect can notify: what is heard is a hint, and never more than a reason to look (SEC-2).
"""

from __future__ import annotations

from sqlalchemy import Connection, text

NOTIFY_CHANNEL = "sexton_wake"
"""Workers LISTEN on it; a pooler may swallow it, so they look once a second anyway."""

REQUESTS_CHANNEL = "sexton_requests"
"""Whoever takes requests listens on this one: they come by thousands, and no schedule changes by them."""


def notify(connection: Connection, what: str = "") -> None:
    """Tell workers at the end of this transaction. what: a hint of `slots.wake`; empty: look at everything."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_notify(:channel, :what)"), {"channel": NOTIFY_CHANNEL, "what": what})
