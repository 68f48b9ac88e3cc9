"""Rows without a date, and dates at the far ends: nothing is due because of a date that is not there."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from sexton import Counts
from sexton.packs.marketplace.options import Options
from sexton.packs.marketplace.tables import tables
from tests.support.market import JOBS, NOW, Market, later


@pytest.fixture
def lax(engine: Engine) -> Market:
    """A marketplace whose product lets dates be empty."""
    own = tables(Options())
    for column in (own.licenses.c.expires_at, own.vendor_orders.c.created_at, own.notifications.c.created_at):
        column.nullable = True
    own.metadata.create_all(engine)
    return Market(engine, Options(), own)


def test_a_row_without_a_date_is_never_due(lax: Market) -> None:
    """PF-137.9, PF-138.7, PF-139.1"""
    lax.licence(1, expires=NOW, status="verified")
    lax.licence(2, expires=NOW, status="expired")
    lax.order(1, created=NOW)
    lax.notification(1, created=NOW)
    for number in (1, 2):
        lax.change(lax.own.licenses, number, expires_at=None)
    lax.change(lax.own.vendor_orders, 1, created_at=None)
    lax.change(lax.own.notifications, 1, created_at=None)
    lax.change(lax.own.stores, 1, kyc_status="pending")

    runs = [lax.run(name, at=time) for time in (NOW, later(NOW, days=400)) for name in JOBS]

    assert [run.total for run in runs] == [Counts()] * 8
    assert (lax.licences(), lax.orders(), lax.notifications()) == ({1: "verified", 2: "expired"}, {1: "pending"}, [1])


@pytest.mark.databases("sqlite", "postgres15")
def test_dates_at_the_far_ends_are_dates_like_others(shop: Market) -> None:
    shop.licence(1, expires="9999-12-31 23:59:59.999999")
    shop.licence(2, expires="0001-01-02", store=2, created="0001-01-01")
    shop.order(1, created="0001-01-01")
    shop.notification(1, created="9999-12-31")

    for name in JOBS:
        assert shop.run(name, at=NOW).state == "succeeded"

    assert (shop.licences(), shop.orders()) == ({1: "verified", 2: "expired"}, {1: "expired"})
    assert shop.sent("license_expired")[0].payload["expires_at"] == "0001-01-02T00:00:00.000000Z"
    assert shop.notifications() == [1]
