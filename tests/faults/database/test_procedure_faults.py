"""Faults inside a procedure: whatever ends it, the run is on record, nothing is lost or done twice, the lease is free.

PGC-2 and PGC-4: the ticket's procedures recorded nothing of a failure, as RAISE rolled it back, and kept their lock
after a cancel.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from sexton.engines.pg_cron.procedure import Procedure
from sexton.runs.context import Limits
from tests.support.database_checks import assert_expired_once, is_free, states
from tests.support.inside import autocommit, call, install
from tests.support.pace import UNHURRIED
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON, Sessions, make_sessions

pytestmark = pytest.mark.databases("postgres15")

HOUR = timedelta(hours=1)
HELD = 40
"""Session at whose change the procedure waits for us."""

LOCK = 815
"""Number of the advisory lock that it waits for there."""

FEW = 10
"""Rows of a batch at most."""

IN_FLIGHT = text(
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    " AND wait_event = 'advisory'"
)


@pytest.fixture
def shop(engine: Engine) -> Sessions:
    """A hundred sessions that are due; a change of number 40 waits as long as somebody holds the lock."""
    shop = make_sessions(engine)
    shop.add(100, age=HOUR)
    run(
        engine,
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" SET LOCAL lock_timeout = 0; PERFORM pg_advisory_xact_lock_shared({LOCK}); RETURN new; END $$",
        f"CREATE TRIGGER hold BEFORE UPDATE ON sessions FOR EACH ROW WHEN (old.id = {HELD}) EXECUTE FUNCTION hold()",
    )
    return shop


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


class Called(threading.Thread):
    """A CALL in a session of its own."""

    def __init__(self, engine: Engine, procedure: Procedure, *settings: str) -> None:
        super().__init__(daemon=True)
        self.engine, self.procedure, self.settings = engine, procedure, settings
        self.error: str | None = None

    def run(self) -> None:
        self.error = call(self.engine, self.procedure, NOON, settings=self.settings)


@contextmanager
def in_the_middle(shop: Sessions, procedure: Procedure, *settings: str) -> Iterator[tuple[Called, int]]:
    """The procedure stands in the batch of session 40 while the block is executed. Gives the number of its session."""
    with shop.engine.connect() as holder:
        holder.exec_driver_sql(f"SELECT pg_advisory_lock({LOCK})")
        called = Called(shop.engine, procedure, *settings)
        called.start()
        try:
            yield called, backend_of(shop.engine)
        finally:
            holder.exec_driver_sql(f"SELECT pg_advisory_unlock({LOCK})")
    called.join(PATIENCE)
    assert not called.is_alive()


def backend_of(engine: Engine) -> int:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with engine.connect() as connection:
            found = connection.execute(IN_FLIGHT).scalar()
        if found is not None:
            return int(found)
        time.sleep(0.02)
    raise AssertionError("the procedure came to no batch that waits")


def ask(engine: Engine, sql: str) -> Any:
    with engine.connect() as connection:
        return connection.exec_driver_sql(sql).scalar()


def recorded(shop: Sessions) -> list[tuple[str, str | None]]:
    return [(row.state, row.error) for row in shop.runs()]


def test_pgc_4_a_terminated_backend_leaves_a_run_that_the_next_one_closes(shop: Sessions) -> None:
    """No handler runs then: the lease ends by itself, and whoever comes next says `abandoned`."""
    procedure = install(shop.engine, shop.expire(), replace(UNHURRIED, lease=2.0), most=FEW)
    with in_the_middle(shop, procedure) as (called, backend):
        ask(shop.engine, f"SELECT pg_terminate_backend({backend})")
        called.join(PATIENCE)
    assert called.error is not None
    done = shop.ids(status="expired")
    assert 0 < len(done) < HELD
    assert_expired_once(shop, done)
    assert states(shop) == ["running"]

    end = time.monotonic() + PATIENCE
    while len(shop.runs()) < 2 and time.monotonic() < end:
        assert call(shop.engine, procedure, NOON) is None
        time.sleep(0.1)

    assert recorded(shop) == [("abandoned", "its process ended without a word"), ("succeeded", None)]
    assert_expired_once(shop, list(range(1, 101)))
    assert is_free(shop.engine, "shop.expire_sessions")


def test_pgc_4_a_statement_timeout_ends_the_run_on_record_with_its_lease_free(shop: Sessions) -> None:
    """WHEN OTHERS would not catch it, and the ticket's lock stayed with the session."""
    procedure = install(shop.engine, shop.expire(), UNHURRIED, most=FEW)
    with in_the_middle(shop, procedure, "SET statement_timeout = '1s'") as (called, _):
        called.join(PATIENCE)

    done = shop.ids(status="expired")
    assert 0 < len(done) < HELD
    assert_expired_once(shop, done)
    assert recorded(shop) == [("timed_out", "its timeout passed")]
    assert called.error is not None
    assert "has timed out: its timeout passed" in called.error
    assert is_free(shop.engine, "shop.expire_sessions")


def test_a_cancelled_statement_ends_the_run_as_stopped(shop: Sessions) -> None:
    procedure = install(shop.engine, shop.expire(), UNHURRIED, most=FEW)
    with in_the_middle(shop, procedure) as (called, backend):
        ask(shop.engine, f"SELECT pg_cancel_backend({backend})")
        called.join(PATIENCE)

    assert [(row.state, row.outcome_code) for row in shop.runs()] == [("cancelled", "stopped")]
    assert_expired_once(shop, shop.ids(status="expired"))
    assert is_free(shop.engine, "shop.expire_sessions")
    assert call(shop.engine, procedure, NOON) is None
    assert_expired_once(shop, list(range(1, 101)))


def test_past_its_timeout_a_procedure_ends_between_batches(shop: Sessions) -> None:
    """PGC-4: its deadline is looked at before each batch."""
    procedure = install(shop.engine, replace(shop.expire(), timeout="1s"), UNHURRIED, most=FEW)
    with in_the_middle(shop, procedure):
        time.sleep(1.2)  # its second passes while it stands in the batch

    assert recorded(shop) == [("timed_out", "its timeout passed")]
    assert HELD <= len(shop.ids(status="expired")) < 100
    assert is_free(shop.engine, "shop.expire_sessions")


def test_pgc_2_a_column_dropped_under_it_fails_the_run_and_the_failure_stays(shop: Sessions) -> None:
    """PGC-2: recorded, and raised after that."""
    procedure = install(shop.engine, shop.expire(), UNHURRIED, most=FEW)
    with in_the_middle(shop, procedure):
        dropping = threading.Thread(
            target=run, args=(shop.engine, "ALTER TABLE sessions DROP COLUMN expires_at CASCADE")
        )
        dropping.start()
        wait_until(shop.engine, "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted")
    dropping.join(PATIENCE)

    (row,) = shop.runs()
    assert row.state == "failed"
    assert row.error.startswith("42703: column sessions.expires_at does not exist")
    assert row.finished_at > row.started_at
    assert row.changed == len(shop.ids(status="expired")) >= HELD - 10
    assert is_free(shop.engine, "shop.expire_sessions")


def wait_until(engine: Engine, sql: str) -> None:
    end = time.monotonic() + PATIENCE
    while not ask(engine, sql):
        assert time.monotonic() < end, sql
        time.sleep(0.02)


def test_a_deadlock_with_a_rival_is_tried_again(shop: Sessions) -> None:
    """The rival holds what a trigger of ours wants, and wants what we hold; the server ends one of the two."""
    run(
        shop.engine,
        "CREATE TABLE totals (id int PRIMARY KEY, open int); INSERT INTO totals VALUES (1, 100)",
        "CREATE FUNCTION count_down() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN SET LOCAL lock_timeout = 0; UPDATE totals SET open = open - 1; RETURN new; END $$",
        "CREATE TRIGGER total AFTER UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION count_down()",
    )
    procedure = install(shop.engine, shop.expire(), UNHURRIED, most=FEW)
    with shop.engine.connect() as rival, rival.begin() as transaction:
        rival.exec_driver_sql("UPDATE totals SET open = open")
        called = Called(shop.engine, procedure, "SET deadlock_timeout = '50ms'")
        called.start()
        wait_until(shop.engine, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        rival.exec_driver_sql("SET LOCAL deadlock_timeout = '1h'")  # so that the procedure is the one that is ended
        rival.exec_driver_sql("SELECT FROM sessions WHERE id = 1 FOR UPDATE")
        transaction.commit()
    called.join(PATIENCE)

    assert not called.is_alive()
    assert called.error is None
    assert states(shop) == ["succeeded"]
    assert_expired_once(shop, list(range(1, 101)))
    assert ask(shop.engine, "SELECT open FROM totals") == 0


@pytest.fixture
def small_disk(engine: Engine) -> Iterator[Path]:
    """A disk of half a megabyte that belongs to the server's user, where that user may go."""
    owner = Path(ask(engine, "SHOW data_directory")).stat().st_uid
    disk = Path(tempfile.mkdtemp(prefix="sexton-small-disk-"))
    disk.chmod(0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=512k,uid={owner}", "none", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)
        disk.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
def test_a_full_disk_fails_the_run_on_record_and_keeps_what_was_done(shop: Sessions, small_disk: Path) -> None:
    """53100 is nobody's fault among the rows: none is set aside."""
    with autocommit(shop.engine) as connection:
        connection.exec_driver_sql(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
        connection.exec_driver_sql("ALTER TABLE sessions ADD COLUMN ballast text, SET (fillfactor = 100)")
        connection.exec_driver_sql("ALTER TABLE sessions ALTER COLUMN ballast SET STORAGE PLAIN")
        connection.exec_driver_sql("UPDATE sessions SET ballast = repeat('x', 3000) WHERE id <> 40")
        connection.exec_driver_sql("VACUUM FULL sessions")
        connection.exec_driver_sql("ALTER TABLE sessions SET TABLESPACE small")
    try:
        procedure = install(shop.engine, shop.expire(), UNHURRIED, most=FEW)
        error = call(shop.engine, procedure, NOON)
        (row,) = shop.runs()
        assert error is not None
        assert row.state == "failed"
        assert row.error.startswith("53100: could not extend file")
        assert row.changed == len(shop.ids(status="expired"))
        assert ask(shop.engine, "SELECT count(*) FROM sexton.poison") == 0
        assert_expired_once(shop, shop.ids(status="expired"))
        assert is_free(shop.engine, "shop.expire_sessions")
    finally:
        with autocommit(shop.engine) as connection:
            connection.exec_driver_sql("DROP TABLE sessions CASCADE")
            connection.exec_driver_sql("DROP TABLESPACE small")


def test_two_calls_at_once_run_a_job_once(shop: Sessions) -> None:
    """PGC-4: the second one finds the lease taken, and returns without a row."""
    procedure = install(shop.engine, shop.expire(), UNHURRIED, most=FEW)
    with in_the_middle(shop, procedure):
        assert call(shop.engine, procedure, NOON) is None
        assert len(shop.runs()) == 1

    assert states(shop) == ["succeeded"]
    assert_expired_once(shop, list(range(1, 101)))


def test_pgc_5_each_batch_is_a_transaction_of_its_own(shop: Sessions) -> None:
    """While a batch waits, those before it are there for everybody, and their rows are free."""
    procedure = install(shop.engine, shop.expire(), UNHURRIED, most=FEW)
    with in_the_middle(shop, procedure):
        assert 20 <= len(shop.ids(status="expired")) < HELD
        run(shop.engine, "UPDATE sessions SET created_at = created_at WHERE id <= 20")
        (row,) = shop.runs()
        assert row.changed == len(shop.ids(status="expired"))

    (row,) = shop.runs()
    assert row.batches >= 10
    assert row.finished_at > row.started_at, "the clock of the wall, not of the transaction"


def test_all_rows_refused_stops_after_a_few_dozen_and_one_of_a_thousand_stops_nothing(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(1000, age=HOUR)
    run(engine, "ALTER TABLE sessions ADD CONSTRAINT no CHECK (id <> 500 OR status = 'open') NOT VALID")
    assert call(engine, install(engine, shop.expire(), Limits(lease=600)), NOON) is None
    assert [(row.state, row.changed, row.note) for row in shop.runs()] == [
        ("partial", 999, "1 row refused and set aside")
    ]

    run(engine, "UPDATE sessions SET status = 'open'; DELETE FROM sexton.poison; DELETE FROM sexton.effects")
    run(engine, "ALTER TABLE sessions ADD CONSTRAINT none CHECK (status = 'open') NOT VALID")
    error = call(engine, install(engine, shop.expire(), Limits(lease=600)), NOON)

    assert error is not None
    assert "every row of sessions that was tried is refused, 32 of them: 23514 none" in error
    assert states(shop) == ["partial", "failed"]
