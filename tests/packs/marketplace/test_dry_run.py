"""Dry runs of all jobs on the rows of the demonstration: they change nothing and predict what the real run counts."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from sexton.packs.marketplace.demo import seed
from sexton.packs.marketplace.options import Options
from sexton.packs.marketplace.tables import tables
from tests.support.market import JOBS, NOW, Market, at, later, open_market


def demonstration(engine: Engine) -> Market:
    """The rows of `sexton demo`, without the one order that the database refuses: no preview can know of it."""
    seed(engine, at(NOW))
    shop = Market(engine, Options(), tables(Options()))
    shop.change(shop.own.inventory, 150, reserved=3)
    return shop


def test_a_dry_run_leaves_every_row_of_every_table_as_it_was(engine: Engine) -> None:
    """PF-139.2 and its like; the next numbers of our own tables are not used up either."""
    shop = demonstration(engine)
    before = shop.dump()

    for name in JOBS:
        assert shop.preview(name, at=NOW).total.picked > 0

    assert shop.dump() == before
    assert shop.run("outbox").run_id == 1


def test_a_dry_run_predicts_the_counts_of_every_step(engine: Engine) -> None:
    shop = demonstration(engine)

    for time in (at(NOW), later(NOW, days=1)):
        for name in JOBS:
            predicted = shop.preview(name, at=time)
            assert shop.run(name, at=time).steps == predicted.steps


@pytest.mark.databases("postgres")
def test_columns_without_a_zone_mean_utc_whatever_the_database_prefers(engine: Engine) -> None:
    """PF-138.7: in the dry run as in the real one, for tables that keep no zone, where the default is New York's."""
    shop = open_market(engine)
    with engine.begin() as connection:
        for table, column in (
            ("licenses", "expires_at"),
            ("vendor_orders", "created_at"),
            ("notifications", "created_at"),
        ):
            connection.execute(
                text(f"ALTER TABLE {table} ALTER {column} TYPE timestamp USING {column} AT TIME ZONE 'UTC'")
            )
        connection.execute(text(f"ALTER DATABASE {engine.url.database} SET TimeZone = 'America/New_York'"))
    shop.licence(1, expires="2026-06-29 04:00")
    shop.licence(2, expires="2026-06-29 04:00:01")
    shop.licence(3, expires="2026-06-15 03:59:59")
    shop.order(1, created="2026-06-05 04:00")
    shop.order(2, created="2026-06-05 04:00:01")
    shop.notification(1, created="2026-05-16 03:59:59")
    shop.notification(2, created="2026-05-16 04:00")
    engine.dispose()

    for name in ("licences", "orders", "notifications"):
        predicted = shop.preview(name, at="2026-06-15 04:00")
        assert shop.run(name, at="2026-06-15 04:00").steps == predicted.steps

    assert shop.licences() == {1: "verified", 2: "verified", 3: "expired"}
    assert shop.orders() == {1: "expired", 2: "pending"}
    assert shop.notifications() == [2]
    assert shop.messages()[:2] == ["license_expiring_soon 1", "license_expired 3"]
    assert shop.sent("license_expiring_soon")[0].payload["expires_at"] == "2026-06-29T04:00:00.000000Z"
