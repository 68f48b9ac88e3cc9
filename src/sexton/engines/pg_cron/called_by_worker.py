"""A worker calls the same procedures where the server has no pg_cron (PGC-7): one definition, one row a run.

In a session of its own, in autocommit, as a procedure commits after each batch; and not through a pooler that gives
each transaction another session. The server's limit on the call is the job's timeout and half a minute: the procedure
ends its run itself before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError

from ...app import App
from ...db.connect import connection_errors_translated
from ...db.faults import Fault, classify
from ...db.identifiers import quoted
from ...jobs.job import Job
from ...run_counts import steps_from_json
from ...run_state import NoRun, OutcomeCode, RunState
from ...runs.outcome import Outcome
from ...runs.stop_signals import Stop
from .procedure import procedure_name
from .wanted import CALL_MARGIN

CALL_POLL_SECONDS = 0.5
"""Between two looks whether a call has ended by itself."""

_THERE = text("SELECT to_regprocedure(:name) IS NOT NULL")
_MINE = text(
    "SELECT id, state, as_of, counts, error, note, outcome_code FROM sexton.runs WHERE job = :job AND worker ="
    " (SELECT format('pg_cron:%s:%s', pid, extract(epoch FROM backend_start)) FROM pg_stat_activity"
    "  WHERE pid = pg_backend_pid()) ORDER BY id DESC LIMIT 1"
)


def call(app: App, job: Job, stop: Stop | None) -> Outcome | None:
    """Call the procedure of the job, which decides itself what is due; None when this database has none of it.

    stop: asked, the call is cancelled, and its run ends after what is committed. DatabaseUnreachable; DBAPIError where
    it could not begin, as its slots are used up.
    """
    with connection_errors_translated(app.database), _session(app) as connection:
        name = f"sexton.{quoted(connection.dialect, procedure_name(job.name))}"
        if not connection.execute(_THERE, {"name": f"{name}(timestamptz)"}).scalar():
            return None
        limit = int((job.time_limit + CALL_MARGIN).total_seconds())
        connection.exec_driver_sql(f"SET statement_timeout = '{limit}s'")
        failed = _call(connection, f"CALL {name}()", stop)
        row = connection.execute(_MINE, {"job": job.name}).first()
        if row is None and failed is not None:
            raise failed
        return Outcome(job.name, NoRun.ALREADY_DONE) if row is None else _outcome(job, row)


@contextmanager
def _session(app: App) -> Iterator[Connection]:
    """Never of the pool: its settings are those of one call. The procedure sets the search path of its transactions."""
    with app.database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()
        connection.exec_driver_sql("SET search_path = pg_catalog, pg_temp")
        yield connection


def _call(connection: Connection, statement: str, stop: Stop | None) -> DBAPIError | None:
    """The error that the call ended with; that its run failed is one, too."""
    over = threading.Event()
    watch = threading.Thread(target=_cancel_when_asked, args=(connection, stop, over), daemon=True)
    watch.start()
    try:
        connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if classify(error) is Fault.GONE:
            raise
        return error
    finally:
        over.set()
        watch.join()
    return None


def _cancel_when_asked(connection: Connection, stop: Stop | None, over: threading.Event) -> None:
    driver: Any = connection.connection.dbapi_connection  # it is detached from its pool
    while not over.wait(CALL_POLL_SECONDS):
        if stop is not None and stop.asked:
            with suppress(Exception):  # the session is gone: then the call is, too
                driver.cancel()
            return


def _outcome(job: Job, row: Row[Any]) -> Outcome:
    return Outcome(
        job.name,
        RunState(row.state),
        row.id,
        row.as_of,
        steps_from_json(row.counts),
        row.error,
        row.note,
        None if row.outcome_code is None else OutcomeCode(row.outcome_code),
    )
