"""Slots written down ahead, for jobs that PostgreSQL runs by itself: it asks no time zone, it reads this table.

The instants are those of `Schedule`, so that a procedure and Python find the same ones, and both at once are safe. Even
intervals need no rows: PostgreSQL computes them. Table `slots` of revision 1016; PostgreSQL only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from itertools import islice, pairwise

from sqlalchemy import Connection, Select, delete, select

from ..clock import in_utc
from ..db.for_each import for_each
from ..db.tables import own_tables
from ..db.upsert import upsert
from ..jobs.clock_changes import pieces
from ..jobs.cron_fields import read_fields
from ..jobs.duration import TICK
from ..jobs.job import Job
from ..jobs.schedule import Cron, Every, Schedule
from ..jobs.zones import load_zone
from .schedule_overrides import in_force, overrides

WRITTEN_AHEAD = timedelta(days=731)
"""How far ahead slots are written."""

LOW = timedelta(days=60)
"""With fewer days left they are written again, and until then somebody should know."""

SLOTS_KEPT = timedelta(days=400)
"""For how long slots stay that are past."""

MOST_SLOTS = 50_000
"""Rows for one job, beyond the first 120 days: one that is due every minute of the day is written less far."""

_AT_LEAST = timedelta(days=120)
_HOUR, _DAY, _MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)


def as_interval(schedule: Schedule, now: datetime, since: datetime | None = None) -> Every | None:
    """The even interval with the very same slots, for which no row is written; None where there is none.

    now: until two years from then the rules of the zone are looked at: `*/15 * * * *` is one in Berlin, `0 4 * * *` in
    UTC only. since: from when on; None: from now on.
    """
    if not isinstance(schedule, Cron):
        return schedule if isinstance(schedule, Every) else None
    fields = read_fields(schedule.text)
    hourly = fields.hourly and not fields.fixed
    if schedule.text.split()[2:] != ["*", "*", "*"] or not (schedule.zone == "UTC" or hourly):
        return None
    period = _HOUR if fields.hourly else _DAY
    times = [at for at in fields.times if at < period]
    steps = {later - earlier for earlier, later in pairwise([*times, times[0] + period])}
    if len(steps) != 1:
        return None
    (step,) = steps
    begin, end = in_utc(since or now), in_utc(now) + WRITTEN_AHEAD
    shifts = {piece.offset % step for piece in pieces(load_zone(schedule.zone), begin, end)}
    return Every(step, (times[0] - shifts.pop()) % step) if len(shifts) == 1 else None


def fill(connection: Connection, job: Job, now: datetime) -> int:
    """Write the slots of the schedule that the job has here, from the latest past one on; how many rows were changed.

    What stands there and is none of them is deleted; for an interval, or without a schedule, all of it is.
    """
    table = own_tables(connection.dialect.name).slots
    wanted = slots_ahead(job.schedule, now)
    since = min(wanted, default=now)
    found = select(table.c.slot, table.c.local_slot).where(table.c.job == job.name, table.c.slot >= since)
    there = {row.slot: row.local_slot for row in connection.execute(found)}
    old = [slot for slot in there if slot not in wanted]
    past = delete(table).where(table.c.job == job.name, table.c.slot < (now - SLOTS_KEPT if wanted else now))
    changed = connection.execute(past).rowcount
    if old:
        connection.execute(delete(table).where(table.c.job == job.name, table.c.slot.in_(old)))
    rows = [
        {"job": job.name, "slot": slot, "local_slot": local}
        for slot, local in wanted.items()
        if slot not in there or there[slot] != local
    ]
    if rows:
        written = upsert(connection.dialect.name, table)
        named = {"local_slot": written.excluded.local_slot}
        connection.execute(written.on_conflict_do_update(index_elements=["job", "slot"], set_=named), rows)
    return changed + len(old) + len(rows)


def astray(connection: Connection, job: Job, now: datetime) -> int:
    """Of the slots that are written from now on, how many are missing, not the schedule's, or named otherwise there."""
    table = own_tables(connection.dialect.name).slots
    found = select(table.c.slot, table.c.local_slot).where(table.c.job == job.name, table.c.slot > now)
    there = {row.slot: row.local_slot for row in connection.execute(found)}
    until = max(there, default=now)
    wanted = {slot: local for slot, local in slots_ahead(job.schedule, now).items() if now < slot <= until}
    return len({slot for slot, _ in there.items() ^ wanted.items()})


def slots_ahead(schedule: Schedule | None, now: datetime) -> Mapping[datetime, str | None]:
    """What is to be written, from the latest past slot on: each, and what it is called there; for intervals nothing."""
    if schedule is None or as_interval(schedule, now) is not None:
        return {}
    start = schedule.previous(now) - TICK
    slots = [*schedule.between(start, now + _AT_LEAST)]
    slots += islice(schedule.between(now + _AT_LEAST, now + WRITTEN_AHEAD), max(MOST_SLOTS - len(slots), 0))
    while slots[-1] - now < LOW:  # from one leap day to the next
        slots.append(schedule.next(now))
    return {slot: schedule.local_slot(slot) for slot in slots}


def written_until(connection: Connection, names: Collection[str]) -> dict[str, datetime]:
    """The last slot of each of these jobs that is written; jobs without any are missing."""
    table = own_tables(connection.dialect.name).slots

    def newest(name: str) -> Select[tuple[str, datetime]]:
        one = select(table.c.job, table.c.slot).where(table.c.job == name)
        return select(one.order_by(table.c.slot.desc()).limit(1).subquery())

    return {row.job: row.slot for row in for_each(connection, sorted(names), newest)}


def running_low(until: Mapping[str, datetime], now: datetime) -> list[str]:
    """Names of the jobs with slots for fewer than 60 days."""
    return sorted(name for name, last in until.items() if last - now < LOW)


def refill(connection: Connection, jobs: Iterable[Job], now: datetime) -> list[str]:
    """Write slots again of those jobs that have some here, and fewer than 60 days of them; the names of these jobs.

    Cheap where there is nothing to do: one look into an index a job. The schedule in force counts.
    """
    by_name = {job.name: job for job in jobs if job.schedule is not None}
    if not by_name:
        return []
    low = [by_name[name] for name in running_low(written_until(connection, by_name.keys()), now)]
    known = overrides(connection, low) if low else {}
    return [job.name for job in low if fill(connection, in_force(job, known.get(job.name)), now)]


def forget(connection: Connection, names: Collection[str]) -> int:
    """Delete the slots of jobs that PostgreSQL runs no more; how many rows."""
    table = own_tables(connection.dialect.name).slots
    return connection.execute(delete(table).where(table.c.job.in_(names))).rowcount
