"""P5: kill -9 inside one long statement: the server ends it or throws it away before anybody takes over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import OperationalError

from sexton.runs.claim import Claim
from sexton.runs.context import Limits
from sexton.testing import run_job
from sexton.testing.processes import wait_until
from tests.support.children import run_shop_job
from tests.support.once import assert_expired_once, let_leases_end, states
from tests.support.sessions import NOON, make_sessions
from tests.support.workers import Start

pytestmark = pytest.mark.slow

ONE_ROW = Limits(lease=1.0, renew=0.2, rows=1)
"""A single row may take the whole statement timeout; and a lease that is over while the statement still runs."""


@pytest.mark.databases("postgres")
def test_p5_no_takeover_while_the_statement_of_the_dead_still_runs(engine: Engine, database: str, start: Start) -> None:
    shop = make_sessions(engine)
    ids = shop.add(3, age=timedelta(hours=1))
    with engine.begin() as connection:
        first_change_takes(2.0, connection)
    worker = start(run_shop_job, database, slot=NOON, limits=ONE_ROW)
    assert wait_until(lambda: naps(engine) == 1, 60)
    worker.kill()
    assert naps(engine) == 1, "the statement of a dead client goes on for a while"
    naps_at_takeover: list[int] = []

    def taken_over(_: Claim) -> None:
        naps_at_takeover.append(naps(engine))

    again = run_job(engine, shop.expire(), at=NOON, slot=NOON, started=taken_over)

    assert naps_at_takeover == [0]
    assert again.state == "succeeded"
    assert_expired_once(shop, ids)
    assert states(shop) == ["abandoned", "succeeded"]


def first_change_takes(seconds: float, connection: Connection) -> None:
    """The next change of a session takes this long, once; a sequence counts through roll-backs."""
    nap = f"BEGIN IF nextval('changes') = 1 THEN PERFORM pg_sleep({seconds}); END IF; RETURN NEW; END"
    connection.execute(text("CREATE SEQUENCE changes"))
    connection.execute(text(f"CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS $$ {nap} $$"))
    connection.execute(text("CREATE TRIGGER nap BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION nap()"))


def naps(engine: Engine) -> int:
    """Statements of others that sleep in the trigger now."""
    asked = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'")
    with engine.connect() as connection:
        return int(connection.execute(asked).scalar_one())


@pytest.mark.databases("sqlite")
def test_p5_killed_inside_a_statement_of_sqlite(engine: Engine, database: str, start: Start) -> None:
    """The transaction dies with its process; its lock is free at once."""
    shop = make_sessions(engine)
    ids = shop.add(3, age=timedelta(hours=1))
    with engine.begin() as connection:
        changing_is_endless(connection)
    worker = start(run_shop_job, database, slot=NOON, limits=Limits(rows=1, statement=60))
    worker.wait_for("claimed")
    assert wait_until(lambda: has_writer(database), 60)

    worker.kill()

    assert not has_writer(database)
    assert shop.ids(status="expired") == []
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER endless"))
    let_leases_end(engine)
    again = run_job(engine, shop.expire(), at=NOON, slot=NOON)
    assert again.state == "succeeded"
    assert_expired_once(shop, ids)
    assert states(shop) == ["abandoned", "succeeded"]


def changing_is_endless(connection: Connection) -> None:
    """From now on a change of a session goes on for minutes."""
    connection.execute(
        text(
            "CREATE VIEW endless_numbers AS"
            " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
        )
    )
    connection.execute(
        text(
            "CREATE TRIGGER endless BEFORE UPDATE ON sessions BEGIN"
            " SELECT count(*) FROM (SELECT i FROM endless_numbers LIMIT 10000000000); END"
        )
    )


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
