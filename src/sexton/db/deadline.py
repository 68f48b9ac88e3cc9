"""A limit for statements on SQLite, which has no statement_timeout: its virtual machine is interrupted from inside."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

_STEPS = 5_000
"""Virtual machine steps between two looks at the clock; some tens of microseconds."""


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
