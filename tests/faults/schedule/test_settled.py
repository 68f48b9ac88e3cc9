"""REP-29: what passes by itself does not settle a slot; every engine: `tests/contracts/test_outcomes.py`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, insert, text
from sqlalchemy.exc import DBAPIError

from sexton import Counts, Job, Run, cron
from sexton.runs.context import Limits
from sexton.slots.due import due_runs
from sexton.testing import run_job
from tests.support.sessions import NOON, Sessions, make_sessions

DAILY = cron("0 3 * * *")
SHORT = Limits(lock_wait=0.05)


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
        assert [(due.job, due.slot) for due in due_runs(connection, [job], NOON)] == [("shop.work", slot)]
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
