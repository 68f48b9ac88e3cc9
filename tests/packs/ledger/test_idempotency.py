"""`ledger.idempotency_cleanup`: finished keys go after a week, unfinished ones never (PGC-6)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from sexton import App, Counts
from sexton.errors import UsageError
from sexton.packs.ledger import jobs
from sexton.packs.ledger.options import LedgerOptions
from sexton.packs.ledger.retention import stuck
from sexton.testing import run_job
from tests.support.accounts import Bank
from tests.support.market import at

NOW = "2026-06-15 03:00"
TICK_BEFORE, TICK_AFTER = "2026-06-08 02:59:59.999999", "2026-06-08 03:00:00.000001"


def test_pgc_6_a_finished_key_goes_one_tick_after_a_week(bank: Bank) -> None:
    """PGC-6: completed or failed, counted from its end, whenever it began."""
    for name, status, finished in (
        ("a", "completed", TICK_BEFORE),
        ("b", "failed", TICK_BEFORE),
        ("c", "completed", "2026-06-08 03:00"),
        ("d", "failed", TICK_AFTER),
    ):
        bank.key(name, status, finished=finished)

    predicted = bank.preview("keys", at=NOW)
    run = bank.run("keys", at=NOW)

    assert run.total == predicted.total == Counts(picked=2, changed=2)
    assert bank.keys() == ["c", "d"]
    assert bank.run("keys", at=NOW).total == Counts()


def test_pgc_6_an_unfinished_key_is_never_deleted(bank: Bank) -> None:
    """PGC-6: nor one whose request was taken up anew and kept the time of its first end."""
    bank.key("old", "in_progress", locked="2020-01-01")
    bank.key("again", "in_progress", locked="2026-06-15", finished="2026-01-01")

    run = bank.run("keys", at=NOW)

    assert (run.total, bank.keys()) == (Counts(), ["again", "old"])


def test_pgc_6_keys_that_are_stuck_are_counted(bank: Bank) -> None:
    """PGC-6: longer than an hour."""
    bank.key("stuck", "in_progress", locked="2026-06-15 01:59:59.999999")
    bank.key("hour", "in_progress", locked="2026-06-15 02:00")
    bank.key("over", "completed", locked="2026-06-01", finished="2026-06-01")

    with bank.engine.connect() as connection:
        assert stuck(connection, bank.options, at=at(NOW)) == 1
        assert stuck(connection, bank.options, at=at("2026-06-15 04:00")) == 2


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('keys_keep = "75h"', 'keys_keep "75h" must be longer than retry_horizon "75h"'),
        ('retry_horizon = "74h"', 'retry_horizon: "74h" is too short; write at least "75h"'),
        ('retry_horizon = "10d"', 'keys_keep "7d" must be longer than retry_horizon "10d"'),
        ('account_ids = "serial"', "account_ids: 'serial' is no kind of ids"),
    ],
)
def test_pgc_6_a_key_outlives_every_client_who_tries_again(tmp_path: Path, lines: str, said: str) -> None:
    """PGC-6: senders of webhooks come again for 75 hours; else a request would be done twice."""
    file = tmp_path / "sexton.toml"
    file.write_text(f'packs = ["ledger"]\n[pack.ledger]\n{lines}\n')

    with pytest.raises(UsageError) as refused:
        App.load(file)

    assert said in str(refused.value)


def test_pgc_6_keys_of_a_weekend_without_a_run_are_no_flood(bank: Bank) -> None:
    """PGC-6: three days of ten; all of them at once would be one."""
    (job,) = (job for job in jobs(bank.options, bank.engine.dialect.name) if job.name == "ledger.idempotency_cleanup")
    rows = [
        {"key": f"{days}-{number}", "status": "completed", "finished_at": at(NOW) - timedelta(days=days, hours=1)}
        for days in range(10)
        for number in range(50)
    ]
    with bank.engine.begin() as connection:
        connection.execute(insert(bank.own.idempotency_keys), rows)

    monday = run_job(bank.engine, job, at=NOW)
    next_year = run_job(bank.engine, job, at="2027-06-15 03:00")

    assert (monday.state, monday.total.changed) == ("succeeded", 150)
    assert (next_year.state, next_year.total.changed) == ("failed", 0)
    assert len(bank.keys()) == 350


def test_pgc_6_defaults_fit_together() -> None:
    """PGC-6"""
    LedgerOptions().check()
