"""Rows of ours that somebody else has written: what they hold is odd, and hides nothing of the other jobs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from sexton import Job, every
from sexton.db.tables import own_tables
from sexton.runs.due import due_runs
from sexton.runs.history import history
from sexton.telemetry.health import read_health
from sexton.telemetry.tallies import Tally
from tests.support.past_runs import add_runs, database_time, run_row

ODD = Job("shop.odd", schedule=every("1h"), work=lambda run: None)
WELL = Job("shop.well", schedule=every("1h"), work=lambda run: None, catch_up=True)

ANYWHERE = ("[1]", "5", "null", '{"x": 5}', '{"x": "words"}', '{"x": {"changed": "three", "later": 1, "also": 2}}')


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize("counts", [*ANYWHERE, "{no"])
def test_counts_that_are_none_hide_no_other_job(engine: Engine, counts: str) -> None:
    if counts == "{no" and engine.dialect.name == "postgresql":
        counts = '"{no"'  # it takes only JSON
    now = database_time(engine)
    kept = {"step": {"picked": 3, "changed": 2, "told": 0}}
    for job in (ODD, WELL):
        add_runs(engine, run_row(job.name, "succeeded", now, counts=kept))
    runs = own_tables(engine.dialect.name).runs
    with engine.begin() as connection:
        table = "sexton.runs" if engine.dialect.name == "postgresql" else runs.name
        connection.execute(text(f"UPDATE {table} SET counts = :counts WHERE job = 'shop.odd'"), {"counts": counts})

        past = {run.job: run.total.changed for run in history(connection)}
        health = {job.job: job.rows for job in read_health(connection, [ODD, WELL], now).jobs}
        tally = Tally(["shop.odd", "shop.well"]).read(connection, now).jobs

    assert past == health == {"shop.odd": 0, "shop.well": 2}
    assert {name: one.changed for name, one in tally.items()} == {"shop.odd": 0, "shop.well": 2}


@pytest.mark.databases("postgres15")
def test_a_pause_until_infinity_has_no_end_and_is_its_jobs_alone(engine: Engine) -> None:
    now = database_time(engine)
    with engine.begin() as connection:
        row = "INSERT INTO sexton.schedules (job, version, paused_at, paused_until) VALUES ('shop.odd', 0, now(), :end)"
        connection.execute(text(row), {"end": "infinity"})

        assert [due.job.name for due in due_runs(connection, [ODD, WELL], now)] == ["shop.well"]
        health = read_health(connection, [ODD, WELL], now + timedelta(days=3_650))
        assert [job.paused for job in health.jobs] == [True, False]
