"""What `sexton run --due` does: all that is due, one job after the other, whatever one of them does to its process.

Policies are Sexton's own statements and run here. A function is anybody's code: it may hang in C, call os._exit, or
use up the memory. So functions run in an executor, as under the worker; when that is gone, the next job gets another.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from signal import SIGKILL, SIGTERM
from typing import Any

from ..app import App
from ..console import complain
from ..db.connect import connection_errors_translated
from ..db.migrate import require_schema
from ..engines.worker.executor import Assignment, Executor
from ..engines.worker.messages import outcome_of
from ..engines.worker.orphans import OrphanedRuns
from ..errors import DatabaseUnreachable, SchemaOutdated, SextonError
from ..jobs.job import Job, LazyWork
from ..runs.outcome import Outcome
from ..runs.runner import record_unstartable
from ..runs.stop import Stop
from ..slots.claim import ClaimRequest, DueRun
from ..slots.due import due_now
from ..slots.lease import short_transaction

CLOSING = 10.0
"""Seconds for which the run of an executor that is gone is tried to be closed; then the next start does it."""

CLOCK_POLL_SECONDS = 1.0
"""Seconds between two looks at the clock while an executor is busy."""


def all_due(app: App, named: list[Job], stop: Stop, execute: Callable[[DueRun], Outcome]) -> list[int]:
    """Run what is due; one that cannot run does not stop the next. Their exit codes.

    DatabaseUnreachable and SchemaOutdated end it; any other error that is nobody's job (clocks that differ) ends it
    after a line on standard error.
    """
    codes: list[int] = []
    blocked: set[str] = set()
    for due in _due(app, named):
        if stop.asked:
            break  # claiming the rest only to give it up would cost each of them an attempt
        if due.job.name in blocked:
            continue  # a later slot must not pass one that is still to be tried
        try:
            outcome = execute(due)
        except (DatabaseUnreachable, SchemaOutdated):
            raise
        except SextonError as error:
            complain(*error.lines)
            return [*codes, error.exit_code]
        codes.append(outcome.exit_code)
        if not outcome.settled:
            blocked.add(due.job.name)
    return codes


def _due(app: App, named: list[Job]) -> list[DueRun]:
    with connection_errors_translated(app.database), short_transaction(app.database, app.limits().lease) as connection:
        require_schema(connection)
        return due_now(connection, named or app.registry)


def may_end_its_process(job: Job) -> bool:
    """Whether anybody's code is part of its work: a function, or what is only loaded when it runs."""
    if isinstance(job.work, LazyWork):
        return not job.work.path.startswith("sexton.")
    steps = job.work if isinstance(job.work, list | tuple) else [job.work]
    return any(callable(step) and not hasattr(step, "plan") for step in steps)


class Apart:
    """Runs jobs in a process beside this one, one at a time; it is started with the first, and again after it died."""

    def __init__(self, app: App, executor: Executor, stop: Stop) -> None:
        self._app = app
        self._stop = stop
        self._executor = executor
        self._closing = OrphanedRuns(app.database, app.limits().lease, app.definition)

    def run(self, due: DueRun, *, quiet: bool) -> tuple[Outcome, bool]:
        """Run it. quiet: the executor writes no line of log.  Also: whether it has told the end itself."""
        executor = self._executor
        executor.start()
        while executor.alive and not executor.idle:
            self._heard(self._stop.asked)
        if self._stop.asked:
            return Outcome(due.job.name, "cancelled", error=self._stop.reason), False  # no attempt at the slot is spent
        if not executor.alive:
            return self._not_started(due), False
        executor.give(due, quiet=quiet)
        done = None
        while done is None:
            done = next(self._heard(self._stop.asked), None)
        said: dict[str, Any] = done.outcome or {}
        if said["event"] == "ended":
            return outcome_of(said), not quiet
        return self._gone(done), not quiet and done.last_word is not None

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
        end = self._closing.take(done)
        until = time.monotonic() + CLOSING
        while self._closing.waits and time.monotonic() < until:
            self._stop.wait(0.1)
            self._closing.try_again()
        steps = outcome_of(done.last_word).steps if done.last_word else {}
        return Outcome(end["job"], end["state"], end["run"], steps=steps, error=end["error"])

    def _not_started(self, due: DueRun) -> Outcome:
        """No process could be had; the slot is tried again."""
        wanted = ClaimRequest.of(due, self._app.definition, self._app.limits().lease)
        why = f"its process could not start: {self._executor.failure}"
        return record_unstartable(self._app.database, wanted, SextonError(why), "cancelled")

    def close(self) -> None:
        """End the process."""
        self._executor.leave()
        self._executor.end(self._app.limits().lease)


@contextmanager
def apart(app: App, executor: Executor, stop: Stop) -> Iterator[Apart]:
    """Inside the block runs can be given to a process of their own."""
    beside = Apart(app, executor, stop)
    try:
        yield beside
    finally:
        beside.close()
