"""X9: whoever asks gets an answer in time, whatever the database does, and asks it no more than is decent."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from inspect import signature
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from sexton import Job, every
from sexton.db.connect import open_database
from sexton.errors import DatabaseUnreachable, HeldElsewhere, SchemaOutdated, SextonError
from sexton.telemetry.health_reader import HealthReader, HealthReading
from sexton.testing.postgres import Server
from sexton.testing.processes import wait_until
from tests.support.past_runs import add_runs, database_time, run_row
from tests.support.patience import PATIENCE
from tests.support.proxy import Proxy

JOBS = (Job("shop.hourly", schedule=every("1h"), work=print),)

patient = partial(HealthReader, patience=PATIENCE, statement=PATIENCE)
"""A reader whose answer comes, however busy the machine is."""


def runs_of(answer: HealthReading | SextonError) -> int:
    """Successes of the job today, or an error."""
    assert isinstance(answer, HealthReading), answer
    return answer.tallies.jobs[JOBS[0].name].successes


def test_by_default_an_answer_comes_before_a_monitor_gives_up() -> None:
    """Most wait for 5 s or longer. And the database ends a statement before we stop waiting for it."""
    options = {name: option.default for name, option in signature(HealthReader).parameters.items()}

    assert 0 < options["statement"] < options["patience"] <= 2.5


def test_an_answer_is_given_again_for_a_while(database: str, engine: Engine) -> None:
    kept, fresh = (patient(database, JOBS, max_age=age) for age in (3600, 0))
    assert (runs_of(kept.read()), runs_of(fresh.read())) == (0, 0)
    add_runs(engine, run_row(JOBS[0].name, "succeeded", database_time(engine) + timedelta(seconds=50), 0.0))

    assert (runs_of(kept.read()), runs_of(fresh.read())) == (0, 1)


def test_however_many_ask_at_once_one_reading_is_made(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Any] = []

    def opened(url: str, **options: Any) -> Engine:
        engine = open_database(url, **options)
        event.listen(engine, "begin", begun.append)
        return engine

    monkeypatch.setattr("sexton.telemetry.health_reader.open_database", opened)
    reader = patient(database, JOBS, max_age=3600)

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: reader.read(), range(64)))

    assert len(begun) == 1
    assert len({id(answer) for answer in answers}) == 1


@pytest.mark.databases("postgres")
def test_no_connection_is_kept(database: str, engine: Engine) -> None:
    reader = patient(database, JOBS, max_age=0)
    assert isinstance(reader.read(), HealthReading)

    def others() -> int:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        with engine.connect() as connection:
            return int(connection.execute(text(asked)).scalar_one())

    assert wait_until(lambda: others() == 0, PATIENCE)


@pytest.mark.databases("postgres")
def test_a_locked_run_table_is_an_error_in_time(database: str, engine: Engine) -> None:
    """The database lets no statement wait for it; nobody lets go before there is an answer."""
    reader = patient(database, JOBS, max_age=0)
    with engine.begin() as migration:
        migration.execute(text("LOCK TABLE sexton.runs IN ACCESS EXCLUSIVE MODE"))
        answer = reader.read()

    assert isinstance(answer, HeldElsewhere)
    assert isinstance(patient(database, JOBS).read(), HealthReading)


@pytest.mark.databases("sqlite")
def test_a_writer_does_not_keep_readers_out_of_sqlite(database: str, engine: Engine) -> None:
    with engine.begin() as writer:
        writer.execute(text("INSERT INTO sexton_leases VALUES ('job:x', NULL, 1, '2026-01-01 00:00:00.000000')"))
        answer = patient(database, JOBS).read()

    assert isinstance(answer, HealthReading)


@pytest.mark.databases("postgres18")
def test_a_network_that_swallows_everything_is_an_error_in_time(
    database: str, open_proxy: Callable[[str], Proxy]
) -> None:
    """Nothing answers before all have been told: who waited longer than he is to would be told something else."""
    proxy = open_proxy(database)
    reader = HealthReader(proxy.url_for(database), JOBS, max_age=0, patience=0.5)
    well = patient(proxy.url_for(database), JOBS, max_age=0)
    assert isinstance(well.read(), HealthReading)
    proxy.freeze()
    try:
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: reader.read(), range(8)))
    finally:
        proxy.thaw()

    assert all(isinstance(answer, SextonError) for answer in answers)
    assert "the database did not answer within 0.5 s" in map(str, answers)
    assert wait_until(lambda: isinstance(well.read(), HealthReading), PATIENCE)


@pytest.mark.databases("postgres18")
def test_a_server_that_is_away_and_back(start_server: Callable[..., Server]) -> None:
    from sexton.db.migrate import migrate

    server = start_server(18)
    url = server.create_database("shop")
    engine = open_database(url)
    migrate(engine)
    engine.dispose()
    reader = patient(url, JOBS, max_age=0)
    assert isinstance(reader.read(), HealthReading)

    server.shut_down()
    answer = reader.read()
    server.boot()

    assert isinstance(answer, DatabaseUnreachable)
    assert isinstance(reader.read(), HealthReading)


def test_a_database_without_our_tables(empty_database: str) -> None:
    assert isinstance(patient(empty_database, JOBS).read(), SchemaOutdated)


@pytest.mark.databases("sqlite")
def test_a_table_that_is_not_as_it_should_be(database: str, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE sexton_incidents"))

    answer = patient(database, JOBS).read()

    assert isinstance(answer, SextonError)
    assert "SELECT" not in str(answer)
