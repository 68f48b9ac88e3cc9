"""PGC-7 from end to end: without pg_cron a worker, as a process, calls the procedures on schedule, through kill -9."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sexton.app import App
from sexton.engines.pg_cron.installation import install
from sexton.engines.pg_cron.options import options_of
from sexton.guard.arming import arm_job
from sexton.runs.runner import ready
from sexton.testing.postgres import Server
from tests.support.pg_cron import CronShop, new_shop
from tests.support.worker import Yard
from tests.support.workers import Start, nursery, start

__all__ = ["nursery", "start"]

pytestmark = pytest.mark.slow

SETTINGS = """
database = "{url}"
engine = "pg_cron"

[job."sexton.housekeeping"]
engine = "worker"

[engines.pg_cron]
called_by = "worker"

[policies.codes]
purge = "public.codes"
by = "expires_at"
kind = "deadline"
schedule = "0 6 1 1 *"
"""
RUNS = "SELECT state, worker, attempt FROM sexton.runs WHERE job = 'policies.codes' ORDER BY id"
CALLS = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CALL sexton.%'"
SLEEPS = f"{CALLS} AND wait_event = 'PgSleep'"
CLOSED_GATE = (
    "CREATE TABLE public.gate (closed boolean)",
    "INSERT INTO public.gate VALUES (true)",
    "GRANT SELECT ON public.gate TO PUBLIC",
    """CREATE FUNCTION public.wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       WHILE EXISTS (SELECT FROM public.gate) LOOP PERFORM pg_sleep(0.05); END LOOP; RETURN OLD; END $$""",
    "CREATE TRIGGER wait BEFORE DELETE ON public.codes FOR EACH ROW EXECUTE FUNCTION public.wait()",
)


@pytest.fixture
def shop(start_server: Callable[..., Server]) -> Iterator[CronShop]:
    """On a server without the extension, which notices that a client is gone."""
    with new_shop(start_server(15, client_connection_check_interval="200ms"), rights=False) as shop:
        yield shop


@pytest.fixture
def yard(shop: CronShop, tmp_path: Path, start: Start) -> Yard:
    """Workers, and a policy that is installed: its slot of the last new year is still to be run."""
    file = tmp_path / "sexton.toml"
    file.write_text(SETTINGS.format(url=shop.url))
    app = App.load(file)
    job = app.registry.get("policies.codes")
    with app.database.begin() as connection:
        arm_job(connection, job.name, ready(app.database, job), {"codes": 1}, by="ada")
    install(app, options_of(app))
    app.database.dispose()
    shop.do(
        "UPDATE sexton.schedules SET seen_at = now() - interval '400 days'",
        "INSERT INTO public.codes VALUES (1, now() - interval '1 day'), (2, now() + interval '1 day')",
    )
    return Yard(shop.database, f"--config={file}", start)


def states(shop: CronShop) -> list[tuple[str, int]]:
    """Of the runs of the policy; all by the procedure, and no process of Python."""
    rows = shop.do(RUNS)
    assert all(row.worker.startswith("pg_cron:") for row in rows)
    return [(row.state, row.attempt) for row in rows]


def test_pgc_7_a_worker_calls_the_procedure_when_its_slot_is_due_and_the_next_one_not_again(
    shop: CronShop, yard: Yard
) -> None:
    yard.leader()
    yard.wait_until(lambda: states(shop) == [("succeeded", 1)])
    yard.workers[0].kill()
    yard.leader()
    other = yard.ask_for("sexton.housekeeping")  # it has looked at all jobs by the time this one is done
    yard.ended(other)
    assert states(shop) == [("succeeded", 1)]
    assert shop.do("SELECT id FROM public.codes") == [(2,)]


def test_pgc_7_a_call_whose_worker_is_killed_is_made_again_by_the_next_and_ends_once(
    shop: CronShop, yard: Yard
) -> None:
    shop.do(*CLOSED_GATE)
    worker = yard.leader()
    yard.wait_until(lambda: bool(shop.do(SLEEPS)))
    worker.kill()
    yard.workers.clear()
    yard.wait_until(lambda: not shop.do(CALLS))
    shop.do("DELETE FROM public.gate")
    yard.leader()
    yard.wait_until(lambda: states(shop)[1:] == [("succeeded", 2)])
    assert states(shop)[0] in [("cancelled", 1), ("abandoned", 1)], "by its child, or by the next"
    assert shop.do("SELECT id FROM public.codes") == [(2,)]
