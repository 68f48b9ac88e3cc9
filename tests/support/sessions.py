"""A small product table for tests of runs and policies: sessions that expire, each with a few access rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Engine, ForeignKey, Index, MetaData, Table, Text, func, insert, select

from sexton import Job, Message, Purge, Transition, UtcDateTime, WarnOnce, ago, ahead, text_key
from sexton import now as run_time
from sexton.clock import parse_instant
from sexton.db.column_types import BigKey
from sexton.db.tables import own_tables

NOON = parse_instant("2026-06-15T12:00Z")
"""The time of most test runs."""


@dataclass(frozen=True)
class Sessions:
    """The tables on one engine, and short words for what tests do with them."""

    engine: Engine
    table: Table
    accesses: Table

    def add(self, count: int, *, age: timedelta, status: str = "open", start: int = 1, **columns: Any) -> list[int]:
        """`count` sessions that expired `age` before NOON, a second apart, oldest first; their ids."""
        ids = list(range(start, start + count))
        rows = [
            {
                "id": number,
                "status": status,
                "expires_at": NOON - age - timedelta(seconds=count - place),
                "created_at": NOON - age - timedelta(days=7),
                **columns,
            }
            for place, number in enumerate(ids)
        ]
        with self.engine.begin() as connection:
            connection.execute(insert(self.table), rows)
        return ids

    def one(self, number: int, expires_at: datetime | None, **columns: Any) -> None:
        """One session with this deadline."""
        row = {
            "id": number,
            "status": "open",
            "expires_at": expires_at,
            "created_at": NOON - timedelta(days=7),
            **columns,
        }
        with self.engine.begin() as connection:
            connection.execute(insert(self.table).values(row))

    def ids(self, **where: Any) -> list[int]:
        """Ids of the sessions, or of those with these values."""
        asked = select(self.table.c.id).order_by(self.table.c.id)
        for name, value in where.items():
            asked = asked.where(self.table.c[name] == value)
        with self.engine.connect() as connection:
            return list(connection.execute(asked).scalars())

    def effects(self) -> list[str]:
        """Keys on record, sorted."""
        effects = own_tables(self.engine.dialect.name).effects
        with self.engine.connect() as connection:
            return list(connection.execute(select(effects.c.key).order_by(effects.c.key)).scalars())

    def messages(self) -> list[str]:
        """Keys of the messages in the outbox, in the order they were written."""
        events = own_tables(self.engine.dialect.name).outbox_events
        with self.engine.connect() as connection:
            return list(connection.execute(select(events.c.key).order_by(events.c.id)).scalars())

    def runs(self) -> list[Any]:
        """Run rows, oldest first."""
        runs = own_tables(self.engine.dialect.name).runs
        with self.engine.connect() as connection:
            return list(connection.execute(select(runs).order_by(runs.c.id)))

    def count(self, table: Table | None = None) -> int:
        """Rows of a table; sessions by default."""
        asked = select(func.count()).select_from(self.table if table is None else table)
        with self.engine.connect() as connection:
            return int(connection.execute(asked).scalar_one())

    def purge(self, **options: Any) -> Job:
        """Delete sessions whose deadline has passed."""
        work = Purge(self.table, by=self.table.c.expires_at, keep="0s", kind="deadline", **options)
        return Job("shop.purge_sessions", work=work, guard=None)

    def expire(self, **options: Any) -> Job:
        """open -> expired once the deadline has passed, two messages each."""
        columns = self.table.c
        messages = tuple(
            Message("session_expired", key=text_key("session_expired", columns.id, who), payload={"id": columns.id})
            for who in ("owner", "admin")
        )
        work = Transition(
            self.table,
            {"status": "expired"},
            only=columns.status == "open",
            by=columns.expires_at,
            kind="deadline",
            tell=messages,
            **options,
        )
        return Job("shop.expire_sessions", work=work, guard=None)

    def warn(self) -> Job:
        """Tell once a deadline about sessions that end within a day."""
        columns = self.table.c
        within = (
            (columns.expires_at > run_time()) & (columns.expires_at <= ahead("1d")) & (columns.created_at <= ago("1h"))
        )
        tell = Message(
            "session_ends", key=text_key("session_ends", columns.id, columns.expires_at), payload={"id": columns.id}
        )
        return Job("shop.warn_sessions", work=WarnOnce(self.table, by=columns.expires_at, when=within, tell=tell))


def make_sessions(engine: Engine, extra: Iterable[Column[Any]] = (), *, indexed: bool = True) -> Sessions:
    """Create the tables on `engine`; `extra` columns for the sessions."""
    metadata = MetaData()
    table = Table(
        "sessions",
        metadata,
        Column("id", BigKey, primary_key=True, autoincrement=False),
        Column("status", Text, nullable=False),
        Column("expires_at", UtcDateTime),
        Column("created_at", UtcDateTime, nullable=False),
        *extra,
    )
    accesses = Table(
        "accesses",
        metadata,
        Column("id", BigKey, primary_key=True),
        Column("session_id", BigKey, ForeignKey("sessions.id"), nullable=False, index=indexed),
    )
    if indexed:
        Index("sessions_expires", table.c.expires_at, table.c.id)
    metadata.create_all(engine)
    return Sessions(engine, table, accesses)
