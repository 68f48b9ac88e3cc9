"""Deleting licences long expired, with their attachments and the media that nothing else uses (PF-137)."""

from __future__ import annotations

import pytest

from sexton import Counts
from sexton.runs.context import Limits
from tests.support.market import Market, at

from .concurrent_sessions import refuse_to_change

ONE_AT_A_TIME = Limits(rows=1, batch=1e-6)


def expired_and_noticed(shop: Market, *numbers: int, expires: str) -> None:
    """Licences that a run has expired in good time."""
    for number in numbers:
        shop.licence(number, expires=expires)
    shop.run("licences", at=at(expires).replace(hour=23))


def test_pf_137_5_deletes_by_the_expiry_date_after_30_days(shop: Market) -> None:
    shop.licence(1, expires="2026-05-16 03:59:59.999999", status="expired")
    shop.licence(2, expires="2026-05-16 04:00:00.000000", status="expired")
    shop.licence(3, expires="2026-05-16 04:00:00.000001", status="expired")
    shop.run("licences", at="2026-05-17 04:00")

    run = shop.run("licences", at="2026-06-15 04:00")

    assert list(shop.licences()) == [2, 3]
    assert run.steps["delete"] == Counts(picked=1, changed=1)


def test_pf_137_5_what_expired_unseen_dwells_a_day_before_it_is_deleted(shop: Market) -> None:
    """Forty days of outage: one run must not expire and destroy."""
    shop.licence(1, expires="2026-05-06")

    shop.run("licences", at="2026-06-15 04:00:00")
    assert shop.licences() == {1: "expired"}
    assert shop.messages() == ["license_expired 1"]

    shop.run("licences", at="2026-06-16 03:59:59.999999")
    assert shop.licences() == {1: "expired"}

    shop.run("licences", at="2026-06-16 04:00:00")
    assert shop.licences() == {}


@pytest.mark.databases("sqlite", "postgres15")
def test_what_was_expired_before_sexton_came_dwells_a_day_as_well(shop: Market) -> None:
    """PF-137.5"""
    shop.licence(1, expires="2025-01-01", status="expired")

    shop.run("licences", at="2026-06-15 04:00")
    assert shop.licences() == {1: "expired"}

    shop.run("licences", at="2026-06-16 04:00")
    assert shop.licences() == {}


@pytest.mark.databases("sqlite", "postgres15")
def test_only_expired_licences_are_deleted(shop: Market) -> None:
    for number, status in enumerate(("deleted", "rejected", "expired"), 1):
        shop.licence(number, expires="2026-03-01", status=status)
    shop.run("licences", at="2026-06-14 04:00")

    shop.run("licences", at="2026-06-15 04:00")

    assert shop.licences() == {1: "deleted", 2: "rejected"}


def test_pf_137_6_attachments_and_media_go_with_the_licence(shop: Market) -> None:
    expired_and_noticed(shop, 1, 2, expires="2026-05-01")
    shop.licence(3, expires="2027-01-01")
    shop.file(1, licences=(1,))
    shop.file(2, licences=(1, 2))
    shop.file(3, licences=(3,))

    run = shop.run("licences", at="2026-06-15 04:00")

    assert shop.files() == [3]
    assert shop.attached() == [(3, "license", 3)]
    assert run.steps["delete"] == Counts(picked=2, changed=2, told=2, also={"media_attachments": 3, "media": 2})


def test_pf_137_6_one_message_a_file_so_that_its_object_is_deleted_too(shop: Market) -> None:
    expired_and_noticed(shop, 1, 2, expires="2026-05-01")
    shop.file(1, licences=(1, 2))
    shop.file(2, licences=(2,))

    shop.run("licences", at="2026-06-15 04:00")

    assert sorted(message.payload["storage_key"] for message in shop.sent("media_object_delete")) == [
        "file-1",
        "file-2",
    ]


def test_pf_137_6_media_that_another_licence_uses_stay(shop: Market) -> None:
    expired_and_noticed(shop, 1, expires="2026-05-01")
    shop.licence(2, expires="2027-01-01")
    shop.file(1, licences=(1, 2))

    shop.run("licences", at="2026-06-15 04:00")

    assert shop.files() == [1]
    assert shop.attached() == [(1, "license", 2)]
    assert shop.sent("media_object_delete") == []


def test_pf_137_6_media_attached_to_a_thing_of_another_kind_stay(shop: Market) -> None:
    """Even when that thing has the number of the licence."""
    expired_and_noticed(shop, 1, expires="2026-05-01")
    shop.file(1, licences=(1,))
    shop.attach(1, "product", 1)

    shop.run("licences", at="2026-06-15 04:00")

    assert shop.files() == [1]
    assert shop.attached() == [(1, "product", 1)]


@pytest.mark.databases("sqlite", "postgres15")
def test_media_younger_than_a_day_stay_as_an_upload_may_still_attach_them(shop: Market) -> None:
    """PF-137.6"""
    expired_and_noticed(shop, 1, expires="2026-05-01")
    shop.file(1, licences=(1,), created="2026-06-14 03:59:59.999999")
    shop.file(2, licences=(1,), created="2026-06-14 04:00:00.000000")

    shop.run("licences", at="2026-06-15 04:00")

    assert shop.licences() == {}
    assert shop.files() == [2]


@pytest.mark.databases("sqlite", "postgres15")
def test_media_shared_by_licences_of_different_batches_go_with_the_last_of_them(shop: Market) -> None:
    """PF-137.6"""
    expired_and_noticed(shop, 1, 2, 3, expires="2026-05-01")
    shop.file(1, licences=(1, 3))
    shop.file(2, licences=(2,))

    shop.run("licences", at="2026-06-15 04:00", limits=ONE_AT_A_TIME)

    assert shop.files() == []
    assert [message.payload["media_id"] for message in shop.sent("media_object_delete")] == [2, 1]


@pytest.mark.databases("sqlite", "postgres15")
def test_a_licence_or_file_that_its_owner_deleted_first_is_no_error(shop: Market) -> None:
    """PF-137.5: unless the user already did."""
    expired_and_noticed(shop, 1, 2, expires="2026-05-01")
    shop.remove(shop.own.licenses, 1)

    run = shop.run("licences", at="2026-06-15 04:00")

    assert run.state == "succeeded"
    assert run.steps["delete"].picked == 1
    assert shop.licences() == {}


def test_pf_137_7_nothing_is_deleted_from_a_store_whose_revocation_was_refused(shop: Market) -> None:
    """And the other stores are served."""
    for number in (1, 2):
        shop.store(number, kyc="pending")
        shop.licence(number, expires="2026-05-01", store=number, status="expired")
    shop.run("licences", at="2026-06-14 04:00")
    for number in (1, 2):
        shop.change(shop.own.stores, number, kyc_status="verified")
    refuse_to_change(shop.engine, shop.own.stores, 1)

    run = shop.run("licences", at="2026-06-15 04:00")

    assert run.state == "partial"
    assert shop.poison() == [("revoke", "1")]
    assert shop.stores() == {1: "verified", 2: "expired"}
    assert list(shop.licences()) == [1]
