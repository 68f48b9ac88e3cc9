"""Holds that have run out are deleted, and count no more even before that (ORA-INV.1)."""

from __future__ import annotations

from sexton import Counts
from sexton.packs.storefront.stock import free_pieces
from tests.support.market import at
from tests.support.storefront import Storefront


def free(shop: Storefront, time: str, product: int = 7, for_order: int | None = None) -> int:
    """Free pieces of the product."""
    with shop.engine.connect() as connection:
        return free_pieces(connection, shop.options, [product], for_order=for_order, at=at(time))[product]


def test_ora_test_an_expired_lock_is_gone_and_counted_once(shop: Storefront) -> None:
    """ORA-TEST: the ticket's own test."""
    shop.hold(1, product=7, expires="2026-06-15 03:59:59")

    run = shop.run("holds", at="2026-06-15 04:00")

    assert run.total == Counts(picked=1, changed=1)
    assert shop.holds() == []
    assert shop.run("holds", at="2026-06-15 04:00").total == Counts()


def test_ora_inv_1_only_holds_whose_time_is_past_go(shop: Storefront) -> None:
    """ORA-INV.1: `expires_at < now`, so one that ends at this very instant is still a hold."""
    shop.hold(1, product=7, expires="2026-06-15 03:59:59.999999")
    shop.hold(2, product=7, expires="2026-06-15 04:00:00")
    shop.hold(3, product=7, expires="2026-06-15 04:00:01")

    shop.run("holds", at="2026-06-15 04:00")

    assert shop.holds() == [2, 3]


def test_ora_inv_1_what_is_held_comes_back_with_the_hold(shop: Storefront) -> None:
    """ORA-INV.1: free is stock less live holds; a hold that has run out counts no more before the job has come."""
    shop.product(7, stock=10)
    shop.hold(1, product=7, pieces=4, expires="2026-06-15 04:00")
    shop.hold(2, product=7, pieces=1, expires="2026-06-15 05:00")

    assert free(shop, "2026-06-15 04:00") == 5
    assert free(shop, "2026-06-15 04:01") == 9
    shop.run("holds", at="2026-06-15 04:01")
    assert free(shop, "2026-06-15 04:01") == 9


def test_ora_inv_1_a_hold_stays_while_its_order_is_being_paid(shop: Storefront) -> None:
    """ORA-INV.1: for 15 minutes from the payment's beginning; then, or once it failed, the pieces are free."""
    for number, (status, created) in enumerate(
        [
            ("PENDING", "2026-06-15 03:45"),
            ("PENDING", "2026-06-15 03:44:59"),
            ("FAILED", "2026-06-15 03:59"),
        ],
        start=1,
    ):
        shop.order(number, items={7: 1})
        shop.payment(number, status=status, created=created)
        shop.hold(number, product=7, order=number, expires="2026-06-15 03:50")

    assert free(shop, "2026-06-15 04:00") == 99
    shop.run("holds", at="2026-06-15 04:00")

    assert shop.holds() == [1]
    shop.run("holds", at="2026-06-15 04:01")
    assert shop.holds() == []


def test_nobody_is_kept_out_by_what_she_holds_herself(shop: Storefront) -> None:
    """ORA-INV.1"""
    shop.product(7, stock=3)
    shop.order(1)
    shop.hold(1, product=7, order=1, pieces=2, expires="2026-06-15 05:00")
    shop.hold(2, product=7, pieces=1, expires="2026-06-15 05:00")

    assert free(shop, "2026-06-15 04:00") == 0
    assert free(shop, "2026-06-15 04:00", for_order=1) == 2


def test_a_dry_run_of_the_release_changes_nothing_and_counts_the_same(shop: Storefront) -> None:
    """ORA-INV.1"""
    shop.hold(1, product=7, expires="2026-06-15 03:00")
    shop.hold(2, product=7, expires="2026-06-15 05:00")
    before = shop.dump()

    predicted = shop.preview("holds", at="2026-06-15 04:00")

    assert shop.dump() == before
    assert shop.run("holds", at="2026-06-15 04:00").steps == predicted.steps
