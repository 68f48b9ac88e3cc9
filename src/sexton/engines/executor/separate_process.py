"""Runs in a process beside this one, one at a time, waited for: for whoever runs what is due once.

Policies are Sexton's own statements and may run here. A function is anybody's code: it may hang in C, call os._exit, or
use up the memory. So functions run in an executor, as under the worker; when that is gone, the next run gets another.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from signal import SIGKILL, SIGTERM
from typing import Any

from ...app import App
from ...run_state import OutcomeCode
from ...runs.hard_limit import OVERDUE
from ...runs.outcome import Outcome
from ...runs.stop_signals import Stop
from ...slots.claim import holder_name
from ...slots.due_run import DueRun
from ...slots.lease import short_transaction
from ..contract import not_begun
from .assignments import Assignment, ShiftAssignment
from .messages import outcome_of
from .orphans import OrphanedRuns
from .process import Executor

CLOSING = 10.0
"""Seconds for which the run of an executor that is gone is tried to be closed; then the next start does it."""

SHIFT = 1.0
"""Seconds of one shift of requests."""

CLOCK_POLL_SECONDS = 1.0
"""Seconds between two looks at the clock while an executor is busy."""


class SeparateProcess:
    """One executor; it is started with the first run, and again after it died."""

    def __init__(self, app: App, executor: Executor, stop: Stop) -> None:
        self._app = app
        self._stop = stop
        self._executor = executor
        self._orphans = OrphanedRuns(app)
        self._holder = ""

    def run(self, due: DueRun, *, quiet: bool) -> tuple[Outcome, bool]:
        """Run it. quiet: the executor writes no line of log.  Also: whether it has told the end itself."""
        executor = self._executor
        self._await_idle()
        if self._stop.asked:
            return not_begun(due, self._stop.reason, OutcomeCode.STOPPED), False
        if not executor.alive:
            why = f"its process could not start: {executor.failure}"
            return not_begun(due, why, OutcomeCode.NO_PROCESS), False
        executor.give(due, self._app.registry.get(due.job).time_limit.total_seconds(), quiet=quiet)
        done = None
        while done is None:
            done = next(self._heard(self._stop.asked), None)
        said: dict[str, Any] = done.outcome or {}
        if said["event"] == "ended":
            self._orphans.lost(done)
            self._close()
            return outcome_of(said), not quiet
        return self._gone(done), not quiet and done.last_word is not None

    @property
    def number(self) -> int | None:
        """Of the queued run that it has; None: of none."""
        assignment = self._executor.assignment
        return assignment.due.queued if assignment is not None else None

    def ask_to_end(self) -> None:
        """Let the run in hand end its batch, from any thread."""
        self._executor.signal(SIGTERM)

    def work(self, until: float, engine: str) -> bool:
        """Let it take the requests that wait, until none does or `until` (monotonic); False when it cannot."""
        while not self._stop.asked and time.monotonic() < until:
            shift = self._shift(lambda holder: self._executor.give_shift(holder, SHIFT, self._longest()), engine)
            if shift is None:
                return False
            if not shift.more and not shift.gone:
                return True
        return True

    def take(self, ids: Sequence[int], engine: str) -> bool:
        """Let it take those of these requests that are free; False when no process could be had.

        What a process had that is gone waits again at once, as whoever leads would see to later.
        """

        def give(holder: str) -> None:
            self._executor.give_requests(ids, engine, holder, self._longest())

        return self._shift(give, engine) is not None

    def _shift(self, give: Callable[[str], None], engine: str) -> ShiftAssignment | None:
        """One shift of the process, to its end; None when no process could be had."""
        executor = self._executor
        self._await_idle()
        if self._stop.asked or not executor.alive:
            return None
        self._holder = self._holder or holder_name()
        give(self._holder)
        shift = executor.shift
        while shift is not None and not shift.over:
            for _ in self._heard(self._stop.asked):
                pass
        executor.shift = None
        if shift is not None and shift.gone:
            from ...requests.upkeep import process_gone  # cron lines need not load it

            with short_transaction(self._app.database, self._app.limits().lease) as connection:
                process_gone(connection, self._holder, engine, shift.in_hand, OVERDUE if shift.overdue else None)
            self._holder = ""
        return shift

    def _longest(self) -> float:
        asked = (job.time_limit.total_seconds() for job in self._app.registry if job.on_demand is not None)
        return max(asked, default=0.0)

    def _await_idle(self) -> None:
        self._executor.start()
        while self._executor.alive and not self._executor.idle:
            self._heard(self._stop.asked)

    def _heard(self, asked: bool) -> Iterator[Assignment]:
        """Wait for what the executor says next; end it when it is overdue, and with us."""
        executor = self._executor
        if asked:
            executor.signal(SIGTERM)
        if executor.overdue():
            executor.signal(SIGKILL)
        assert executor.line is not None
        sources: list[Any] = [executor.line] if asked else [executor.line, self._stop]
        ready, _, _ = select.select(sources, [], [], CLOCK_POLL_SECONDS)
        return iter(list(executor.read()) if executor.line in ready else [])

    def _gone(self, done: Assignment) -> Outcome:
        """Its process is gone with it: how it ended, on record as under the worker."""
        outcome = self._orphans.take(done)
        self._close()
        return replace(outcome, steps=outcome_of(done.last_word).steps) if done.last_word else outcome

    def _close(self) -> None:
        until = time.monotonic() + CLOSING
        while self._orphans.waits and time.monotonic() < until:
            self._stop.wait(0.1)
            self._orphans.try_again()

    def close(self) -> None:
        """End the process."""
        self._executor.leave()
        self._executor.end(self._app.limits().lease)


@contextmanager
def separate_process(app: App, executor: Executor, stop: Stop) -> Iterator[SeparateProcess]:
    """Inside the block runs can be given to a process of their own."""
    beside = SeparateProcess(app, executor, stop)
    try:
        yield beside
    finally:
        beside.close()
