"""D8: a migration holds the table, or waits for it. We give up in bounded time, say so, and never stand in the way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from sexton.doctor.inspection import job_warnings
from sexton.errors import SextonError
from sexton.policies.purge import Child
from sexton.run_counts import Counts
from sexton.runs.context import Limits
from sexton.testing import preview_job, run_job
from sexton.testing.processes import wait_until
from tests.support.pace import limits_sent
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON, make_sessions

from .rivals import Hurried, background, session, states_seen, wait_for_a_waiter

pytestmark = pytest.mark.databases("postgres")

HOUR = timedelta(hours=1)
LONG_BATCH = 8.0
"""Seconds: half of it for a lock, the other half for a busy machine."""


@pytest.mark.parametrize(("kind", "lock"), [("purge", "ACCESS EXCLUSIVE"), ("expire", "SHARE")])
def test_d8_a_table_that_stays_locked_ends_the_run_as_blocked(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, kind: str, lock: str
) -> None:
    monkeypatch.setattr("sexton.runs.transaction_retries.MAX_TRANSACTION_RETRIES", 2)  # eight would only take longer
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)

    with background() as start, session(engine) as migration:
        migration.execute("BEGIN")
        migration.execute(f"LOCK TABLE sessions IN {lock} MODE")
        run = start(run_job, engine, getattr(shop, kind)(), at=NOON, stop=Hurried()).result(PATIENCE)

    assert (run.state, run.exit_code) == ("cancelled", 3)
    assert "blocked: sessions is locked by others" in run.error
    assert [row.state for row in shop.runs()] == ["cancelled"]
    assert shop.ids() == [1, 2, 3]
    assert run_job(engine, shop.purge(), at=NOON).total == Counts(picked=3, changed=3)


@pytest.mark.parametrize("ask", [preview_job, job_warnings], ids=["dry run", "check"])
def test_d8_looking_at_a_locked_table_ends_in_bounded_time_too(engine: Engine, ask: object) -> None:
    shop = make_sessions(engine)
    states = states_seen(engine)
    assert callable(ask)

    with background() as start, session(engine) as migration:
        migration.execute("BEGIN")
        migration.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SextonError, match="locked") as blocked:
            start(ask, engine, shop.purge()).result(PATIENCE)

    assert set(states) == {"55P03"}
    assert "\n" not in str(blocked.value)


def test_d8_while_we_wait_the_shop_still_reads_and_writes(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sexton.runs.transaction_retries.MAX_TRANSACTION_RETRIES", 200
    )  # it is still there when the shop has read
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)

    # CREATE INDEX lets readers pass and keeps writers out: those who pass must not queue up behind us.
    with background() as start, session(engine) as migration, session(engine) as customer:
        customer.execute("SET lock_timeout = '1ms'")
        migration.execute("BEGIN")
        migration.execute("LOCK TABLE sessions IN SHARE MODE")
        running = start(run_job, engine, shop.purge(), at=NOON)
        wait_for_a_waiter(migration, "sexton")
        read = [customer.execute("SELECT count(*) FROM sessions").fetchall() for _ in range(20)]
        migration.execute("COMMIT")
        run = running.result(PATIENCE)

    assert read == [[(3,)]] * 20
    assert run.total == Counts(picked=3, changed=3)


@pytest.mark.parametrize("kind", ["purge", "expire"])
def test_d8_a_migration_gets_its_turn_between_two_batches(
    engine: Engine, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sexton.runs.transaction_retries.MAX_TRANSACTION_RETRIES", 200
    )  # however long the migration takes once it has its turn
    shop = make_sessions(engine)
    shop.add(600, age=HOUR)

    with background() as start, session(engine) as migration:
        altering = start(migration.execute, "ALTER TABLE sessions ADD COLUMN seen boolean")

        def watch(_step: str, counts: Counts) -> None:
            if counts.picked >= 20:
                altering.result(PATIENCE)  # in between the table is free: a run that kept it would wait for itself

        run = run_job(engine, getattr(shop, kind)(), at=NOON, limits=Limits(rows=10, batch=0.001), watch=watch)

    assert run.state == "succeeded"
    assert run.total.changed == 600


def test_d8_a_waiting_migration_is_let_past_by_the_run_behind_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sexton.runs.transaction_retries.MAX_TRANSACTION_RETRIES", 2)
    shop = make_sessions(engine)
    shop.add(100, age=HOUR)

    # A long report holds the table lightly, the migration waits for it, and we come behind the migration.
    with background() as start, session(engine) as migration, session(engine) as report:
        report.execute("BEGIN")
        report.execute("SELECT count(*) FROM sessions")
        altering = start(migration.execute, "ALTER TABLE sessions ADD COLUMN seen boolean")
        wait_for_a_waiter(report, "shop")
        run = start(run_job, engine, shop.purge(), at=NOON, stop=Hurried()).result(PATIENCE)
        assert not altering.done()
        report.execute("COMMIT")
        altering.result(PATIENCE)

    assert (run.state, run.exit_code) == ("cancelled", 3)
    assert shop.count() == 100
    assert run_job(engine, shop.purge(), at=NOON).total.changed == 100


@pytest.mark.usefixtures("unhurried")
def test_d8_a_lock_is_not_mistaken_for_a_slow_statement(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the batches shrink to single rows, and then may take as long as they like."""
    monkeypatch.setattr("sexton.runs.batches.MAX_BATCH_SECONDS", LONG_BATCH)
    shop = make_sessions(engine)
    shop.add(300, age=HOUR)
    states, sent = states_seen(engine), limits_sent(engine)

    with background() as start, session(engine) as customer:
        customer.execute("INSERT INTO accesses VALUES (1, 1)")
        customer.execute("BEGIN")
        customer.execute("SELECT FROM accesses WHERE id = 1 FOR UPDATE")
        work = shop.purge(children=(Child(shop.accesses, shop.accesses.c.session_id),))
        running = start(run_job, engine, work, at=NOON)
        assert wait_until(lambda: bool(states), PATIENCE)
        customer.execute("COMMIT")
        run = running.result(PATIENCE)

    assert set(states) == {"55P03"}
    assert all(lock < statement for lock, statement in sent), "a lock is given up first, whatever the machine does"
    assert run.total == Counts(picked=300, changed=300, also={"accesses": 1})
    assert shop.runs()[0].batches < 30
