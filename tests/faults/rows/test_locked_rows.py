"""Q3, Q4: rows that others have locked are gone around, waited for at the end, and counted when they stay locked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from sexton.run_counts import Counts
from sexton.runs.context import Limits
from sexton.runs.left_over import MAX_LOCKED_ROW_WAITS
from sexton.testing import run_job
from sexton.testing.processes import wait_until
from tests.faults.database.rivals import background, session, states_seen, wait_for_a_waiter
from tests.support.pace import UNHURRIED, limits_sent
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON, make_sessions

pytestmark = pytest.mark.databases("postgres")

HOUR = timedelta(hours=1)
QUICK = replace(UNHURRIED, lock_wait=0.03)
PATIENT = replace(UNHURRIED, lock_wait=PATIENCE)

kinds = pytest.mark.parametrize("kind", ["purge", "expire"])


@kinds
@pytest.mark.usefixtures("unhurried")
def test_q3_a_row_that_stays_locked_is_counted_and_taken_by_the_next_run(engine: Engine, kind: str) -> None:
    shop = make_sessions(engine)
    shop.add(20, age=HOUR)
    job = getattr(shop, kind)()
    states = states_seen(engine)

    with session(engine) as customer:
        customer.execute("BEGIN")
        customer.execute("SELECT FROM sessions WHERE id = 5 FOR UPDATE")
        run = run_job(engine, job, at=NOON, limits=QUICK)
        customer.execute("COMMIT")
    after = run_job(engine, job, at=NOON)

    assert (run.state, run.exit_code, run.note) == (
        "partial",
        3,
        "1 row left at the end: locked by others, or due again after the change",
    )
    assert (run.total.picked, run.total.changed, run.total.skipped) == (19, 19, 1)
    assert set(states) == {"55P03"}
    assert (after.state, after.total.changed) == ("succeeded", 1)
    assert [row.state for row in shop.runs()] == ["partial", "succeeded"]


@kinds
def test_q3_a_row_that_is_freed_meanwhile_is_taken_in_the_last_pass(engine: Engine, kind: str) -> None:
    shop = make_sessions(engine)
    shop.add(20, age=HOUR)

    with background() as start, session(engine) as customer, session(engine) as watcher:
        customer.execute("BEGIN")
        customer.execute("SELECT FROM sessions WHERE id = 5 FOR UPDATE")
        running = start(run_job, engine, getattr(shop, kind)(), at=NOON, limits=PATIENT)
        wait_for_a_waiter(watcher, "sexton")
        customer.execute("COMMIT")
        run = running.result(PATIENCE)

    assert run.state == "succeeded"
    assert (run.total.picked, run.total.changed, run.total.skipped) == (20, 20, 0)


@kinds
def test_q3_many_locked_rows_cost_bounded_time_and_hide_no_free_row(engine: Engine, kind: str) -> None:
    shop = make_sessions(engine)
    shop.add(100, age=HOUR)
    states, sent = states_seen(engine), limits_sent(engine)

    with session(engine) as customer:
        customer.execute("BEGIN")
        customer.execute("SELECT FROM sessions WHERE id % 2 = 0 FOR UPDATE")
        run = run_job(engine, getattr(shop, kind)(), at=NOON, limits=QUICK)
        left = shop.ids(status="open")
        customer.execute("COMMIT")

    assert (run.state, run.total.changed, run.total.skipped) == ("partial", 50, 50)
    assert left == list(range(2, 101, 2))
    cut_off = states.count("57014")  # a busy machine: each may cost one more
    assert 0 < states.count("55P03") < MAX_LOCKED_ROW_WAITS + 4 + cut_off, "so many waits, however many rows are locked"
    assert max(lock for lock, _ in sent) <= 0.25, "none of them longer than this"


@pytest.mark.parametrize(
    "does",
    ["RAISE EXCEPTION 'no'", "IF nextval('deletes') = 1 THEN PERFORM pg_sleep(600); END IF"],
    ids=["refused", "cut off"],
)
def test_q3_a_locked_row_is_gone_around_though_something_happens_on_the_way(engine: Engine, does: str) -> None:
    """In the same batch a row is refused, or its time is over once, as on a busy machine: the lock blocks no run."""
    shop = make_sessions(engine)
    shop.add(20, age=HOUR)
    with engine.begin() as connection:
        body = f"BEGIN {does}; RETURN old; END"
        connection.execute(text("CREATE SEQUENCE deletes"))
        connection.execute(text(f"CREATE FUNCTION happens() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"))
        connection.execute(
            text(
                "CREATE TRIGGER happens AFTER DELETE ON sessions FOR EACH ROW WHEN (old.id = 3)"
                " EXECUTE FUNCTION happens()"
            )
        )

    with session(engine) as customer:
        customer.execute("BEGIN")
        customer.execute("SELECT FROM sessions WHERE id = 1 FOR UPDATE")
        run = run_job(engine, shop.purge(), at=NOON, limits=QUICK)
        customer.execute("COMMIT")

    refused = "RAISE" in does
    assert (run.state, run.total.skipped, run.total.poison) == ("partial", 1, refused), run.error
    assert shop.ids() == ([1, 3] if refused else [1])


def test_q3_a_child_being_added_keeps_its_parent_but_hinders_no_change_of_it(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)

    with session(engine) as customer:
        customer.execute("BEGIN")
        customer.execute("INSERT INTO accesses VALUES (1, 2)")
        expired = run_job(engine, shop.expire(), at=NOON, limits=QUICK)
        purged = run_job(engine, shop.purge(), at=NOON, limits=QUICK)
        customer.execute("COMMIT")

    assert (expired.state, expired.total.changed) == ("succeeded", 3)
    assert (purged.state, purged.total.changed, purged.total.skipped) == ("partial", 2, 1)
    assert shop.ids() == [2]


@kinds
def test_q4_a_row_that_three_writers_keep_locked_is_reached(engine: Engine, kind: str) -> None:
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)

    with writers(engine, 3, "UPDATE sessions SET created_at = now() WHERE id = 2"):
        run = run_job(engine, getattr(shop, kind)(), at=NOON, limits=PATIENT)

    assert run.state == "succeeded"
    assert (run.total.picked, run.total.changed) == (3, 3)


def test_q4_the_writers_do_keep_it_locked(engine: Engine) -> None:
    """So that the test above is known to provoke what it is about: looking without waiting fails, over and over."""
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)
    refused: list[bool] = []

    with writers(engine, 3, "UPDATE sessions SET created_at = now() WHERE id = 2"), session(engine) as looker:

        def is_refused_often() -> bool:
            found = looker.execute("SELECT id FROM sessions WHERE id = 2 FOR UPDATE SKIP LOCKED").fetchall()
            refused.append(not found)
            return refused.count(True) >= 50

        assert wait_until(is_refused_often, PATIENCE), "the row is as good as free"


@contextmanager
def writers(engine: Engine, number: int, change: str) -> Iterator[None]:
    """Sessions that do `change` in transactions of 20 ms, one right after the other, while the block runs."""
    ended = threading.Event()
    begun = threading.Semaphore(0)

    def write() -> None:
        with session(engine) as customer:
            while not ended.is_set():
                customer.execute("BEGIN")
                customer.execute(change)
                begun.release()
                customer.execute("SELECT pg_sleep(0.02)")
                customer.execute("COMMIT")

    with background() as start:
        running = [start(write) for _ in range(number)]
        try:
            for _ in range(number):
                assert begun.acquire(timeout=PATIENCE)
            yield
        finally:
            ended.set()
        for one in running:
            one.result(PATIENCE)


def test_q3_counts_keep_what_was_skipped(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(2, age=HOUR)

    with session(engine) as customer:
        customer.execute("BEGIN")
        customer.execute("SELECT FROM sessions FOR UPDATE")
        run = run_job(engine, shop.purge(), at=NOON, limits=QUICK)
        customer.execute("COMMIT")

    assert run.steps == {"purge_sessions": Counts(skipped=2)}
    assert shop.runs()[0].counts == {"purge_sessions": {"picked": 0, "changed": 0, "told": 0, "skipped": 2}}


@pytest.mark.parametrize(
    ("kind", "limits"),
    [("expire", Limits()), ("purge", Limits(rows=1, lock_wait=4.0, statement=3.0))],
    ids=["default", "short"],
)
@pytest.mark.usefixtures("unhurried")
def test_q3_waiting_for_a_lock_is_never_mistaken_for_a_slow_statement(
    engine: Engine, kind: str, limits: Limits
) -> None:
    """Else a run that only has to wait ends `failed`, with the advice to make an index."""
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)
    states, sent = states_seen(engine), limits_sent(engine)

    with session(engine) as customer:
        customer.execute("BEGIN")
        customer.execute("SELECT FROM sessions WHERE id = 2 FOR UPDATE")
        run = run_job(engine, getattr(shop, kind)(), at=NOON, limits=limits)
        customer.execute("COMMIT")

    assert (run.state, run.total.changed, run.total.skipped) == ("partial", 2, 1)
    assert set(states) == {"55P03"}
    waited = [statement for lock, statement in sent if lock == limits.lock_wait]
    assert waited
    assert min(waited) > limits.lock_wait, "a lock is given up first, whatever the machine does"
