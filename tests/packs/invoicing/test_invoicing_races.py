"""People and other processes at work on the rows of the jobs: they win, and nothing is lost (promise 5)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from sexton.runs.context import Limits
from sexton.testing.processes import wait_until
from tests.cli.shell import Shell
from tests.support.billing import KEY, Billing, beside, days, open_billing
from tests.support.hostile_http import silent
from tests.support.market import at, later
from tests.support.patience import PATIENCE
from tests.support.shaam import shaam_server
from tests.support.waiters import somebody_waits

pytestmark = pytest.mark.databases("postgres")

SIX = "2026-06-15 03:00"
PATIENT = Limits(lock_wait=PATIENCE)


@contextmanager
def meanwhile(desk: Billing, work: Callable[[], Any]) -> Iterator[Future[Any]]:
    """`work` in a thread; the block goes on once it waits for a lock, and it has ended after the block."""
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(work)
        assert wait_until(lambda: future.done() or somebody_waits(desk.engine), PATIENCE)
        yield future


def test_an_invoice_that_is_being_paid_is_neither_flagged_nor_told(desk: Billing) -> None:
    """T2.2, T2.5: the payment commits while the job waits for its row."""
    invoices = desk.own.invoices
    for number in (1, 2):
        desk.invoice(number, due=days(-1))

    with beside(desk) as payment:
        payment.execute(update(invoices).where(invoices.c.id == 1).values(status="paid"))
        with meanwhile(desk, lambda: desk.run("overdue", at=SIX, limits=PATIENT)) as job:
            payment.commit()

    assert job.result().state == "succeeded"
    assert (desk.overdue(), desk.digests()) == ([2], [(1, days(0), ["N2"])])


def test_a_draft_that_is_saved_meanwhile_stays(desk: Billing) -> None:
    """T3.5"""
    invoices = desk.own.invoices
    for number in (1, 2):
        desk.invoice(number, status="draft", touched="2026-01-01")

    with beside(desk) as editor:
        editor.execute(update(invoices).where(invoices.c.id == 1).values(updated_at=at(SIX)))
        with meanwhile(desk, lambda: desk.run("drafts", at=SIX, limits=PATIENT)) as job:
            editor.commit()

    assert job.result().state == "succeeded"
    assert desk.ids(invoices) == [1]
    assert job.result().steps["by_business"].also == {"of business 1": 1}


def test_new_tokens_wait_for_whoever_has_the_row_and_are_stored(engine: Engine) -> None:
    """T5.4: somebody holds the row when the answer comes; it is stored once he lets go."""
    with shaam_server() as shaam:
        desk = open_billing(engine, shaam_timeout="60s", **shaam.options)
        for business in (1, 2):
            desk.tokens(business, expires=later(SIX, minutes=5))
        shaam.grant(1, 2)
        credentials = desk.own.credentials
        locked = select(credentials.c.id).where(credentials.c.business_id == 1).with_for_update()

        with beside(desk) as owner:

            def hold(client: Any, over: Any) -> None:
                owner.execute(locked)
                shaam.renew("refresh-1-0")(client, over)

            shaam.plan = {"refresh-1-0": [hold]}
            with ThreadPoolExecutor(1) as threads:
                job = threads.submit(desk.run, "tokens", SIX)
                assert wait_until(lambda: job.done() or desk.refresh_token(2) == "refresh-2-1", PATIENCE)
                owner.rollback()

    assert job.result().state == "succeeded"
    assert [desk.refresh_token(business) for business in (1, 2)] == ["refresh-1-1", "refresh-2-1"]


SETTINGS = """
database = "{database}"
packs = ["invoicing"]
[run]
lease = "2s"
renew = "500ms"
statement_timeout = "1s"
[pack.invoicing]
token_keys = "{key}"
shaam_token_url = "{shaam}/token"
shaam_client = "billing"
shaam_secret = "secret"
shaam_timeout = "1s"
"""


@pytest.mark.slow
@pytest.mark.databases("sqlite")
def test_a_process_that_is_killed_in_a_call_leaves_the_others_to_the_next(engine: Engine, tmp_path: Path) -> None:
    """T5.3, T5.6: by -9, while SHAAM is silent about one; all others are renewed, once, and so is that one."""
    with shaam_server() as shaam:
        desk = open_billing(engine, **shaam.options)
        for business in range(1, 9):
            desk.tokens(business, expires=later(SIX, minutes=5))
        shaam.grant(*range(1, 9))
        shaam.plan = {f"refresh-{n}-0": [silent()] for n in range(1, 9)}
        url = engine.url.render_as_string(hide_password=False)
        (tmp_path / "sexton.toml").write_text(SETTINGS.format(database=url, key=KEY, shaam=shaam.url))
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
        command = [sys.executable, "-m", "sexton.cli.main", "run", "invoicing.refresh_tokens", "--now"]
        first = subprocess.Popen(
            [*command, "2026-06-15T03:00Z"],
            cwd=tmp_path,
            env=kept,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        asked = wait_until(lambda: len(shaam.asked) > 0 or first.poll() is not None, PATIENCE)
        first.kill()
        assert (first.wait(PATIENCE), asked) == (-9, True)
        shaam.plan.clear()

        def renewed() -> bool:
            again = Shell(tmp_path).sexton("run", "invoicing.refresh_tokens", "--now", "2026-06-15T03:15Z")
            assert again.code in (0, 75), again.err
            return all(desk.refresh_token(n) == f"refresh-{n}-1" for n in range(1, 9))

        assert wait_until(renewed, 3 * PATIENCE, pause=1.0)  # claims end by the clock, starts take their time

    assert set(shaam.renewed.values()) == {1}
    assert set(desk.credentials("status").values()) == {"active"}
