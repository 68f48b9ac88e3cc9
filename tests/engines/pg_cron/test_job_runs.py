"""The view of the ticket on our runs: a row a run, its real length, and an error that stays (PGC-2)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from tests.support.inside import call, install
from tests.support.pace import UNHURRIED
from tests.support.sessions import NOON, make_sessions

pytestmark = pytest.mark.databases("postgres15")


def test_pgc_2_a_run_is_a_row_of_job_runs_and_a_failure_stays_there(engine: Engine) -> None:
    """The ticket's own procedures: RAISE took the row back, and every run took no time."""
    shop = make_sessions(engine)
    shop.add(3, age=timedelta(hours=1))
    procedure = install(engine, shop.expire(), UNHURRIED)
    assert call(engine, procedure, NOON) is None
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE sessions RENAME COLUMN expires_at TO ends_at")
    assert call(engine, procedure, NOON) is not None

    with engine.connect() as connection:
        asked = "SELECT job_name, affected_rows, error, run_key, outcome, batches, started_at < finished_at AS took"
        first, second = connection.exec_driver_sql(f"{asked} FROM sexton.job_runs ORDER BY id").all()
    assert first == ("shop.expire_sessions", 3, None, "shop.expire_sessions/run 1", "succeeded", 1, True)
    assert (second.outcome, second.affected_rows, second.took) == ("failed", 0, True)
    assert second.error.startswith("42703: column sessions.expires_at does not exist")
