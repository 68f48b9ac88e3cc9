"""Warning a vendor before a licence expires: who is in the window, once, with the true days left (PF-137)."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tests.support.market import NOW, Market, at, open_market


def test_pf_137_1_the_window_ends_14_days_ahead_to_the_microsecond(shop: Market) -> None:
    shop.licence(1, expires="2026-06-29 03:59:59.999999")
    shop.licence(2, expires="2026-06-29 04:00:00.000000")
    shop.licence(3, expires="2026-06-29 04:00:00.000001")
    shop.licence(4, expires="9999-12-31")

    shop.run("licences", at="2026-06-15 04:00")

    assert shop.messages() == ["license_expiring_soon 1", "license_expiring_soon 2"]


def test_pf_137_1_who_has_expired_already_is_not_warned(shop: Market) -> None:
    shop.licence(1, expires="2026-06-15 03:59:59.999999")
    shop.licence(2, expires="2026-06-15 04:00:00.000000")
    shop.licence(3, expires="2026-06-15 04:00:00.000001")

    shop.run("licences", at="2026-06-15 04:00")

    assert shop.messages() == ["license_expiring_soon 3", "license_expired 1"]


def test_pf_137_2_the_vendor_is_told_once_however_often_the_job_runs(shop: Market) -> None:
    shop.licence(1, expires="2026-06-29 04:00", store=7)

    for day in ("2026-06-14", "2026-06-15", "2026-06-15", "2026-06-16", "2026-06-28"):
        shop.run("licences", at=f"{day} 04:00")

    (message,) = shop.sent("license_expiring_soon")
    assert message.recipient == "7"
    assert message.payload == {
        "license_id": 1,
        "store_id": 7,
        "expires_at": "2026-06-29T04:00:00.000000Z",
        "days_left": 14,
    }


def test_pf_137_2_a_late_warning_says_how_many_days_are_really_left(shop: Market) -> None:
    shop.licence(1, expires="2026-06-29 04:00:00")
    shop.licence(2, expires="2026-06-28 05:00:00")
    shop.licence(3, expires="2026-06-28 04:00:00")
    shop.licence(4, expires="2026-06-17 03:00:00")
    shop.licence(5, expires="2026-06-16 04:00:00")
    shop.licence(6, expires="2026-06-15 04:00:01")

    shop.run("licences", at="2026-06-15 04:00:00")

    days = {message.payload["license_id"]: message.payload["days_left"] for message in shop.sent()}
    assert days == {1: 14, 2: 14, 3: 13, 4: 2, 5: 1, 6: 1}


@pytest.mark.databases("sqlite", "postgres15")
def test_a_licence_is_not_warned_about_before_it_is_a_day_old(shop: Market) -> None:
    shop.licence(1, expires="2026-06-20", created="2026-06-14 04:00:00")
    shop.licence(2, expires="2026-06-20", created="2026-06-14 04:00:00.000001")

    shop.run("licences", at="2026-06-15 04:00")
    assert shop.messages() == ["license_expiring_soon 1"]

    shop.run("licences", at="2026-06-16 04:00")
    assert shop.messages() == ["license_expiring_soon 1", "license_expiring_soon 2"]
    assert [message.payload["days_left"] for message in shop.sent()] == [5, 4]


@pytest.mark.databases("sqlite", "postgres15")
def test_only_verified_licences_are_warned_about(shop: Market) -> None:
    for number, status in enumerate(("pending", "expired", "rejected", "deleted", "verified"), 1):
        shop.licence(number, expires="2026-06-20", status=status)

    shop.run("licences", at=NOW)

    assert shop.messages() == ["license_expiring_soon 5"]


@pytest.mark.databases("sqlite", "postgres15")
def test_a_moved_deadline_earns_a_warning_of_its_own_and_an_old_one_none(shop: Market) -> None:
    """PF-137.9 says dates never change; if one does, the vendor hears of the new one."""
    shop.licence(1, expires="2026-06-20")
    shop.run("licences", at="2026-06-15 04:00")

    shop.change(shop.own.licenses, 1, expires_at=at("2026-06-25"))
    shop.run("licences", at="2026-06-15 05:00")
    assert [message.payload["expires_at"][:10] for message in shop.sent()] == ["2026-06-20", "2026-06-25"]

    shop.change(shop.own.licenses, 1, expires_at=at("2026-06-20"))
    shop.run("licences", at="2026-06-15 06:00")
    assert len(shop.sent()) == 2


@pytest.mark.databases("sqlite", "postgres15")
def test_a_deadline_moved_beyond_the_window_earns_nothing_until_it_comes_near(shop: Market) -> None:
    shop.licence(1, expires="2026-06-20")
    shop.run("licences", at="2026-06-15 04:00")
    shop.change(shop.own.licenses, 1, expires_at=at("2026-09-01"))

    shop.run("licences", at="2026-06-16 04:00")
    assert len(shop.sent()) == 1

    shop.run("licences", at="2026-08-18 00:00")
    assert [message.payload["expires_at"][:10] for message in shop.sent()] == ["2026-06-20", "2026-09-01"]


@pytest.mark.databases("sqlite", "postgres15")
def test_the_window_and_the_least_age_can_be_set(engine: Engine) -> None:
    shop = open_market(engine, warn_before="25h", warn_min_age="0s")
    shop.licence(1, expires="2026-06-16 05:00:00", created="2026-06-15 03:59")
    shop.licence(2, expires="2026-06-16 05:00:01", created="2026-06-15 03:59")

    shop.run("licences", at="2026-06-15 04:00")

    assert shop.messages() == ["license_expiring_soon 1"]
