"""A product's own names and kinds of ids; the jobs as the ticket lists them (T1.5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from sexton.app import App
from sexton.config import Settings
from sexton.errors import UsageError
from sexton.packs.invoicing import jobs
from sexton.packs.invoicing.allocation import request_allocation
from sexton.packs.invoicing.drafts import restore_draft
from sexton.packs.invoicing.invoice_email import send_invoice_email
from sexton.packs.invoicing.invoice_pdf import generate_pdf, invoice_document
from sexton.packs.invoicing.options import INVOICING_TABLES, InvoicingOptions
from sexton.packs.invoicing.tables import invoicing_tables
from tests.support.billing import INVOICING_JOBS, Billing, open_billing
from tests.support.market import later
from tests.support.shaam import shaam_server

SIX = "2026-06-15 03:00"

OTHER_TABLES = {
    "businesses": "firms",
    "customers": "clients",
    "invoices": "bills",
    "invoice_items": "bill_lines",
    "deleted_drafts": "trash",
    "invoice_documents": "papers",
    "sessions": "logins",
    "business_shaam_credentials": "shaamTokens",
    "outbox_events": "events",
}
OTHER_COLUMNS = {
    "businesses": {"id": "no", "owner_email": "ownerEmail", "overdue_digest_at": "digestAt"},
    "customers": {"id": "no", "business_id": "firm", "email": "mail"},
    "invoices": {
        "id": "no",
        "business_id": "firm",
        "due_date": "pay until",
        "is_overdue": "isOverdue",
        "overdue_since": "since",
        "status": "state",
        "updated_at": "updatedAt",
        "total_amount": "total",
        "paid_amount": "paid",
        "version": "edition",
        "allocation_number": "allocation",
    },
    "invoice_items": {"id": "no", "invoice_id": "bill", "unit_price": "price"},
    "deleted_drafts": {"id": "no", "business_id": "firm", "invoice_id": "bill", "counted_at": "counted"},
    "invoice_documents": {"id": "no", "invoice_id": "bill", "version": "edition"},
    "sessions": {"id": "token", "expires_at": "expiresAt"},
    "business_shaam_credentials": {
        "id": "no",
        "business_id": "firm",
        "status": "state",
        "token_expires_at": "tokenExpiresAt",
        "refresh_token": "refreshToken",
        "refresh_token_hash": "hash",
        "generation": "gen",
        "refreshed_at": "at",
        "next_refresh_at": "next",
        "refresh_attempts": "tries",
        "refresh_error": "why",
    },
    "outbox_events": {"key": "dedup", "event_type": "type", "recipient": "for_whom"},
}


def of_uuid(number: int) -> str:
    """An id of a product whose ids are UUIDs."""
    return str(UUID(int=number))


def everything(desk: Billing, shaam: Any, number: Any = int) -> tuple[Any, ...]:
    """What all jobs leave behind, and what the product's code calls."""
    desk.customer(number(3), business=number(1))
    line = {} if desk.options.ids == "uuid" else {"Work": (1, 5)}
    desk.invoice(number(7), business=number(1), customer=number(3), due="2026-06-14", items=line)
    desk.invoice(number(8), business=number(1), status="draft", touched="2026-01-01")
    desk.invoice(number(9), business=number(1), status="paid", due="2026-06-01", flagged=True, since="2026-06-02")
    desk.session("old", expires="2026-06-01")
    desk.tokens(number(1), expires=later(SIX, minutes=5), refresh="refresh-1-0")
    shaam.grant(1)
    for name in INVOICING_JOBS:
        run = desk.run(name, at=SIX)
        assert run.state == "succeeded", run.error
    for work in (request_allocation, send_invoice_email, generate_pdf):
        assert desk.ask(work(desk.options), number(7), at=SIX).state == "succeeded"
    with desk.engine.begin() as connection:
        content = invoice_document(connection, desk.options, number(7))
        assert restore_draft(connection, desk.options, number(8))
    assert content is not None
    sent = sorted(row.event_type for row in desk.sent())
    allocated = desk.column(desk.own.invoices, "allocation_number")[number(7)]
    return desk.overdue(), desk.ids(desk.own.invoices), sent, allocated, desk.refresh_token(number(1))


def expected(number: Any = int) -> tuple[Any, ...]:
    """The same, under whatever names."""
    ids = [number(one) for one in (7, 8, 9)]
    return ids[:1], ids, ["invoice_email", "overdue_digest"], "202606150001", "refresh-1-1"


def test_every_table_and_column_may_have_another_name(engine: Engine) -> None:
    """T1.9, T2.2, T3.2, T4.2, T5.3"""
    assert sorted(OTHER_TABLES) == sorted(INVOICING_TABLES)
    with shaam_server() as shaam:
        named = {"tables": OTHER_TABLES, "columns": OTHER_COLUMNS, "shaam_timeout": "60s", **shaam.options}
        desk = open_billing(engine, **named)

        assert everything(desk, shaam) == expected()


@pytest.mark.databases("postgres")
@pytest.mark.parametrize(("ids", "number"), [("uuid", of_uuid), ("text", str)])
def test_ids_may_be_texts_or_uuids(engine: Engine, ids: str, number: Any) -> None:
    """T1.9, T2.2, T3.2, T5.3"""
    with shaam_server() as shaam:
        desk = open_billing(engine, ids=ids, shaam_timeout="60s", **shaam.options)

        assert everything(desk, shaam, number) == expected(number)


@pytest.mark.databases("postgres")
def test_tables_may_lie_in_another_schema(engine: Engine) -> None:
    """T2.2, T3.2"""
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA billing"))
    elsewhere = {name: f"billing.{name}" for name in INVOICING_TABLES if name != "outbox_events"}
    with shaam_server() as shaam:
        desk = open_billing(engine, tables=elsewhere, shaam_timeout="60s", **shaam.options)

        assert everything(desk, shaam) == expected()


def test_a_column_that_the_pack_does_not_use_is_refused() -> None:
    with pytest.raises(UsageError, match=r"pack\.invoicing\.columns\.invoices: no column 'due_day'; it has id, "):
        invoicing_tables(InvoicingOptions(columns={"invoices": {"due_day": "x"}}))


def test_t1_5_the_jobs_are_those_of_the_ticket() -> None:
    """T1.5, T1.9, T1.4: with their times, and none more that runs by itself."""
    found = {job.name: job.schedule.text if job.schedule else None for job in jobs(InvoicingOptions(), "sqlite")}

    assert found == {
        "invoicing.refresh_tokens": "*/15 * * * *",
        "invoicing.flag_overdue": "0 6 * * *",
        "invoicing.clean_drafts": "0 3 * * *",
        "invoicing.clean_sessions": "0 4 * * *",
        "invoicing.rotate_keys": None,
        "invoicing.request_allocation": None,
        "invoicing.send_invoice_email": None,
        "invoicing.generate_pdf": None,
    }


def test_t1_4_an_application_with_the_pack_has_its_jobs() -> None:
    """T1.4: and each says what it does; none of them loads anything of a database before it runs."""
    app = App(Settings(packs=("invoicing",)), folder=Path())

    own = [job for job in app.registry if job.name.startswith("invoicing.")]

    assert len(own) == 8
    assert all(job.description for job in own)
    assert sorted(job.name for job in own if job.on_demand) == [
        "invoicing.generate_pdf",
        "invoicing.request_allocation",
        "invoicing.send_invoice_email",
    ]
