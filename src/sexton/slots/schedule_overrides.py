"""What people change about a schedule while everything runs: pause, resume, another expression. Kept with its audit.

Every way to start jobs asks here first, so a pause holds for cron lines and workers alike. A slot of a new expression,
of a time when the job was paused, or before somebody first saw the job, is never made up: it has no past.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from ..clock import LAST_YEAR
from ..db.server_clock import ask_now
from ..db.tables import own_tables
from ..db.upsert import upsert
from ..errors import ScheduleError, UsageError
from ..jobs.duration import TICK
from ..jobs.job import Job
from ..jobs.misfire import SKIP_TOLERANCE
from ..jobs.schedule import Schedule, parse_schedule

FEW = 100
"""Jobs that are asked for by name; for more the whole table is read."""


@dataclass(frozen=True, slots=True)
class ScheduleOverride:
    """What the table holds about one job. since: no slot up to here is due.  version: 0 while it was never changed.

    seen_at: when somebody first looked whether it is due.
    """

    job: str
    expression: str | None
    since: datetime | None
    schedule: str | None
    timezone: str | None
    paused_at: datetime | None
    paused_until: datetime | None
    reason: str | None
    version: int
    changed_by: str | None
    changed_at: datetime | None
    seen_at: datetime | None

    @property
    def rescheduled(self) -> bool:
        """Whether an operator put another schedule or zone in the place of the job's own."""
        return self.schedule is not None or self.timezone is not None

    def paused(self, now: datetime) -> bool:
        """Whether it rests at `now`."""
        return self.paused_at is not None and (self.paused_until is None or now < self.paused_until)


def overrides(connection: Connection, jobs: Collection[Job] | None = None) -> dict[str, ScheduleOverride]:
    """By job, of these or of all; jobs that nobody has seen or changed are missing."""
    table = own_tables(connection.dialect.name).schedules
    others = (column for column in table.c if column.name != "expression_since")
    asked = select(table.c.expression_since.label("since"), *others)
    if jobs is not None and len(jobs) <= FEW:
        asked = asked.where(table.c.job.in_([job.name for job in jobs]))
    return {row.job: ScheduleOverride(**row._mapping) for row in connection.execute(asked)}


def version(connection: Connection) -> int:
    """A number that grows with every change by a person."""
    table = own_tables(connection.dialect.name).schedules
    return int(connection.execute(select(func.coalesce(func.sum(table.c.version), 0))).scalar_one())


def in_force(job: Job, change: ScheduleOverride | None) -> Job:
    """The job on the schedule that is in force: its own where it is switched off, or where a change fits no more."""
    if change is None or not change.rescheduled or not job.enabled:
        return job
    try:
        return replace(job, schedule=_schedule(job, change.schedule, change.timezone))
    except ScheduleError:
        return job  # one job's leftover must not stop the others; `override_error` says so


def override_error(job: Job, change: ScheduleOverride | None) -> str | None:
    """Why a change by a person has no effect; one line. None: it has."""
    if change is None or not change.rescheduled:
        return None
    if not job.enabled:
        return "it was rescheduled, which counts for nothing while the settings switch it off"
    try:
        _schedule(job, change.schedule, change.timezone)
    except ScheduleError as error:
        return f"its other schedule fits no more: {error}; its own holds. Run: sexton reschedule {job.name} --reset"
    return None


def due_after(change: ScheduleOverride | None) -> datetime | None:
    """No slot up to here is due, whatever the runs say."""
    if change is None:
        return None
    until = change.paused_until - TICK if change.paused_until is not None else None  # a slot at its very end is due
    return max((instant for instant in (change.since, until) if instant is not None), default=None)


def beginning(job: Job, change: ScheduleOverride | None) -> datetime | None:
    """No slot up to here is due of a job that has never run: it has no past before somebody first saw it.

    A slot that was on time at that moment is its first one: cron wakes us a moment after it. None: nobody has seen
    the job yet, or its `catch_up` is on and its latest slot is due whenever it was.
    """
    if job.catch_up or job.schedule is None or change is None or change.seen_at is None:
        return None
    slot = job.schedule.previous(change.seen_at)
    return slot - TICK if change.seen_at - slot <= min(SKIP_TOLERANCE, job.misfire.lateness) else change.seen_at


def next_slot(job: Job, change: ScheduleOverride | None, now: datetime) -> datetime | None:
    """The next slot of a job on the schedule in force; None without one, and while a pause has no end."""
    if job.schedule is None:
        return None
    if change is None or not change.paused(now):
        return job.schedule.next(now)
    return None if change.paused_until is None else job.schedule.next(change.paused_until - TICK)


def observe(
    connection: Connection, jobs: Iterable[Job], known: Mapping[str, ScheduleOverride], now: datetime
) -> tuple[bool, set[str]]:
    """Note which expressions are in force; one that replaces another has no past. Writes only what is new.

    Whether there was something new; the jobs whose row another session holds, so that it could not be noted.
    """
    dialect = connection.dialect.name
    table = own_tables(dialect).schedules
    new = {job.name: _expression(job.schedule) for job in jobs if job.schedule and _is_new(job.schedule, known, job)}
    there = select(table.c.job).where(table.c.job.in_(new.keys() & known.keys())).with_for_update(skip_locked=True)
    held = (new.keys() & known.keys()) - set(connection.execute(there).scalars()) if new else set()
    for name, text in new.items():
        before = known.get(name)
        if name in held:
            continue
        if before is None:
            row = {"job": name, "expression": text, "version": 0, "seen_at": now}
            connection.execute(upsert(dialect, table).values(row).on_conflict_do_nothing(index_elements=["job"]))
        else:
            since = before.since if before.expression in (None, text) else now
            values = {"expression": text, "expression_since": since, "seen_at": before.seen_at or now}
            connection.execute(update(table).where(table.c.job == name).values(values))
    return bool(new), held


def _is_new(schedule: Schedule, known: Mapping[str, ScheduleOverride], job: Job) -> bool:
    before = known.get(job.name)
    return before is None or before.expression != _expression(schedule) or before.seen_at is None


def pause(connection: Connection, job: Job, *, until: datetime | None, reason: str, by: str) -> int:
    """No slot of the job runs until then, or until it is resumed. The version this made."""
    now = ask_now(connection)
    if until is not None and until.year > LAST_YEAR:
        raise UsageError(f"{job.name}: --until is too far ahead; leave it out for a pause without an end")
    if until is not None and until <= now:
        raise UsageError(f"{job.name}: --until {until:%Y-%m-%d %H:%M} UTC is past")
    values = {"paused_at": now, "paused_until": until, "reason": reason}
    return _change(connection, job, "pause", values, by, now)


def resume(connection: Connection, job: Job, *, by: str) -> int:
    """End a pause; slots of the time between are not made up. UsageError when it is not paused."""
    now = ask_now(connection)
    change = overrides(connection, [job]).get(job.name)
    if change is None or not change.paused(now):
        raise UsageError(f"{job.name} is not paused")
    values = {"paused_at": None, "paused_until": None, "reason": None, "expression_since": now}
    return _change(connection, job, "resume", values, by, now)


def reschedule(
    connection: Connection, job: Job, schedule: str | None, zone: str | None, *, reason: str, by: str
) -> int:
    """Put another schedule in the place of the job's own; None and None give its own back. Slots count from now on.

    ScheduleError; UsageError for a job that the settings switch off.
    """
    if not job.enabled:
        raise UsageError(f"{job.name} is switched off in the settings; remove its `enabled = false` first")
    new, now = _schedule(job, schedule, zone), ask_now(connection)
    values = {"schedule": schedule, "timezone": zone, "reason": reason or None}
    begins = {"expression": _expression(new), "expression_since": now} if new is not None else {}
    return _change(connection, job, "reschedule", values, by, now, begins)


def audit(connection: Connection, job: Job, action: str, detail: Mapping[str, Any], by: str, version: int = 0) -> None:
    """Put on record who did what."""
    table = own_tables(connection.dialect.name).schedules_audit
    plain = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in detail.items()}
    row = {"job": job.name, "version": version, "action": action, "detail": plain, "changed_by": by}
    connection.execute(insert(table).values(row | {"changed_at": ask_now(connection)}))


def _schedule(job: Job, schedule: str | None, zone: str | None) -> Schedule | None:
    own = job.schedule
    if schedule is None and zone is None:
        return own
    text = schedule or (own.text if own else None)
    if text is None:
        raise ScheduleError(f"{job.name} has no schedule of its own; name one")
    return parse_schedule(text, zone or (own.zone if own else "UTC"))


def _expression(schedule: Schedule) -> str:
    return f"{schedule.text} in {schedule.zone}"


def _change(
    connection: Connection,
    job: Job,
    action: str,
    values: Mapping[str, Any],
    by: str,
    now: datetime,
    more: Mapping[str, Any] = {},
) -> int:
    """Write `values` and `more`, and put `values` on record; the new version."""
    dialect = connection.dialect.name
    table = own_tables(dialect).schedules
    written = {**values, **more, "changed_by": by, "changed_at": now}
    statement = upsert(dialect, table).values(job=job.name, version=1, **written)
    new = statement.on_conflict_do_update(index_elements=["job"], set_={**written, "version": table.c.version + 1})
    made = int(connection.execute(new.returning(table.c.version)).scalar_one())
    audit(connection, job, action, values, by, made)
    return made
