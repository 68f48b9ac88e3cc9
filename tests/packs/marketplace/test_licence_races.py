"""Licences while somebody else is at work on the same rows, in a second transaction held open: people win (PF-137)."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, select, update

from tests.support.market import Market, at

from .concurrent_sessions import BRIEF, rival, running

pytestmark = pytest.mark.databases("postgres")


def test_a_licence_renewed_while_the_job_waits_for_it_is_not_expired(shop: Market) -> None:
    """PF-137.3: the re-check under lock yields."""
    licences = shop.own.licenses
    shop.licence(1, expires="2026-06-14")
    shop.licence(2, expires="2026-06-14")
    renewal = update(licences).where(licences.c.id == 1).values(expires_at=at("2027-06-14"))

    with rival(shop, renewal) as owner, running(shop, "licences") as job:
        owner.commit()

    assert job.result().state == "succeeded"
    assert shop.licences() == {1: "verified", 2: "expired"}
    assert shop.messages() == ["license_expired 2"]
    assert shop.stores() == {1: "verified"}


def test_a_licence_held_by_its_owner_to_the_end_is_left_and_reported(shop: Market) -> None:
    """PF-137.3: the job neither hangs nor keeps quiet about it; the next run makes it up."""
    licences = shop.own.licenses
    for number in (1, 2, 3):
        shop.licence(number, expires="2026-06-14", store=number)

    with rival(shop, select(licences).where(licences.c.id == 2).with_for_update()):
        run = shop.run("licences", limits=BRIEF)

    assert (run.state, run.steps["expire"].skipped) == ("partial", 1)
    assert shop.licences() == {1: "expired", 2: "verified", 3: "expired"}
    assert shop.run("licences").state == "succeeded"
    assert shop.messages() == ["license_expired 1", "license_expired 3", "license_expired 2"]


def test_an_approval_that_locks_the_store_first_is_never_overtaken_by_the_revocation(shop: Market) -> None:
    """PF-137.4, write skew: the job found no valid licence and waits for the store; meanwhile one is approved."""
    stores, licences = shop.own.stores, shop.own.licenses
    shop.licence(1, expires="2026-06-14")
    lock = select(stores.c.id).where(stores.c.id == 1).with_for_update()
    row = {"id": 2, "store_id": 1, "status": "verified"}
    approved = insert(licences).values(**row, expires_at=at("2027-06-14"), created_at=at("2026-06-15"))

    with rival(shop, lock, approved) as approval, running(shop, "licences") as job:
        approval.commit()

    assert job.result().state == "succeeded"
    assert shop.stores() == {1: "verified"}


def test_a_store_locked_to_the_end_is_reported_and_revoked_by_the_next_run(shop: Market) -> None:
    """PF-137.4: other stores are served."""
    stores = shop.own.stores
    for number in (1, 2):
        shop.licence(number, expires="2026-06-14", store=number)

    with rival(shop, select(stores).where(stores.c.id == 1).with_for_update()):
        run = shop.run("licences", limits=BRIEF)

    assert (run.state, run.steps["revoke"].skipped) == ("partial", 1)
    assert shop.stores() == {1: "verified", 2: "expired"}
    shop.run("licences")
    assert shop.stores() == {1: "expired", 2: "expired"}


def test_a_licence_deleted_by_its_owner_while_the_job_waits_is_no_error(shop: Market) -> None:
    """PF-137.5"""
    licences = shop.own.licenses
    for number in (1, 2):
        shop.licence(number, expires="2026-05-01", status="expired")
    shop.run("licences", at="2026-06-14 04:00")

    with rival(shop, delete(licences).where(licences.c.id == 1)) as owner, running(shop, "licences") as job:
        owner.commit()

    assert job.result().state == "succeeded"
    assert job.result().steps["delete"].changed == 1
    assert shop.licences() == {}


def test_a_file_being_attached_to_something_else_meanwhile_stays_and_nothing_fails(shop: Market) -> None:
    """PF-137.6: the other side wins; the licence goes, its file does not."""
    shop.licence(1, expires="2026-05-01", status="expired")
    shop.file(1, licences=(1,))
    shop.run("licences", at="2026-06-14 04:00")
    use = insert(shop.own.media_attachments).values(media_id=1, entity_type="product", entity_id=5)

    with rival(shop, use) as editor, running(shop, "licences") as job:
        editor.commit()

    assert job.result().state == "succeeded"
    assert shop.licences() == {}
    assert (shop.files(), shop.attached()) == ([1], [(1, "product", 5)])
    assert shop.sent("media_object_delete") == []


def test_a_file_locked_by_an_upload_to_the_end_stops_only_its_own_licence(shop: Market) -> None:
    """PF-137.6: one long transaction on one file must not keep all other licences from being deleted."""
    media = shop.own.media
    for number in (1, 2, 3):
        shop.licence(number, expires="2026-05-01", status="expired")
        shop.file(number, licences=(number,))
    shop.run("licences", at="2026-06-14 04:00")

    with rival(shop, select(media).where(media.c.id == 2).with_for_update()):
        run = shop.run("licences", at="2026-06-15 04:00", limits=BRIEF)

    assert (run.state, run.steps["delete"].skipped) == ("partial", 1)
    assert list(shop.licences()) == [2]
    assert shop.files() == [2]
