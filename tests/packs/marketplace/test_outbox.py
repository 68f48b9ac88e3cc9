"""Deleting outbox rows: published ones, dead-lettered ones, and nothing else (PF-140)."""

from __future__ import annotations

from sqlalchemy import Engine

from sexton import Counts
from tests.support.market import NOW, Market, open_market


def kept(shop: Market) -> list[int]:
    """Ids of the rows still there."""
    return [row.id for row in shop.sent()]


def test_pf_140_1_deletes_what_was_published_more_than_30_days_ago(shop: Market) -> None:
    shop.event(1, published="2026-05-16 03:59:59.999999")
    shop.event(2, published="2026-05-16 04:00:00.000000")
    shop.event(3, published="2026-05-16 04:00:00.000001")

    run = shop.run("outbox", at="2026-06-15 04:00")

    assert kept(shop) == [2, 3]
    assert run.steps == {"published": Counts(picked=1, changed=1), "dead_lettered": Counts()}


def test_pf_140_1_published_counts_and_not_the_number_of_attempts_or_the_age(shop: Market) -> None:
    """The ticket's scope line asks for both; its criterion for either."""
    shop.event(1, published="2026-05-01", attempts=0)
    shop.event(2, published="2026-05-01", attempts=9)
    shop.event(3, published="2026-06-01", attempts=9, created="2026-01-01", tried="2026-01-02")

    shop.run("outbox", at="2026-06-15 04:00")

    assert kept(shop) == [3]


def test_pf_140_2_unpublished_rows_stay_whatever_their_age(shop: Market) -> None:
    shop.event(1, created="2020-01-01")
    shop.event(2, created="2020-01-01", attempts=4, tried="2020-01-02")

    run = shop.run("outbox", at="2026-06-15 04:00")

    assert kept(shop) == [1, 2]
    assert run.total == Counts()


def test_pf_140_2_dead_lettered_rows_go_30_days_after_their_last_attempt(shop: Market) -> None:
    shop.event(1, attempts=5, tried="2026-05-16 03:59:59.999999")
    shop.event(2, attempts=5, tried="2026-05-16 04:00:00.000000")
    shop.event(3, attempts=4, tried="2026-05-16 03:59:59.999999")
    shop.event(4, attempts=99, tried="2026-05-16 03:59:59.999999")

    run = shop.run("outbox", at="2026-06-15 04:00")

    assert kept(shop) == [2, 3]
    assert run.steps == {"published": Counts(), "dead_lettered": Counts(picked=2, changed=2)}


def test_pf_140_2_a_row_that_died_late_stays_for_its_30_days(shop: Market) -> None:
    """Written in January, given up last week: a person may still be looking into it."""
    shop.event(1, created="2026-01-01", attempts=5, tried="2026-06-08")

    shop.run("outbox", at="2026-06-15 04:00")
    assert kept(shop) == [1]

    shop.run("outbox", at="2026-07-08 04:00")
    assert kept(shop) == []


def test_pf_140_2_without_a_last_attempt_the_writing_counts(shop: Market) -> None:
    shop.event(1, created="2026-05-16 03:59:59.999999", attempts=5)
    shop.event(2, created="2026-05-16 04:00:00.000000", attempts=5)

    shop.run("outbox", at="2026-06-15 04:00")

    assert kept(shop) == [2]


def test_pf_140_4_the_window_and_the_number_of_attempts_can_be_set(engine: Engine) -> None:
    shop = open_market(engine, outbox_keep="90d", outbox_attempts=8)
    shop.event(1, published="2026-03-10")
    shop.event(2, published="2026-05-01")
    shop.event(3, attempts=8, tried="2026-03-10")
    shop.event(4, attempts=7, tried="2026-03-10")

    shop.run("outbox", at="2026-06-15 04:00")

    assert kept(shop) == [2, 4]


def test_pf_140_2_what_the_other_jobs_have_just_written_is_not_touched(shop: Market) -> None:
    """The outbox is last in line: messages of this very night are unpublished and stay."""
    shop.licence(1, expires="2026-05-01")
    shop.order(1, created="2026-05-01")
    for name in ("licences", "orders", "notifications", "outbox"):
        shop.run(name, at=NOW)

    assert shop.messages() == ["license_expired 1", "order_expired 1 buyer", "order_expired 1 vendor"]
