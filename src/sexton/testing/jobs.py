"""Run and preview one job at a stated time, by the path that every starter takes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..clock import in_utc, parse_instant
from ..jobs.job import Job

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ..runs.outcome import Outcome


def run_job(
    engine: Engine,
    job: Job,
    *,
    at: str | datetime | None = None,
    slot: datetime | None = None,
    raise_errors: bool = False,
    **options: Any,
) -> Outcome:
    """Run `job` for real at the time `at` (the database's time by default); options as `RunOptions` names them.

    slot: for which it runs; by hand by default.
    The same path that every starter takes: claim, lease, fence, batches, history. Sexton's tables must be there.
    raise_errors: once the run is closed as failed, raise what a function of the job ended with, with its traceback;
    JobFailed or TimedOut where no exception of a function was the reason.
    UsageError when its work cannot run here: its table is missing, a policy cannot be right.
    """
    from ..errors import JobFailed, TimedOut, UsageError
    from ..run_state import RunState
    from ..runs.runner import RunOptions, run
    from ..slots.due_run import DueRun

    outcome = run(engine, job, DueRun(job.name, slot, _instant(at)), RunOptions(**options))
    failure = outcome.failure
    if outcome.refused and failure is not None and isinstance(failure.error, UsageError):
        raise failure.error
    if raise_errors and outcome.state in (RunState.FAILED, RunState.TIMED_OUT):
        if failure is not None:
            raise failure.error
        raise (JobFailed if outcome.state == RunState.FAILED else TimedOut)(outcome.error)
    return outcome


def preview_job(engine: Engine, job: Job, *, at: str | datetime | None = None) -> Outcome:
    """What `run_job` would count; changes nothing."""
    from ..runs.dry_run import dry_run

    return dry_run(engine, job, as_of=_instant(at))


def _instant(at: str | datetime | None) -> datetime | None:
    if at is None:
        return None
    return parse_instant(at) if isinstance(at, str) else in_utc(at)
