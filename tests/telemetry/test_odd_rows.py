"""Rows of ours that somebody else has written: what they hold is odd, and hides nothing of the other jobs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, insert, text

from sexton import Job, every
from sexton.app import App
from sexton.clock import FIRST_YEAR, LAST_YEAR
from sexton.config import Settings
from sexton.db.column_types import OwnInstant
from sexton.db.tables import own_tables
from sexton.slots.due import due_runs
from sexton.slots.history import history, one, running, set_aside
from sexton.telemetry.counters import CounterReader
from sexton.telemetry.health import read_health
from sexton.telemetry.monitoring_cycle import MonitoringCycle
from tests.support.past_runs import add_runs, database_time, run_row

ODD = Job("shop.odd", schedule=every("1h"), work=lambda run: None)
WELL = Job("shop.well", schedule=every("1h"), work=lambda run: None, catch_up=True)

UNTOLD = (
    '{"x": {"changed": 9e999, "picked": 99999999999999999999999}}',
    '{"x": {"changed": 9223372036854775807}, "y": {"changed": 9223372036854775807}}',
    r'{"\ud800": {"changed": 5}}',
    r'{"x": {"\u0000": 5}}',
    r'{"x": {"\udc00\ud800": 5}}',
)
ANYWHERE = ("[1]", "5", "null", '{"x": 5}', '{"x": "words"}', '{"x": {"changed": "three", "later": 1, "also": 2}}')

BEFORE = ", picked = NULL, changed = NULL, told = NULL, skipped = NULL"
"""As rows of before revision 1013 are, of which the counts are asked."""


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize(
    "counts", [*ANYWHERE, "{no", "[" * 5_000 + "]" * 5_000, "9" * 5_000], ids=lambda text: text[:40]
)
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
        connection.execute(
            text(f"UPDATE {table} SET counts = :counts{BEFORE} WHERE job = 'shop.odd'"), {"counts": counts}
        )

        past = {run.job: run.total.changed for run in history(connection)}
        health = {job.job: job.rows for job in read_health(connection, [ODD, WELL], now).jobs}
        tally = CounterReader(["shop.odd", "shop.well"]).read(connection, now).jobs

    assert past == health == {"shop.odd": 0, "shop.well": 2}
    assert {name: one.changed for name, one in tally.items()} == {"shop.odd": 0, "shop.well": 2}


@pytest.mark.databases("postgres15")
def test_a_pause_until_infinity_has_no_end_and_is_its_jobs_alone(engine: Engine) -> None:
    now = database_time(engine)
    with engine.begin() as connection:
        row = "INSERT INTO sexton.schedules (job, version, paused_at, paused_until) VALUES ('shop.odd', 0, now(), :end)"
        connection.execute(text(row), {"end": "infinity"})

        assert [due.job for due in due_runs(connection, [ODD, WELL], now)] == ["shop.well"]
        health = read_health(connection, [ODD, WELL], now + timedelta(days=3_650))
        assert [job.paused for job in health.jobs] == [True, False]


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize("counts", UNTOLD)
def test_sec_2_attack_numbers_and_names_that_no_database_adds_up_hide_no_other_job(engine: Engine, counts: str) -> None:
    now = database_time(engine)
    add_runs(engine, run_row("shop.odd", "succeeded", now), run_row("shop.odd", "failed", now))
    add_runs(engine, run_row("shop.well", "succeeded", now, counts={"step": {"picked": 3, "changed": 2}}))
    table = "sexton.runs" if engine.dialect.name == "postgresql" else "sexton_runs"
    with engine.begin() as connection:
        connection.execute(
            text(f"UPDATE {table} SET counts = :counts{BEFORE} WHERE job = 'shop.odd'"), {"counts": counts}
        )
        assert {run.job: run.total.changed for run in history(connection)}["shop.well"] == 2
        tally = CounterReader(["shop.odd", "shop.well"]).read(connection, now).jobs

    assert tally["shop.well"].changed == 2


FAR_OFF = ("infinity", "-infinity", "20000-01-01", "0044-03-15 BC", "9999-12-31 23:59:59.999999+00")
TOLD_OF = ("runs", "schedules", "incidents", "alerts", "leases", "poison")
INSTANTS = [
    (name, column.name)
    for name in TOLD_OF
    for column in getattr(own_tables("postgresql"), name).c
    if isinstance(column.type, OwnInstant)
]


def one_of_each(engine: Engine) -> None:
    """A row in each table that is read to tell of jobs."""
    now = database_time(engine)
    add_runs(engine, *(run_row(job.name, "failed", now - timedelta(hours=2), slot=now) for job in (ODD, WELL)))
    before = now - timedelta(days=2)
    incident = {"job": "shop.odd", "kind": "failing", "text": "x", "opened_at": before, "told_at": before}
    incident |= {"openings": 2, "reopened_at": before, "restless_since": before}
    alert = {"key": "k", "incident_id": 1, "channel": "log", "message": {"title": "t"}, "created_at": before}
    poison = {"job": "shop.odd", "step": "s", "subject": "1", "error": "e", "attempts": 1, "first_seen_at": before}
    own = own_tables(engine.dialect.name)
    with engine.begin() as connection:
        connection.execute(insert(own.incidents).values(incident))
        connection.execute(insert(own.alerts).values(alert | {"next_at": before}))
        connection.execute(insert(own.poison).values(poison | {"last_seen_at": before}))
        connection.execute(insert(own.schedules).values(job="shop.odd", version=1, seen_at=before))
        connection.execute(insert(own.leases).values(name="shop.odd", epoch=1, expires_at=before))


def all_that_reads(engine: Engine, connection: Connection) -> list[str]:
    """What commands, pages and watching ask; what watching could not do."""
    now = database_time(engine)
    assert {"shop.odd", "shop.well"} <= {run.job for run in history(connection)}
    assert one(connection, 1)
    running(connection), set_aside(connection)
    due_runs(connection, [ODD, WELL], now)
    assert [job.job for job in read_health(connection, [ODD, WELL], now).jobs] == ["shop.odd", "shop.well"]
    CounterReader(["shop.odd", "shop.well"]).read(connection, now)
    connection.commit()
    failed: list[str] = []
    settings = Settings(database=engine.url.render_as_string(hide_password=False))

    def say(event: str, **fields: object) -> None:
        if event == "watching failed":
            failed.append(str(fields))

    for _ in range(2):
        MonitoringCycle(engine, list(App(settings).registry), settings, say).make()
    return failed


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize("value", FAR_OFF)
def test_sec_2_attack_an_instant_that_python_does_not_know_stops_nothing(engine: Engine, value: str) -> None:
    one_of_each(engine)
    for table, column in INSTANTS:
        with engine.begin() as connection:
            connection.execute(
                text(f"UPDATE sexton.{table} SET {column} = CAST(:value AS timestamptz)"), {"value": value}
            )
        with engine.connect() as connection:
            assert all_that_reads(engine, connection) == [], (table, column)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("value", ["infinity", "", "20000-01-01 00:00:00.000000", "2026-13-45", 5, b"\xff"])
def test_sec_2_attack_what_is_no_instant_on_sqlite_stops_nothing(engine: Engine, value: object) -> None:
    one_of_each(engine)
    for table, column in INSTANTS:
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE sexton_{table} SET {column} = :value"), {"value": value})
        with engine.connect() as connection:
            assert all_that_reads(engine, connection) == [], (table, column)


@pytest.mark.databases("sqlite", "postgres15")
def test_sec_2_attack_such_an_instant_reads_as_the_nearest_that_can_be_reckoned_from(engine: Engine) -> None:
    now = database_time(engine)
    add_runs(engine, run_row("shop.well", "succeeded", now))
    table = "sexton.runs" if engine.dialect.name == "postgresql" else "sexton_runs"
    odd = "'infinity'" if engine.dialect.name == "postgresql" else "'infinity', slot = 5"
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {table} SET finished_at = {odd}"))
        (run,) = history(connection)

    assert (run.started_at, run.finished_at and run.finished_at.year) == (now, LAST_YEAR)
    assert engine.dialect.name == "postgresql" or (run.slot and run.slot.year) == FIRST_YEAR


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize("attempts", [2**31 - 1, -(2**31)])
def test_sec_2_attack_a_number_of_tries_that_is_none_keeps_no_other_message(engine: Engine, attempts: int) -> None:
    one_of_each(engine)
    alerts = own_tables(engine.dialect.name).alerts
    with engine.begin() as connection:
        connection.execute(alerts.update().values(attempts=attempts))
    with engine.connect() as connection:
        assert all_that_reads(engine, connection) == []
