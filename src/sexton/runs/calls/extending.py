"""Extend the claims of calls that say they are alive (`Attempt.heartbeat`), fenced by the claims; or end the calls.

A claim that is extended covers more than the one sign of life: those within the next third of its lease write nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from math import inf

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ...calls import destinations
from ...calls.claim_store import RECORDING_SECONDS, ClaimStore, lease_end
from ...calls.claimed_row import ClaimedRow
from ...db.faults import Fault, describe, while_changing
from ...db.server_clock import ask_now
from ..context import RunContext
from ..outcome import PASSING
from .call_threads import CallTask
from .claim_transaction import claim_transaction

WAIT_SECONDS = 0.05
"""Seconds that extending waits for a row that others hold: calls that have ended are to be recorded meanwhile."""

REST_SECONDS = 0.25
"""Seconds after which a claim that could not be extended is tried again, until its call is over."""


class Extending:
    """Extends for one step of a run. timeout: of a call, seconds.  at: the run's time at a monotonic time."""

    def __init__(self, context: RunContext, store: ClaimStore, timeout: float, at: Callable[[float], datetime]) -> None:
        self._context, self._store, self._at = context, store, at
        self._spare = (timeout + RECORDING_SECONDS) / 3
        self._again = -inf

    def answer(self, tasks: Sequence[CallTask]) -> None:
        """Calls that wait for an answer get theirs, but those whose rows others hold just now."""
        if time.monotonic() >= self._again:
            for task in tasks:
                if task.end.asks:
                    self._answer(task)

    def next_try(self, tasks: Sequence[CallTask]) -> float:
        """Monotonic time at which a call that waits gets an answer; far away without one."""
        return self._again if any(task.end.asks for task in tasks) else inf

    def _answer(self, task: CallTask) -> None:
        now = time.monotonic()
        covered = task.end.farthest(now, self._spare)
        try:
            with claim_transaction(self._context, WAIT_SECONDS) as connection:
                ours = self.extend(connection, task.rows[task.answered :], covered - now)
        except DBAPIError as error:
            self._not_now(task, error)
            return
        if ours:
            task.end.grant(covered)
        else:
            task.end.cancel("its rows are no longer its own")

    def extend(self, connection: Connection, rows: Sequence[ClaimedRow], seconds: float) -> int:
        """How many of them are still ours. seconds: from now on to the farthest end of the call."""
        ours = self._store.extend(connection, rows, lease_end(ask_now(connection), seconds))
        if ours:
            at = self._at(time.monotonic())
            destinations.prolong_probe(connection, rows[0].destination, rows[0].token, lease_end(at, seconds), at)
        return ours

    def _not_now(self, task: CallTask, error: DBAPIError) -> None:
        now = time.monotonic()
        if while_changing(error) in (*PASSING, Fault.CANCELLED) and now < task.end.ends:
            self._again = now + REST_SECONDS
        else:
            task.end.cancel(f"its claim could not be extended: {describe(error)}")
