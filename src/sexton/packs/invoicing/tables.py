"""The product's tables, as far as the jobs read and write them, under the names that it gives them.

A product may have more columns; the jobs never touch them. Money is a whole number of the currency's smallest unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.types import JSON

from sexton import Outbox, UtcDateTime, Word, as_text

from ..mapped_tables import MappedTables, Number
from .options import InvoicingOptions

MAY_BE_EMPTY = (
    "owner_email",
    "overdue_digest_at",
    "tax_number",
    "email",
    "customer_id",
    "number",
    "issue_date",
    "due_date",
    "overdue_since",
    "allocation_number",
    "contents",
    "counted_at",
    "refreshed_at",
    "next_refresh_at",
    "refresh_error",
)
"""Columns that may be NULL."""

ACTIVE, FAILING, NEEDS_REAUTH = "active", "failing", "needs_reauth"
"""States of credentials: in order; expired, and renewing fails; refused, so that the owner has to authorise anew."""


@dataclass(frozen=True, slots=True)
class InvoicingTables:
    """One attribute a logical table. outbox: where messages go; None: Sexton's own outbox."""

    metadata: MetaData
    businesses: Table
    customers: Table
    invoices: Table
    invoice_items: Table
    deleted_drafts: Table
    invoice_documents: Table
    sessions: Table
    credentials: Table
    outbox: Outbox | None


def invoicing_tables(options: InvoicingOptions) -> InvoicingTables:
    """All tables under the product's names. PolicyError for a mapped column that the pack does not use."""
    key = {"number": Number, "text": Text(), "uuid": Uuid(as_uuid=False)}[options.ids]
    mapped = MappedTables("invoicing", options.tables, options.columns, MAY_BE_EMPTY, key=key)
    return InvoicingTables(
        mapped.metadata,
        _businesses(mapped),
        _customers(mapped),
        _invoices(mapped, options),
        _items(mapped),
        _deleted(mapped),
        _documents(mapped),
        _sessions(mapped),
        _credentials(mapped),
        mapped.outbox(),
    )


def to_be_paid(invoices: Any, options: InvoicingOptions) -> ColumnElement[bool]:
    """Of an invoice that may be overdue one day. In words, not parameters: only so does a partial index answer."""
    found: ColumnElement[bool] = invoices.status.in_([as_text(status) for status in options.overdue_statuses])
    return found


def _businesses(mapped: MappedTables) -> Table:
    columns = {"id": mapped.key, "name": Text, "tax_number": Text, "owner_email": Text}
    return mapped.table("businesses", columns | {"overdue_digest_at": UtcDateTime})


def _customers(mapped: MappedTables) -> Table:
    columns = {
        "id": mapped.key,
        "business_id": mapped.reference("customers", "business_id", "businesses", index=True),
        "name": Text,
        "email": Text,
    }
    return mapped.table("customers", columns)


def _invoices(mapped: MappedTables, options: InvoicingOptions) -> Table:
    columns = {
        "id": mapped.key,
        "business_id": mapped.reference("invoices", "business_id", "businesses", nullable=False, index=True),
        "customer_id": mapped.reference("invoices", "customer_id", "customers", index=True),
        "number": Text,
        "status": Word,
        "version": mapped.column("invoices", "version", Integer, server_default="1"),
        "issue_date": Date,
        "due_date": Date,
        "currency": Text,
        "vat_amount": BigInteger,
        "total_amount": BigInteger,
        "paid_amount": BigInteger,
        "is_overdue": Boolean,
        "overdue_since": UtcDateTime,
        "allocation_number": Text,
        "updated_at": UtcDateTime,
    }
    invoices = mapped.table("invoices", columns, "status updated_at id")
    _partial(invoices, "to_be_paid", ("due_date", "id"), to_be_paid(invoices.c, options))
    _partial(invoices, "overdue", ("business_id", "id"), invoices.c.is_overdue.is_(True))
    return invoices


def _partial(table: Table, name: str, columns: tuple[str, ...], where: ColumnElement[bool]) -> None:
    chosen = (table.c[column] for column in columns)
    Index(f"{table.name}_{name}", *chosen, postgresql_where=where, sqlite_where=where)


def _items(mapped: MappedTables) -> Table:
    columns = {
        "id": mapped.key,
        "invoice_id": mapped.reference("invoice_items", "invoice_id", "invoices", nullable=False),
        "description": Text,
        "quantity": Integer,
        "unit_price": BigInteger,
    }
    return mapped.table("invoice_items", columns, "invoice_id")


def _deleted(mapped: MappedTables) -> Table:
    columns = {
        "id": mapped.column("deleted_drafts", "id", Number),
        "invoice_id": mapped.key,
        "business_id": mapped.key,
        "deleted_at": UtcDateTime,
        "contents": JSON,
        "counted_at": UtcDateTime,
    }
    deleted = mapped.table("deleted_drafts", columns, "deleted_at id")
    mapped.index(deleted, "invoice_id")
    _partial(deleted, "uncounted", ("business_id",), deleted.c.counted_at.is_(None))
    return deleted


def _documents(mapped: MappedTables) -> Table:
    columns = {
        "id": mapped.column("invoice_documents", "id", Number),
        "invoice_id": mapped.key,
        "version": Integer,
        "content": LargeBinary,
        "created_at": UtcDateTime,
    }
    return mapped.table("invoice_documents", columns, "", UniqueConstraint("invoice_id", "version"))


def _sessions(mapped: MappedTables) -> Table:
    columns = {"id": Text, "user_id": Text, "expires_at": UtcDateTime}
    return mapped.table("sessions", columns, "expires_at id")


def _credentials(mapped: MappedTables) -> Table:
    def column(key: str, kind: Any, default: str) -> Any:
        return mapped.column("business_shaam_credentials", key, kind, server_default=default)

    columns = {
        "id": mapped.column("business_shaam_credentials", "id", Number),
        "business_id": mapped.reference("business_shaam_credentials", "business_id", "businesses", unique=True),
        "status": column("status", Word, ACTIVE),
        "access_token": Text,
        "refresh_token": Text,
        "refresh_token_hash": Text,
        "token_key": Text,
        "token_expires_at": UtcDateTime,
        "generation": column("generation", Integer, "0"),
        "refreshed_at": UtcDateTime,
        "refresh_attempts": column("refresh_attempts", Integer, "0"),
        "next_refresh_at": UtcDateTime,
        "refresh_error": Text,
    }
    credentials = mapped.table("business_shaam_credentials", columns, "status token_expires_at id")
    mapped.index(credentials, "token_key id")
    return credentials
