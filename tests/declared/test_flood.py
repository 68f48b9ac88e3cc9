"""What is a flood, and what is none: one row, exactly the share, statistics that are late."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sexton.testing import run_job

from .shop import Shop

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
PAST = int(NOON.timestamp()) - 1
FUTURE = PAST + 10**6
CASCADE = "REFERENCES orders (id) ON DELETE CASCADE"


@pytest.mark.databases("postgres")
def test_statistics_that_know_late_of_rows_that_went_hide_no_flood(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint) WITH (autovacuum_enabled = false)",
        f"INSERT INTO orders SELECT n, {PAST} FROM generate_series(1, 60000) n",
        "ANALYZE orders",
        "DELETE FROM orders WHERE id > 5000",
    )

    outcome = run_job(shop.engine, shop.armed(purge="orders", by="ends", unit="s", allowed=0), at=NOON)

    assert outcome.state == "failed"
    assert "more than 1,000 rows are due, max_share = 0.2 of 5,000" in (outcome.error or "")


def test_one_row_is_no_flood(shop: Shop) -> None:
    shop.do("CREATE TABLE orders (id int PRIMARY KEY, ends bigint)", f"INSERT INTO orders VALUES (1, {PAST})")

    assert run_job(shop.engine, shop.armed(purge="orders", by="ends", unit="s", allowed=0), at=NOON).total.changed == 1


def test_exactly_the_share_is_no_flood(shop: Shop) -> None:
    """29 % of 100 are 28.999999999999996 in binary."""
    shop.do("CREATE TABLE orders (id int PRIMARY KEY, ends bigint)")
    for number in range(100):
        shop.do(f"INSERT INTO orders VALUES ({number}, {PAST if number < 29 else FUTURE})")

    outcome = run_job(shop.engine, shop.armed(allowed=0, purge="orders", by="ends", unit="s", max_share=0.29), at=NOON)

    assert (outcome.state, outcome.total.changed) == ("succeeded", 29)
