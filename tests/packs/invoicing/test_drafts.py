"""Abandoned drafts go with their items, are counted by business, and can be put back (T3.1 to T3.6)."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from sexton.packs.invoicing.drafts import restore_draft
from tests.support.billing import Billing, beside, open_billing
from tests.support.market import later

THREE = "2026-06-15 00:00"
"""03:00 in Israel."""

OLD = later(THREE, days=-30, microseconds=-1)
EXACTLY = later(THREE, days=-30)


def draft(desk: Billing, number: int, **more: Any) -> None:
    """One with two items that nobody has touched for 30 days."""
    desk.invoice(number, **{"status": "draft", "touched": OLD, "items": {"Work": (2, 500), "Travel": (1, 99)}, **more})


def restore(desk: Billing, number: int) -> bool:
    """Put it back, in a transaction."""
    with desk.engine.begin() as connection:
        return restore_draft(connection, desk.options, number)


def test_t3_2_only_drafts_untouched_for_thirty_days_are_deleted(desk: Billing) -> None:
    """T3.2, T3.3, T3.5, T6.3: with their items; recent ones and what is no draft stay, whatever its age."""
    draft(desk, 1)
    draft(desk, 2, touched=EXACTLY)
    draft(desk, 3, touched=later(THREE, days=-1))
    draft(desk, 4, status="sent")

    run = desk.run("drafts", at=THREE)

    assert (run.state, desk.ids(desk.own.invoices)) == ("succeeded", [2, 3, 4])
    assert set(desk.column(desk.own.invoice_items, "invoice_id").values()) == {2, 3, 4}
    assert run.steps["delete"].also["invoice_items"] == 2


def test_t3_6_twice_deletes_and_counts_once(desk: Billing) -> None:
    """T3.6"""
    draft(desk, 1)
    desk.run("drafts", at=THREE)

    again = desk.run("drafts", at=THREE)

    assert (again.total.changed, again.steps["by_business"].also) == (0, {})


def test_t3_4_how_many_drafts_each_business_has_lost_is_counted_and_logged(
    desk: Billing, caplog: pytest.LogCaptureFixture
) -> None:
    """T3.4: by business, not one total."""
    for number, business in enumerate([1, 1, 1, 2], start=1):
        draft(desk, number, business=business)
    desk.business(3)

    predicted = desk.preview("drafts", at=THREE)
    with caplog.at_level(logging.INFO, "sexton.invoicing"):
        run = desk.run("drafts", at=THREE)

    assert run.steps["by_business"].also == {"of business 1": 3, "of business 2": 1}
    assert predicted.steps == run.steps
    said = [record.getMessage() for record in caplog.records if record.name == "sexton.invoicing"]
    assert said == ["business 1: 3 abandoned drafts deleted", "business 2: 1 abandoned drafts deleted"]


def test_t3_4_what_a_run_has_deleted_and_not_counted_the_next_one_counts(desk: Billing) -> None:
    """T3.4: it died in between."""
    draft(desk, 1)
    desk.run("drafts", at=THREE)
    desk.change(desk.own.deleted_drafts, 1, counted_at=None)

    run = desk.run("drafts", at=later(THREE, days=1))

    assert run.steps["by_business"].also == {"of business 1": 1}


def test_t3_5_a_draft_that_is_opened_meanwhile_stays(desk: Billing) -> None:
    """T3.5: whoever opens it touches it; the job neither waits nor deletes."""
    draft(desk, 1)
    draft(desk, 2)
    if desk.engine.dialect.name == "sqlite":
        desk.change(desk.own.invoices, 1, updated_at=later(THREE))
        desk.run("drafts", at=THREE)
    else:
        with beside(desk) as opened:
            opened.execute(select(desk.own.invoices).where(desk.own.invoices.c.id == 1).with_for_update())
            run = desk.run("drafts", at=THREE)
            assert (run.state, run.total.skipped) == ("partial", 1)
            opened.execute(
                desk.own.invoices.update().where(desk.own.invoices.c.id == 1).values(updated_at=later(THREE))
            )
            opened.commit()
        desk.run("drafts", at=later(THREE, days=1))

    assert desk.ids(desk.own.invoices) == [1]


def test_t3_3_a_draft_that_another_table_refers_to_is_left_and_the_run_says_so(desk: Billing) -> None:
    """T3.3: an attachment, a quote."""
    draft(desk, 1)
    draft(desk, 2)
    with desk.engine.begin() as connection:
        connection.execute(text("CREATE TABLE attachments (id integer, invoice_id bigint REFERENCES invoices (id))"))
        connection.execute(text("INSERT INTO attachments VALUES (1, 2)"))

    run = desk.run("drafts", at=THREE)

    assert desk.ids(desk.own.invoices) == [2]
    assert run.state == "partial"
    assert run.total.referred + run.total.poison == 1
    assert run.steps["by_business"].also == {"of business 1": 1}


def test_a_deleted_draft_can_be_put_back_with_all_it_had(desk: Billing) -> None:
    """T3.3: it counts as touched, so that the next night does not delete it again."""
    desk.customer(7, name="דנה לוי")
    draft(desk, 1, customer=7, due="2026-07-01")
    draft(desk, 2)
    before = desk.rows(select(desk.own.invoices).where(desk.own.invoices.c.id == 1))[0]
    items = [
        row[1:] for row in desk.rows(select(desk.own.invoice_items).where(desk.own.invoice_items.c.invoice_id == 1))
    ]
    desk.run("drafts", at=THREE)
    assert desk.ids(desk.own.invoices) == []

    assert restore(desk, 1)

    after = desk.rows(select(desk.own.invoices))[0]
    assert after._asdict() | {"updated_at": before.updated_at} == before._asdict()
    assert after.updated_at > before.updated_at
    assert [row[1:] for row in desk.rows(select(desk.own.invoice_items))] == items
    assert (restore(desk, 1), restore(desk, 9)) == (False, False)
    assert desk.ids(desk.own.invoices) == [1]


@pytest.mark.databases("postgres")
def test_columns_that_the_pack_does_not_know_come_back_too(desk: Billing) -> None:
    """T3.3"""
    with desk.engine.begin() as connection:
        connection.execute(text("ALTER TABLE invoices ADD notes text, ADD tags text[]"))
    draft(desk, 1)
    with desk.engine.begin() as connection:
        connection.execute(text("UPDATE invoices SET notes = 'O''Hara ☂', tags = '{a,b}'"))
    desk.run("drafts", at=THREE)

    assert restore(desk, 1)

    assert [tuple(row) for row in desk.rows(text("SELECT notes, tags FROM invoices"))] == [("O'Hara ☂", ["a", "b"])]


def test_after_thirty_days_nothing_can_be_put_back(desk: Billing) -> None:
    """T3.3: the option `undo_keep`."""
    draft(desk, 1)
    desk.run("drafts", at=THREE)
    desk.run("drafts", at=later(THREE, days=30))
    assert len(desk.ids(desk.own.deleted_drafts)) == 1

    run = desk.run("drafts", at=later(THREE, days=30, microseconds=1))

    assert (run.steps["forget"].changed, restore(desk, 1)) == (1, False)


def test_without_undo_only_the_count_is_kept(engine: Engine) -> None:
    """T3.3: hard."""
    desk = open_billing(engine, undo=False)
    draft(desk, 1)

    run = desk.run("drafts", at=THREE)

    assert run.steps["by_business"].also == {"of business 1": 1}
    assert set(desk.column(desk.own.deleted_drafts, "contents").values()) == {None}
    assert restore(desk, 1) is False


def test_many_businesses_are_counted_in_one_number_beyond_a_hundred(desk: Billing) -> None:
    """T3.4: a run row has an end; the log names all."""
    rows = [{"id": n, "name": "B"} for n in range(1, 131)]
    invoices = [
        {"id": n, "business_id": n, "status": "draft", "currency": "ILS", "vat_amount": 0, "total_amount": 0}
        | {"paid_amount": 0, "is_overdue": False, "updated_at": OLD}
        for n in range(1, 131)
    ]
    desk.refill({desk.own.businesses: rows, desk.own.invoices: invoices})

    counted = desk.run("drafts", at=THREE).steps["by_business"].also

    assert (len(counted), counted["of other businesses"]) == (101, 30)
