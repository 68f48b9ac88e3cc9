"""REP-29, REP-39: which ends of a run settle its slot is one rule, for the reckoning, under cron and in the worker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, insert, text
from sqlalchemy.exc import DBAPIError

from sexton import Counts, Job, Run
from sexton.db.server_clock import ask_now
from sexton.runs.context import Limits
from sexton.slots.claim import ClaimRequest, claim, finish
from sexton.slots.due import due_runs
from sexton.testing import run_job
from tests.support.children import command_line
from tests.support.sessions import NOON, Sessions, make_sessions
from tests.support.settling_jobs import DAILY
from tests.support.worker import LONG, Yard, make_yard
from tests.support.workers import Start

SHORT = Limits(lock_wait=0.05)


def ran_five_days_ago(engine: Engine, job: str) -> datetime:
    """The job's slot of five days ago succeeded; the slot after it, the first of four that were missed."""
    with engine.connect() as connection:
        slot = DAILY.previous(ask_now(connection) - timedelta(days=4))
    finish(engine, claim(engine, ClaimRequest(job, slot, slot, "", 10)), "succeeded", {}, None)
    return DAILY.next(slot)


def by_due(yard: Yard) -> None:
    """Two rounds of cron."""
    for _ in range(2):
        yard.start(command_line, "run", "--due", yard.config, "settle.each", "settle.retried").wait()


def by_worker(yard: Yard) -> None:
    """A worker."""
    yard.worker()


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize("starter", [by_due, by_worker])
@pytest.mark.parametrize(
    ("job", "trouble", "first", "attempts"),
    [("each", "held", "cancelled", 2), ("each", "error", "failed", 1), ("retried", "error", "failed", 1)],
)
def test_rep_39_a_slot_is_passed_only_when_it_is_settled(
    engine: Engine,
    database: str,
    tmp_path: Path,
    start: Start,
    starter: Callable[[Yard], None],
    job: str,
    trouble: str,
    first: str,
    attempts: int,
) -> None:
    """Four missed slots, and the first one meets trouble: a lock is not the slot's end, an error is."""
    name = f"settle.{job}"
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE troubles (job text, kind text)"))
        connection.execute(text("INSERT INTO troubles VALUES (:job, :kind)"), {"job": name, "kind": trouble})
    slot = ran_five_days_ago(engine, name)
    yard = make_yard(engine, database, tmp_path, start, jobs="tests.support.settling_jobs", lease=LONG)

    starter(yard)

    yard.wait_until(lambda: sum(run.finished_at is not None for run in yard.runs(name)) >= 4 + attempts)
    made_up = yard.runs(name)[1:]
    tried = [(run.slot, run.attempt, run.state) for run in made_up]
    again = [(slot, 2, "succeeded")] * (attempts - 1)
    slots = [slot + timedelta(days=day) for day in (1, 2, 3)]
    assert tried == [(slot, 1, first), *again, *((later, 1, "succeeded") for later in slots)]


def terminate(shop: Sessions, connection: Connection) -> None:
    """Somebody ends our session in the middle of a transaction."""
    pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with shop.engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        other.execute(text("SELECT pg_stat_clear_snapshot()"))
    connection.execute(text("SELECT 1"))


def meet_a_lock(shop: Sessions, connection: Connection) -> None:
    """Somebody holds a row for longer than we wait."""
    with shop.engine.begin() as other:
        other.execute(text("SELECT 1 FROM sessions WHERE id = 1 FOR UPDATE"))
        connection.execute(text("UPDATE sessions SET status = 'x' WHERE id = 1"))


def in_words_of_its_own(shop: Sessions, connection: Connection) -> None:
    """The function turns what it met into an error of its own, as frameworks do."""
    try:
        meet_a_lock(shop, connection)
    except DBAPIError as error:
        raise RuntimeError("the shop is busy") from error


def serialize(shop: Sessions, connection: Connection) -> None:
    """The server finds that two transactions cannot both go through."""
    connection.execute(text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$"))


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize("trouble", [terminate, meet_a_lock, in_words_of_its_own, serialize])
def test_rep_29_what_passes_by_itself_does_not_cost_a_function_its_slot(
    engine: Engine, trouble: Callable[[Sessions, Connection], None]
) -> None:
    """The same rule as for policies and for a killed process; and what was committed is counted."""
    shop = make_sessions(engine)
    shop.add(30, age=timedelta(hours=1))
    meets = [trouble]

    def work(run: Run) -> None:
        with run.transaction() as connection:
            connection.execute(text("DELETE FROM sessions WHERE id > 1"))
        with run.transaction() as connection:
            if meets:
                meets.pop()(shop, connection)
            connection.execute(insert(shop.accesses).values(session_id=1))

    job = Job("shop.work", work=work, schedule=DAILY)
    slot = DAILY.previous(NOON)

    outcome = run_job(engine, job, slot=slot, at=NOON, limits=SHORT)

    assert outcome.state == "cancelled", outcome.error
    assert outcome.total == Counts(changed=29)
    assert shop.runs()[-1].counts == {"work": {"picked": 0, "changed": 29, "told": 0}}
    with engine.begin() as connection:
        assert [(due.job.name, due.slot) for due in due_runs(connection, [job], NOON)] == [("shop.work", slot)]
    again = run_job(engine, job, slot=slot, at=NOON)
    assert (again.state, again.total) == ("succeeded", Counts(changed=1))


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_29_an_error_of_its_own_fails_and_counts_what_was_committed(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(3, age=timedelta(hours=1))

    def work(run: Run) -> None:
        with run.transaction() as connection:
            connection.execute(shop.table.update().values(status="x"))
            connection.execute(text("INSERT INTO accesses (session_id) SELECT id FROM sessions"))
        with run.transaction() as connection:
            connection.execute(shop.table.delete())
            raise ValueError("no")

    outcome = run_job(engine, Job("shop.work", work=work))

    assert (outcome.state, outcome.total) == ("failed", Counts(changed=6))


@pytest.mark.databases("postgres18")
def test_rep_40_a_transaction_timeout_of_the_server_is_a_lost_session(engine: Engine) -> None:
    """PostgreSQL 17 ends the session (25P04), whoever set the limit."""

    def work(run: Run) -> None:
        with run.transaction() as connection:
            connection.execute(text("SET LOCAL transaction_timeout = '50ms'"))
            connection.execute(text("SELECT pg_sleep(60)"))

    outcome = run_job(engine, Job("shop.work", work=work), slot=NOON)

    assert (outcome.state, outcome.settled) == ("cancelled", False), outcome.error
    assert "25P04" in (outcome.error or "")
