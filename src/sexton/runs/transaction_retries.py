"""Transactions that are tried again: after deadlocks and locks with jitter, after a lost connection by asking first."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..db.connect import place
from ..db.faults import Fault, classify, describe
from ..errors import DatabaseUnreachable, HeldElsewhere, JobFailed, TimedOut
from ..slots.claim import committed
from .context import RunContext
from .outcome import PASSING
from .sizing import MAX_BATCH_SECONDS

MAX_TRANSACTION_RETRIES = 8
"""How often one piece of work is tried again in a row; the waits between grow to 2 seconds."""

CLOCKS = 0.05
"""Seconds by which the server may end a statement before we see that the run is over."""

T = TypeVar("T")


class TransactionRetries:
    """Counts tries in a row for one step. Success sets the count back."""

    def __init__(self, context: RunContext, table: str) -> None:
        self.context = context
        self.table = table
        self.tries = 0
        self.transactions = 0

    def backoff_or_raise(self, error: DBAPIError) -> None:
        """Wait a little before the next try; give up with the error that says what to do.

        TimedOut when the run is over, HeldElsewhere when locks stood in the way, DatabaseUnreachable when nothing
        answers, else JobFailed.
        """
        fault = classify(error)
        if fault is Fault.CANCELLED:
            self.context.check()  # by Ctrl-C, or by the end of the run's time
            if self.context.left() <= CLOCKS:
                raise TimedOut("its timeout passed") from error  # the statement's limit was what was left of the run
        if fault not in PASSING:
            raise JobFailed(describe(error)) from error
        self.tries += 1
        if self.tries <= MAX_TRANSACTION_RETRIES:
            self.context.check()
            self.context.stop.wait(random.uniform(0.5, 1.0) * min(0.02 * 2**self.tries, 2.0))
            return
        if fault is Fault.LOCKED:
            raise HeldElsewhere(f"blocked: {self.table} is locked by others ({describe(error)})") from error
        if fault is Fault.GONE:
            raise DatabaseUnreachable(f"{place(self.context.engine.url)} was lost: {describe(error)}") from error
        raise JobFailed(f"still failing after {MAX_TRANSACTION_RETRIES} tries: {describe(error)}") from error

    def commit_once(self, work: Callable[[Connection], T], *, lock: float, statement: float) -> T:
        """One counted data transaction. A lost answer to COMMIT is looked up in the run row, never guessed."""
        done: list[T] = []
        self.transactions += 1
        try:
            with self.context.transaction(lock=lock, statement=statement) as connection:
                done.append(work(connection))
                self.context.record(connection)
        except DBAPIError as error:
            if not done or classify(error) is not Fault.GONE or not self.was_committed():
                raise
        self.context.batches += 1
        self.tries = 0
        return done[0]

    def was_committed(self) -> bool:
        """After a lost answer to COMMIT: whether the data transaction in hand is on record in the run row."""

        def ask() -> bool:
            return committed(self.context.engine, self.context.claim)[0] > self.context.batches

        return self._patiently(ask)

    def side_transaction(self, work: Callable[[Connection], T]) -> T:
        """A fenced transaction that changes no data of the product, tried again until it goes through."""

        def attempt() -> T:
            with self.context.transaction(
                lock=MAX_BATCH_SECONDS, statement=self.context.limits.statement
            ) as connection:
                return work(connection)

        return self._patiently(attempt)

    def look_aside(self, work: Callable[[Connection], T]) -> T | None:
        """The same for a question that may take too long: then None."""

        def attempt() -> T | None:
            try:
                with self.context.transaction(
                    lock=MAX_BATCH_SECONDS, statement=self.context.limits.statement
                ) as connection:
                    return work(connection)
            except DBAPIError as error:
                if classify(error) is not Fault.CANCELLED or self.context.left() <= CLOCKS:
                    raise
                self.context.check()
                return None

        return self._patiently(attempt)

    def _patiently(self, work: Callable[[], T]) -> T:
        while True:
            self.transactions += 1
            try:
                outcome = work()
            except DBAPIError as error:
                self.backoff_or_raise(error)
            else:
                self.tries = 0
                return outcome
