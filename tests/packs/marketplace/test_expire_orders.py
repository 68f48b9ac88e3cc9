"""Expiring pending orders: the boundary, who is told, payments that hold them, the guard, parents (PF-138)."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from sexton import Counts
from sexton.runs.context import Limits
from tests.support.market import Market, open_market

OLD = "2026-06-01"


def test_pf_138_2_an_order_pending_for_10_days_expires(shop: Market) -> None:
    shop.order(1, created="2026-06-05 03:59:59.999999")
    shop.order(2, created="2026-06-05 04:00:00.000000")
    shop.order(3, created="2026-06-05 04:00:00.000001")

    run = shop.run("orders", at="2026-06-15 04:00")

    assert shop.orders() == {1: "expired", 2: "expired", 3: "pending"}
    assert run.steps["expire"] == Counts(picked=2, changed=2, told=4, also={"orders": 2})


def test_pf_138_2_only_pending_orders_expire(shop: Market) -> None:
    for number, status in enumerate(("paid", "cancelled", "shipped", "pending"), 1):
        shop.order(number, created=OLD, status=status)

    shop.run("orders", at="2026-06-15 04:00")

    assert shop.orders() == {1: "paid", 2: "cancelled", 3: "shipped", 4: "expired"}


def test_pf_138_3_buyer_and_vendor_are_told_in_a_message_each(shop: Market) -> None:
    shop.order(1, created=OLD, parent=5, store=7)

    shop.run("orders", at="2026-06-15 04:00")

    buyer, vendor = shop.sent()
    about = {"vendor_order_id": 1, "order_id": 5, "store_id": 7}
    assert (buyer.event_type, buyer.recipient, buyer.payload) == ("order_expired", "5005", {**about, "for": "buyer"})
    assert (vendor.event_type, vendor.recipient, vendor.payload) == ("order_expired", "7", {**about, "for": "vendor"})


def test_pf_138_5_no_order_is_processed_twice_across_runs(shop: Market) -> None:
    shop.order(1, created=OLD, items={11: 2})
    shop.shelf(11, reserved=5)

    first = shop.run("orders", at="2026-06-15 04:00")
    again = shop.run("orders", at="2026-06-15 04:00")
    next_day = shop.run("orders", at="2026-06-16 04:00")

    assert first.total.changed == 1
    assert again.total == next_day.total == Counts()
    assert shop.stock() == {11: 3}
    assert len(shop.messages()) == 2


def test_pf_138_7_the_age_counts_from_the_servers_created_at(shop: Market) -> None:
    """An order created in the future by a clock that was wrong is neither nudged nor expired."""
    shop.order(1, created="2027-01-01")

    shop.run("orders", at="2026-06-15 04:00")

    assert shop.orders() == {1: "pending"}
    assert shop.messages() == []


def test_a_payment_that_is_settled_or_in_flight_keeps_an_order_alive(shop: Market) -> None:
    """PF-138.2"""
    for number, state in enumerate(("processing", "authorized", "captured", "settled"), 1):
        shop.order(number, created=OLD)
        shop.payment(number, state)

    shop.run("orders", at="2026-06-15 04:00")

    assert set(shop.orders().values()) == {"pending"}


@pytest.mark.databases("sqlite", "postgres15")
def test_a_payment_attempt_that_came_to_nothing_keeps_no_order_alive(shop: Market) -> None:
    """PF-138.2: the guard means "settled or in flight", not "a payment row exists"."""
    for number, state in enumerate(("failed", "cancelled", "expired", "refused"), 1):
        shop.order(number, created=OLD)
        shop.payment(number, state)

    shop.run("orders", at="2026-06-15 04:00")

    assert set(shop.orders().values()) == {"expired"}


@pytest.mark.databases("sqlite", "postgres15")
def test_one_good_payment_among_failed_ones_keeps_an_order_alive(shop: Market) -> None:
    shop.order(1, created=OLD)
    for state in ("failed", "failed", "captured", "failed"):
        shop.payment(1, state)

    shop.run("orders", at="2026-06-15 04:00")

    assert shop.orders() == {1: "pending"}


@pytest.mark.databases("sqlite", "postgres15")
def test_which_payments_hold_an_order_can_be_set(engine: Engine) -> None:
    shop = open_market(engine, payment_holds=("paid",))
    for number, state in enumerate(("captured", "paid"), 1):
        shop.order(number, created=OLD)
        shop.payment(number, state)

    shop.run("orders", at="2026-06-15 04:00")

    assert shop.orders() == {1: "expired", 2: "pending"}


@pytest.mark.databases("sqlite", "postgres15")
def test_without_a_payments_table_no_payment_is_asked_for(engine: Engine) -> None:
    shop = open_market(engine, payment_holds=())
    shop.own.payments.drop(engine)
    shop.order(1, created=OLD)

    assert shop.preview("orders", at="2026-06-15 04:00").steps["expire"].picked == 1
    shop.run("orders", at="2026-06-15 04:00")

    assert shop.orders() == {1: "expired"}


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize(
    "guard",
    [
        "store_id <> 8",
        "vendor_orders.store_id % 2 = 1",
        "CAST(store_id AS text) NOT LIKE '8%'",
        "store_id <> 8 OR 1 = 0",
        "NOT EXISTS (SELECT 1 FROM stores s WHERE s.id = vendor_orders.store_id AND s.name = ':held')",
    ],
)
def test_the_operators_guard_must_hold_as_well(engine: Engine, guard: str) -> None:
    """PF-138.2: `expire_guard` stands in the statement as written, whatever characters are in it."""
    shop = open_market(engine, expire_guard=guard)
    shop.store(8)
    shop.change(shop.own.stores, 8, name=":held")
    shop.order(1, created=OLD, store=7)
    shop.order(2, created=OLD, store=8)

    predicted = shop.preview("orders", at="2026-06-15 04:00")
    run = shop.run("orders", at="2026-06-15 04:00")

    assert shop.orders() == {1: "expired", 2: "pending"}
    assert run.steps == predicted.steps


@pytest.mark.databases("sqlite", "postgres15")
def test_a_parent_expires_with_its_last_open_child_and_not_before(shop: Market) -> None:
    """PF-138.2"""
    shop.order(1, created=OLD, parent=5)
    shop.order(2, created="2026-06-07", parent=5)

    shop.run("orders", at="2026-06-15 04:00")
    assert (shop.orders(), shop.parents()) == ({1: "expired", 2: "pending"}, {5: "pending"})

    shop.run("orders", at="2026-06-17 04:00")
    assert (shop.orders(), shop.parents()) == ({1: "expired", 2: "expired"}, {5: "expired"})


@pytest.mark.databases("sqlite", "postgres15")
def test_children_of_one_parent_in_different_batches_expire_it_once(shop: Market) -> None:
    """PF-138.2, with one row a batch."""
    shop.order(1, created="2026-06-01 01:00", parent=5)
    shop.order(2, created="2026-06-01 02:00", parent=6)
    shop.order(3, created="2026-06-01 03:00", parent=5)

    run = shop.run("orders", at="2026-06-15 04:00", limits=Limits(rows=1, batch=1e-6))

    assert shop.parents() == {5: "expired", 6: "expired"}
    assert run.steps["expire"].also == {"orders": 2}


@pytest.mark.databases("sqlite", "postgres15")
def test_a_parent_whose_other_child_was_cancelled_expires(shop: Market) -> None:
    shop.order(1, created=OLD, parent=5)
    shop.order(2, created=OLD, parent=5, status="cancelled")

    shop.run("orders", at="2026-06-15 04:00")

    assert shop.parents() == {5: "expired"}


@pytest.mark.databases("sqlite", "postgres15")
def test_a_parent_whose_other_child_is_under_way_stays_open(shop: Market) -> None:
    """It expires only if every child has ended: one that is being shipped has not."""
    shop.order(1, created=OLD, parent=5)
    shop.order(2, created=OLD, parent=5, status="processing")

    shop.run("orders", at="2026-06-15 04:00")

    assert shop.orders() == {1: "expired", 2: "processing"}
    assert shop.parents() == {5: "pending"}


@pytest.mark.databases("sqlite", "postgres15")
def test_a_parent_that_is_no_longer_open_is_left_as_it_is(shop: Market) -> None:
    shop.parent(5, status="cancelled")
    shop.order(1, created=OLD, parent=5)

    shop.run("orders", at="2026-06-15 04:00")

    assert (shop.orders(), shop.parents()) == ({1: "expired"}, {5: "cancelled"})


@pytest.mark.databases("sqlite", "postgres15")
def test_a_parent_left_over_by_two_hands_at_once_is_settled_by_the_next_run(shop: Market) -> None:
    """One child expired here while another was cancelled there: neither saw the other's end."""
    shop.order(1, created=OLD, parent=5, status="expired")
    shop.order(2, created=OLD, parent=5, status="cancelled")
    shop.order(3, created=OLD, parent=6, status="cancelled")

    run = shop.run("orders", at="2026-06-15 04:00")

    assert shop.parents() == {5: "expired", 6: "pending"}
    assert run.steps["settle"] == Counts(picked=1, changed=1)


def test_pf_138_6_the_tables_are_those_of_the_ticket_and_the_vendor_orders_that_carry_the_status(shop: Market) -> None:
    """Items and payments are read, not written; nothing else of the product is touched."""
    shop.shelf(11, reserved=1)
    shop.order(1, created=OLD, items={11: 1})
    shop.payment(1, "failed")
    before = shop.dump(also_own=False)

    shop.run("orders", at="2026-06-15 04:00")

    after = shop.dump(also_own=False)
    assert {name for name in before if after[name] != before[name]} == {"vendor_orders", "orders", "inventory"}
