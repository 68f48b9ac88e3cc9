"""PGC-1, PGC-3: Debian's pg_cron itself starts jobs at their local minute, on a server that knows UTC only.

It cannot be hurried: it looks once a minute. So all that needs a real start is asserted here, in one test.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sexton.engines.pg_cron.comparison import compare
from sexton.engines.pg_cron.installation import install
from sexton.engines.pg_cron.options import PgCronOptions
from sexton.testing.processes import wait_until
from tests.support.patience import PATIENCE
from tests.support.pg_cron import POLICIES, CronShop

RUNS = "SELECT job, slot, local_slot, state, worker, error FROM sexton.runs ORDER BY id"
STARTS = (
    "SELECT d.status, d.return_message FROM cron.job_run_details d JOIN cron.job j USING (jobid) WHERE j.jobname = '{}'"
)


@pytest.mark.slow
def test_pgc_1_and_3_one_real_start_at_the_local_minute(shop: CronShop) -> None:
    minute = (datetime.now(UTC) + timedelta(seconds=80)).replace(second=0, microsecond=0)
    local = minute.astimezone(ZoneInfo("Asia/Jerusalem"))
    daily = {"schedule": f"{local.minute} {local.hour} * * *", "timezone": "Asia/Jerusalem"}
    shop.settle(policies={"codes": POLICIES["codes"] | daily, "carts": POLICIES["carts"] | daily})
    shop.do("INSERT INTO public.codes SELECT n, now() - interval '1 day' FROM generate_series(1, 1200) n")
    install(shop.app, PgCronOptions())
    shop.do("ALTER TABLE public.carts RENAME TO baskets")  # under the job: it is to fail, and to be on record

    def ended() -> list[Any]:
        return shop.do(f"SELECT 1 FROM ({RUNS}) r WHERE state <> 'running'")

    assert wait_until(lambda: len(ended()) == 2, PATIENCE)
    runs = {row.job: row for row in shop.do(RUNS)}
    codes, carts = runs["policies.codes"], runs["policies.carts"]
    assert (codes.state, codes.slot) == ("succeeded", minute)
    assert codes.local_slot == f"{local:%Y-%m-%d %H:%M%z} Asia/Jerusalem"
    assert codes.worker.startswith("pg_cron:")
    assert (carts.state, carts.slot) == ("failed", minute)
    assert "42P01" in carts.error
    starts = {name: f"sx:policies.{name}@{shop.name}" for name in ("codes", "carts")}
    assert wait_until(lambda: shop.cron(STARTS.format(starts["carts"]))[0].status == "failed", PATIENCE)
    assert wait_until(lambda: shop.cron(STARTS.format(starts["codes"]))[0].status == "succeeded", PATIENCE)
    shop.do("ALTER TABLE public.baskets RENAME TO carts")
    by_name = {job.job: job for job in compare(shop.app, PgCronOptions()).jobs}
    assert by_name["policies.codes"].last_status == "succeeded"
    assert by_name["policies.codes"].last_state == "succeeded"
    assert by_name["policies.carts"].last_status == "failed"
