"""Jobs that are due whenever something waits for them: found without a slot, and no row of history for an idle look."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from sexton import Job, LazyWork
from sexton.clock import parse_instant
from sexton.db.tables import own_tables
from sexton.slots.due import due_runs
from sexton.slots.due_run import DueRun
from sexton.slots.schedule_overrides import pause
from sexton.testing import run_job
from tests.support.demand_jobs import POST, letters

from .test_due import ran

NOON = parse_instant("2026-06-15T12:30Z")


def found(engine: Engine, job: Job = POST, now: datetime = NOON) -> list[DueRun]:
    with engine.begin() as connection:
        return [due for due in due_runs(connection, [job], now) if due.slot is None]


def rows(engine: Engine) -> int:
    with engine.connect() as connection:
        return len(connection.execute(select(own_tables(engine.dialect.name).runs.c.id)).all())


def test_it_is_due_while_something_waits_and_an_idle_look_leaves_no_run(engine: Engine) -> None:
    letters(engine)
    assert (found(engine), rows(engine)) == ([], 0)

    letters(engine, 1, 2)
    assert found(engine) == [DueRun("post.deliver", None)]

    run_job(engine, POST)
    assert found(engine) == []


def test_after_a_run_that_took_something_the_next_one_needs_no_rest(engine: Engine) -> None:
    letters(engine, 1)
    run_job(engine, POST)

    letters(engine, 2)

    assert found(engine) == [DueRun("post.deliver", None)]


def test_after_a_run_that_found_nothing_it_rests_but_not_when_that_had_a_slot(engine: Engine) -> None:
    """What waits cannot be done yet, so asking again at once would fill the history."""
    letters(engine, 1)
    ran(engine, "12:00", "succeeded", job=POST.name, ended="12:29:59")
    assert found(engine) == [DueRun("post.deliver", None)]

    ran(engine, None, "succeeded", job=POST.name, ended="12:29:59")
    assert found(engine) == []
    assert found(engine, now=NOON + timedelta(seconds=5)) == [DueRun("post.deliver", None)]


@pytest.mark.parametrize(("state", "ended", "rests"), [("failed", "12:29", False), ("failed", "12:31", True)])
def test_after_a_failure_it_rests_for_a_minute(engine: Engine, state: str, ended: str, rests: bool) -> None:
    """Else a job that cannot run would fill the history with a failure each second."""
    letters(engine, 1)
    ran(engine, None, state, job=POST.name, ended=ended)

    assert (found(engine) == []) is rests
    assert found(engine, now=NOON + timedelta(minutes=2)) != []


def test_what_cannot_be_asked_is_left_to_the_schedule(engine: Engine) -> None:
    broken = replace(POST, demand=LazyWork("tests.support.demand_jobs:broken"))

    assert found(engine, broken) == []


def test_paused_disabled_and_busy_jobs_are_not_in_demand(engine: Engine) -> None:
    letters(engine, 1)

    assert found(engine, replace(POST, enabled=False)) == []
    with engine.begin() as connection:
        assert [due for due in due_runs(connection, [POST], NOON, busy=[POST.name]) if due.slot is None] == []
        pause(connection, POST, by="ops", reason="moving house", until=None)
    assert found(engine) == []
