"""Every interval of the options on both sides of an hour, a day, two days and a month: days are 24 hours, in UTC."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from sexton import parse_duration
from tests.support.market import NOW, at, open_market

pytestmark = pytest.mark.databases("sqlite", "postgres15")

TICK = timedelta(microseconds=1)
LENGTHS = ("61m", "23h", "25h", "47h", "49h", "32d")


@pytest.mark.parametrize("length", LENGTHS)
def test_orders_are_nudged_and_expire_exactly_after_what_was_set(engine: Engine, length: str) -> None:
    """PF-138.1, PF-138.2"""
    long = parse_duration(length)
    expire = f"{int(long.total_seconds()) + 3600}s"
    shop = open_market(engine, nudge_after=length, expire_after=expire)
    shop.order(1, created=at(NOW) - long + TICK)
    shop.order(2, created=at(NOW) - long)
    shop.order(3, created=at(NOW) - long - timedelta(hours=1) + TICK)
    shop.order(4, created=at(NOW) - long - timedelta(hours=1))

    shop.run("orders", at=NOW)

    assert shop.messages()[:2] == ["order_pending_nudge 3", "order_pending_nudge 2"]
    assert shop.orders() == {1: "pending", 2: "pending", 3: "pending", 4: "expired"}


@pytest.mark.parametrize("length", LENGTHS)
def test_licences_are_warned_about_exactly_as_long_before_as_was_set(engine: Engine, length: str) -> None:
    """PF-137.1"""
    long = parse_duration(length)
    shop = open_market(engine, warn_before=length)
    shop.licence(1, expires=at(NOW) + long)
    shop.licence(2, expires=at(NOW) + long + TICK)

    shop.run("licences", at=NOW)

    assert shop.messages() == ["license_expiring_soon 1"]


@pytest.mark.parametrize("length", LENGTHS[2:])
def test_rows_are_deleted_exactly_after_what_was_set(engine: Engine, length: str) -> None:
    """PF-137.5, PF-139.1, PF-140.1"""
    border = at(NOW) - parse_duration(length)
    shop = open_market(engine, delete_after=length, notifications_keep=length, outbox_keep=length, min_dwell="1h")
    for number, moment in enumerate((border - TICK, border, border + TICK), 1):
        shop.licence(number, expires=moment, status="expired")
        shop.notification(number, created=moment)
        shop.event(number, published=moment)
    shop.run("licences", at=at(NOW) - timedelta(hours=1))

    for name in ("licences", "notifications", "outbox"):
        shop.run(name, at=NOW)

    assert list(shop.licences()) == [2, 3]
    assert shop.notifications() == [2, 3]
    assert [row.id for row in shop.sent("order_paid")] == [2, 3]


def test_a_month_with_31_days_and_a_leap_day_count_as_what_they_are(engine: Engine) -> None:
    """30 days before 15 March are 13 February, in a leap year 14 February."""
    shop = open_market(engine)
    shop.notification(1, created="2027-02-12 04:00")
    shop.notification(2, created="2027-02-13 04:00")
    shop.run("notifications", at="2027-03-15 04:00")
    assert shop.notifications() == [2]

    shop.notification(3, created="2028-02-13 04:00")
    shop.notification(4, created="2028-02-14 04:00")
    shop.run("notifications", at="2028-03-15 04:00")
    assert shop.notifications() == [4]
