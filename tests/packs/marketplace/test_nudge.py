"""Nudging the vendor of an order that is pending for 5 days, and not of one that expires anyway (PF-138)."""

from __future__ import annotations

import pytest

from tests.support.market import Market


def test_pf_138_1_the_vendor_is_nudged_from_5_days_on(shop: Market) -> None:
    shop.order(1, created="2026-06-10 03:59:59.999999")
    shop.order(2, created="2026-06-10 04:00:00.000000")
    shop.order(3, created="2026-06-10 04:00:00.000001")

    shop.run("orders", at="2026-06-15 04:00")

    assert shop.messages() == ["order_pending_nudge 1", "order_pending_nudge 2"]


def test_pf_138_1_at_10_days_an_order_expires_and_is_not_nudged_as_well(shop: Market) -> None:
    shop.order(1, created="2026-06-05 03:59:59.999999")
    shop.order(2, created="2026-06-05 04:00:00.000000")
    shop.order(3, created="2026-06-05 04:00:00.000001")

    shop.run("orders", at="2026-06-15 04:00")

    assert shop.messages() == [
        "order_pending_nudge 3",
        "order_expired 1 buyer",
        "order_expired 1 vendor",
        "order_expired 2 buyer",
        "order_expired 2 vendor",
    ]


def test_pf_138_1_the_nudge_goes_to_the_vendor_with_what_it_is_about(shop: Market) -> None:
    shop.order(1, created="2026-06-09 12:00", parent=5, store=7)

    shop.run("orders", at="2026-06-15 04:00")

    (message,) = shop.sent()
    assert (message.event_type, message.recipient) == ("order_pending_nudge", "7")
    assert message.payload == {"vendor_order_id": 1, "order_id": 5, "created_at": "2026-06-09T12:00:00.000000Z"}


def test_pf_138_5_an_order_is_nudged_once_however_often_the_job_runs(shop: Market) -> None:
    shop.order(1, created="2026-06-09")

    for day in ("2026-06-14", "2026-06-14", "2026-06-15", "2026-06-18"):
        shop.run("orders", at=f"{day} 04:00")

    assert shop.messages() == ["order_pending_nudge 1"]


@pytest.mark.databases("sqlite", "postgres15")
def test_only_pending_orders_are_nudged(shop: Market) -> None:
    """PF-138.1"""
    for number, status in enumerate(("paid", "cancelled", "expired", "shipped", "pending"), 1):
        shop.order(number, created="2026-06-08", status=status)

    shop.run("orders", at="2026-06-15 04:00")

    assert shop.messages() == ["order_pending_nudge 5"]
