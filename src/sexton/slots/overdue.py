"""Runs whose process is gone after their timeout was over: timed out, and not merely abandoned.

A process that an engine started is watched by nobody: where C code kept it from ending by itself, the kernel's alarm
ended it without a word. When its lease has run out and its time was over by then, that is what happened.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, select, update

from ..db.tables import own_tables
from ..jobs.job import Job
from ..run_state import OutcomeCode, RunState
from .claim import dead_runs
from .ending import Ending
from .queue import ask_again, ended_columns

OVERDUE_AND_GONE = Ending(
    RunState.TIMED_OUT, "its timeout passed and it did not stop; its process is gone", code=OutcomeCode.OVERDUE
)


def close_overdue(connection: Connection, jobs: Collection[Job], now: datetime) -> None:
    """Close those of these jobs; before `reap`, which closes the others as abandoned."""
    limits = {job.name: job.time_limit for job in jobs}
    runs = own_tables(connection.dialect.name).runs
    asked = select(runs.c.id, runs.c.job, runs.c.started_at).where(*dead_runs(connection.dialect.name))
    rows = connection.execute(asked.with_for_update(skip_locked=True)).all()
    late = [row.id for row in rows if row.job in limits and row.started_at + limits[row.job] <= now]
    if late:
        ended = update(runs).where(runs.c.id.in_(late)).values(**OVERDUE_AND_GONE.columns(), finished_at=now)
        ask_again(connection, connection.execute(ended.returning(*ended_columns(runs))).all())
