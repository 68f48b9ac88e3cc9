"""A product's own names: tables, columns, schema, outbox; all jobs work under them as under ours (PF-137.9)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from sexton import own_outbox
from sexton.app import App
from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.errors import UsageError
from sexton.packs.marketplace.options import Options
from sexton.testing import run_job
from tests.faults.database.nothing import assert_nothing_started
from tests.support.market import JOBS, NOW, Market, later, open_market

OTHER_TABLES = {
    "licenses": "vendor_licences",
    "stores": "shops",
    "media": "files",
    "media_attachments": "file_uses",
    "vendor_orders": "sub_orders",
    "orders": "carts",
    "order_items": "lines",
    "inventory": "stock_levels",
    "payments": "charges",
    "notifications": "notes",
    "outbox_events": "events",
}
OTHER_COLUMNS = {
    "licenses": {"id": "licence_no", "store_id": "shop", "status": "state", "expires_at": "valid_until"},
    "stores": {"id": "shop_no", "kyc_status": "KYC"},
    "media": {"id": "file_no", "storage_key": "path", "created_at": "uploaded at"},
    "media_attachments": {"media_id": "file", "entity_type": "kind", "entity_id": "of"},
    "vendor_orders": {"id": "no", "order_id": "cart", "created_at": "placed_at", "status": "state"},
    "orders": {"id": "no", "buyer_id": "user", "status": "state"},
    "order_items": {"vendor_order_id": "sub_order", "product_id": "sku", "quantity": "pieces"},
    "inventory": {"product_id": "sku", "reserved": "held"},
    "payments": {"order_id": "cart", "status": "state"},
    "notifications": {"id": "no", "created_at": "at"},
    "outbox_events": {"id": "seq", "key": "dedup", "event_type": "type", "recipient": "for_whom", "payload": "body"},
}


def fill(shop: Market) -> None:
    """Something due for every step of every job."""
    shop.licence(1, expires="2026-06-20")
    shop.licence(2, expires="2026-06-10", store=2)
    shop.licence(3, expires="2026-05-01", status="expired")
    shop.file(1, licences=(3,))
    shop.shelf(11, reserved=5)
    shop.order(1, created="2026-06-09")
    shop.order(2, created="2026-06-01", items={11: 2})
    shop.order(3, created="2026-06-01")
    shop.payment(3, "captured")
    shop.notification(1, created="2026-05-01")
    shop.event(1000, published="2026-05-01")


def outcome(shop: Market) -> tuple[Any, ...]:
    """What two days of all jobs leave behind."""
    for time in (NOW, later(NOW, days=1)):
        for name in JOBS:
            run = shop.run(name, at=time)
            assert run.state == "succeeded", run.error
    states = (shop.licences(), shop.stores(), shop.files(), shop.attached(), shop.orders(), shop.parents())
    return (*states, shop.stock(), shop.notifications(), sorted(shop.messages()), shop.effects())


def expected(engine: Engine) -> tuple[Any, ...]:
    """The same under the pack's own names."""
    shop = open_market(engine)
    fill(shop)
    return outcome(shop)


def other_database(engine: Engine, tmp_path: Path) -> Engine:
    """A second database to compare with: one of SQLite will do."""
    other = open_database(f"sqlite:///{tmp_path / 'other.db'}")
    migrate(other)
    return other


@pytest.mark.slow
def test_pf_137_9_every_table_and_column_may_have_a_name_of_the_products_own(engine: Engine, tmp_path: Path) -> None:
    usual = other_database(engine, tmp_path)
    shop = open_market(engine, tables=OTHER_TABLES, columns=OTHER_COLUMNS)
    fill(shop)

    assert outcome(shop) == expected(usual)
    usual.dispose()


@pytest.mark.databases("postgres")
@pytest.mark.slow
def test_pf_137_9_the_tables_may_lie_in_another_schema(engine: Engine, tmp_path: Path) -> None:
    usual = other_database(engine, tmp_path)
    shop = open_market(engine, schema="shop", tables={name: f"shop.{other}" for name, other in OTHER_TABLES.items()})
    fill(shop)

    *states, _messages, _effects = outcome(shop)

    assert states == list(expected(usual)[:-2])
    usual.dispose()


def test_pf_137_8_messages_go_to_the_products_own_outbox_when_it_has_one(engine: Engine) -> None:
    columns = {"outbox_events": {"key": "dedup", "recipient": "for_whom"}}
    shop = open_market(engine, tables={"outbox_events": "product_outbox"}, columns=columns)
    shop.licence(1, expires="2026-06-20", store=7)

    shop.run("licences", at=NOW)

    (message,) = shop.sent()
    assert (message.event_type, message.recipient) == ("license_expiring_soon", "7")
    assert message.key == "license_expiring_soon:1:2026-06-20T00:00:00.000000Z"
    assert (message.attempt_count, message.published_at) == (0, None)
    with engine.connect() as connection:
        assert connection.execute(select(own_outbox(engine.dialect.name).table)).all() == []


def test_pf_137_8_an_outbox_without_a_column_for_the_key_gets_it_in_the_payload(engine: Engine) -> None:
    """Receivers see a message at least once and need a stable id to tell."""
    shop = open_market(engine, tables={"outbox_events": "product_outbox"})
    shop.licence(1, expires="2026-06-20")

    shop.run("licences", at=NOW)

    (message,) = shop.sent()
    assert "license_expiring_soon:1:2026-06-20T00:00:00.000000Z" in message.payload.values()


def test_pf_140_the_products_own_outbox_is_purged_by_the_same_rules(engine: Engine) -> None:
    """PF-140.1, PF-140.2"""
    shop = open_market(engine, tables={"outbox_events": "product_outbox"})
    shop.event(1, published="2026-05-01")
    shop.event(2, published="2026-06-01")
    shop.event(3, attempts=5, tried="2026-05-01")
    shop.event(4, attempts=4, tried="2026-05-01")

    shop.run("outbox", at=NOW)

    assert [row.id for row in shop.sent()] == [2, 4]


WRONG = [
    ('columns = { licenses = { expirs_at = "valid_until" } }', "licenses: no column 'expirs_at'; it has id, store_id"),
    ('columns = { licenses = { expires_at = "valid_until" } }', "valid_until"),
    ('tables = { licenses = "vendor_licences" }', "vendor_licences"),
    ('tables = { licences = "vendor_licences" }', "did you mean licenses?"),
    ('columns = { licenses = { expires_at = "status" } }', "status"),
]


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize(("line", "named"), WRONG)
def test_a_name_that_cannot_be_right_is_refused_in_one_line_and_nothing_is_started(
    engine: Engine, tmp_path: Path, line: str, named: str
) -> None:
    """PF-137.9"""
    shop = open_market(engine)
    shop.licence(1, expires="2026-06-01")
    before = shop.dump(also_own=False)
    settings = tmp_path / "sexton.toml"
    settings.write_text(f'packs = ["marketplace"]\n[pack.marketplace]\n{line}\n')

    with pytest.raises(UsageError) as refused:
        run_job(engine, App.load(settings).registry.get(JOBS["licences"]), at=NOW)

    assert named in str(refused.value)
    assert "\n" not in str(refused.value)
    assert shop.dump(also_own=False) == before
    assert_nothing_started(engine)


@pytest.mark.databases("postgres")
def test_a_column_that_is_no_time_in_the_database_is_refused_in_one_line(engine: Engine) -> None:
    """PF-137.9"""
    shop = open_market(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE licenses ADD note text")
    wrong = Market(engine, Options(columns={"licenses": {"expires_at": "note"}}), shop.own)

    with pytest.raises(UsageError, match=r"marketplace.expire_licences, step warn: .*text") as refused:
        wrong.run("licences", at=NOW)

    assert "\n" not in str(refused.value)


@pytest.mark.databases("postgres")
def test_pf_137_9_statuses_may_be_enums_of_the_product(engine: Engine, tmp_path: Path) -> None:
    usual = other_database(engine, tmp_path)
    shop = open_market(engine)
    words = {"pending", "verified", "rejected", "deleted", "expired", "license"}
    words |= {*shop.options.payment_holds, *shop.options.child_ended}
    statuses = [shop.own.licenses.c.status, shop.own.stores.c.kyc_status, shop.own.vendor_orders.c.status]
    statuses += [shop.own.orders.c.status, shop.own.payments.c.status, shop.own.media_attachments.c.entity_type]
    with engine.begin() as connection:
        values = ", ".join(f"'{word}'" for word in sorted(words))
        connection.exec_driver_sql(f"CREATE TYPE word AS ENUM ({values})")
        for column in statuses:
            table, name = column.table.name, column.name
            connection.exec_driver_sql(f"ALTER TABLE {table} ALTER {name} TYPE word USING {name}::word")
    fill(shop)

    assert outcome(shop) == expected(usual)
    usual.dispose()
