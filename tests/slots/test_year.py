"""A year of slots, handed on by two schedulers, with cron beside them: each slot runs once, over both clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, Engine, select

from sexton import Job, cron
from sexton.db.tables import own_tables
from sexton.run_state import RunState
from sexton.slots.claim import AlreadyDone, claim, finish
from sexton.slots.due import due_runs
from sexton.slots.due_run import DueRun
from sexton.slots.ending import Ending
from sexton.slots.submission import open_runs, queue_due

ZONE = ZoneInfo("Asia/Jerusalem")
JOBS = [
    Job("shop.in_the_gap", schedule=cron("30 2 * * *", "Asia/Jerusalem"), work=lambda run: None, engine="celery"),
    Job("shop.in_the_overlap", schedule=cron("30 1 * * *", "Asia/Jerusalem"), work=lambda run: None, engine="celery"),
]
BEGINS = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAYS = 365


def look(connection: Connection, now: datetime) -> list[DueRun]:
    """What a scheduler finds that looks twice a day, as two of them do one after the other."""
    return due_runs(connection, JOBS, now)


def begun_once(engine: Engine, due: DueRun) -> bool:
    """Whether whoever brings this number, or finds this slot, is the one who runs it."""
    try:
        claimed = claim(engine, due, lease_seconds=10.0)
    except AlreadyDone:
        return False
    finish(engine, claimed, Ending(RunState.SUCCEEDED), {})
    return True


@pytest.mark.databases("sqlite", "postgres18")
def test_a_year_of_slots_runs_once_each_however_many_schedulers_there_are(engine: Engine) -> None:
    """BJ-25, S1, S4, T5: two schedulers, messages that come twice, and `run --due` at once; in the gap at its end."""
    begun = 0
    for half_day in range(2 * DAYS + 1):
        now = BEGINS + timedelta(hours=12 * half_day)
        with engine.begin() as connection:
            first, second = look(connection, now), look(connection, now)
            numbers = [queue_due(connection, due, "celery") for due in first]
            assert [queue_due(connection, due, "celery") for due in second] == [None] * len(second)
            waiting = [run.due for run in open_runs(connection)]
        assert [due.queued for due in waiting] == numbers
        by_cron = [DueRun(due.job, due.slot, local_slot=due.local_slot) for due in second]
        begun += sum(begun_once(engine, due) for due in (*waiting, *waiting, *by_cron))

    runs = own_tables(engine.dialect.name).runs.c
    with engine.connect() as connection:
        rows = connection.execute(select(runs.job, runs.slot).order_by(runs.slot)).all()
    assert begun == len(rows) == 2 * DAYS
    for job in JOBS:
        local = [row.slot.astimezone(ZONE) for row in rows if row.job == job.name]
        assert len({slot.date() for slot in local}) == DAYS
        odd = {(slot.month, slot.day, slot.hour, slot.minute) for slot in local} - {
            (slot.month, slot.day, *((2, 30) if job is JOBS[0] else (1, 30))) for slot in local
        }
        assert odd == ({(3, 27, 3, 0)} if job is JOBS[0] else set())
