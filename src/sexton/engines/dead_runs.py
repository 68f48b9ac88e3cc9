"""Runs whose process is gone, closed by the worker of an engine that saw it go: as under Sexton's own worker.

Else their lease runs out, and they count as abandoned: right as well, and ten seconds later.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from ..app import App
from ..db.connect import read_only
from ..db.faults import in_words
from ..db.tables import DATABASE, own_tables
from ..errors import LeaseLost, SextonError
from ..run_state import OutcomeCode, RunState
from ..runs.hard_limit import OVERDUE
from ..slots.claim import close, is_held_by_process
from ..slots.ending import Ending
from ..slots.lease import Lease, of_job
from ..telemetry import logs

STOPPED = Ending(RunState.CANCELLED, "its worker ends, and it did not in its time", code=OutcomeCode.STOPPED)
"""Of a run that was ended by a worker that has to end."""

CLOSING_SECONDS_BESIDE = 30
"""Seconds that closing may take in a process beside a worker's."""


def ending_of(status: int) -> Ending:
    """How the run of a process ends that ended so, by `os.waitstatus_to_exitcode`: below zero by a signal."""
    if status == -signal.SIGALRM:  # the last means of its hard limit
        return OVERDUE
    if status >= 0:
        return Ending(
            RunState.FAILED, f"its process ended by itself with exit code {status}", code=OutcomeCode.PROCESS_DIED
        )
    return Ending(
        RunState.FAILED, f"its process was ended by {signal.Signals(-status).name}", code=OutcomeCode.PROCESS_DIED
    )


def close_dead_runs(app: App, numbers: Collection[int], process: int, ending: Ending) -> None:
    """Close those of these runs that this process of our host had. What cannot be closed now is left to its lease."""
    runs = own_tables(app.dialect).runs.c
    asked = select(runs.id, runs.job, runs.worker, runs.epoch).where(
        runs.id.in_(numbers), runs.state == RunState.RUNNING, runs.database == DATABASE
    )
    try:
        with read_only(app.database) as connection:
            found = [run for run in connection.execute(asked).all() if is_held_by_process(run.worker, process)]
        for run in found:
            lease = Lease(of_job(run.job), run.worker, run.epoch, app.limits().lease, 0.0)
            close(app.database, run.id, lease, ending, None)
    except LeaseLost:
        return  # closed already, by itself or by a successor
    except (SQLAlchemyError, SextonError) as error:
        logs.emit(logs.said("a run could not be closed; its lease ends by itself", error=in_words(error)))


def close_beside(app: App, numbers: Collection[int], process: int, ending: Ending) -> None:
    """The same from a worker that forks, and must not connect before it does: in a process beside it, waited for."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(CLOSING_SECONDS_BESIDE)
        if "database" in vars(app):
            app.database.dispose(close=False)
        close_dead_runs(app, numbers, process, ending)
    finally:
        os._exit(0)
