"""Reserved stock of expired orders: given back to the piece, never below zero (PF-138.4); payments that come late."""

from __future__ import annotations

import pytest
from sqlalchemy import CheckConstraint, Engine

from sexton import SextonError
from sexton.packs.marketplace.options import Options
from sexton.packs.marketplace.payments import settle_late
from sexton.packs.marketplace.stock import Drift, drift
from sexton.packs.marketplace.tables import tables
from tests.support.market import Market

OLD = "2026-06-01"


def test_pf_138_4_every_reserved_piece_is_given_back_and_no_other(shop: Market) -> None:
    shop.shelf(11, reserved=10)
    shop.shelf(12, reserved=10)
    shop.shelf(13, reserved=10)
    shop.order(1, created=OLD, items={11: 2, 12: 1})
    shop.order(2, created=OLD, items={11: 3})
    shop.order(3, created="2026-06-14", items={12: 4})

    shop.run("orders", at="2026-06-15 04:00")

    assert shop.stock() == {11: 5, 12: 9, 13: 10}


def test_pf_138_4_two_lines_of_one_product_are_given_back_together(shop: Market) -> None:
    shop.shelf(11, reserved=5)
    shop.order(1, created=OLD, items={11: 2})
    with shop.engine.begin() as connection:
        row = {"vendor_order_id": 1, "product_id": 11, "quantity": 3}
        connection.execute(shop.own.order_items.insert().values(row))

    shop.run("orders", at="2026-06-15 04:00")

    assert shop.stock() == {11: 0}


def test_pf_138_4_what_is_for_sale_is_not_touched(shop: Market) -> None:
    shop.shelf(11, reserved=2, available=40)
    shop.order(1, created=OLD, items={11: 2})

    shop.run("orders", at="2026-06-15 04:00")

    assert shop.states(shop.own.inventory, "available") == {11: 40}


def test_an_order_whose_stock_would_fall_below_zero_is_set_aside_and_the_others_go_on(shop: Market) -> None:
    """PF-138.4: it comes first, and is not clamped."""
    shop.shelf(11, reserved=1)
    shop.shelf(12, reserved=9)
    shop.order(1, created="2026-05-01", items={11: 2, 12: 3})
    for number in range(2, 8):
        shop.order(number, created=OLD, items={12: 1})
    shop.order(8, created=OLD, items={11: 1})

    run = shop.run("orders", at="2026-06-15 04:00")

    assert (run.state, run.exit_code) == ("partial", 3)
    assert shop.poison() == [("expire", "1")]
    assert shop.orders() == {1: "pending", **dict.fromkeys(range(2, 9), "expired")}
    assert shop.stock() == {11: 0, 12: 3}
    assert not any("order_expired 1 " in message for message in shop.messages())


@pytest.mark.databases("sqlite", "postgres15")
def test_stock_falls_below_zero_in_no_table_that_lacks_a_constraint_either(engine: Engine) -> None:
    """PF-138.4"""
    own = tables(Options())
    own.inventory.constraints = {rule for rule in own.inventory.constraints if not isinstance(rule, CheckConstraint)}
    own.metadata.create_all(engine)
    shop = Market(engine, Options(), own)
    shop.shelf(11, reserved=1)
    shop.order(1, created=OLD, items={11: 2})

    run = shop.run("orders", at="2026-06-15 04:00")

    assert (run.state, shop.poison()) == ("partial", [("expire", "1")])
    assert (shop.orders(), shop.stock()) == ({1: "pending"}, {11: 1})


@pytest.mark.databases("sqlite", "postgres15")
def test_an_order_set_aside_is_tried_again_after_its_rest_and_healed_by_the_right_stock(shop: Market) -> None:
    """PF-138.4"""
    shop.shelf(11, reserved=1)
    shop.order(1, created=OLD, items={11: 2})
    shop.run("orders", at="2026-06-15 04:00")
    shop.change(shop.own.inventory, 11, reserved=2)

    shop.run("orders", at="2026-06-15 04:59")
    assert shop.orders() == {1: "pending"}

    run = shop.run("orders", at="2026-06-15 05:00")
    assert run.state == "succeeded"
    assert shop.orders() == {1: "expired"}
    assert shop.poison() == []


@pytest.mark.databases("sqlite", "postgres15")
def test_drift_of_the_reserved_stock_is_reported(shop: Market) -> None:
    shop.shelf(11, reserved=2)
    shop.shelf(12, reserved=7)
    shop.shelf(13, reserved=1)
    shop.order(1, created=OLD, items={11: 2})
    shop.order(2, created=OLD, items={12: 3})
    shop.order(3, created=OLD, items={13: 5}, status="expired")

    with shop.engine.connect() as connection:
        found = drift(connection, shop.options)

    assert found == [Drift(12, 7, 3), Drift(13, 1, 0)]


def late(shop: Market, number: int) -> str:
    """What the product's payment path does when money arrives."""
    with shop.engine.begin() as connection:
        return settle_late(connection, shop.options, number)


@pytest.mark.databases("sqlite", "postgres15")
def test_a_payment_one_commit_after_the_expiry_reserves_the_stock_again(shop: Market) -> None:
    shop.shelf(11, reserved=2, available=5)
    shop.order(1, created=OLD, items={11: 2})
    shop.run("orders", at="2026-06-15 04:00")

    assert late(shop, 1) == "reserved"

    assert (shop.orders(), shop.parents(), shop.stock()) == ({1: "pending"}, {1: "pending"}, {11: 2})


@pytest.mark.databases("sqlite", "postgres15")
def test_a_payment_whose_stock_is_gone_is_flagged_once_and_changes_nothing(shop: Market) -> None:
    shop.shelf(11, reserved=2, available=5)
    shop.shelf(12, reserved=2, available=5)
    shop.order(1, created=OLD, items={11: 2, 12: 2})
    shop.run("orders", at="2026-06-15 04:00")
    shop.change(shop.own.inventory, 12, reserved=4)

    assert [late(shop, 1), late(shop, 1)] == ["refund", "refund"]

    assert (shop.orders(), shop.parents(), shop.stock()) == ({1: "expired"}, {1: "expired"}, {11: 0, 12: 4})
    assert [message.payload["vendor_order_id"] for message in shop.sent("order_paid_after_expiry")] == [1]


@pytest.mark.databases("sqlite", "postgres15")
def test_a_payment_in_time_finds_the_order_open(shop: Market) -> None:
    shop.order(1, created=OLD)
    assert late(shop, 1) == "open"


@pytest.mark.databases("sqlite", "postgres15")
def test_a_payment_for_no_order_at_all_is_an_error(shop: Market) -> None:
    with pytest.raises(SextonError, match="no vendor order 99"):
        late(shop, 99)


@pytest.mark.databases("sqlite", "postgres15")
def test_a_late_payment_that_was_reserved_again_is_not_expired_by_the_next_run(shop: Market) -> None:
    shop.shelf(11, reserved=2, available=5)
    shop.order(1, created=OLD, items={11: 2})
    shop.run("orders", at="2026-06-15 04:00")
    late(shop, 1)
    shop.payment(1, "captured")

    shop.run("orders", at="2026-06-16 04:00")

    assert (shop.orders(), shop.stock()) == ({1: "pending"}, {11: 2})
