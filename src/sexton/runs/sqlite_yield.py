"""SQLite has one writer at a time and no queue: between two batches, others get their turn.

Who waits for SQLite's lock looks again after 1, 2, 5, 10, 15, 20, then every 25 ms (its busy handler), so a run that
begins its next batch at once keeps a neighbour out by luck alone for seconds. We wait until a neighbour has written
and is done, but no longer than the busy handler sleeps between two tries; seldom, while no writer waits. PostgreSQL
queues by itself.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

from sqlalchemy import Engine

from .stop_signals import Stop

NEIGHBOUR_WAIT_SECONDS = 0.027
"""Seconds to wait for a neighbour: a little more than SQLite's busy handler sleeps (25 ms) in its first 130 ms."""

NEIGHBOUR_DONE_SECONDS = 0.002
"""Seconds without a write after which the neighbour is taken to be done."""

SELDOM = 0.25
"""Seconds between two waits when nobody came lately."""


class WriterYield:
    """The turns of others during one run. `give` after each batch."""

    def __init__(self, engine: Engine, stop: Stop) -> None:
        self._engine = engine
        self._stop = stop
        self._needed = engine.dialect.name == "sqlite" and bool(engine.url.database)
        self._next = 0.0
        self._vain = 0

    def pause(self, seconds: float) -> None:
        """After a batch that took `seconds`: wait for neighbours, if there may be any."""
        if not self._needed or time.monotonic() < self._next:
            return
        self._vain = 0 if self._somebody_wrote() else self._vain + 1
        pause = min(seconds * 2**self._vain, SELDOM) if self._vain > 1 else 0
        self._next = time.monotonic() + pause

    def _somebody_wrote(self) -> bool:
        """Wait and look. Ends a moment after the last write, and after `NEIGHBOUR_WAIT_SECONDS` at the latest."""
        with closing(self._engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:

            def commits() -> Any:
                return cursor.execute("PRAGMA data_version").fetchone()  # changes with every commit of others

            seen, wrote = commits(), False
            end = rest = time.monotonic() + NEIGHBOUR_WAIT_SECONDS
            while not self._stop.wait(0.001) and time.monotonic() < min(rest, end):
                if (now := commits()) != seen:
                    seen, wrote, rest = now, True, time.monotonic() + NEIGHBOUR_DONE_SECONDS
            return wrote
