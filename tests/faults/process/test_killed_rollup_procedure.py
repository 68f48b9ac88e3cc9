"""PGC-5: a roll-up that is cut off is taken up by Python where a procedure began it, and the other way round."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from sexton import every
from sexton.engines.pg_cron.procedure import Procedure
from tests.support.children import Break
from tests.support.database_checks import let_leases_end
from tests.support.inside import call, install
from tests.support.pace import UNHURRIED
from tests.support.patience import PATIENCE
from tests.support.sales import REPORT, Sales, at, run_hours

from .test_killed_rollup import HOURS, filled, judge

pytestmark = pytest.mark.databases("postgres15")

NOW = "2026-03-02 16:05"

HOLD = f"""
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN SET LOCAL lock_timeout = 0;
    PERFORM pg_advisory_xact_lock_shared(815); RETURN new; END $$;
CREATE TRIGGER hold BEFORE INSERT ON sales_summary FOR EACH ROW WHEN (new.revenue = {HOURS - 7})
    EXECUTE FUNCTION hold()"""

HELD = "SELECT min(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 815 AND NOT granted"
RESTING = "SELECT min(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"


def compiled(shop: Sales) -> Procedure:
    """The same job, as a procedure."""
    return install(shop.engine, shop.job(windows=every("1h"), tell=REPORT), UNHURRIED, now=at(NOW))


def call_inside(shop: Sales) -> str | None:
    """The same run, by that procedure."""
    return call(shop.engine, compiled(shop), at(NOW))


def waiting_session(engine: Engine, asked: str = HELD) -> int:
    """The one that is held in a window, or that rests before it tries again."""
    end = time.monotonic() + PATIENCE
    while True:
        with engine.connect() as connection:
            found = connection.exec_driver_sql(asked).scalar()
        if found is not None:
            return int(found)
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("ending", ["pg_terminate_backend", "pg_cancel_backend"])
def test_pgc_5_python_takes_up_a_procedure_that_was_cut_off_in_a_window(ending: str, engine: Engine) -> None:
    """Its session is gone, or its statement: nothing is told twice, and no sum is missing."""
    shop = filled(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(HOLD)
    with ThreadPoolExecutor(1) as pool, engine.connect() as holder:
        holder.exec_driver_sql("SELECT pg_advisory_lock(815)")
        called = pool.submit(call_inside, shop)
        number = waiting_session(engine)
        with engine.connect() as connection:
            connection.exec_driver_sql(f"SELECT {ending}({number})")
        said = called.result(PATIENCE)
        holder.exec_driver_sql("SELECT pg_advisory_unlock(815)")
    assert (said is None) == (ending == "pg_cancel_backend")
    assert len(shop.summary()) > 1
    judge(shop)

    let_leases_end(engine)
    shop.run(NOW, windows=every("1h"), tell=REPORT)
    judge(shop, complete=True)


@pytest.mark.parametrize("batch", [1, 2])
def test_pgc_5_a_procedure_takes_up_what_python_was_killed_in(
    batch: int, engine: Engine, database: str, start: Callable[..., object]
) -> None:
    """From the mark on."""
    shop = filled(engine)
    killed = start(run_hours, database, now=NOW, breaking=Break(batch=batch))
    assert killed.wait() == -signal.SIGKILL  # type: ignore[attr-defined]
    judge(shop)

    let_leases_end(engine)
    assert call_inside(shop) is None
    judge(shop, complete=True)


def test_pgc_5_sums_that_others_lock_are_waited_for(engine: Engine) -> None:
    """As a whole transaction, mark and messages with it; each window is told once."""
    shop = filled(engine)
    procedure = compiled(shop)
    with ThreadPoolExecutor(1) as pool, engine.connect() as holder:
        holder.exec_driver_sql("LOCK TABLE sales_summary IN EXCLUSIVE MODE")
        called = pool.submit(call, engine, procedure, at(NOW))
        waiting_session(engine, RESTING)
        holder.rollback()
        assert called.result(PATIENCE) is None
    judge(shop, complete=True)
