"""One message about what has become low, none about what is known, a reminder a day (ORA-INV.2)."""

from __future__ import annotations

from typing import Any

from tests.support.market import later
from tests.support.storefront import Storefront

NOON = "2026-06-15 12:00"


def alerts(shop: Storefront) -> list[list[Any]]:
    """Products named by each alert."""
    return [[item["product_id"] for item in row.payload["items"]] for row in shop.sent("LOW_STOCK_ALERT")]


def test_ora_inv_2_one_message_lists_all_that_are_low_and_the_next_hour_none(shop: Storefront) -> None:
    """ORA-INV.2: five free pieces or fewer, of active products."""
    shop.product(1, stock=5)
    shop.product(2, stock=6)
    shop.product(3, stock=0)
    shop.product(4, stock=0, active=False)

    shop.run("low stock", at=NOON)
    shop.run("low stock", at=later(NOON, hours=1))

    assert alerts(shop) == [[1, 3]]
    (message,) = shop.sent("LOW_STOCK_ALERT")
    assert message.recipient == "admin"
    assert message.payload["items"][0] == {
        "product_id": 1,
        "name": "Product 1",
        "stock": 5,
        "free": 5,
        "since": "2026-06-15T12:00:00.000000Z",
    }
    assert "low_stock:1:2026-06-15T12:00:00.000000Z" in shop.effects()


def test_ora_inv_2_nothing_is_told_when_nothing_is_low(shop: Storefront) -> None:
    """ORA-INV.2"""
    shop.product(1, stock=6)

    run = shop.run("low stock", at=NOON)

    assert (run.state, run.total.told, shop.sent()) == ("succeeded", 0, [])


def test_ora_inv_2_what_live_holds_keep_is_not_free(shop: Storefront) -> None:
    """ORA-INV.2: `stock - live locks <= 5`."""
    shop.product(1, stock=8)
    shop.hold(1, product=1, pieces=3, expires=later(NOON, minutes=10))
    shop.product(2, stock=8)
    shop.hold(2, product=2, pieces=3, expires=later(NOON, minutes=-10))

    shop.run("low stock", at=NOON)

    assert alerts(shop) == [[1]]


def test_ora_inv_2_a_product_on_the_edge_is_told_about_once(shop: Storefront) -> None:
    """ORA-INV.2: it is low no more from eight free pieces on; only then it can become low again."""
    shop.product(1, stock=5)

    for hour, stock in enumerate([5, 6, 5, 7, 5, 8, 5]):
        shop.change(shop.own.products, 1, stock=stock)
        shop.run("low stock", at=later(NOON, hours=hour))

    assert [str(row.created_at)[:13] for row in shop.sent("LOW_STOCK_ALERT")] == ["2026-06-15 12", "2026-06-15 18"]


def test_ora_inv_2_what_stays_low_is_repeated_once_a_day(shop: Storefront) -> None:
    """ORA-INV.2"""
    shop.product(1, stock=1)
    shop.run("low stock", at=NOON)
    shop.product(2, stock=1)

    for hour in range(1, 50):
        shop.run("low stock", at=later(NOON, hours=hour))

    assert alerts(shop) == [[1], [2], [1], [2], [1], [2]]


def test_ora_inv_2_a_product_taken_out_of_the_shop_is_low_no_more(shop: Storefront) -> None:
    """ORA-INV.2"""
    shop.product(1, stock=1)
    shop.run("low stock", at=NOON)
    shop.change(shop.own.products, 1, is_active=False)

    shop.run("low stock", at=later(NOON, days=2))

    assert alerts(shop) == [[1]]
    assert shop.column(shop.own.products, "low_since") == {1: None}


def test_the_same_run_twice_tells_once_and_a_dry_run_changes_nothing(shop: Storefront) -> None:
    """ORA-INV.2, ORA-BP.3"""
    shop.product(1, stock=1)
    shop.product(2, stock=9)
    shop.product(3, stock=9)
    shop.change(shop.own.products, 2, low_since=later(NOON, days=-2))
    before = shop.dump()

    predicted = shop.preview("low stock", at=NOON)
    assert shop.dump() == before
    assert shop.run("low stock", at=NOON).steps == predicted.steps
    shop.run("low stock", at=NOON)

    assert alerts(shop) == [[1]]
