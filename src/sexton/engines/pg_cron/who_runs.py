"""Who runs a job whose engine is "pg_cron": the database, where its procedure is installed and pg_cron calls it; else a
worker (PGC-7). Asked often, so nothing of the compiler is loaded for it.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, text

from ...jobs.job import IN_DATABASE, Job
from ...slots.due_run import DueRun

_WITH_PROCEDURE = text(
    "SELECT substring(obj_description(p.oid, 'pg_proc') FROM ': (.*)$') FROM pg_proc p"
    " JOIN pg_namespace n ON n.oid = p.pronamespace"
    " WHERE n.nspname = 'sexton' AND p.prokind = 'p' AND p.proname LIKE 'job\\_%'"
)


def without_inside(connection: Connection, jobs: Collection[Job], found: list[DueRun]) -> list[DueRun]:
    """What is due, without slots of jobs that this database runs by itself. What people asked for stays."""
    if connection.dialect.name != "postgresql" or not any(job.engine == IN_DATABASE for job in jobs):
        return found
    installed = set(connection.execute(_WITH_PROCEDURE).scalars())
    inside = {job.name for job in jobs if job.engine == IN_DATABASE} & installed
    return [run for run in found if run.queued is not None or run.job not in inside]
