"""Runs inside PostgreSQL in the place of runs by Python: one suite shows that both do the same.

    @pytest.fixture(autouse=True)
    def _inside(monkeypatch): run_inside_the_database(monkeypatch)

From then on `run_job`, and all that starts runs by `sexton.runs.runner.run`, compiles the job, installs its procedure
and calls it. What no procedure can do (functions, calls, files, SQLite, chosen
windows of roll-ups) runs as ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection, CursorResult, Engine
from sqlalchemy.exc import DBAPIError

from sexton.db.render import for_driver
from sexton.db.server_clock import ask_now
from sexton.engines.pg_cron.procedure import Procedure, procedure_of, refuse
from sexton.engines.pg_cron.rollup_settings import windows_needed
from sexton.errors import SextonError
from sexton.jobs.job import Job
from sexton.jobs.rollup_scope import EVERY_RUN
from sexton.runs import runner
from sexton.runs.context import Limits
from sexton.runs.outcome import Outcome
from sexton.runs.runner import RunOptions
from sexton.slots.due_run import DueRun
from sexton.slots.history import history
from sexton.slots.window_starts import write_windows

from .pace import UNHURRIED

PYTHON = runner.run
SMALL_BATCHES = replace(UNHURRIED, rows=40)
"""A few rows at first, and all the time there is."""

calls: list[str] = []
"""Jobs that were called inside, for a test to see that they were."""


def run_inside_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """See the module."""
    calls.clear()
    monkeypatch.setattr(runner, "run", _run_where_it_can)


def install(
    engine: Engine, job: Job, limits: Limits | None = None, *, most: int | None = None, now: datetime | None = None
) -> Procedure:
    """Compile the job and make its procedure. most: rows that a batch takes at most.

    now: when it is installed, for the windows of roll-ups; by default now.
    """
    plans = runner.ready(engine, job)
    plans = plans if most is None else [replace(plan, batch=most) for plan in plans]
    with engine.begin() as connection:
        procedure = procedure_of(connection, job, plans, limits or Limits())
        execute(connection, procedure.create)
        now = now or ask_now(connection)
        write_windows(connection, windows_needed(connection, job, plans, now), now)
    return procedure


def execute(connection: Connection, sql: str) -> CursorResult[Any]:
    """Text of SQL as it is, whatever percent signs it holds."""
    return connection.exec_driver_sql(for_driver(sql, connection.dialect))


@contextmanager
def autocommit(engine: Engine) -> Iterator[Connection]:
    """A session in which a CALL stands at the top, as pg_cron's."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


def call(engine: Engine, procedure: Procedure, asked: Any = None, settings: Sequence[str] = ()) -> str | None:
    """CALL it; the words of the error that it ends with, None for none. settings: SQL for the session, before."""
    with autocommit(engine) as connection:
        connection.detach()  # settings of the session are for nobody else
        for setting in settings:
            connection.exec_driver_sql(setting)
        try:
            connection.exec_driver_sql(f"CALL {procedure.qualified}(%s)", (asked,))
        except DBAPIError as error:
            return str(error.orig).split("\n")[0]
    return None


def run_inside(database: Engine, job: Job, due: DueRun, options: RunOptions | None = None) -> Outcome:
    """`runs.runner.run` for a run by hand: compile, install, CALL, and read what came of it."""
    options = options or RunOptions()
    assert due.slot is None, "a procedure finds its slots itself"
    procedure = install(database, job, options.limits, now=due.as_of)
    calls.append(job.name)
    call(database, procedure, due.as_of or _now(database))
    with database.connect() as connection:
        (row,) = history(connection, job=job.name, limit=1)
    return Outcome(job.name, row.state, row.id, row.as_of, row.steps, row.error, row.note, row.outcome_code)


def _run_where_it_can(database: Engine, job: Job, due: DueRun, options: RunOptions | None = None) -> Outcome:
    limited = options is not None and options.limits is not None and options.limits.row_limit is not None
    windows = options is not None and options.rollup not in (None, EVERY_RUN)
    by_python = due.slot is not None or limited or windows
    if database.dialect.name == "sqlite" or by_python or not _is_compilable(database, job):
        return PYTHON(database, job, due, options)
    return run_inside(database, job, due, options)


def _is_compilable(database: Engine, job: Job) -> bool:
    """Else Python runs it, or says what is wrong."""
    try:
        refuse(job, runner.ready(database, job))
    except (SextonError, DBAPIError):
        return False
    return True


def _now(database: Engine) -> Any:
    with database.connect() as connection:
        return connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
