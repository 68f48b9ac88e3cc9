"""Runs whose process is gone: closed by the worker, which saw how it ended, so that their lease is free at once."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ...errors import LeaseLost, SextonError
from ...runs.hard_limit import OVERDUE
from ...runs.runner import record_unstartable
from ...slots.claim import ClaimRequest, close
from ...slots.lease import Lease, of_job
from .executor import KILL, Assignment

CLOSING_SECONDS = 120.0
"""Seconds that closing is tried; the server may still be busy with what the dead process asked for last."""


class Left(NamedTuple):
    """A run without a process. close: puts its end on record.  since: monotonic time at which that was seen."""

    close: Callable[[], object]
    since: float


class OrphanedRuns:
    """The runs to close. seconds: length of their leases.  definition: of the settings, for runs that never began."""

    def __init__(self, engine: Engine, seconds: float, definition: str) -> None:
        self._engine = engine
        self._seconds = seconds
        self._definition = definition
        self._left: list[Left] = []

    @property
    def waits(self) -> bool:
        """Whether something is still to be closed."""
        return bool(self._left)

    def take(self, left: Assignment) -> dict[str, Any]:
        """An executor ended in the middle of this; what to say about it.

        When its end came before the run was claimed, while the work was loaded, the run is on record all the same.
        When it came before it heard of the run, that says nothing about the job: the slot is tried again.
        """
        code, claimed, due = (left.outcome or {}).get("code", 0), left.claimed or {}, left.due
        overdue = time.monotonic() >= left.ends - KILL
        state, error = ("timed_out", OVERDUE) if overdue else ("failed", _words(code))
        if claimed:
            lease = Lease(of_job(due.job.name), claimed["holder"], claimed["epoch"], self._seconds, 0.0)
            end: Callable[[], object] = partial(close, self._engine, claimed["run"], lease, state, None, error)
        else:
            error = f"while its work was loaded: {error}"
            if not left.begun:
                state, error = "cancelled", f"before it began: {_words(code)}"
            wanted = ClaimRequest.of(due, self._definition, self._seconds)
            end = partial(record_unstartable, self._engine, wanted, SextonError(error), state)
        self._left.append(Left(end, time.monotonic()))
        self.try_again()
        return {"job": due.job.name, "run": claimed.get("run"), "state": state, "error": error}

    def try_again(self) -> None:
        """Close what can be closed now."""
        for left in list(self._left):
            try:
                left.close()
            except LeaseLost:
                pass  # closed already, by itself or by a successor
            except (SQLAlchemyError, SextonError):
                if time.monotonic() - left.since < CLOSING_SECONDS:
                    continue
            self._left.remove(left)


def _words(code: int) -> str:
    if code >= 0:
        return f"its process ended by itself with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"its process was ended by {name}"
