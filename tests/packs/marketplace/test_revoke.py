"""Revoking a store's verification once no valid licence remains (PF-137.4)."""

from __future__ import annotations

import pytest

from sexton import Counts
from tests.support.market import Market


def test_pf_137_4_a_store_loses_its_verification_with_its_last_valid_licence(shop: Market) -> None:
    shop.licence(1, expires="2026-06-14", store=1)
    shop.licence(2, expires="2026-06-14", store=2)
    shop.licence(3, expires="2026-12-31", store=2)

    run = shop.run("licences", at="2026-06-15 04:00")

    assert shop.stores() == {1: "expired", 2: "verified"}
    assert run.steps["revoke"] == Counts(picked=1, changed=1)


def test_pf_137_4_a_licence_is_valid_up_to_and_including_its_very_instant(shop: Market) -> None:
    shop.licence(1, expires="2026-06-15 03:59:59.999999", store=1)
    shop.licence(2, expires="2026-06-15 04:00:00.000000", store=2)
    shop.licence(3, expires="2026-06-15 04:00:00.000001", store=3)

    shop.run("licences", at="2026-06-15 04:00")

    assert shop.stores() == {1: "expired", 2: "verified", 3: "verified"}


@pytest.mark.databases("sqlite", "postgres15")
def test_only_a_verified_licence_keeps_a_store_verified(shop: Market) -> None:
    for number, status in enumerate(("pending", "rejected", "deleted", "expired", "verified"), 1):
        shop.licence(number, expires="2026-12-31", status=status, store=number)

    shop.run("licences", at="2026-06-15 04:00")

    assert shop.stores() == {1: "expired", 2: "expired", 3: "expired", 4: "expired", 5: "verified"}


@pytest.mark.databases("sqlite", "postgres15")
def test_stores_that_were_never_verified_are_left_alone(shop: Market) -> None:
    for number, kyc in enumerate(("pending", "rejected", "none", "expired"), 1):
        shop.store(number, kyc=kyc)
        shop.licence(number, expires="2026-06-14", store=number)

    run = shop.run("licences", at="2026-06-15 04:00")

    assert list(shop.stores().values()) == ["pending", "rejected", "none", "expired"]
    assert run.steps["revoke"] == Counts()


@pytest.mark.databases("sqlite", "postgres15")
def test_a_sweep_over_all_stores_heals_one_that_an_earlier_run_has_missed(shop: Market) -> None:
    """Its licence expired and was removed long ago by another hand; nothing in this run touches it."""
    shop.store(1)

    run = shop.run("licences", at="2026-06-15 04:00")

    assert shop.stores() == {1: "expired"}
    assert run.steps["expire"] == Counts()


@pytest.mark.databases("sqlite", "postgres15")
def test_a_store_with_a_new_licence_in_time_is_never_revoked(shop: Market) -> None:
    """Renewal is a new row (PF-137.9)."""
    shop.licence(1, expires="2026-06-14")
    shop.licence(2, expires="2027-06-14", created="2026-06-01")

    shop.run("licences", at="2026-06-15 04:00")

    assert shop.licences() == {1: "expired", 2: "verified"}
    assert shop.stores() == {1: "verified"}
