"""Cases in which a procedure once did something else than Python: texts, neighbours, rows that are refused, people."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, Engine, MetaData, Table, insert

from sexton import Guard, Job, Purge, Transition, UtcDateTime, every
from sexton.db.connect import open_database
from sexton.engines.pg_cron.not_compilable import NotCompilable
from sexton.guard.arming import arm_job
from sexton.runs.runner import planned, run
from sexton.slots.claim import reap
from sexton.slots.due_run import DueRun
from sexton.slots.history import history
from sexton.slots.queue import enqueue
from tests.support.database_checks import is_free
from tests.support.inside import call, execute, install
from tests.support.pace import UNHURRIED
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON, Sessions, make_sessions

pytestmark = pytest.mark.databases("postgres15")

HOUR = timedelta(hours=1)


@pytest.fixture
def shop(engine: Engine) -> Sessions:
    """Without rows."""
    return make_sessions(engine)


def do(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            execute(connection, statement)


def ask(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in execute(connection, sql)]


def wait_until(engine: Engine, sql: str) -> None:
    end = time.monotonic() + PATIENCE
    while not ask(engine, sql)[0][0]:
        assert time.monotonic() < end, sql
        time.sleep(0.02)


LINES = "first  \n  second\n\n    'third' -- {step} $procedure$ \t\n"


def test_a_text_of_several_lines_is_written_as_it_is(shop: Sessions) -> None:
    """Line feeds, blanks around them, and braces of a policy's texts are no layout of the procedure."""
    shop.add(2, age=HOUR)
    columns = shop.table.c
    work = Transition(
        shop.table, {"status": LINES}, only=columns.status == "open", by=columns.expires_at, kind="deadline"
    )
    assert call(shop.engine, install(shop.engine, Job("shop.lines", work=work, guard=None)), NOON) is None
    assert ask(shop.engine, "SELECT DISTINCT status FROM sessions") == [(LINES,)]

    do(shop.engine, "UPDATE sessions SET status = 'open'")
    run(shop.engine, Job("shop.lines", work=work, guard=None), DueRun("shop.lines", None, NOON))
    assert ask(shop.engine, "SELECT DISTINCT status FROM sessions") == [(LINES,)]


PAUSE = "SELECT n > 5 FROM load -- others\n;"


def test_the_query_of_the_operator_finds_the_tables_that_python_finds(shop: Sessions) -> None:
    """`run.pause_while`: no row is set aside for it, and what it writes is not kept (SEC-8)."""
    shop.add(60, age=HOUR)
    do(shop.engine, "CREATE TABLE load (n int)", "INSERT INTO load VALUES (0)")
    procedure = install(shop.engine, shop.expire(), replace(UNHURRIED, pause_while=PAUSE), most=10)
    assert call(shop.engine, procedure, NOON) is None
    assert len(shop.ids(status="expired")) == 60

    do(shop.engine, "UPDATE sessions SET status = 'open'; DELETE FROM sexton.effects")
    do(
        shop.engine,
        "CREATE FUNCTION grow() RETURNS boolean LANGUAGE plpgsql AS"
        " $$ BEGIN UPDATE load SET n = n + 1; RETURN false; END $$",
    )
    for query, said in (
        ("SELECT n FROM nowhere", '42P01: relation "nowhere" does not exist'),
        ("SELECT grow()", "25006: cannot execute UPDATE in a read-only transaction"),
    ):
        procedure = install(shop.engine, shop.expire(), replace(UNHURRIED, pause_while=query), most=10)
        error = call(shop.engine, procedure, NOON)
        assert error is not None
        assert f"run.pause_while, or the lag of replicas, cannot be asked: {said}" in error
        assert shop.runs()[-1].state == "failed"
    assert ask(shop.engine, "SELECT count(*) FROM sexton.poison") == [(0,)]
    assert shop.ids(status="expired") == []


def test_pgc_4_a_run_that_is_cancelled_while_it_rests_is_closed(shop: Sessions) -> None:
    """PGC-4: its lease is given back at once, and it is no crash."""
    shop.add(60, age=HOUR)
    procedure = install(shop.engine, shop.expire(), replace(UNHURRIED, pause_while="SELECT true"), most=10)
    with ThreadPoolExecutor(1) as pool:
        called = pool.submit(call, shop.engine, procedure, NOON)
        resting = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        wait_until(shop.engine, f"SELECT count(*) {resting}")
        ask(shop.engine, f"SELECT pg_cancel_backend(pid) {resting}")
        assert called.result(PATIENCE) is None
    assert [(row.state, row.outcome_code, row.changed) for row in shop.runs()] == [("cancelled", "stopped", 10)]
    assert is_free(shop.engine, "shop.expire_sessions")


def test_a_row_that_becomes_free_is_not_blamed_for_another(shop: Sessions) -> None:
    """Number 1 is held until number 2 is refused: only number 2 is set aside."""
    shop.add(2, age=HOUR)
    do(
        shop.engine,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN SET LOCAL lock_timeout = 0;"
        " PERFORM pg_advisory_xact_lock_shared(815); RAISE EXCEPTION 'never'; END $$",
        "CREATE TRIGGER refuse BEFORE UPDATE ON sessions FOR EACH ROW WHEN (old.id = 2) EXECUTE FUNCTION refuse()",
    )
    procedure = install(shop.engine, shop.expire(), UNHURRIED, most=1)
    with ThreadPoolExecutor(1) as pool, shop.engine.connect() as holder, shop.engine.connect() as refusal:
        holder.exec_driver_sql("SELECT FROM sessions WHERE id = 1 FOR UPDATE")
        refusal.exec_driver_sql("SELECT pg_advisory_xact_lock(815)")
        called = pool.submit(call, shop.engine, procedure, NOON)
        wait_until(shop.engine, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        holder.rollback()
        refusal.rollback()
        assert called.result(PATIENCE) is None
    assert ask(shop.engine, "SELECT subject, error FROM sexton.poison") == [("2", "P0001: never")]
    assert shop.ids(status="expired") == [1]


def test_when_all_are_refused_one_row_is_set_aside_as_an_example(shop: Sessions) -> None:
    """That is no news about single rows: once the cause is gone, the others are not left for hours."""
    shop.add(100, age=HOUR)
    do(shop.engine, "ALTER TABLE sessions ADD CONSTRAINT none CHECK (status = 'open') NOT VALID")
    procedure = install(shop.engine, shop.expire(), UNHURRIED)
    for _ in range(2):
        error = call(shop.engine, procedure, NOON)
        assert error is not None
        assert "every row of sessions that was tried is refused, 32 of them: 23514 none" in error
    assert ask(shop.engine, "SELECT count(*), count(DISTINCT run_id) FROM sexton.poison") == [(2, 2)]
    counted = "SELECT each.value ->> 'poison' FROM sexton.runs, jsonb_each(counts::jsonb) AS each"
    assert ask(shop.engine, counted) == [("1",), ("1",)]


def test_pgc_4_a_call_begins_no_run_that_its_limit_would_cut_off(shop: Sessions) -> None:
    """PGC-4: the server's limit is armed once, for one run; a second one would end as timed out within its time."""
    job = replace(shop.expire(), schedule=every("1m"), catch_up=True, timeout="30m")
    procedure = install(shop.engine, job, UNHURRIED)
    with shop.engine.begin() as connection:
        enqueue(connection, job, by="somebody")
    assert call(shop.engine, procedure, settings=["SET statement_timeout = '30min'"]) is None
    assert [(row.state, row.slot) for row in shop.runs()] == [("succeeded", None)]
    assert call(shop.engine, procedure, settings=["SET statement_timeout = '31min'"]) is None
    assert [row.slot is None for row in shop.runs()] == [True, False]


def test_types_and_schemas_of_odd_names_are_found_on_any_search_path(engine: Engine) -> None:
    """The session of a worker that calls has an empty one, and that of pg_cron has the role's."""
    do(
        engine,
        """CREATE SCHEMA "100% own's" """,
        """CREATE DOMAIN "100% own's"."Order""Id" AS bigint""",
        """CREATE TABLE "100% own's".orders (id "100% own's"."Order""Id" PRIMARY KEY, at timestamptz NOT NULL)""",
        """INSERT INTO "100% own's".orders VALUES (1, '2020-01-01')""",
    )
    listed = engine.url.update_query_dict({"options": '-csearch_path="100%\\ own\'s",public'})
    there = open_database(listed)
    try:
        table = Table("orders", MetaData(), Column("id", BigInteger, primary_key=True), Column("at", UtcDateTime()))
        work = Purge(table, by=table.c.at, keep="1d", kind="deadline")
        procedure = install(there, Job("shop.orders", work=work, guard=None))
    finally:
        there.dispose()
    assert call(engine, procedure, NOON, settings=["SET search_path = pg_catalog, pg_temp"]) is None
    assert ask(engine, """SELECT count(*) FROM "100% own's".orders""") == [(0,)]


def test_another_table_of_an_odd_name_is_not_the_one_that_was_armed(engine: Engine) -> None:
    """As with Python: its rows are only counted."""
    table = Table('Odd "Orders"', MetaData(), Column("id", BigInteger, primary_key=True), Column("at", UtcDateTime()))
    job = Job(
        "shop.orders", work=Purge(table, by=table.c.at, keep="1d", kind="deadline"), guard=Guard(arm=True, max_share=1)
    )
    table.create(engine)
    with engine.begin() as connection:
        plans = planned(job, engine)
        arm_job(connection, job.name, plans, {plan.step: 0 for plan in plans}, "somebody")
        connection.execute(insert(table), {"id": 1, "at": NOON - timedelta(days=9)})
    assert call(engine, install(engine, job), NOON) is None
    table.drop(engine)
    table.create(engine)
    with engine.begin() as connection:
        connection.execute(insert(table), {"id": 2, "at": NOON - timedelta(days=9)})
    assert call(engine, install(engine, job), NOON) is None
    with engine.connect() as connection:
        ran = history(connection, job=job.name)
    assert [(one.total.picked, one.total.changed, one.outcome_code) for one in ran] == [
        (1, 0, "only_counted"),
        (1, 1, None),
    ]


HOLD = """
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN SET LOCAL lock_timeout = 0;
    PERFORM pg_advisory_xact_lock_shared(old.id); RETURN new; END $$;
CREATE TRIGGER hold BEFORE UPDATE ON sessions FOR EACH ROW WHEN (old.id > 1) EXECUTE FUNCTION hold()"""
HELD = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {} AND NOT granted"


def test_pgc_4_a_statement_longer_than_the_lease_leaves_the_run_to_its_session(shop: Sessions) -> None:
    """PGC-4: who looks for dead runs sees that its session lives."""
    shop.add(2, age=HOUR)
    do(shop.engine, HOLD)
    procedure = install(shop.engine, shop.expire(), replace(UNHURRIED, lease=0.5, renew=0.1), most=1)
    with ThreadPoolExecutor(1) as pool, shop.engine.connect() as holder:
        holder.exec_driver_sql("SELECT pg_advisory_xact_lock(2)")
        called = pool.submit(call, shop.engine, procedure, NOON)
        wait_until(shop.engine, HELD.format(2))
        wait_until(shop.engine, "SELECT bool_and(expires_at < clock_timestamp()) FROM sexton.leases")
        with shop.engine.begin() as connection:
            assert reap(connection) == 0
        holder.rollback()
        assert called.result(PATIENCE) is None
    assert [(row.state, row.changed) for row in shop.runs()] == [("succeeded", 2)]


def test_pgc_4_a_lease_is_whole_again_when_a_long_transaction_ends(shop: Sessions) -> None:
    """PGC-4: who waits for its row since it ran out would take it just then."""
    shop.add(3, age=HOUR)
    do(shop.engine, HOLD)
    procedure = install(shop.engine, shop.expire(), replace(UNHURRIED, lease=3600, renew=0), most=1)
    with ThreadPoolExecutor(1) as pool, shop.engine.connect() as first, shop.engine.connect() as second:
        first.exec_driver_sql("SELECT pg_advisory_xact_lock(2)")
        second.exec_driver_sql("SELECT pg_advisory_xact_lock(3)")
        called = pool.submit(call, shop.engine, procedure, NOON)
        wait_until(shop.engine, HELD.format(2))
        ((now,),) = ask(shop.engine, "SELECT clock_timestamp()")
        first.rollback()
        wait_until(shop.engine, HELD.format(3))
        ((until,),) = ask(shop.engine, "SELECT expires_at FROM sexton.leases")
        assert until >= now + HOUR
        second.rollback()
        assert called.result(PATIENCE) is None


def test_what_may_pass_once_is_over_when_a_run_did_not_need_it(shop: Sessions) -> None:
    """As with Python: without any limit, too, it is not kept for a later flood."""
    shop.add(3, age=HOUR)
    job = replace(shop.expire(), guard=Guard(max_share=1))
    with shop.engine.begin() as connection:
        plans = planned(job, shop.engine)
        arm_job(connection, job.name, plans, {plan.step: 5000 for plan in plans}, "somebody")
    assert call(shop.engine, install(shop.engine, job), NOON) is None
    assert shop.ids(status="expired") == [1, 2, 3]
    assert ask(shop.engine, "SELECT allowed FROM sexton.armed") == [(None,)]


def test_a_job_that_gives_slots_up_while_it_runs_is_left_to_a_worker(shop: Sessions) -> None:
    """Inside, a slot that came meanwhile would be made up by the next start."""
    with pytest.raises(NotCompilable, match=r'^shop\.expire_sessions: overlap = "skip" gives up'):
        install(shop.engine, replace(shop.expire(), overlap="skip"))


def test_a_column_with_the_name_of_a_variable_is_refused(shop: Sessions) -> None:
    """`v_now` would be that column: rows would go that are not due."""
    do(shop.engine, "ALTER TABLE sessions ADD COLUMN v_now timestamptz")
    with pytest.raises(NotCompilable, match="column v_now of sessions has the name of a variable"):
        install(shop.engine, shop.expire())
    do(shop.engine, "ALTER TABLE sessions RENAME COLUMN v_now TO v_state")
    shop.add(1, age=HOUR)
    assert call(shop.engine, install(shop.engine, shop.expire()), NOON) is None
    assert shop.ids(status="expired") == [1]
