"""D1, D5, D13, L5: the worker's database crashes, forgets, has few connections to give, ends some of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, text, update

from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.db.tables import own_tables
from sexton.errors import LeaseLost
from sexton.slots.lease import acquire, fence
from sexton.testing.postgres import Server
from tests.support.worker import Yard, assert_no_slot_twice, has_every_slot, make_yard
from tests.support.workers import Start

pytestmark = pytest.mark.slow

EAGER = "tick.every_slot"


def assert_every_slot(yard: Yard) -> None:
    """None twice, none missing."""
    assert_no_slot_twice(yard.runs())
    assert has_every_slot(yard.runs(EAGER))


def test_d1_a_server_that_crashes_under_load_and_comes_back(
    start_server: Callable[..., Server], tmp_path: Path, start: Start
) -> None:
    """The worker reconnects by itself, and makes up what it could not run."""
    server = start_server(fsync="on", synchronous_commit="on")
    url = server.create_database("crash")
    engine = open_database(url)
    migrate(engine)
    yard = make_yard(engine, url, tmp_path, start)
    worker = yard.leader()
    yard.wait_until(lambda: len(yard.runs(EAGER)) >= 2)

    server.restart(crash=True)
    engine.dispose()

    seen = len(yard.runs(EAGER))
    yard.wait_until(lambda: len(yard.runs(EAGER)) >= seen + 3)
    assert worker.runs
    assert_every_slot(yard)
    engine.dispose()


def test_d5_an_epoch_that_is_given_out_twice_lets_the_older_holder_commit_nothing(engine: Engine) -> None:
    """A fail-over lost the last commits, and with them the newest epoch: holder and epoch together are the fence."""
    leases = own_tables(engine.dialect.name).leases
    with engine.begin() as connection:
        lost = acquire(connection, "job:shop.a", "one", 10.0)
        connection.execute(update(leases).values(holder=None, epoch=0))
    with engine.begin() as connection:
        mine = acquire(connection, "job:shop.a", "other", 10.0)

    assert lost is not None
    assert mine is not None
    assert lost.epoch == mine.epoch
    with engine.begin() as connection:
        fence(connection, mine, {}, renew_after=100.0)
    with pytest.raises(LeaseLost), engine.begin() as connection:
        fence(connection, lost, {}, renew_after=100.0)


@pytest.mark.databases("postgres18")
def test_d13_a_worker_holds_few_connections_whatever_the_number_of_jobs(yard: Yard) -> None:
    """ORA-BP.8: One for itself, one that listens, one for what it watches, at most two for each executor."""
    yard.leader("--concurrency=2")
    yard.wait_until(lambda: len(yard.runs()) >= 20)
    held = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'"
    )

    most = 0
    for _ in range(50):
        with yard.engine.connect() as connection:
            most = max(most, connection.execute(held).scalar_one())

    assert most <= 3 + 2 * 2


@pytest.mark.databases("postgres18")
def test_l5_the_connections_that_lead_and_listen_die_and_those_that_work_live(yard: Yard) -> None:
    """Nobody leads twice, and no slot runs twice."""
    yard.leader()
    yard.wait_until(lambda: len(yard.runs(EAGER)) >= 1)
    ended = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND (query LIKE 'LISTEN%' OR query LIKE '%sexton.schedules%')"
    )
    for _ in range(4):
        seen = len(yard.runs(EAGER))
        with yard.engine.begin() as connection:
            connection.execute(ended)
        yard.wait_until(lambda seen=seen: len(yard.runs(EAGER)) > seen)  # type: ignore[misc]

    assert_every_slot(yard)


@pytest.fixture
def yard(engine: Engine, database: str, tmp_path: Path, start: Start) -> Yard:
    """Workers over a fresh database."""
    return make_yard(engine, database, tmp_path, start)
