"""Expiring licences: the boundary, which states, once, late by any number of days, what was expired before (PF-137)."""

from __future__ import annotations

import pytest

from sexton import Counts
from tests.support.market import Market, at, later


def test_pf_137_3_a_licence_expires_once_its_date_has_passed(shop: Market) -> None:
    shop.licence(1, expires="2026-06-15 03:59:59.999999")
    shop.licence(2, expires="2026-06-15 04:00:00.000000")
    shop.licence(3, expires="2026-06-15 04:00:00.000001")
    shop.licence(4, expires="9999-12-31")

    shop.run("licences", at="2026-06-15 04:00")

    assert shop.licences() == {1: "expired", 2: "verified", 3: "verified", 4: "verified"}


def test_pf_137_3_the_vendor_is_told_of_the_expiry_once(shop: Market) -> None:
    shop.licence(1, expires="2026-06-14 22:00", store=7)

    for day in ("2026-06-15", "2026-06-15", "2026-06-16"):
        shop.run("licences", at=f"{day} 04:00")

    (message,) = shop.sent()
    assert (message.event_type, message.recipient) == ("license_expired", "7")
    assert message.payload == {"license_id": 1, "store_id": 7, "expires_at": "2026-06-14T22:00:00.000000Z"}


def test_pf_137_1_an_expiry_that_was_missed_for_20_days_is_made_up(shop: Market) -> None:
    shop.licence(1, expires="2026-05-26")

    shop.run("licences", at="2026-06-15 04:00")

    assert shop.licences() == {1: "expired"}
    assert shop.messages() == ["license_expired 1"]


@pytest.mark.databases("sqlite", "postgres15")
def test_licences_that_have_ended_otherwise_are_left_as_they_are(shop: Market) -> None:
    for number, status in enumerate(("expired", "deleted", "rejected", "pending"), 1):
        shop.licence(number, expires="2026-06-10", status=status)

    run = shop.run("licences", at="2026-06-15 04:00")

    assert shop.licences() == {1: "expired", 2: "deleted", 3: "rejected", 4: "expired"}
    assert shop.messages() == ["license_expired 4"]
    assert run.steps["expire"] == Counts(picked=1, changed=1, told=1)


@pytest.mark.databases("sqlite", "postgres15")
def test_licences_expired_before_sexton_came_are_put_on_record_and_nobody_is_told(shop: Market) -> None:
    shop.licence(1, expires="2026-06-10", status="expired")

    first = shop.run("licences", at="2026-06-15 04:00")
    second = shop.run("licences", at="2026-06-16 04:00")

    assert first.steps["record"] == Counts(picked=1, told=1)
    assert second.steps["record"] == Counts()
    assert shop.messages() == []
    assert shop.licences() == {1: "expired"}


def test_pf_137_9_a_licence_marked_expired_whose_date_is_still_to_come_is_let_alone(shop: Market) -> None:
    """The date is the authority: it is neither put on record nor told about before it has passed."""
    shop.licence(1, expires="2026-07-01", status="expired")

    shop.run("licences", at="2026-06-15 04:00")

    assert shop.effects() == []
    assert shop.messages() == []


@pytest.mark.databases("sqlite", "postgres15")
def test_a_licence_renewed_in_place_is_told_about_again_when_it_expires_again(shop: Market) -> None:
    """PF-137.9: dates should not move; where one did, the deadline is another and so is the fact."""
    shop.licence(1, expires="2026-06-10")
    shop.run("licences", at="2026-06-11 04:00")
    shop.change(shop.own.licenses, 1, status="verified", expires_at=at("2026-12-10"))

    shop.run("licences", at="2026-12-11 04:00")

    dates = [message.payload["expires_at"][:10] for message in shop.sent("license_expired")]
    assert dates == ["2026-06-10", "2026-12-10"]


@pytest.mark.databases("sqlite", "postgres15")
def test_a_licence_renewed_in_place_is_not_destroyed_by_the_run_that_expires_it_again(shop: Market) -> None:
    """The 40-day outage of PF-137.5, for a licence that had expired once before: the old record must not count."""
    shop.licence(1, expires="2026-01-10")
    shop.run("licences", at="2026-01-11 04:00")
    shop.change(shop.own.licenses, 1, status="verified", expires_at=at("2026-05-01"))

    shop.run("licences", at=later("2026-05-01", days=40))

    assert shop.licences() == {1: "expired"}
