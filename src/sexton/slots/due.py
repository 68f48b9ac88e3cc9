"""Which runs are due now, as a function of the tables: any process at any time finds the same answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, insert, select

from ..db.for_each import for_each
from ..db.server_clock import database_now
from ..db.tables import DATABASE, own_tables
from ..jobs.job import Job
from ..jobs.misfire import due_slots, lapsed_slot, missed_before
from ..jobs.schedule import Schedule
from ..run_state import CUT_OFF, RETRIED_IF_ASKED, TAKING_THE_SLOT, OutcomeCode, RunState
from .attempts import MAX_CRASHES, infrastructure_failures, rest_after
from .due_run import DueRun
from .ending import counts_columns
from .schedule_overrides import ScheduleOverride, beginning, due_after, in_force, observe, overrides
from .submission import give_up, is_lapsed, late_words, open_runs

MINUTE = len("2026-11-22 04:10")
"""The part of `Schedule.local_slot` that people read off a clock."""


@dataclass(frozen=True, slots=True)
class NewestAttempt:
    """The last attempt at the newest slot of a job."""

    slot: datetime
    attempt: int
    state: RunState
    finished_at: datetime | None
    local_slot: str | None = None
    """Local time of the slot when it was run, see `Schedule.local_slot`."""
    outcome_code: OutcomeCode | None = None
    failures_before: int | None = None
    """Attempts before it that were cut off by no fault of the job; None: before revision 1013, which counted none."""

    @property
    def infrastructure_failures(self) -> int:
        """Attempts up to this one that were cut off by no fault of the job."""
        return infrastructure_failures(self.state, self.outcome_code, self.failures_before)


def due_runs(connection: Connection, jobs: Iterable[Job], now: datetime, busy: Collection[str] = ()) -> list[DueRun]:
    """What has to run at `now`: what people asked for, then slots in the order of the jobs, then jobs for
    which something waits; usually nothing.

    In the same transaction new expressions are noted, and slots that were given up are written down. A job whose
    expression cannot be noted, as somebody holds its row, is left to the next look.
    busy: names of jobs under way; their slots are given up where the job's `overlap` is "skip".
    """
    jobs = list(jobs)
    known = overrides(connection, jobs)
    jobs = [in_force(job, known.get(job.name)) for job in jobs]
    noted, held = observe(connection, jobs, known, now)
    if noted:
        known = overrides(connection, jobs)
    jobs = [job for job in jobs if job.name not in held]
    found = [*_waiting(connection, jobs, known, now)]
    # A later slot never passes one that waits in its row; where slots may be given up, it does not even wait for it.
    waits = {run.job for run in found if run.slot is not None}
    others = [job for job in jobs if job.name not in waits or (job.overlap == "skip" and job.name in busy)]
    found += _slots(connection, others, known, now, busy)
    return [*found, *demanded(connection, jobs, now, {*busy, *(run.job for run in found)}, known)]


def demanded(
    connection: Connection,
    jobs: Iterable[Job],
    now: datetime,
    busy: Collection[str],
    known: Mapping[str, ScheduleOverride] | None = None,
) -> Iterator[DueRun]:
    """Jobs for which something waits, and that are neither paused, disabled, under way, nor due anyway.

    known: what people have changed about the jobs; asked where it is not given.
    """
    if free := demandable(connection, jobs, now, busy, known):
        from .demand import in_demand

        for name in sorted(in_demand(connection, free, now)):
            yield DueRun(name, None)


def demandable(
    connection: Connection,
    jobs: Iterable[Job],
    now: datetime,
    busy: Collection[str],
    known: Mapping[str, ScheduleOverride] | None = None,
) -> list[Job]:
    """Jobs to be asked whether something waits for them: neither paused, disabled nor under way. known: as above."""
    free = [job for job in jobs if job.demand is not None and job.enabled and job.name not in busy]
    if not free:
        return []
    changes = overrides(connection, free) if known is None else known
    return [job for job in free if (change := changes.get(job.name)) is None or not change.paused(now)]


def _waiting(
    connection: Connection, jobs: Sequence[Job], known: Mapping[str, ScheduleOverride], now: datetime
) -> Iterator[DueRun]:
    """Runs whose rows wait, oldest first; those of unknown jobs are left to whoever knows them.

    One with a slot was given to an engine, and is due here as well, for whoever asks about its job: claiming decides.
    """
    by_name = {job.name: job for job in jobs}
    for run in open_runs(connection):
        if run.state != RunState.QUEUED or (job := by_name.get(run.job)) is None:
            continue
        if is_lapsed(job, run.slot, now):
            give_up(connection, job, run, now)
        elif run.slot is None or (change := known.get(job.name)) is None or not change.paused(now):
            yield run.due


def _slots(
    connection: Connection,
    jobs: Sequence[Job],
    known: Mapping[str, ScheduleOverride],
    now: datetime,
    busy: Collection[str],
) -> Iterator[DueRun]:
    newest = newest_attempts(connection, [job.name for job in jobs if job.schedule is not None], now)
    for job in jobs:
        change = known.get(job.name)
        if job.schedule is None or (change is not None and change.paused(now)):
            continue
        if job.misfire.rule == "all" and _rests(job, newest.get(job.name), now):
            continue  # each slot is run there, the oldest first; for the other rules a later one takes its place
        last = _later(settled(job, newest.get(job.name), now) or beginning(job, change), due_after(change))
        slots = due_slots(job.schedule, last, now, job.misfire)
        if slots and (passed := _named_before(job.schedule, newest.get(job.name), last)) is not None:
            last, slots = passed, due_slots(job.schedule, passed, now, job.misfire)
        lapsed = lapsed_slot(job.schedule, last, now, job.misfire)
        if slots and job.name in busy and job.overlap == "skip":
            reason = "given up: the run before was still under way"
            _write_skipped(connection, job, slots[-1], now, missed_before(job.schedule, last, slots[-1]), reason)
        elif slots:
            missed = missed_before(job.schedule, last, slots[0])
            local_slot = job.schedule.local_slot
            yield from (
                DueRun(job.name, slot, missed=0 if number else missed, local_slot=local_slot(slot))
                for number, slot in enumerate(slots)
            )
        elif lapsed is not None:
            missed = missed_before(job.schedule, last, lapsed)
            _write_skipped(connection, job, lapsed, now, missed, late_words(job, lapsed, now))


def _named_before(schedule: Schedule, newest: NewestAttempt | None, last: datetime | None) -> datetime | None:
    """The latest slot whose local time a run had already; None is usual.

    There is one after the newest run only when the rules of the zone changed since, or are others than those of the
    process that ran it (T7): 04:00 was at 06:00 UTC, and is now at 07:00 UTC of the same day.
    """
    if newest is None or newest.local_slot is None or last is None or newest.slot > last:
        return None
    today = schedule.local_slot(newest.slot)
    if today is None or today == newest.local_slot or newest.local_slot.rpartition(" ")[2] != schedule.zone:
        return None
    passed, slot = None, schedule.next(last)
    while (schedule.local_slot(slot) or "")[:MINUTE] <= newest.local_slot[:MINUTE]:
        passed, slot = slot, schedule.next(slot)
    return passed


def _write_skipped(connection: Connection, job: Job, slot: datetime, now: datetime, missed: int, reason: str) -> None:
    """Put a slot that was not run in time on record, with the reason."""
    runs = own_tables(connection.dialect.name).runs
    done = select(runs.c.id).where(
        runs.c.job == job.name, runs.c.database == DATABASE, runs.c.slot == slot, runs.c.state.in_(TAKING_THE_SLOT)
    )
    if connection.execute(done).first() is not None:
        return
    earlier = newest_attempts(connection, [job.name], now).get(job.name)
    attempt = earlier.attempt + 1 if earlier is not None and earlier.slot == slot else 1
    at = database_now(connection.dialect.name)
    row = {"job": job.name, "database": DATABASE, "slot": slot, "attempt": attempt}
    row |= {"state": RunState.SKIPPED, "worker": "", "epoch": 0, "as_of": now, "definition": "", "missed": missed}
    row |= counts_columns({})
    connection.execute(insert(runs).values(row | {"started_at": at, "finished_at": at, "error": reason}))


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((instant for instant in (one, other) if instant is not None), default=None)


def newest_attempts(
    connection: Connection, names: Sequence[str], now: datetime, without: Sequence[RunState] = ()
) -> dict[str, NewestAttempt]:
    """The last attempt of each job at its newest slot. One look into an index a job, whatever the length of history.

    now: slots after it do not count. They come from a clock that was wrong, or from somebody who may only write runs,
    and would keep their job from being due until then, without a word.
    without: states that do not count.
    """
    rows = for_each(connection, names, lambda name: _newest(connection.dialect.name, name, now, without))
    return {row.job: NewestAttempt(*tuple(row)[1:]) for row in rows}


def _newest(dialect: str, name: str, now: datetime, without: Sequence[RunState]) -> Select[Any]:
    runs = own_tables(dialect).runs
    columns = ("slot", "attempt", "state", "finished_at", "local_slot", "outcome_code", "infrastructure_failures")
    one = select(runs.c.job, *(runs.c[name] for name in columns))
    one = one.where(runs.c.job == name, runs.c.database == DATABASE, runs.c.slot <= now)
    if without:
        one = one.where(runs.c.state.not_in(without))
    return select(one.order_by(runs.c.slot.desc(), runs.c.attempt.desc()).limit(1).subquery())


def settled(job: Job, newest: NewestAttempt | None, now: datetime) -> datetime | None:
    """The slot up to which nothing is due any more: the newest one, or just before it when it is to be tried again."""
    if newest is None:
        return None
    again = newest.slot - timedelta(microseconds=1)
    if newest.state == RunState.RUNNING:
        return again  # claiming finds out whether its holder lives
    retry = tried_again(job, newest)
    return again if retry is not None and retry <= now else newest.slot


def tried_again(job: Job, newest: NewestAttempt | None) -> datetime | None:
    """When the newest slot is to be tried again, as its run was cut off or has failed; None: it is not."""
    if newest is None:
        return None
    if newest.state in CUT_OFF:
        return _after_a_cut(newest)
    if newest.state not in RETRIED_IF_ASKED or newest.finished_at is None or job.retry is None:
        return None
    rest = job.retry.delay(max(newest.attempt - newest.infrastructure_failures, 1))
    return None if rest is None else newest.finished_at + rest


def _rests(job: Job, newest: NewestAttempt | None, now: datetime) -> bool:
    """Whether the newest slot was cut off and is to be tried again, but not yet."""
    again = tried_again(job, newest) if newest is not None and newest.state in CUT_OFF else None
    return again is not None and again > now


def _after_a_cut(newest: NewestAttempt) -> datetime | None:
    failures = newest.infrastructure_failures
    if newest.attempt - failures >= MAX_CRASHES:
        return None
    rest = rest_after(failures)
    return newest.finished_at + rest if rest and newest.finished_at is not None else newest.slot
