"""Who runs a job whose engine is "pg_cron": the database, where its procedure is installed and pg_cron calls it; else a
worker (PGC-7). Asked often, so nothing of the compiler is loaded for it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, text

from ..jobs.job import IN_DATABASE, Job
from .due_run import DueRun
from .upcoming_slots import refill
from .window_starts import refill_windows

_WITH_PROCEDURE = text(
    "SELECT substring(obj_description(p.oid, 'pg_proc') FROM ': (.*)$') FROM pg_proc p"
    " JOIN pg_namespace n ON n.oid = p.pronamespace"
    " WHERE n.nspname = 'sexton' AND p.prokind = 'p' AND p.proname LIKE 'job\\_%'"
)


def refill_inside(connection: Connection, jobs: Collection[Job], now: datetime) -> list[Job]:
    """Write more slots and windows for those of the jobs that run inside, where few are left; which jobs these are."""
    inside = [job for job in jobs if job.engine == IN_DATABASE]
    if inside:
        refill(connection, inside, now)
        refill_windows(connection, now)
    return inside


def without_inside(connection: Connection, jobs: Collection[Job], found: list[DueRun]) -> list[DueRun]:
    """What is due, without slots of those of the jobs that this database runs by itself. What people asked for stays.

    jobs: of `refill_inside`.
    """
    if connection.dialect.name != "postgresql" or not jobs:
        return found
    inside = {job.name for job in jobs} & set(connection.execute(_WITH_PROCEDURE).scalars())
    return [run for run in found if run.queued is not None or run.job not in inside]
