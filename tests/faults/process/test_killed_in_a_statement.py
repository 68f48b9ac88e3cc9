"""P5: kill -9 inside one long statement: the server ends it or throws it away before anybody takes over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import OperationalError

from sexton.db.connect import open_database
from sexton.db.server_clock import ask_now
from sexton.runs.context import Limits
from sexton.runs.outcome import Outcome
from sexton.slots.claim import Claim
from sexton.testing import run_job
from sexton.testing.processes import wait_until
from tests.support.children import run_shop_job, shop_of
from tests.support.database_checks import assert_expired_once, lease_row, let_leases_end, states
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON, make_sessions
from tests.support.slow_rows import changing_is_endless
from tests.support.workers import Start

pytestmark = pytest.mark.slow

ONE_ROW = Limits(lease=10 * PATIENCE, renew=10 * PATIENCE, rows=1, statement=PATIENCE)
"""A single row may take the whole statement timeout; only a test ends the lease."""


@pytest.mark.databases("postgres")
def test_p5_no_takeover_while_the_statement_of_the_dead_still_runs(engine: Engine, database: str, start: Start) -> None:
    shop = make_sessions(engine)
    ids = shop.add(3, age=timedelta(hours=1))
    with engine.begin() as connection:
        change_waits(connection)
    worker = start(run_past_its_lease, database)
    assert wait_until(lambda: under_way(engine) == 1, PATIENCE)
    worker.kill()
    assert is_over(engine)
    assert under_way(engine) == 1, "the statement of a dead client goes on"
    assert run_job(engine, shop.expire(), at=NOON, slot=NOON).state == "held", "its lease is over, its statement not"
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO wake VALUES (1)"))
    outcomes: list[Outcome] = []
    at_takeover: list[int] = []

    def taken_over(_: Claim) -> None:
        at_takeover.append(under_way(engine))

    def goes_through() -> bool:
        outcomes.append(run_job(engine, shop.expire(), at=NOON, slot=NOON, started=taken_over))
        return outcomes[-1].state != "held"

    assert wait_until(goes_through, PATIENCE)

    assert at_takeover == [0]
    assert outcomes[-1].state == "succeeded"
    assert_expired_once(shop, ids)
    assert states(shop) == ["abandoned", "succeeded"]


def run_past_its_lease(database: str) -> int:
    """A child whose lease is over as soon as it has it; nobody else wants it yet, so it goes on."""
    engine = open_database(database)

    def lease_is_over(_: Claim) -> None:
        let_leases_end(engine)

    return run_job(
        engine, shop_of(engine).expire(), at=NOON, slot=NOON, limits=ONE_ROW, started=lease_is_over
    ).exit_code


def change_waits(connection: Connection) -> None:
    """From now on a change of a session goes on until there is a row in `wake`."""
    nap = "BEGIN WHILE NOT EXISTS (SELECT FROM public.wake) LOOP PERFORM pg_sleep(0.01); END LOOP; RETURN NEW; END"
    connection.execute(text("CREATE TABLE public.wake (id int)"))
    connection.execute(text(f"CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS $$ {nap} $$"))
    connection.execute(text("CREATE TRIGGER nap BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION nap()"))


def is_over(engine: Engine) -> bool:
    """Whether the lease has run out, by the database's clock."""
    row = lease_row(engine, "job:shop.expire_sessions")
    with engine.connect() as connection:
        return row is not None and row[2] < ask_now(connection)


def under_way(engine: Engine) -> int:
    """Statements of others that change sessions now, and wait in the trigger."""
    asked = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'"
        " AND pid <> pg_backend_pid() AND query LIKE '%UPDATE sessions%' AND query NOT LIKE 'EXPLAIN%'"
    )
    with engine.connect() as connection:
        return int(connection.execute(asked).scalar_one())


@pytest.mark.databases("sqlite")
def test_p5_killed_inside_a_statement_of_sqlite(engine: Engine, database: str, start: Start) -> None:
    """The transaction dies with its process; its lock is free at once."""
    shop = make_sessions(engine)
    ids = shop.add(3, age=timedelta(hours=1))
    changing_is_endless(engine)
    worker = start(run_shop_job, database, slot=NOON, limits=ONE_ROW)
    worker.wait_for("claimed")
    assert wait_until(lambda: has_writer(database), PATIENCE)

    worker.kill()

    assert not has_writer(database)
    assert shop.ids(status="expired") == []
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER nap"))
    let_leases_end(engine)
    again = run_job(engine, shop.expire(), at=NOON, slot=NOON)
    assert again.state == "succeeded"
    assert_expired_once(shop, ids)
    assert states(shop) == ["abandoned", "succeeded"]


def has_writer(database: str) -> bool:
    """Whether some process is inside a writing transaction, for at least two looks in a row."""
    return _is_locked(database) and not wait_until(lambda: not _is_locked(database), 0.1)


def _is_locked(database: str) -> bool:
    engine = create_engine(database, connect_args={"timeout": 0})
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    except OperationalError:
        return True
    finally:
        engine.dispose()
    return False
