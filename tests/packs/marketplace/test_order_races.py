"""Orders while buyers, vendors and the checkout are at work on the same rows: nobody loses a payment (PF-138)."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select, update

from sexton.packs.marketplace.payments import settle_late
from tests.support.market import Market

from .concurrent_sessions import BRIEF, rival, running

pytestmark = pytest.mark.databases("postgres")

OLD = "2026-06-01"


def test_a_payment_that_locks_the_order_first_wins_when_it_commits_in_time(shop: Market) -> None:
    """PF-138.2: the job waits for the order in its last pass and sees the payment."""
    orders = shop.own.vendor_orders
    shop.shelf(11, reserved=2)
    shop.order(1, created=OLD, items={11: 1})
    shop.order(2, created=OLD, items={11: 1})
    lock = select(orders.c.id).where(orders.c.id == 1).with_for_update()
    paid = insert(shop.own.payments).values(order_id=1, status="captured")

    with rival(shop, lock, paid) as payment, running(shop, "orders") as job:
        payment.commit()

    assert job.result().state == "succeeded"
    assert shop.orders() == {1: "pending", 2: "expired"}
    assert shop.stock() == {11: 1}
    assert shop.messages() == ["order_expired 2 buyer", "order_expired 2 vendor"]


def test_a_payment_still_open_at_the_end_keeps_its_order_and_is_reported(shop: Market) -> None:
    """PF-138.2"""
    orders = shop.own.vendor_orders
    for number in (1, 2, 3):
        shop.order(number, created=OLD)
    lock = select(orders.c.id).where(orders.c.id == 2).with_for_update()
    paid = insert(shop.own.payments).values(order_id=2, status="processing")

    with rival(shop, lock, paid) as payment:
        run = shop.run("orders", limits=BRIEF)
        payment.commit()

    assert (run.state, run.note) == (
        "partial",
        "1 row left at the end: locked by others, or due again after the change",
    )
    assert run.steps["expire"].skipped == 1
    assert shop.orders() == {1: "expired", 2: "pending", 3: "expired"}
    assert shop.run("orders").state == "succeeded"
    assert shop.orders()[2] == "pending"


def test_an_order_whose_payment_came_to_nothing_expires_once_its_lock_is_gone(shop: Market) -> None:
    """PF-138.2"""
    orders = shop.own.vendor_orders
    shop.order(1, created=OLD)
    lock = select(orders.c.id).where(orders.c.id == 1).with_for_update()

    with rival(shop, lock) as payment, running(shop, "orders") as job:
        payment.rollback()

    assert job.result().state == "succeeded"
    assert shop.orders() == {1: "expired"}


def test_an_order_cancelled_while_the_job_waits_stays_cancelled(shop: Market) -> None:
    """PF-138.2"""
    orders = shop.own.vendor_orders
    shop.shelf(11, reserved=1)
    shop.order(1, created=OLD, items={11: 1})
    cancelled = update(orders).where(orders.c.id == 1).values(status="cancelled")

    with rival(shop, cancelled) as buyer, running(shop, "orders") as job:
        buyer.commit()

    assert job.result().state == "succeeded"
    assert (shop.orders(), shop.stock(), shop.messages()) == ({1: "cancelled"}, {11: 1}, [])


def test_a_late_payment_that_comes_first_finds_the_order_open_and_the_job_yields(shop: Market) -> None:
    """PF-138.2: whoever commits second sees what the other did."""
    shop.order(1, created=OLD)

    with rival(shop) as payment:
        assert settle_late(payment, shop.options, 1) == "open"
        payment.execute(insert(shop.own.payments).values(order_id=1, status="captured"))
        with running(shop, "orders") as job:
            payment.commit()

    assert job.result().state == "succeeded"
    assert shop.orders() == {1: "pending"}


def test_stock_that_a_checkout_changes_meanwhile_is_neither_lost_nor_doubled(shop: Market) -> None:
    """PF-138.4: the job waits for the stock row and counts from what is there then."""
    inventory = shop.own.inventory
    shop.shelf(11, reserved=5)
    shop.order(1, created=OLD, items={11: 2})
    more = update(inventory).where(inventory.c.product_id == 11).values(reserved=inventory.c.reserved + 4)

    with rival(shop, more) as checkout, running(shop, "orders") as job:
        checkout.commit()

    assert job.result().state == "succeeded"
    assert shop.stock() == {11: 7}


def test_a_stock_row_locked_to_the_end_stops_only_the_orders_that_need_it(shop: Market) -> None:
    """PF-138.4: one long transaction on one product must not keep all other orders from expiring."""
    inventory = shop.own.inventory
    for number in (1, 2, 3):
        shop.shelf(10 + number, reserved=1)
        shop.order(number, created=OLD, items={10 + number: 1})

    with rival(shop, select(inventory).where(inventory.c.product_id == 12).with_for_update()):
        run = shop.run("orders", limits=BRIEF)

    assert (run.state, run.steps["expire"].skipped) == ("partial", 1)
    assert shop.orders() == {1: "expired", 2: "pending", 3: "expired"}
    assert shop.stock() == {11: 0, 12: 1, 13: 0}
