"""When a job is late, and when too late: one rule for the health page, metrics, `check --health` and alerts.

A job is late by the database's time minus the oldest slot that is due and that nobody has begun; 0 when there is none.
A slot that was given up counts until a later one runs, else a job that gives up all its slots would never be late.
A paused job is not late, nor one without a schedule. A job that has never run is not late before its first slot after
somebody first saw it; with `catch_up` it is late from that moment on.

It is *too late* beyond `[alerts] late_after`; by default beyond the longest of an hour, one period of its schedule and
15 minutes, the lateness that its misfire rule allows; a job that has never run beyond an hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from ..db.tables import own_tables
from ..jobs.job import Job
from ..run_state import SLOT_STILL_LATE, RunState
from ..slots.due import NewestAttempt, newest_attempts, settled
from ..slots.lease import of_job
from ..slots.schedule_overrides import ScheduleOverride, beginning, due_after

MIN_LATE_GRACE = timedelta(hours=1)
LATE_GRACE = timedelta(minutes=15)
"""After a whole period the next slot is due as well, and may be about to begin."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late one job is.

    seconds: by how much.  allowed: seconds that are not too late.  slot: the one that waits, if any.
    unseen: nobody has ever looked whether it is due, so there is nothing yet that it could be late for.
    """

    seconds: float = 0.0
    allowed: float = MIN_LATE_GRACE.total_seconds()
    slot: datetime | None = None
    unseen: bool = False

    @property
    def too_late(self) -> bool:
        """Whether it is later than allowed."""
        return self.seconds > self.allowed


ON_TIME = Lateness()
NEVER_SEEN = Lateness(unseen=True)


def read_lateness(
    connection: Connection,
    jobs: Iterable[Job],
    known: Mapping[str, ScheduleOverride],
    leases: Mapping[str, datetime],
    now: datetime,
    limit: timedelta | None = None,
) -> dict[str, Lateness]:
    """By job. jobs: on the schedules in force.  leases: when each ends.  limit: `late_after`, None for the default."""
    jobs = list(jobs)
    newest = newest_attempts(connection, [job.name for job in jobs], now, without=SLOT_STILL_LATE)
    found = {}
    for job in jobs:
        alive = leases.get(of_job(job.name), now) > now
        found[job.name] = _lateness(job, known.get(job.name), newest.get(job.name), alive, now, limit)
    return found


def read_leases(connection: Connection) -> dict[str, datetime]:
    """When each lease ends; one that was given back ended then."""
    leases = own_tables(connection.dialect.name).leases.c
    return {row.name: row.expires_at for row in connection.execute(select(leases.name, leases.expires_at))}


def _lateness(
    job: Job,
    change: ScheduleOverride | None,
    newest: NewestAttempt | None,
    alive: bool,
    now: datetime,
    limit: timedelta | None,
) -> Lateness:
    if job.schedule is None or (change is not None and change.paused(now)):
        return ON_TIME
    last = settled(job, newest, now) or beginning(job, change)
    if newest is not None and newest.state == RunState.RUNNING and alive:
        last = newest.slot
    known = [instant for instant in (last, due_after(change)) if instant is not None]
    if known:
        slot = since = job.schedule.next(max(known))
    elif change is not None and change.seen_at is not None:
        slot, since = job.schedule.previous(change.seen_at), change.seen_at
    else:
        return NEVER_SEEN
    allowed = MIN_LATE_GRACE
    if newest is not None:
        period = job.schedule.period(min(slot, now))
        allowed = max(MIN_LATE_GRACE, period + LATE_GRACE, job.misfire.max_lateness or timedelta())
    seconds = max((now - since).total_seconds(), 0.0)
    waits = slot if seconds else None
    return Lateness(seconds, (limit or allowed).total_seconds(), waits)
