"""A limit for statements, and their end before it.

SQLite has no statement_timeout: its virtual machine is interrupted from inside.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import Connection, text

CANCELLING = 5.0
"""Seconds that a server may take to hear that a statement is to end."""

_STEPS = 5_000
"""Virtual machine steps between two looks at the clock; some tens of microseconds."""


def canceller(connection: Connection) -> Callable[[], object]:
    """A call that ends, from any thread, the statement which this connection executes then."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        return driver.interrupt  # type: ignore[no-any-return]
    return partial(driver.cancel_safe, timeout=CANCELLING)


@contextmanager
def limited(connection: Connection, seconds: float) -> Iterator[None]:
    """Inside the block, and to the end of the transaction, no statement takes longer; on SQLite all together."""
    if connection.dialect.name == "postgresql":
        limit = {"limit": f"{seconds * 1000:.0f}ms"}
        connection.execute(text("SELECT set_config('statement_timeout', :limit, true)"), limit)
    with statement_limit(connection, seconds):
        yield


@contextmanager
def statement_limit(connection: Connection, seconds: float) -> Iterator[None]:
    """Inside the block, statements on a SQLite connection fail with "interrupted" after `seconds` in all.

    PostgreSQL has statement_timeout; there the block does nothing.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    end = time.monotonic() + seconds
    driver.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)
