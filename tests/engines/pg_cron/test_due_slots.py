"""Which slot a procedure finds due: whatever the history, the one that Python finds (PGC-3), in any session's zone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import Connection, Engine, insert, text

from sexton import Job, cron, every
from sexton.db.connect import open_database
from sexton.db.tables import DATABASE, own_tables
from sexton.engines.pg_cron.run_settings import schedule_settings
from sexton.jobs.backoff import parse_backoff
from sexton.jobs.misfire import Misfire
from sexton.jobs.schedule import Every, Schedule
from sexton.run_state import OutcomeCode, RunState
from sexton.slots.due import due_runs
from sexton.slots.due_run import DueRun
from sexton.slots.queue import enqueue
from sexton.slots.schedule_overrides import pause
from tests.support.databases import Databases

BEGIN = datetime(2026, 10, 20, 12, 0, tzinfo=UTC)
"""Some days before the clocks of Jerusalem and of Berlin go back."""

SCHEDULES: tuple[Schedule, ...] = (
    cron("0 6 * * *", "Asia/Jerusalem"),
    cron("30 1 * * *", "Europe/Berlin"),
    cron("*/20 * * * *"),
    every("5m", offset="2m"),
    every("36h"),
)
ENDS = tuple(state for state in RunState if state != RunState.QUEUED)
CODES = (None, OutcomeCode.STOPPED, OutcomeCode.LOCKED, OutcomeCode.PROCESS_DIED, OutcomeCode.DATABASE_LOST)


@dataclass(frozen=True)
class Past:
    """A run row. back: how many slots before the latest one at `now`.  rest: minutes since it ended.

    moved: how many hours later it was than it would be now, as the zone had other rules when it was run (T7).
    """

    back: int
    attempt: int
    state: RunState
    code: OutcomeCode | None
    failures: int
    rest: int
    moved: int = 0


pasts = some.builds(
    Past,
    some.integers(0, 4),
    some.integers(1, 6),
    some.sampled_from(ENDS),
    some.sampled_from(CODES),
    some.integers(0, 5),
    some.integers(0, 200),
    some.sampled_from([0, 0, -1, 1]),
)
lengths = some.sampled_from([timedelta(minutes=1), timedelta(minutes=30), timedelta(days=1)])
misfires = some.builds(
    Misfire, some.sampled_from(["coalesce", "skip", "all"]), some.integers(1, 4), some.none() | lengths
)
moments = some.integers(0, 9 * 24 * 60).map(lambda minutes: BEGIN + timedelta(minutes=minutes, seconds=7))
seen = some.none() | some.integers(0, 4000).map(lambda minutes: timedelta(minutes=minutes))


@pytest.fixture(scope="module")
def engine(databases: Databases) -> Iterator[Engine]:
    """One database of PostgreSQL for all examples; each is rolled back."""
    with databases.fresh("postgres15", migrated=True) as url:
        engine = open_database(url)
        yield engine
        engine.dispose()


def fill(connection: Connection, job: Job, past: list[Past], now: datetime, seen_before: timedelta | None) -> None:
    own, schedule = own_tables("postgresql"), job.schedule
    assert schedule is not None
    slots = [schedule.previous(now)]
    while len(slots) < 8 or slots[-1] > now - timedelta(days=4):
        slots.append(schedule.previous(slots[-1] - timedelta(microseconds=1)))
    slots.append(schedule.next(now))
    if not isinstance(schedule, Every):
        rows = [{"job": job.name, "slot": one, "local_slot": schedule.local_slot(one)} for one in slots]
        connection.execute(insert(own.slots), rows)
    known = {"job": job.name, "expression": f"{schedule.text} in {schedule.zone}", "version": 0}
    first = None if seen_before is None else now - seen_before
    connection.execute(insert(own.schedules).values(known | {"seen_at": first or now - timedelta(days=3)}))
    for one in {(one.back, one.attempt): one for one in past}.values():
        ended = None if one.state == RunState.RUNNING else now - timedelta(minutes=one.rest)
        slot, local_slot = as_it_was(schedule, slots[one.back], one.moved)
        row: dict[str, Any] = {"job": job.name, "database": DATABASE, "slot": slot, "attempt": one.attempt}
        row |= {"local_slot": local_slot}
        row |= {"state": one.state, "worker": "", "epoch": 0, "as_of": now, "started_at": now, "definition": ""}
        row |= {"finished_at": ended, "counts": {}, "outcome_code": one.code, "infrastructure_failures": one.failures}
        with connection.begin_nested() as nested:
            try:
                connection.execute(insert(own.runs).values(row))
            except Exception:  # a slot is taken once: such a history there is not
                nested.rollback()


def as_it_was(schedule: Schedule, slot: datetime, moved: int) -> tuple[datetime, str | None]:
    """The slot, and what it was called, while the zone was so many hours behind of what it is now."""
    named = schedule.local_slot(slot)
    if named is None:
        return slot, None
    return slot + timedelta(hours=moved), f"{named[:16]}{int(named[16:21]) - 100 * moved:+05d}{named[21:]}"


def by_procedure(connection: Connection, job: Job, now: datetime) -> list[DueRun]:
    told = json.dumps(schedule_settings(connection, job))
    asked = text("SELECT slot, missed, local_slot FROM sexton.due_v1(:job, CAST(:told AS jsonb), :now)")
    rows = connection.execute(asked, {"job": job.name, "told": told, "now": now}).all()
    return [DueRun(job.name, row.slot, missed=row.missed, local_slot=row.local_slot) for row in rows]


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    some.sampled_from(SCHEDULES),
    misfires,
    some.booleans(),
    some.booleans(),
    some.lists(pasts, max_size=4),
    moments,
    seen,
)
def test_pgc_3_a_procedure_finds_the_slot_due_that_python_finds(
    engine: Engine,
    schedule: Schedule,
    misfire: Misfire,
    catch_up: bool,
    retries: bool,
    past: list[Past],
    now: datetime,
    seen_before: timedelta | None,
) -> None:
    retry = parse_backoff(["10m", "1h"]) if retries else None
    job = Job("shop.tidy", work=len, schedule=schedule, misfire=misfire, catch_up=catch_up, retry=retry)
    with engine.connect() as connection, connection.begin() as transaction:
        fill(connection, job, past, now, seen_before)
        wanted = due_runs(connection, [job], now)
        transaction.rollback()
    with engine.connect() as connection, connection.begin() as transaction:
        fill(connection, job, past, now, seen_before)
        found = by_procedure(connection, job, now)
        transaction.rollback()

    assert found == wanted[:1]


def test_t7_a_local_time_that_was_run_is_not_due_again_by_new_rules_of_its_zone(engine: Engine) -> None:
    """06:00 was at 02:00 UTC when it was run, and by the slots that are written now it is at 03:00 UTC."""
    job = Job("shop.tidy", work=len, schedule=SCHEDULES[0])
    run = Past(1, 1, RunState.SUCCEEDED, None, 0, 30, moved=-1)
    at, next_day = (datetime(2026, 10, day, 3, 1, tzinfo=UTC) for day in (21, 22))
    with engine.connect() as connection, connection.begin() as transaction:
        fill(connection, job, [run], next_day, None)
        assert by_procedure(connection, job, at) == due_runs(connection, [job], at) == []
        (due,) = by_procedure(connection, job, next_day)
        assert [due] == due_runs(connection, [job], next_day)
        assert (due.local_slot, due.missed) == ("2026-10-22 06:00+0300 Asia/Jerusalem", 0)
        transaction.rollback()


def test_what_somebody_asked_for_is_due_in_a_pause_too(engine: Engine) -> None:
    """As with Python: a pause is of slots."""
    job = Job("shop.tidy", work=len, schedule=every("5m"), catch_up=True)
    with engine.connect() as connection, connection.begin() as transaction:
        fill(connection, job, [], BEGIN, None)
        pause(connection, job, until=None, reason="", by="somebody")
        assert by_procedure(connection, job, BEGIN) == due_runs(connection, [job], BEGIN) == []
        number, _ = enqueue(connection, job, by="somebody")
        assert [run.queued for run in due_runs(connection, [job], BEGIN)] == [number]
        told = json.dumps(schedule_settings(connection, job))
        asked = text("SELECT queued FROM sexton.due_v1('shop.tidy', CAST(:told AS jsonb), :now)")
        assert connection.execute(asked, {"told": told, "now": BEGIN}).scalars().all() == [number]
        transaction.rollback()
