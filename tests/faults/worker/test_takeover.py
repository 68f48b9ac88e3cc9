"""The leader dies, freezes, leaves, loses its database: another leads in time, no slot runs twice, none is lost."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from sexton.db.tables import own_name
from tests.support.proxy import Proxy
from tests.support.worker import (
    LONG,
    Yard,
    assert_no_slot_twice,
    freeze_between_transactions,
    has_every_slot,
    make_yard,
)
from tests.support.workers import Start, Worker

pytestmark = pytest.mark.slow


@pytest.fixture
def yard(engine: Engine, database: str, tmp_path: Path, start: Start) -> Yard:
    """Workers over a fresh database."""
    return make_yard(engine, database, tmp_path, start)


@pytest.fixture
def pair(yard: Yard) -> tuple[Worker, Worker]:
    """A leader, and one that stands by."""
    return pair_of(yard)


def pair_of(yard: Yard) -> tuple[Worker, Worker]:
    """The same in this yard."""
    leader = yard.leader()
    standby = yard.worker()
    standby.wait_for('"worker started"')
    yard.wait_until(lambda: bool(yard.runs()))
    return leader, standby


def assert_every_slot_accounted_for(yard: Yard) -> None:
    """Of a job that wants each slot: none twice, none missing between the first and the last."""
    assert_no_slot_twice(yard.runs())
    assert has_every_slot(yard.runs("tick.every_slot"))


def test_l4_killed(pair: tuple[Worker, Worker], yard: Yard) -> None:
    """ORA-FUT.1"""
    leader, standby = pair
    leader.kill()

    standby.wait_for('"leading"')

    seen = len(yard.runs("tick.every_slot"))
    yard.wait_until(lambda: len(yard.runs("tick.every_slot")) >= seen + 3)
    assert_every_slot_accounted_for(yard)


def test_l4_frozen_and_awake_again(pair: tuple[Worker, Worker], yard: Yard) -> None:
    leader, standby = pair
    freeze_between_transactions(leader, yard)

    standby.wait_for('"leading"')
    leader.resume()

    leader.wait_for('"standing by"')
    seen = len(yard.runs("tick.every_slot"))
    yard.wait_until(lambda: len(yard.runs("tick.every_slot")) >= seen + 2)
    assert_every_slot_accounted_for(yard)


def test_p7_a_leader_that_is_asked_to_leave_hands_over_and_nobody_waits_for_its_lease(
    engine: Engine, database: str, tmp_path: Path, start: Start
) -> None:
    leader, standby = pair_of(make_yard(engine, database, tmp_path, start, lease=LONG))
    leader.send(signal.SIGTERM)

    standby.wait_for('"leading"')

    assert leader.wait() == 0
    assert standby.runs


@pytest.mark.databases("postgres18")
@pytest.mark.parametrize("line", ['"worker started"', '"leading"'])
def test_p7_a_worker_whose_network_stalls_ends_when_it_is_asked_to(
    line: str, engine: Engine, database: str, tmp_path: Path, start: Start, open_proxy: Callable[[str], Proxy]
) -> None:
    """It waits for an answer that never comes, from the start or as leader, and its executors with it."""
    proxy = open_proxy(database)
    if "started" in line:
        proxy.freeze()
    worker = make_yard(engine, proxy.url_for(database), tmp_path, start).worker()
    worker.wait_for(line)
    proxy.freeze()

    worker.send(signal.SIGTERM)

    assert worker.wait() == 0
    assert '"worker ended"' in worker.output
    proxy.thaw()


@pytest.mark.databases("postgres")
def test_d2_connections_that_the_server_ends_are_opened_again(yard: Yard) -> None:
    worker = yard.leader()
    for _ in range(4):
        seen = len(yard.runs("tick.every_slot"))
        with yard.engine.begin() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        yard.wait_until(lambda seen=seen: len(yard.runs("tick.every_slot")) > seen)  # type: ignore[misc]
    assert worker.runs
    assert_every_slot_accounted_for(yard)


@pytest.mark.databases("postgres")
def test_d4_a_server_that_only_reads_is_not_led(yard: Yard, server: object) -> None:
    """As after a fail-over to a standby: nobody leads there, and when it writes again, somebody does."""
    name = yard.engine.url.database
    with yard.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    yard.engine.dispose()
    worker = yard.worker()
    worker.wait_for("database trouble")
    assert '"leading"' not in worker.output

    with yard.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET default_transaction_read_only = off"))
        connection.execute(text(f"ALTER DATABASE {name} RESET default_transaction_read_only"))
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND datname = current_database()"
            )
        )
    worker.wait_for('"leading"')


@pytest.mark.databases("sqlite", "postgres18")
def test_a_leader_whose_tables_are_of_an_older_version_ends_and_leaves_no_lease(yard: Yard) -> None:
    """As after a backup was restored: another worker need not wait for the lease to run out."""
    worker = yard.leader()
    name, schema = own_name(yard.engine.dialect.name, "schema_version")
    with yard.engine.begin() as connection:
        connection.execute(text(f"UPDATE {schema + '.' if schema else ''}{name} SET version_num = '0001'"))

    assert worker.wait() == 2
    assert yard.holder() is None
    assert '"its tables are of another version"' in worker.output
