"""The transactions of a plain function: fenced, counted, recorded as they commit, and over when the function is.

A function may end one early by `connection.commit()`, run several in threads of its own, or forget one that is open.
Whatever it does: what was committed is counted, and nothing of it stands in the way of closing the run.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError

from ..db.faults import Fault, classify
from ..db.statement_timeout import canceller
from ..errors import JobFailed
from ..run_counts import Counts
from .connection_watch import TRANSACTION_ENDS_ITSELF, watched
from .context import RunContext, milliseconds
from .process_state import in_this_process
from .transaction_retries import TransactionRetries

FENCE = 4.0
"""Seconds that a transaction waits for the lease's row: our own thread renews it, on a disk that may be busy."""


class Transactions:
    """The transactions of one call of a function.

    counts: what its committed transactions wrote is added to `changed`.
    """

    def __init__(self, context: RunContext, counts: Counts) -> None:
        self._context = context
        self._counts = counts
        self._lock = threading.Lock()
        self._open: dict[int, Connection | None] = {}
        """By thread."""
        self._over = self._used = False

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One more. JobFailed inside another one of this thread, and when the function is over."""
        thread = threading.get_ident()
        with self._lock:
            self._allow()
            if thread in self._open:
                raise JobFailed("run.transaction() inside another one: each would wait for the other; end one first")
            self._open[thread], self._used = None, True
        try:
            with self._one(thread) as connection:
                yield connection
        finally:
            with self._lock:
                self._open.pop(thread, None)

    def _allow(self) -> None:
        if self._over:
            raise JobFailed("run.transaction() after the function has come to its end")

    @contextmanager
    def _one(self, thread: int) -> Iterator[Connection]:
        context, commit, inside = self._context, _Commit(self._context, self._counts), True
        lock, statement = context.limits.lock_wait, context.limits.statement
        try:
            with context.transaction(lock=max(lock, FENCE), statement=statement) as connection:
                _wait_no_longer_than(lock, connection)
                with self._lock:
                    self._allow()
                    self._open[thread] = connection
                commit.track(connection)
                try:
                    with in_this_process():
                        yield connection
                    inside = False
                finally:
                    commit.look(connection)
        except BaseException as error:
            # A lost answer to COMMIT is looked up in the run row, never guessed.
            lost = commit.asked and isinstance(error, DBAPIError) and classify(error) is Fault.GONE
            commit.settle(lost and TransactionRetries(context, "its tables").was_committed())
            if inside or not commit.done:
                raise
        else:
            commit.settle(True)

    def end(self) -> bool:
        """The function is over: end what is still open, of it or of its threads. Whether there was any."""
        with self._lock:
            self._over = True
            left = [connection for connection in self._open.values() if connection is not None]
        for connection in left:
            with suppress(Exception):  # it ended meanwhile, or is lost
                driver = connection.connection.driver_connection
                canceller(connection)()
                driver.rollback()  # type: ignore[union-attr]
                if connection.dialect.name == "postgresql":  # a file of SQLite may be all there is of it: in memory
                    driver.close()  # type: ignore[union-attr]
        if self._used and self._context.engine.dialect.name == "postgresql":
            # SET ROLE, SET default_transaction_read_only: what it did to its sessions must not be ours.
            self._context.engine.dispose()
        return bool(left)


def _wait_no_longer_than(seconds: float, connection: Connection) -> None:
    """For a lock, from here on: the lease is ours, and what the function wants may be in use."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{milliseconds(seconds)}'")


class _Commit:
    """The end of one transaction: what it wrote is counted, and stands in the run row with it."""

    def __init__(self, context: RunContext, counts: Counts) -> None:
        self._context = context
        self._counts = counts
        self._rows = 0
        self.done: bool | None = None
        """Whether it was committed; None: not known yet."""

    @property
    def asked(self) -> bool:
        """Whether a COMMIT was sent, or was about to be, of which it is not known how it ended."""
        return self._rows > 0 and self.done is None

    def track(self, connection: Connection) -> None:
        """The function's own `connection.commit()` is as good as the end of the block."""
        written = watched(connection)

        def record(_connection: Connection) -> None:
            written.watching = False
            if written.ended:
                raise JobFailed(TRANSACTION_ENDS_ITSELF)
            if written.rows:
                self._rows = written.rows
                self._counts.changed += self._rows
                self._context.record(connection)

        event.listen(connection, "commit", record)

    def look(self, connection: Connection) -> None:
        """At the end of the block: SQLAlchemy lets go of a transaction once its COMMIT went through."""
        if self._rows and connection.get_transaction() is None:
            self.done = True

    def settle(self, committed: bool) -> None:
        """Count for good what was committed, and only that."""
        self.done = self.done or committed
        if self.done:
            self._context.batches += self._rows > 0
        else:
            self._counts.changed -= self._rows
