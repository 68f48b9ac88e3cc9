"""A private PostgreSQL with durability on, and quick identical copies of a filled database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from sqlalchemy.engine import make_url

from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.testing import postgres

from .quiet import undisturbed

T = TypeVar("T")

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "3GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "30min",
    "autovacuum": "on",
}


def durable_server(**more: str) -> postgres.Server:
    """A server that flushes every commit. `more`: further settings."""
    return postgres.start(15, under=None, **{**SETTINGS, **more})


def connect(url: str) -> psycopg.Connection[Any]:
    """A plain connection in autocommit, for filling tables and for the other side of a comparison."""
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(address, autocommit=True)


def create_template(server: postgres.Server, name: str) -> str:
    """An empty database with Sexton's own tables."""
    server.drop_database(name)
    url = server.create_database(name)
    engine = open_database(url)
    migrate(engine)
    engine.dispose()
    with connect(url) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
    return url


def on_fresh_copy(server: postgres.Server, template: str, measure: Callable[[str], T]) -> T:
    """`measure(url)` on a copy of `template`, in memory and checkpointed, undisturbed; dropped afterwards."""

    def prepare() -> None:
        server.drop_database("round")
        with connect(server.create_database("round", template)) as connection:
            connection.execute(
                "SELECT pg_prewarm(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE c.relkind IN ('r', 'i') AND n.nspname IN ('public', 'sexton')"
            )
            connection.execute("CHECKPOINT")

    try:
        return undisturbed(lambda: measure(server.url_of("round")), prepare, server.pid)
    finally:
        server.drop_database("round")


def scalar(connection: psycopg.Connection[Any], statement: str, *values: object) -> Any:
    """The one value of a query."""
    row = connection.execute(statement.encode(), values).fetchone()
    assert row is not None
    return row[0]


def wal_position(url: str) -> float:
    """Bytes of write-ahead log inserted so far."""
    with connect(url) as connection:
        return float(scalar(connection, "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))
