"""Which slots are due now, as a function of the run table: any process at any time finds the same answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, func, select

from ..db.tables import own_tables
from ..jobs.job import Job
from ..jobs.misfire import due_slots
from .claim import DATABASE

CRASHES = 3
"""A slot whose process died this often is left; the next slot is tried."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The last attempt at the newest slot of a job."""

    slot: datetime
    attempt: int
    state: str
    finished_at: datetime | None


def due_runs(connection: Connection, jobs: Iterable[Job], now: datetime) -> list[tuple[Job, datetime]]:
    """What `run --due` has to run, in the order of the jobs; usually nothing."""
    newest = newest_attempts(connection)
    due: list[tuple[Job, datetime]] = []
    for job in jobs:
        if job.schedule is None:
            continue
        last = settled(job, newest.get(job.name), now)
        due += [(job, slot) for slot in due_slots(job.schedule, last, now, job.misfire)]
    return due


def newest_attempts(connection: Connection) -> dict[str, Attempt]:
    """Of every job the last attempt at its newest slot."""
    runs = own_tables(connection.dialect.name).runs
    newest = (
        select(runs.c.job, func.max(runs.c.slot).label("slot"))
        .where(runs.c.slot.is_not(None), runs.c.database == DATABASE)
        .group_by(runs.c.job)
        .subquery()
    )
    rows = connection.execute(
        select(runs.c.job, runs.c.slot, runs.c.attempt, runs.c.state, runs.c.finished_at)
        .join(newest, and_(runs.c.job == newest.c.job, runs.c.slot == newest.c.slot))
        .order_by(runs.c.attempt)
    )
    return {row.job: Attempt(row.slot, row.attempt, row.state, row.finished_at) for row in rows}


def settled(job: Job, newest: Attempt | None, now: datetime) -> datetime | None:
    """The slot up to which nothing is due any more: the newest one, or just before it when it is to be tried again."""
    if newest is None:
        return None
    again = newest.slot - timedelta(microseconds=1)
    if newest.state == "running":
        return again  # claiming finds out whether its holder lives
    if newest.state in ("cancelled", "abandoned"):
        return again if newest.attempt < CRASHES else newest.slot
    if newest.state in ("failed", "timed_out") and job.retry is not None and newest.finished_at is not None:
        rest = job.retry.delay(newest.attempt)
        return again if rest is not None and newest.finished_at + rest <= now else newest.slot
    return newest.slot
