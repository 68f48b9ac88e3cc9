"""What a function of a job on demand sees: `work(run, invoice_id)`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, event, select

from ...db.statement_timeout import canceller, statement_limit
from ...db.tables import own_tables
from ...errors import JobFailed, LeaseLost, Stopped, TimedOut
from ...requests.claimed_request import ClaimedRequest
from ...run_counts import Counts
from ..connection_watch import TRANSACTION_ENDS_ITSELF, WatchedTransaction, watched
from ..context import Limits, milliseconds
from ..process_state import in_this_process
from ..stop_signals import Stop

FENCE_SECONDS = 4.0
"""Seconds that a transaction waits for its request's row, which only a leader may look at beside us."""

TAKEN_OVER = "was taken over by another process, or somebody deleted it; nothing more was committed here"


@dataclass(slots=True)
class RunPlace:
    """Where the requests of a shift are executed. holder: who holds them.

    finish: ends a request, begun at that monotonic time, in the transaction in hand; see `transaction(finish)`.
    """

    engine: Engine
    limits: Limits
    holder: str
    stop: Stop
    finish: Callable[[ClaimedRequest, datetime, float, Connection, Counts], None]


class RequestRun:
    """One attempt at one request.

    job: its name.  request: its number.  attempt: from 1.  now: the time of the attempt, aware, UTC, by the database.
    """

    def __init__(self, request: ClaimedRequest, now: datetime, place: RunPlace, began: float, deadline: float) -> None:
        """began, deadline: monotonic times."""
        self.job = request.job
        self.request = request.id
        self.attempt = request.attempt
        self.now = now
        self.finished = False
        """Whether a transaction has ended the request with its own data."""
        self.cancelled: str | None = None
        """Who asked that it ends."""
        self.told = False
        self.changed = 0
        self.over = False
        self._place = place
        self._claimed = request
        self._began = began
        self._deadline = deadline
        self._open = threading.local()

    @contextmanager
    def transaction(self, *, finish: bool = False) -> Iterator[Connection]:
        """A transaction that commits at the end of the block, and only while this process holds the request.

        finish: the request ends with it, in the same transaction: what it writes is written exactly once, whatever
        happens to the process. Nothing after it is tried again.
        Keep it short, and never call the outside world inside. LeaseLost when the request was taken over; JobFailed
        for one inside another, or after one that finished.
        """
        if getattr(self._open, "now", False):
            raise JobFailed("run.transaction() inside another one: each would wait for the other; end one first")
        if self.finished or self.over:
            raise JobFailed("run.transaction() after the request has come to its end")
        self.check()
        self._open.now = True
        try:
            with self._fenced() as connection, in_this_process():
                written = watched(connection)
                event.listen(connection, "commit", lambda _connection: self._committing(connection, written, finish))
                yield connection
                if finish:
                    written.watching = False
                    self._finish(connection, Counts(changed=self.changed + written.rows))
            self.changed += written.rows
            self.finished = self.finished or finish
        finally:
            self._open.now = False

    def _finish(self, connection: Connection, counts: Counts) -> None:
        self._place.finish(self._claimed, self.now, self._began, connection, counts)

    @staticmethod
    def _committing(connection: Connection, written: WatchedTransaction, finish: bool) -> None:
        """The function's own `connection.commit()` is the end of the block; but that of one which finishes is ours."""
        early = finish and written.watching
        written.watching = False
        if early:  # SQLAlchemy takes a COMMIT that raises for one that was sent
            connection.connection.driver_connection.rollback()  # type: ignore[union-attr]
        if early or written.ended:
            raise JobFailed(TRANSACTION_ENDS_ITSELF)

    @contextmanager
    def _fenced(self) -> Iterator[Connection]:
        place = self._place
        left = max(self._deadline - time.monotonic(), 0.001)
        with place.engine.begin() as connection, statement_limit(connection, min(place.limits.statement, left)):
            if connection.dialect.name == "postgresql":
                self._limit(connection, min(place.limits.statement, left))
            requests = own_tables(connection.dialect.name).requests.c
            mine = select(requests.id).where(requests.id == self.request, requests.holder == place.holder)
            if connection.execute(mine.with_for_update()).first() is None:
                raise LeaseLost(f"request {self.request} {TAKEN_OVER}")
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{milliseconds(place.limits.lock_wait)}'")
            place.stop.cancel = canceller(connection)
            try:
                yield connection
            finally:
                place.stop.cancel = None

    def _limit(self, connection: Connection, seconds: float) -> None:
        idle = self._place.limits.lease * 0.8
        connection.exec_driver_sql(
            f"SET LOCAL lock_timeout = '{milliseconds(FENCE_SECONDS)}'; "
            f"SET LOCAL statement_timeout = '{milliseconds(seconds)}'; "
            f"SET LOCAL idle_in_transaction_session_timeout = '{milliseconds(idle)}'"
        )

    def check(self) -> None:
        """Call it between pieces of work: Stopped or TimedOut when the function must end."""
        if self.cancelled is not None or self._place.stop.asked:
            self.told = True
            raise Stopped(self._place.stop.reason or f"cancelled by {self.cancelled}")
        if time.monotonic() > self._deadline:
            raise TimedOut("its timeout passed")
