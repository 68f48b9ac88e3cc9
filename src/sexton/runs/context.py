"""What a run carries along: its claim, its limits, its deadline, the wish to stop, and what it has counted so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from traceback import clear_frames
from typing import Protocol

from sqlalchemy import BindParameter, Connection, Engine, Update, bindparam, update

from ..db.statement_timeout import canceller, statement_limit
from ..db.tables import own_tables
from ..errors import Stopped, TimedOut
from ..guard.allowance import Allowance
from ..jobs.rollup_scope import EVERY_RUN, RollupScope
from ..run_counts import Counts
from ..run_state import OutcomeCode
from ..slots.claim import Claim, fenced
from ..slots.ending import counts_columns
from .stop_signals import Stop
from .throttle import Throttle


@dataclass(frozen=True, slots=True)
class Limits:
    """How a run behaves towards its neighbours; all in seconds, but for rows. Defaults as in settings `[run]`.

    batch: aim for the length of a batch.  rows: of the first batch.  row_limit: rows a step may take in all.
    lock_wait: longest wait for a locked row in the last pass.  statement: longest statement.
    replica_lag, pause_while: see `Throttle`.  tracebacks: keep those of functions that fail.
    """

    lease: float = 10.0
    renew: float = 3.0
    batch: float = 0.012
    rows: int = 500
    lock_wait: float = 0.25
    statement: float = 5.0
    row_limit: int | None = None
    replica_lag: float | None = None
    pause_while: str | None = None
    tracebacks: bool = True


class Watcher(Protocol):
    """Told about progress; for a progress bar, never for decisions."""

    def __call__(self, step: str, counts: Counts) -> None:
        """A batch of `step` was committed; `counts` are its step's so far."""
        ...


def no_watcher(step: str, counts: Counts) -> None:
    """The watcher that does not watch."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception that ended a run. place: "file:line in function" of the product's code.

    place, traceback: None where `[run] tracebacks` is off, or where no code of the product had part in it.
    """

    error: BaseException
    place: str | None = None
    traceback: str | None = None

    def forget(self) -> None:
        """Let go of what the function held: its frames know, by their callers, who holds this."""
        with suppress(Exception):  # an error may be odd in any way
            clear_frames(self.error.__traceback__)


@dataclass(slots=True)
class RunContext:
    """One claimed run while it is executed. deadline: monotonic time at which it is over."""

    engine: Engine
    claim: Claim
    limits: Limits
    deadline: float
    stop: Stop
    watch: Watcher = no_watcher
    steps: dict[str, Counts] = field(default_factory=dict)
    batches: int = 0
    throttle: Throttle = field(init=False)
    rollup: RollupScope = EVERY_RUN
    """Which windows its roll-ups compute."""
    allowance: Allowance | None = None
    """What the step takes rows by, beyond its limits."""
    notes: list[str] = field(default_factory=list)
    """What history says about a run that went well, beside what it left behind."""
    code: OutcomeCode | None = None
    """Why it went as it did, where programs ask."""
    failure: Failure | None = None
    """The exception that ended it, when nobody foresaw it."""
    left_behind: list[str] = field(default_factory=list)
    """Why rows are still there, in lines for people: the run is partial."""
    failures: list[str] = field(default_factory=list)
    """The same, where it cannot go on like this: the run has failed, though each of its steps went through."""

    def __post_init__(self) -> None:
        self.throttle = Throttle(self.engine, self.limits.replica_lag, self.limits.pause_while)

    def check(self) -> None:
        """Between batches: Stopped when somebody asked, TimedOut past the deadline. Rests while others need it."""
        self._end()
        self.throttle.hold(self._rest)

    def _end(self) -> None:
        if self.stop.asked:
            raise Stopped(self.stop.reason)
        if self.left() <= 0:
            raise TimedOut("its timeout passed")

    def _rest(self, seconds: float) -> None:
        """Wait, and keep the lease meanwhile. LeaseLost, Stopped, TimedOut."""
        self.stop.wait(seconds)
        self._end()
        with self.transaction(lock=seconds, statement=seconds):
            pass  # the fence renews

    def left(self) -> float:
        """Seconds to the deadline."""
        return self.deadline - time.monotonic()

    @contextmanager
    def transaction(self, *, lock: float, statement: float) -> Iterator[Connection]:
        """A fenced data transaction. lock, statement: how long it may wait for a lock, and run, in seconds."""
        statement = max(min(statement, self.left()), 0.001)
        settings = {
            "lock_timeout": milliseconds(lock),
            "statement_timeout": milliseconds(statement),
            # A holder that froze inside a transaction must not keep its successor waiting longer than the lease.
            "idle_in_transaction_session_timeout": milliseconds(self.limits.lease * 0.8),
        }
        with (
            fenced(self.engine, self.claim, settings, renew_after=self.limits.renew) as connection,
            statement_limit(connection, statement),
            self._cancellable(connection),
        ):
            yield connection

    @contextmanager
    def _cancellable(self, connection: Connection) -> Iterator[None]:
        """Ctrl-C ends the statements inside the block."""
        self.stop.cancel = canceller(connection)
        try:
            yield
        finally:
            self.stop.cancel = None

    def record(self, connection: Connection) -> None:
        """Write progress into the run row, in the transaction that makes it true."""
        if self.allowance is not None:
            self.allowance.spend(connection, self.steps[self.allowance.step])
        columns = {f"now_{name}": value for name, value in counts_columns(self.steps).items()}
        progress = {"run": self.claim.run_id, "now_batches": self.batches + 1, **columns}
        connection.execute(_progress(connection.dialect.name), progress)


@cache
def _progress(dialect: str) -> Update:
    runs = own_tables(dialect).runs
    values: dict[str, BindParameter[object]] = {
        name: bindparam(f"now_{name}") for name in ("batches", *counts_columns({}))
    }
    return update(runs).where(runs.c.id == bindparam("run")).values(values)


def milliseconds(seconds: float) -> str:
    """As PostgreSQL's settings of time are written, at least one: 0 would be no limit."""
    return f"{max(int(seconds * 1000), 1)}ms"


def deadline_after(limit: timedelta, monotonic: Callable[[], float] = time.monotonic) -> float:
    """The monotonic time `limit` from now."""
    return monotonic() + limit.total_seconds()
