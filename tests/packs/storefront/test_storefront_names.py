"""A shop's own names and kinds of ids; the jobs as the ticket lists them (ORA-SUM)."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from sexton.app import App
from sexton.errors import UsageError
from sexton.packs.storefront import HIGH_PRIORITY, LOW_PRIORITY, jobs
from sexton.packs.storefront.gateway import GatewayPayment, RazorpayGateway, gateway_of
from sexton.packs.storefront.options import STOREFRONT_TABLES, StorefrontOptions
from sexton.packs.storefront.order_notices import order_status_changed
from sexton.packs.storefront.payments import confirm
from tests.support.market import at
from tests.support.storefront import STOREFRONT_JOBS, Storefront, open_storefront

NOON = "2026-06-15 12:00"

OTHER_TABLES = {
    "users": "people",
    "products": "jewels",
    "orders": "carts",
    "order_items": "cart_lines",
    "inventory_locks": "stock_holds",
    "payments": "charges",
    "notifications": "notes",
    "password_resets": "resets",
    "sales_summary": "analytics",
    "outbox_events": "events",
}
OTHER_COLUMNS = {
    "users": {"id": "no", "is_verified": "isVerified", "created_at": "createdAt"},
    "products": {"id": "sku", "stock": "on hand"},
    "orders": {"id": "no", "user_id": "userId", "status": "state", "total_amount": "totalAmount"},
    "order_items": {"order_id": "orderId", "product_id": "sku", "quantity": "pieces"},
    "inventory_locks": {"id": "no", "product_id": "sku", "expires_at": "expiresAt", "order_id": "orderId"},
    "payments": {"id": "no", "order_id": "orderId", "transaction_id": "razorpay", "created_at": "createdAt"},
    "notifications": {"user_id": "userId", "is_read": "isRead", "created_at": "createdAt"},
    "password_resets": {"user_id": "userId", "expires_at": "expiresAt", "used_at": "usedAt"},
    "sales_summary": {"window_start": "from", "window_end": "until"},
    "outbox_events": {"key": "dedup", "event_type": "type", "recipient": "for_whom"},
}


def fill(shop: Storefront, number: Any = int) -> None:
    """Something due for every job. number: makes an id."""
    shop.user(number(1), verified=False, created="2026-01-01")
    shop.reset(number(1), expires="2026-01-01", user=number(1))
    shop.notification(number(900), created="2026-01-01", user=number(1))
    shop.user(number(2))
    shop.product(number(7), stock=5)
    shop.hold(number(1), product=number(7), expires="2026-06-15 11:00")
    shop.order(number(1), user=number(2), items={number(7): 1}, created="2026-06-15 11:00")
    shop.payment(number(1), order=number(1), created="2026-06-15 11:00", gateway=None)


def outcome(shop: Storefront, number: Any = int) -> tuple[Any, ...]:
    """What all jobs leave behind, and what the shop itself calls."""
    paid = GatewayPayment("pay_1", "", "captured", 1000, "INR")
    shop.change(shop.own.payments, number(1), transaction_id="pay_1")
    with shop.engine.begin() as connection:
        assert confirm(connection, shop.options, number(1), paid, at=at(NOON)) == "confirmed"
        assert order_status_changed(connection, shop.options, number(1), "DELIVERED", at=at(NOON))
    for name in STOREFRONT_JOBS:
        run = shop.run(name, at="2026-06-15 12:35")
        assert run.state == "succeeded", run.error
    sales = [tuple(row)[2:] for row in shop.rows(shop.own.sales_summary.select())]
    sent = sorted(row.event_type for row in shop.sent())
    left = (len(shop.ids(shop.own.users)), len(shop.notices()), shop.holds(), shop.ids(shop.own.password_resets))
    return (*left, list(shop.stock().values()), list(shop.orders().values()), sales, sent)


EXPECTED: tuple[Any, ...] = (
    1,
    2,
    [],
    [],
    [4],
    ["PROCESSING"],
    [("INR", 1, 1000)],
    ["LOW_STOCK_ALERT", "ORDER_CONFIRMED", "ORDER_DELIVERED", "sales_report"],
)


def test_every_table_and_column_may_have_a_name_of_the_shops_own(engine: Engine) -> None:
    """ORA-SUM: all jobs, under the names of another shop, with an outbox of its own."""
    shop = open_storefront(engine, tables=OTHER_TABLES, columns=OTHER_COLUMNS)
    fill(shop)

    assert outcome(shop) == EXPECTED
    assert shop.own.metadata.tables.keys() == set(OTHER_TABLES.values())


def test_ids_may_be_texts(engine: Engine) -> None:
    """ORA-TEST: the ticket's products are called 'test-product'."""
    shop = open_storefront(engine, ids="text")
    fill(shop, str)

    assert outcome(shop, str) == EXPECTED
    assert [row.metadata["orderId"] for row in shop.notices()] == ["1", "1"]


def uuid(number: int) -> str:
    """An id."""
    return f"00000000-0000-0000-0000-{number:012}"


@pytest.mark.databases("postgres")
def test_ids_may_be_uuids_and_states_words_of_an_enum(engine: Engine) -> None:
    """ORA-SUM"""
    shop = open_storefront(engine, ids="uuid")
    words = "'PENDING', 'PROCESSING', 'CANCELLED', 'SHIPPED', 'DELIVERED', 'PLACED'"
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TYPE order_state AS ENUM ({words})")
        connection.exec_driver_sql("ALTER TABLE orders ALTER status TYPE order_state USING status::order_state")
    fill(shop, uuid)

    assert outcome(shop, uuid) == EXPECTED
    assert shop.sent("LOW_STOCK_ALERT")[0].payload["items"][0]["product_id"] == uuid(7)


def test_ora_sum_the_jobs_run_when_and_in_the_order_that_the_ticket_says() -> None:
    """ORA-SUM: HIGH for what a customer waits for, MEDIUM, LOW for what tidies up."""
    listed = {
        job.name: (job.schedule.text if job.schedule else "", job.priority) for job in jobs(StorefrontOptions(), "")
    }

    assert listed == {
        "storefront.release_stale_holds": ("every 5m", HIGH_PRIORITY),
        "storefront.check_payments": ("every 10m offset 2m", HIGH_PRIORITY),
        "storefront.check_low_stock": ("every 1h offset 7m", 0),
        "storefront.purge_password_resets": ("every 1h offset 18m", 0),
        "storefront.sales_summary": ("5 18 * * *", LOW_PRIORITY),
        "storefront.purge_notifications": ("0 2 * * *", LOW_PRIORITY),
        "storefront.purge_unverified_users": ("0 3 1 * *", LOW_PRIORITY),
    }


def test_ora_bp_6_every_job_says_what_it_does_and_every_option_what_it_means() -> None:
    """ORA-BP.6"""
    assert all(job.description for job in jobs(StorefrontOptions(), ""))
    assert all(one.metadata["rule"].meaning for one in dataclasses.fields(StorefrontOptions))


def test_a_mapped_column_that_the_pack_does_not_use_is_one_clear_line(engine: Engine) -> None:
    """ORA-SUM"""
    with pytest.raises(UsageError, match=r"pack\.storefront\.columns\.users: no column 'mail'; it has id, email"):
        open_storefront(engine, columns={"users": {"mail": "address"}})


def test_settings_that_do_not_fit_together_are_one_clear_line(tmp_path: Path) -> None:
    """ORA-PAY.1"""
    file = tmp_path / "sexton.toml"
    file.write_text('packs = ["storefront"]\n[pack.storefront]\ngive_up_after = "2d"\n')

    with pytest.raises(UsageError, match='failed_for_good "72h" must be shorter than give_up_after "2d"'):
        App.load(file)


def own_gateway(options: StorefrontOptions) -> RazorpayGateway:
    """A gateway of a shop's own."""
    return RazorpayGateway("https://pay.example.org", options.gateway_key, options.gateway_secret)


def test_a_shop_may_bring_its_own_gateway() -> None:
    """ORA-PAY.1: the option `gateway` names a function of the options."""
    options = StorefrontOptions(gateway=f"{__name__}:own_gateway", gateway_secret="qXcanary")

    gateway = gateway_of(options)

    assert gateway == RazorpayGateway("https://pay.example.org", "", "qXcanary")
    assert "qXcanary" not in repr(gateway)


def test_a_key_may_come_out_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """G5: so it need not stand in a file; a variable that is not set is one clear line."""
    options = StorefrontOptions(gateway_key="env:SHOP_KEY", gateway_secret="env:SHOP_SECRET")
    monkeypatch.setenv("SHOP_KEY", "rzp_1")
    with pytest.raises(UsageError, match=r"gateway_secret names SHOP_SECRET, which the environment does not have"):
        gateway_of(options)
    monkeypatch.setenv("SHOP_SECRET", "qXcanary")

    assert gateway_of(options) == RazorpayGateway("https://api.razorpay.com", "rzp_1", "qXcanary")


@pytest.mark.parametrize("wrong", ["nowhere.at_all:gateway", "sexton.packs.storefront.gateway:nothing", "nocolon"])
def test_a_gateway_that_cannot_be_loaded_is_one_clear_line(wrong: str) -> None:
    """ORA-PAY.1"""
    with pytest.raises(UsageError, match=r"^pack\.storefront\.gateway: .* gives no gateway \(\w+\)$"):
        gateway_of(StorefrontOptions(gateway=wrong))


@pytest.mark.parametrize("options", [{"ids": "serial"}], ids=str)
def test_a_kind_of_ids_that_there_is_not_is_one_clear_line(options: dict[str, Any]) -> None:
    """ORA-SUM"""
    with pytest.raises(ValueError, match="ids: 'serial' is no kind of ids"):
        StorefrontOptions(**options).check()


def test_all_tables_of_the_options_are_those_that_there_are() -> None:
    """ORA-SUM"""
    assert set(STOREFRONT_TABLES) == set(OTHER_TABLES)
