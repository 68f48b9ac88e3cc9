"""Retention debt: what is due and still there, by the predicate of the run; unknown where it cannot be asked."""

from __future__ import annotations

from datetime import timedelta
from threading import Event, Thread

import pytest
from sqlalchemy import Column, Engine, MetaData, Table

from sexton import Job, LazyWork, Purge, UtcDateTime
from sexton.db.column_types import BigKey
from sexton.db.connect import open_database
from sexton.slots.history import RunRecord, history
from sexton.telemetry import debt
from sexton.telemetry.debt import Debt, RowFlow, read_debt, row_flow
from sexton.telemetry.health_reader import HealthReader
from sexton.telemetry.metrics import exposition
from sexton.testing import preview_job, run_job
from tests.support.past_runs import add_runs, database_time, run_row
from tests.support.patience import PATIENCE
from tests.support.sessions import make_sessions

DAY = timedelta(days=1)


def test_debt_is_what_a_dry_run_would_pick_and_nothing_after_the_run(engine: Engine) -> None:
    shop = make_sessions(engine)
    now = database_time(engine)
    for number, age in enumerate((timedelta(hours=5), timedelta(hours=2), -DAY)):
        shop.one(number, now - age)
    job = shop.purge()

    (before,) = read_debt(engine, [job])
    assert before.rows == preview_job(engine, job).total.picked == 2
    assert before.since is not None
    assert abs(before.since - (now - timedelta(hours=5))) < timedelta(seconds=1)

    run_job(engine, job)
    assert read_debt(engine, [job]) == [Debt(job.name, "purge_sessions", 0)]


def test_a_row_is_overdue_from_the_end_of_its_keep(engine: Engine) -> None:
    shop = make_sessions(engine)
    now = database_time(engine)
    shop.one(1, now - 31 * DAY)
    old = Job("shop.old", work=Purge(shop.table, by=shop.table.c.expires_at, keep="30d"))

    (found,) = read_debt(engine, [old])

    assert found.since is not None
    assert abs(found.since - (now - DAY)) < timedelta(seconds=1)


def test_a_condition_without_a_time_column_says_how_many_and_not_since_when(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.one(1, database_time(engine) + timedelta(hours=3))

    assert read_debt(engine, [shop.warn()]) == [Debt("shop.warn_sessions", "warn_sessions", 1)]


def test_a_flood_is_counted_up_to_a_limit(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debt, "MAX_COUNTED_DUE", 7)
    shop = make_sessions(engine)
    shop.add(20, age=DAY)

    (found,) = read_debt(engine, [shop.purge()])

    assert found.rows == 7


def test_what_cannot_be_asked_is_unknown_and_the_rest_is_told(engine: Engine) -> None:
    """A missing table, work that cannot be loaded, a plain function: never a zero that is a lie (X9)."""
    shop = make_sessions(engine)
    nowhere = Table("nowhere", MetaData(), Column("id", BigKey, primary_key=True), Column("at", UtcDateTime))
    jobs = [
        Job("shop.nowhere", work=Purge(nowhere, by=nowhere.c.at, keep="1d")),
        Job("shop.unloadable", work=LazyWork("tests.no_such_module:work")),
        Job("shop.function", work=print),
        shop.purge(),
    ]

    found = read_debt(engine, jobs)

    assert found == [Debt("shop.nowhere", "purge_nowhere", None), Debt("shop.purge_sessions", "purge_sessions", 0)]


@pytest.mark.databases("postgres18")
def test_a_table_that_somebody_locks_is_unknown_after_the_limit(engine: Engine, database: str) -> None:
    shop = make_sessions(engine)
    locked, enough = Event(), Event()

    def lock() -> None:
        other = open_database(database)
        with other.begin() as connection:
            connection.exec_driver_sql("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
            locked.set()
            enough.wait(PATIENCE)
        other.dispose()

    thread = Thread(target=lock)
    thread.start()
    assert locked.wait(PATIENCE)
    found = read_debt(engine, [shop.purge()], seconds=0.2)
    enough.set()
    thread.join()

    assert found == [Debt("shop.purge_sessions", "purge_sessions", None)]


def test_pf_136_6_the_metric_has_rows_and_age_and_is_missing_where_unknown(engine: Engine, database: str) -> None:
    shop = make_sessions(engine)
    shop.one(1, database_time(engine) - timedelta(hours=1))
    nowhere = Table("nowhere", MetaData(), Column("id", BigKey, primary_key=True), Column("at", UtcDateTime))
    unknown = Job("shop.nowhere", work=Purge(nowhere, by=nowhere.c.at, keep="1d"))

    jobs = [shop.purge(), unknown]
    reader = HealthReader(
        database, jobs, debt=lambda: read_debt(engine, jobs), debt_first=True, patience=PATIENCE, statement=PATIENCE
    )
    text = exposition(reader.read())[0].decode()

    lines = [line for line in text.splitlines() if line.startswith("sexton_debt")]
    assert lines[0] == 'sexton_debt_rows{job="shop.purge_sessions"} 1.0'
    assert 3600 <= float(lines[1].split()[-1]) < 3600 + PATIENCE
    assert len(lines) == 2


def test_drain_and_intake_come_from_the_runs(engine: Engine) -> None:
    now = database_time(engine)
    counts = {"purge": {"picked": 700, "changed": 700, "told": 0}}
    none = {"purge": {"picked": 0, "changed": 0, "told": 0}}
    add_runs(
        engine,
        run_row("shop.a", "succeeded", now - 14 * DAY, 7.0, counts=counts),
        run_row("shop.a", "succeeded", now - 3 * DAY, 7.0, counts=counts),
        run_row("shop.a", "succeeded", now - DAY, 0.5, counts=none),
    )
    with engine.connect() as connection:
        runs: list[RunRecord] = history(connection, job="shop.a", limit=100)

    assert row_flow(runs, "purge", now) == RowFlow(drain=100.0, intake=100.0)
    assert row_flow(runs, "other", now) == RowFlow(None, None)
    assert row_flow([], "purge", now) == RowFlow(None, None)
