"""What every engine does alike: find what is due, execute it, put on record what cannot start.

An engine decides when to look, in which process a run happens, and what is printed; nothing else. It hands on a
`DueRun`, one value that can be sent as JSON, and asks here about the rest:

    look, due       what has to run now                        execute      do it, here, whatever it does
    own_process     which work may take its process along      unstartable  it could not even begin: on record

In which order, what may pass what, and what follows from how a run ended is `run_order.DueQueue`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from ..app import App
from ..db.connect import connection_errors_translated
from ..db.faults import in_words
from ..db.migrate import require_schema
from ..db.server_clock import ask_now
from ..errors import SextonError, UsageError
from ..exit_codes import UNREACHABLE
from ..jobs.job import IN_DATABASE, OWN_ENGINE, Job, LazyWork
from ..run_state import NoRun, OutcomeCode, RunState
from ..runs.context import Failure
from ..runs.outcome import Outcome
from ..runs.runner import RunOptions, run
from ..runs.unstartable import record_unstartable
from ..slots.claim import reap
from ..slots.due import due_runs
from ..slots.due_run import DueRun
from ..slots.ending import Ending
from ..slots.lease import short_transaction


def look(
    connection: Connection, jobs: Collection[Job], busy: Collection[str] = (), *, all_slots: bool = True
) -> tuple[datetime, list[DueRun]]:
    """The database's time, and what has to run by it, in order; runs of dead processes are closed first.

    busy: names of jobs under way.  all_slots: also those of jobs that PostgreSQL runs by itself.
    SchemaOutdated where our tables are of another version.
    """
    require_schema(connection)
    reap(connection)
    now = ask_now(connection)
    found = due_runs(connection, jobs, now, busy)
    if any(job.engine == IN_DATABASE for job in jobs):
        from ..slots.who_runs import refill_inside, without_inside  # others need not load it

        inside = refill_inside(connection, jobs, now)
        found = found if all_slots else without_inside(connection, inside, found)
    return now, found


def jobs_of_worker(app: App) -> list[Job]:
    """Its own, and those of the database, of which it runs what has no procedure there (PGC-7)."""
    return [job for job in app.registry if job.engine in (OWN_ENGINE, IN_DATABASE)]


def is_called_by_worker(app: App) -> bool:
    """Whether a worker calls the procedures, as `[engines.pg_cron] called_by = "worker"` says."""
    return app.settings.engines.get(IN_DATABASE, {}).get("called_by") == "worker"


def due(app: App, jobs: Collection[Job] = ()) -> list[DueRun]:
    """What has to run now, of these jobs or of all that no other engine carries. DatabaseUnreachable, SchemaOutdated.

    Those of other engines are left to them, unless they are named; what was given to one runs once all the same.
    """
    wanted = jobs or jobs_of_worker(app)
    every = bool(jobs) or is_called_by_worker(app)
    with connection_errors_translated(app.database), short_transaction(app.database, app.limits().lease) as connection:
        return look(connection, wanted, all_slots=every)[1]


def own_process(job: Job) -> bool:
    """Whether anybody's code is part of its work: a function, or what is only loaded when it runs.

    It may hang in C, end its process, use up the memory; so it runs where nobody else's work goes along.
    """
    if isinstance(job.work, LazyWork):
        return not job.work.path.startswith("sexton.")
    steps = job.work if isinstance(job.work, list | tuple) else [job.work]
    return any(callable(step) and not hasattr(step, "plan") for step in steps)


def execute(app: App, due: DueRun, options: RunOptions | None = None) -> Outcome:
    """Execute it in this process, under the app's limits where `options` names none; on record however it ends.

    A job that nobody here knows, as its module cannot be loaded here, or not any more, ends as "unknown job": nothing
    is on record, the slot or the request stays for whoever knows it.
    Raises what stands in the way of all jobs, see `run`; `in_the_way` makes an outcome of it.
    """
    options = options or RunOptions()
    try:
        job = app.registry.get(due.job)
    except UsageError as error:
        return Outcome(due.job, NoRun.UNKNOWN_JOB, error=str(error), failure=Failure(error), refused=True)
    by_schedule = due.slot is not None or due.queued is not None
    if job.engine == IN_DATABASE and by_schedule and is_called_by_worker(app):
        from .pg_cron.called_by_worker import call  # others need not load the compiler

        if (outcome := call(app, job, options.stop)) is not None:
            return outcome
    limits = options.limits or app.limits()
    return run(
        app.database, job, replace(due, job=job.name), replace(options, limits=limits, definition=app.definition)
    )


def in_the_way(due: DueRun, error: Exception) -> Outcome:
    """The outcome of a run that did not begin, as `execute` raised this; `after` says that all jobs wait."""
    code = error.exit_code if isinstance(error, SextonError) else UNREACHABLE
    lost = OutcomeCode.DATABASE_LOST if code == UNREACHABLE else None  # else: its schema, or clocks that differ
    return Outcome(due.job, NoRun.UNREACHABLE, error=in_words(error), code=lost, ends_with=code)


def unstartable(app: App, due: DueRun, error: BaseException, ending: Ending | None = None) -> Outcome:
    """Put a run on record that did not begin, as the process that was to execute it is gone.

    ending: state and code in which it ends; by default those that the error stands for.
    """
    lease = app.limits().lease
    return record_unstartable(app.database, due, error, lease_seconds=lease, definition=app.definition, ending=ending)


def not_begun(due: DueRun, why: str, code: OutcomeCode) -> Outcome:
    """Nothing of it was tried, and nothing is on record. It costs no attempt.

    code: NO_PROCESS where none could be had, STOPPED where somebody asked us to stop.
    """
    return Outcome(due.job, RunState.CANCELLED, error=why, code=code)
