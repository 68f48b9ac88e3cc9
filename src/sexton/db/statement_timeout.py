"""A limit for statements, and their end before it.

SQLite has no statement_timeout: its virtual machine is interrupted from inside.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ..errors import TimedOut
from ..jobs.duration import duration_words
from .faults import Fault, classify

CANCEL_SECONDS = 5.0
"""Seconds that a server may take to hear that a statement is to end."""

_END = "sexton_end"
"""In the connection's notes: when its statements are interrupted; blocks may stand inside each other."""

_STEPS = 5_000
"""Virtual machine steps between two looks at the clock; some tens of microseconds."""


def canceller(connection: Connection) -> Callable[[], object]:
    """A call that ends, from any thread, the statement which this connection executes then."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        return driver.interrupt  # type: ignore[no-any-return]
    return partial(driver.cancel_safe, timeout=CANCEL_SECONDS)


@contextmanager
def limited_time(connection: Connection, seconds: float) -> Iterator[None]:
    """Inside the block, and to the end of the transaction, no statement takes longer; on SQLite all together."""
    if connection.dialect.name == "postgresql":
        limit = {"limit": f"{seconds * 1000:.0f}ms"}
        connection.execute(text("SELECT set_config('statement_timeout', :limit, true)"), limit)
    with statement_limit(connection, seconds):
        yield


@contextmanager
def answered_in_time(connection: Connection, seconds: float, what: str, advice: str) -> Iterator[None]:
    """The same for a question of people. TimedOut says what took longer than that, and what they can do (SEC-24)."""
    try:
        with limited_time(connection, seconds):
            yield
    except DBAPIError as error:
        if classify(error) is not Fault.CANCELLED:
            raise
        raise TimedOut(f"{what} took longer than {duration_words(seconds)}; {advice}") from error


@contextmanager
def statement_limit(connection: Connection, seconds: float) -> Iterator[None]:
    """Inside the block, statements on a SQLite connection fail with "interrupted" after `seconds` in all.

    PostgreSQL has statement_timeout; there the block does nothing.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    outer = connection.info.get(_END)
    end = min(time.monotonic() + seconds, outer or inf)
    _interrupt_at(connection, end)
    try:
        yield
    finally:
        if not connection.invalidated:  # to ask a lost one would put another error before the one that lost it
            _interrupt_at(connection, outer)


def _interrupt_at(connection: Connection, end: float | None) -> None:
    """The end of the innermost block that still lasts, by the monotonic clock; None: there is no such block."""
    driver: Any = connection.connection.driver_connection
    connection.info[_END] = end
    if end is None:
        driver.set_progress_handler(None, 0)
    else:
        driver.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
