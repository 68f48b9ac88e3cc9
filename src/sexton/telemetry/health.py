"""How the jobs are: read once from the tables, as plain values for the health page, for metrics and for `check`.

A job is late by the database's time minus the oldest slot that is due and that nobody has begun; 0 when there is none.
A paused job is not late, nor one without a schedule, nor one whose run is under way. It is *too late* when that passes
the longest of: an hour, one period of its schedule, the lateness that its misfire rule allows. A job that has never
run was due when it was first seen, so for it an hour is the limit.

All is well when no job is too late and no leader is missing. A leader is missing when a worker was there within the
last day and none is now; after a day lateness alone decides, as the jobs may have gone over to cron.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from ..db.tables import own_tables
from ..jobs.job import Job
from ..runs.due import Attempt, newest_attempts, settled
from ..runs.lease import LEADER, of_job
from ..runs.schedules import Change, changes, due_after, in_force, next_slot
from .latest import Latest, latest_runs

SHORTEST = timedelta(hours=1)
MISSED_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class JobHealth:
    """One job. Instants are None when there is none; lateness and allowed are seconds; rows: changed by the last run.

    state: of the last run, None when it never ran.  seconds: the last run's, None while it is under way.
    failures: runs that failed, timed out or were abandoned since the last success, at most 1,000.
    next_slot: None without a schedule, and while a pause has no end.
    """

    job: str
    last_start: datetime | None
    last_success: datetime | None
    state: str | None
    seconds: float | None
    failures: int
    rows: int
    paused: bool
    lateness: float
    allowed: float
    next_slot: datetime | None

    @property
    def late(self) -> bool:
        """Whether it is later than allowed."""
        return self.lateness > self.allowed


@dataclass(frozen=True, slots=True)
class Health:
    """All jobs at one instant of the database. leader: somebody leads.  leader_missing: nobody does, and should."""

    now: datetime
    leader: bool
    leader_missing: bool
    jobs: tuple[JobHealth, ...]

    @property
    def late(self) -> list[JobHealth]:
        """The jobs that are later than allowed."""
        return [job for job in self.jobs if job.late]

    @property
    def ok(self) -> bool:
        """No job is too late, and no leader is missing."""
        return not self.late and not self.leader_missing


def read_health(connection: Connection, jobs: Iterable[Job], now: datetime) -> Health:
    """Ask the tables about these jobs at `now`, the database's time; a few statements a hundred jobs, all indexed."""
    known = changes(connection)
    jobs = [in_force(job, known.get(job.name)) for job in jobs]
    names = [job.name for job in jobs]
    newest, latest = newest_attempts(connection, names), latest_runs(connection, names)
    leases = _leases(connection)
    found = []
    for job in jobs:
        name = job.name
        alive = leases.get(of_job(name), now) > now
        lateness, allowed = _lateness(job, known.get(name), newest.get(name), alive, now)
        found.append(_job(job, known.get(name), latest[name], lateness, allowed, now))
    ends = leases.get(LEADER)
    leads = ends is not None and ends > now
    missing = ends is not None and now - MISSED_FOR < ends <= now
    return Health(now, leads, missing, tuple(found))


def _leases(connection: Connection) -> dict[str, datetime]:
    """When each lease ends; one that was given back ended then."""
    leases = own_tables(connection.dialect.name).leases.c
    return {row.name: row.expires_at for row in connection.execute(select(leases.name, leases.expires_at))}


def _lateness(
    job: Job, change: Change | None, newest: Attempt | None, alive: bool, now: datetime
) -> tuple[float, float]:
    """(seconds late, seconds allowed). alive: somebody holds the job's lease."""
    if job.schedule is None or (change is not None and change.paused(now)):
        return 0.0, SHORTEST.total_seconds()
    last = settled(job, newest, now)
    if newest is not None and newest.state == "running" and alive:
        last = newest.slot
    known = [instant for instant in (last, due_after(change)) if instant is not None]
    oldest = job.schedule.next(max(known)) if known else job.schedule.previous(now)
    allowed = SHORTEST
    if newest is not None:
        allowed = max(SHORTEST, job.schedule.period(min(oldest, now)), job.misfire.max_lateness or timedelta())
    return max((now - oldest).total_seconds(), 0.0), allowed.total_seconds()


def _job(job: Job, change: Change | None, latest: Latest, lateness: float, allowed: float, now: datetime) -> JobHealth:
    paused = change is not None and change.paused(now)
    return JobHealth(
        job=job.name,
        last_start=latest.started_at,
        last_success=latest.succeeded_at,
        state=latest.state,
        seconds=latest.seconds,
        failures=latest.failures,
        rows=latest.rows,
        paused=paused,
        lateness=lateness,
        allowed=allowed,
        next_slot=next_slot(job, change, now),
    )
