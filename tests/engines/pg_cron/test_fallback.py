"""PGC-7: without pg_cron a worker calls the same procedures, or runs the policies itself: by a switch, with one row."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, text

from sexton import Job, Purge, UtcDateTime, cron
from sexton.app import App
from sexton.engines.contract import due, execute
from sexton.engines.pg_cron.installation import install, uninstall
from sexton.engines.pg_cron.options import PgCronOptions, options_of
from sexton.run_state import RunState
from sexton.runs.runner import RunOptions
from sexton.runs.stop_signals import Stop
from sexton.testing.processes import wait_until
from tests.support.patience import PATIENCE
from tests.support.pg_cron import CronShop

BY_WORKER: dict[str, Any] = {"engines": {"pg_cron": {"called_by": "worker"}}}
LONG_AGO = "UPDATE sexton.schedules SET seen_at = now() - interval '3 days'"
RUNS = "SELECT job, state, worker, attempt, slot FROM sexton.runs ORDER BY id"

SLEEPS = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
CODES = Table("codes", MetaData(), Column("id", BigInteger, primary_key=True), Column("expires_at", UtcDateTime))


def names(app: App) -> set[str]:
    """Of the jobs that a worker, or `run --due`, would start now; not those of Sexton itself."""
    return {run.job for run in due(app) if run.job.startswith(("policies.", "shop."))}


def test_pgc_7_what_pg_cron_runs_is_left_to_it(shop: CronShop) -> None:
    install(shop.app, PgCronOptions())
    shop.do(LONG_AGO)
    assert names(shop.app) == set()
    uninstall(shop.app, PgCronOptions())
    assert names(shop.app) == {"policies.codes", "policies.carts"}, "what has no procedure is the worker's"


def test_pgc_7_a_job_that_cannot_be_compiled_is_the_workers(shop: CronShop) -> None:
    shop.add(Job("shop.report", schedule=cron("* * * * *"), work=print, catch_up=True))
    install(shop.app, PgCronOptions())
    assert "shop.report" in names(shop.app)


def test_pgc_7_a_worker_calls_the_same_procedure_where_there_is_no_pg_cron(shop: CronShop) -> None:
    app = shop.settle(**BY_WORKER)
    found, done = install(app, options_of(app))
    assert (found.lines, done.lines) == ([], [])
    assert shop.cron(f"SELECT 1 FROM cron.job WHERE username = '{shop.role}'") == []
    shop.do(LONG_AGO)
    runs = {run.job: run for run in due(app)}
    outcome = execute(app, runs["policies.codes"])
    assert outcome.state is RunState.SUCCEEDED
    (row,) = shop.do(RUNS)
    assert (row.job, row.state, row.attempt) == ("policies.codes", "succeeded", 1)
    assert row.worker.startswith("pg_cron:"), "the procedure held it"
    assert row.slot == runs["policies.codes"].slot
    again = execute(app, runs["policies.codes"])
    assert again.run_id is None, "the slot has been run"
    assert len(shop.do(RUNS)) == 1


def test_pgc_7_how_a_called_run_failed_is_told(shop: CronShop) -> None:
    app = shop.settle(**BY_WORKER)
    install(app, options_of(app))
    shop.do(LONG_AGO)
    (run,) = [run for run in due(app) if run.job == "policies.codes"]
    shop.do("ALTER TABLE public.codes RENAME TO tokens")
    outcome = execute(app, run)
    assert outcome.state is RunState.FAILED
    assert outcome.error is not None
    assert "42P01" in outcome.error
    assert outcome.exit_code == 1


def test_pgc_7_a_worker_that_is_stopped_cancels_its_call(shop: CronShop) -> None:
    app = shop.settle(**BY_WORKER)
    work = Purge(CODES, by=CODES.c.expires_at, keep="0s", kind="deadline")
    shop.add(Job("shop.codes", schedule=cron("0 6 * * *", "Asia/Jerusalem"), timeout="1h", guard=None, work=work))
    install(app, options_of(app))
    shop.do(
        LONG_AGO,
        "CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(600); RETURN OLD; END $$",
        "CREATE TRIGGER slow BEFORE DELETE ON public.codes FOR EACH ROW EXECUTE FUNCTION public.slow()",
        "INSERT INTO public.codes VALUES (1, now() - interval '1 day')",
    )
    (run,) = [run for run in due(app) if run.job == "shop.codes"]
    stop = Stop()

    def stop_it() -> None:
        if wait_until(lambda: bool(shop.do(SLEEPS)), PATIENCE):
            stop.ask("stopped by a test")

    stopper = Thread(target=stop_it)
    stopper.start()
    outcome = execute(app, run, RunOptions(stop=stop))
    stopper.join()
    assert outcome.state is RunState.CANCELLED
    assert shop.do("SELECT state, outcome_code FROM sexton.runs") == [("cancelled", "stopped")]
    assert shop.do("SELECT holder FROM sexton.leases WHERE name = 'job:shop.codes'") == [(None,)]
    assert shop.do("SELECT id FROM public.codes") == [(1,)]


def test_pgc_7_both_at_once_run_a_slot_once(shop: CronShop) -> None:
    """The Python path and the procedure meet at the same row."""
    install(shop.app, PgCronOptions())
    shop.do(LONG_AGO)
    worker = App(shop.app.settings)
    try:
        (run,) = due(worker, [worker.registry.get("policies.codes")])
        with shop.database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text('CALL sexton."job_policies.codes"()'))
        assert execute(worker, run).run_id is None
        assert len(shop.do(RUNS)) == 1
    finally:
        worker.database.dispose()


@pytest.mark.parametrize("engine", ["worker", "pg_cron"])
def test_pgc_7_moving_back_is_one_setting(shop: CronShop, engine: str) -> None:
    install(shop.app, PgCronOptions())
    shop.do(LONG_AGO)
    app = shop.settle(engine=engine)
    assert names(app) == ({"policies.codes", "policies.carts"} if engine == "worker" else set())
