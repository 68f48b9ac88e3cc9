"""Sales from 18:00 to 18:00 in the shop's zone, one report a day, corrections afterwards (ORA-ANA)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from tests.support.market import at
from tests.support.storefront import Storefront, open_storefront

EVENING = "2026-06-15 12:35"
"""18:05 in Kolkata."""


def days(shop: Storefront) -> list[tuple[str, str, int, int]]:
    """(end of the day in UTC, currency, orders, revenue), in order."""
    table = shop.own.sales_summary
    rows = [
        (f"{row.window_end:%m-%d %H:%M}", row.currency, row.orders, row.revenue) for row in shop.rows(table.select())
    ]
    return sorted(rows)


def reports(shop: Storefront) -> list[tuple[str, dict[str, Any]]]:
    """(event, payload) of what the admin was told."""
    return [(row.event_type, row.payload) for row in shop.sent() if row.event_type.startswith("sales_report")]


def test_ora_ana_the_evening_counts_too_on_the_next_day(shop: Storefront) -> None:
    """ORA-ANA: the ticket's "since midnight, at 18:00" loses what is sold from 18:00 on."""
    shop.order(1, status="PROCESSING", total=100, created="2026-06-14 12:30")
    shop.order(2, status="SHIPPED", total=200, created="2026-06-15 12:29:59.999999")
    shop.order(3, status="DELIVERED", total=400, created="2026-06-15 12:30")
    shop.order(4, status="PENDING", total=800, created="2026-06-15 10:00")
    shop.order(5, status="CANCELLED", total=1600, created="2026-06-15 10:00")

    shop.run("sales", at=EVENING)
    assert days(shop) == [("06-15 12:30", "INR", 2, 300)]
    shop.run("sales", at="2026-06-16 12:35")

    assert days(shop) == [("06-15 12:30", "INR", 2, 300), ("06-16 12:30", "INR", 1, 400)]


def test_ora_ana_each_currency_is_a_sum_of_its_own(shop: Storefront) -> None:
    """ORA-ANA"""
    shop.order(1, status="PROCESSING", total=100, currency="INR", created="2026-06-15 10:00")
    shop.order(2, status="PROCESSING", total=7, currency="USD", created="2026-06-15 10:00")

    shop.run("sales", at=EVENING)

    assert days(shop) == [("06-15 12:30", "INR", 1, 100), ("06-15 12:30", "USD", 1, 7)]


def test_ora_ana_the_admin_is_told_once_a_day_with_its_lines(shop: Storefront) -> None:
    """ORA-ANA: the key is the end of the day."""
    shop.order(1, status="PROCESSING", total=100, created="2026-06-15 10:00")

    shop.run("sales", at=EVENING)
    shop.run("sales", at=EVENING)
    shop.run("sales", at="2026-06-15 13:00")

    ((event, payload),) = reports(shop)
    assert event == "sales_report"
    assert payload["lines"] == [{"currency": "INR", "orders": 1, "revenue": 100}]
    assert shop.effects() == ["sales_report:2026-06-15T12:30:00.000000Z"]
    assert shop.sent("sales_report")[0].recipient == "admin"


def test_ora_ana_an_order_given_back_later_is_a_line_of_a_correction(shop: Storefront) -> None:
    """ORA-ANA: what was told stays told; the difference is told the next day."""
    shop.order(1, status="DELIVERED", total=100, created="2026-06-15 10:00")
    shop.order(2, status="DELIVERED", total=50, created="2026-06-15 11:00")
    shop.run("sales", at=EVENING)
    shop.change(shop.own.orders, 1, status="RETURNED")

    shop.run("sales", at="2026-06-16 12:35")
    shop.run("sales", at="2026-06-17 12:35")

    corrections = [payload for event, payload in reports(shop) if event == "sales_report_correction"]
    assert [payload["lines"] for payload in corrections] == [[{"currency": "INR", "orders": -1, "revenue": -100}]]
    assert days(shop)[0] == ("06-15 12:30", "INR", 1, 50)


def test_ora_ana_days_on_which_nothing_ran_get_reports_of_their_own(shop: Storefront) -> None:
    """ORA-ANA"""
    for day in (12, 13, 14, 15):
        shop.order(day, status="PROCESSING", total=day, created=f"2026-06-{day} 10:00")
    shop.run("sales", at="2026-06-12 12:35")

    shop.run("sales", at=EVENING)

    assert [payload["lines"][0]["revenue"] for _, payload in reports(shop)] == [12, 13, 14, 15]


def test_ora_ana_the_shop_says_in_which_zone_its_day_ends(engine: Engine) -> None:
    """ORA-ANA: 18:00 in Berlin is 16:00 UTC in summer."""
    shop = open_storefront(engine, timezone="Europe/Berlin")
    shop.order(1, status="PROCESSING", total=100, created="2026-06-15 15:59")
    shop.order(2, status="PROCESSING", total=200, created="2026-06-15 16:00")

    shop.run("sales", at="2026-06-15 16:05")

    assert days(shop) == [("06-15 16:00", "INR", 1, 100)]
    schedule = shop.job("sales").schedule
    assert schedule is not None
    assert schedule.next(at("2026-06-15 12:00")) == at("2026-06-15 16:05")
