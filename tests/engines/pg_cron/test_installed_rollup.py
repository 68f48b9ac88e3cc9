"""PGC-3: with the procedure of a roll-up its windows are installed, by `install` and by files, and go with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sexton import cron
from sexton.engines.pg_cron.comparison import compare
from sexton.engines.pg_cron.installation import install, uninstall
from sexton.engines.pg_cron.options import PgCronOptions
from sexton.engines.pg_cron.script import scripts
from tests.support.pg_cron import CronShop
from tests.support.sales import Sales, open_sales

from .test_script import apply

OPTIONS = PgCronOptions()
DEFINITION = "0 18 * * * Asia/Kolkata"
WRITTEN = f"SELECT count(*), min(starts)::text FROM sexton.windows WHERE definition = '{DEFINITION}'"


@pytest.fixture
def sales(shop: CronShop) -> Sales:
    """Orders from the first of March on, and the job of their sums given to PostgreSQL."""
    found = open_sales(shop.database)
    found.order("2026-03-01 10:00", "INR", 100)
    found.order("2026-03-02 10:00", "INR", 20)
    shop.add(found.job())
    return found


def test_pgc_3_windows_are_installed_from_the_oldest_row_on_and_removed(shop: CronShop, sales: Sales) -> None:
    """And `status` says when they are not those of the schedule."""
    shop.do("INSERT INTO orders (created_at, currency, total_minor) VALUES ('2020-05-05 10:00+00', 'INR', 3)")
    found, _ = install(shop.app, OPTIONS)
    assert (found.left, found.wrong) == ({}, {})
    ((rows, first),) = shop.do(WRITTEN)
    assert rows > 8 * 365
    assert first == "2020-05-04 12:30:00+00"
    assert not install(shop.app, OPTIONS)[1].changed
    assert compare(shop.app, OPTIONS).agrees
    with shop.database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CALL sexton.\"job_shop.sales\"('2026-03-03')")
    assert [line.split()[-1] for line in sales.summary()] == ["3", "100", "20"]

    shop.do(f"DELETE FROM sexton.windows WHERE definition = '{DEFINITION}' AND starts > '2026-01-01'")
    said = [line for job in compare(shop.app, OPTIONS).jobs for line in job.drift]
    assert said == [f"windows {DEFINITION} are not written, so their roll-ups fail"]
    assert install(shop.app, OPTIONS)[1].slots > 365
    assert compare(shop.app, OPTIONS).agrees
    uninstall(shop.app, OPTIONS)
    assert shop.do("SELECT 1 FROM sexton.windows") == []


def test_pgc_3_files_hold_what_install_writes(shop: CronShop, sales: Sales, tmp_path: Path) -> None:
    for name, text in scripts(shop.app, OPTIONS)[1].items():
        (tmp_path / name).write_text(text, "utf-8")
    for _ in range(2):
        apply(shop, tmp_path / "1_procedures.up.sql", shop.name)
    assert install(shop.app, OPTIONS)[1].slots == 0
    apply(shop, tmp_path / "1_procedures.down.sql", shop.name)
    assert shop.do("SELECT 1 FROM sexton.windows") == []


def test_windows_that_are_too_many_to_be_written_leave_the_job_to_a_worker(shop: CronShop) -> None:
    """Hours of a zone that were not whole ones when the first row was written, for a hundred years."""
    sales = open_sales(shop.database)
    sales.order("1930-01-01 10:00", "INR", 1)
    shop.add(sales.job(windows=cron("5,10 * * * *", tz="Asia/Kolkata")))
    found, _ = install(shop.app, OPTIONS)
    assert "its windows 5,10 * * * * Asia/Kolkata are more than 100,000" in found.left["shop.sales"]
    assert shop.do("SELECT 1 FROM sexton.windows") == []
