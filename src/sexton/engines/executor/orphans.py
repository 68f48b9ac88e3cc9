"""Runs whose process is gone: closed by whoever saw how it ended, so that their lease is free at once."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from ...app import App
from ...errors import LeaseLost, SextonError
from ...run_state import NoRun, OutcomeCode, RunState
from ...runs.hard_limit import OVERDUE
from ...runs.outcome import Outcome
from ...slots.claim import close
from ...slots.ending import Ending
from ...slots.late_closing import close_late
from ...slots.lease import Lease, of_job
from ..contract import unstartable
from .assignments import Assignment
from .process import KILL

CLOSING_SECONDS = 120.0
"""Seconds that closing is tried; the server may still be busy with what the dead process asked for last."""

LATE_SECONDS = 86_400.0
"""Seconds that it is tried when the database is away: nobody else knows that the job is not to blame."""


class Left(NamedTuple):
    """A run without a process. close: puts its end on record.  since: monotonic time at which that was seen.

    patience: seconds for which it is tried.
    """

    job: str
    close: Callable[[], object]
    since: float
    patience: float = CLOSING_SECONDS


class OrphanedRuns:
    """The runs to close, of the app's jobs."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._left: list[Left] = []

    @property
    def waits(self) -> bool:
        """Whether something is still to be closed."""
        return bool(self._left)

    def includes(self, job: str) -> bool:
        """Whether a run of this job is still to be closed."""
        return any(left.job == job for left in self._left)

    def take(self, left: Assignment) -> Outcome:
        """An executor ended in the middle of this: how that counts, on record as soon as it can be.

        When its end came before the run was claimed, while the work was loaded, the run is on record all the same.
        When it came before it heard of the run, that says nothing about the job: the slot is tried again.
        """
        code, claimed, due = (left.outcome or {}).get("code", 0), left.claimed or {}, left.due
        overdue = time.monotonic() >= left.ends - KILL
        ending = OVERDUE if overdue else Ending(RunState.FAILED, _words(code), code=OutcomeCode.PROCESS_DIED)
        if claimed:
            lease = self._lease(left)
            end: Callable[[], object] = partial(close, self._app.database, claimed["run"], lease, ending, None)
        else:
            ending = replace(ending, error=f"while its work was loaded: {ending.error}")
            if not left.begun:
                ending = Ending(RunState.CANCELLED, f"before it began: {_words(code)}", code=OutcomeCode.NO_PROCESS)
            end = partial(unstartable, self._app, due, SextonError(ending.error), ending)
        self._left.append(Left(due.job, end, time.monotonic()))
        self.try_again()
        return Outcome(due.job, ending.state, claimed.get("run"), error=ending.error, code=ending.code)

    def lost(self, left: Assignment) -> None:
        """A run came to its end; where its process could not close it, for want of the database, do that later."""
        outcome, claimed = left.outcome or {}, left.claimed
        if outcome.get("state") != NoRun.UNREACHABLE or not claimed:
            return
        ending = Ending(RunState.CANCELLED, outcome["error"], code=OutcomeCode.DATABASE_LOST)
        end = partial(close_late, self._app.database, claimed["run"], self._lease(left), ending)
        self._left.append(Left(left.due.job, end, time.monotonic(), LATE_SECONDS))

    def _lease(self, left: Assignment) -> Lease:
        claimed = left.claimed or {}
        return Lease(of_job(left.due.job), claimed["holder"], claimed["epoch"], self._app.limits().lease, 0.0)

    def try_again(self) -> None:
        """Close what can be closed now."""
        for left in list(self._left):
            try:
                left.close()
            except LeaseLost:
                pass  # closed already, by itself or by a successor
            except (SQLAlchemyError, SextonError):
                if time.monotonic() - left.since < left.patience:
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
