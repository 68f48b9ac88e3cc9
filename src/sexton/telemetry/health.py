"""How the jobs are: read once from the tables, as plain values for the health page, for metrics and for `check`.

All is well when no job is too late (see `lateness.py`), no leader is missing, and somebody starts jobs here at all. A
leader is missing when a worker was there within the last day and none is now; after a day lateness alone decides, as
the jobs may have gone over to cron.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from ..jobs.job import Job
from ..slots.lease import LEADER
from ..slots.schedule_overrides import ScheduleOverride, in_force, next_slot, overrides
from .lateness import Lateness, read_lateness, read_leases
from .latest_runs import LatestRun, latest_runs

LEADER_MISSING_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class JobHealth:
    """One job. Instants are None when there is none; lateness and allowed are seconds; rows: changed by the last run.

    state: of the last run, None when it never ran.  seconds: the last run's, None while it is under way.
    failures: runs that failed, timed out or were abandoned since the last success, at most 1,000.
    next_slot: None without a schedule, and while a pause has no end.  unseen: nobody has looked yet whether it is due.
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
    late: bool
    unseen: bool
    next_slot: datetime | None


@dataclass(frozen=True, slots=True)
class Health:
    """All jobs at one instant of the database. leader: a worker leads.  leader_missing: none does, and one should."""

    now: datetime
    leader: bool
    leader_missing: bool
    jobs: tuple[JobHealth, ...]

    @property
    def late(self) -> list[JobHealth]:
        """The jobs that are later than allowed."""
        return [job for job in self.jobs if job.late]

    @property
    def unseen(self) -> list[JobHealth]:
        """The jobs at which nobody has looked yet: new ones, or such as nothing starts."""
        return [job for job in self.jobs if job.unseen]

    @property
    def unwatched(self) -> bool:
        """Nobody has looked at any job yet: nothing starts jobs here, and a page that says ok would be a lie."""
        timed = [job for job in self.jobs if job.next_slot is not None]
        return bool(timed) and all(job.unseen for job in timed)

    @property
    def ok(self) -> bool:
        """No job is too late, no leader is missing, and something starts jobs here."""
        return not self.late and not self.leader_missing and not self.unwatched


def read_health(
    connection: Connection, jobs: Iterable[Job], now: datetime, late_after: timedelta | None = None
) -> Health:
    """Ask the tables about these jobs at `now`, the database's time; a few statements a hundred jobs, all indexed.

    late_after: of `[alerts]`; None for the default.
    """
    known = overrides(connection)
    jobs = [in_force(job, known.get(job.name)) for job in jobs]
    latest = latest_runs(connection, [job.name for job in jobs])
    leases = read_leases(connection)
    lateness = read_lateness(connection, jobs, known, leases, now, late_after)
    found = [_job(job, known.get(job.name), latest[job.name], lateness[job.name], now) for job in jobs]
    ends = leases.get(LEADER)
    leads = ends is not None and ends > now
    missing = ends is not None and now - LEADER_MISSING_AFTER < ends <= now
    return Health(now, leads, missing, tuple(found))


def _job(job: Job, change: ScheduleOverride | None, latest: LatestRun, lateness: Lateness, now: datetime) -> JobHealth:
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
        lateness=lateness.seconds,
        allowed=lateness.allowed,
        late=lateness.too_late,
        unseen=lateness.unseen,
        next_slot=next_slot(job, change, now),
    )
