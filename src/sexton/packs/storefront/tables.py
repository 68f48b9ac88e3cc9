"""The shop's tables, as far as its jobs read and write them, under the names a product gives them.

A shop may have more columns; the jobs never touch them. Money is a whole number of the currency's smallest unit.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Integer, MetaData, Table, Text, UniqueConstraint, Uuid
from sqlalchemy.types import JSON

from sexton import Outbox, UtcDateTime, Word

from ..mapped_tables import MappedTables, Number
from .options import StorefrontOptions

EMPTY = (
    "verification_sent_at",
    "low_since",
    "low_told_at",
    "tracking_number",
    "order_id",
    "gateway_order_id",
    "transaction_id",
    "gateway_status",
    "next_check_at",
    "used_at",
)
"""Columns that may be NULL."""


@dataclass(frozen=True, slots=True)
class StorefrontTables:
    """One attribute a logical table. outbox: where messages go; None: Sexton's own outbox."""

    metadata: MetaData
    users: Table
    products: Table
    orders: Table
    order_items: Table
    inventory_locks: Table
    payments: Table
    notifications: Table
    password_resets: Table
    sales_summary: Table
    outbox: Outbox | None


def storefront_tables(options: StorefrontOptions) -> StorefrontTables:
    """All tables under the shop's names. PolicyError for a mapped column that the pack does not use."""
    key = {"number": Number, "text": Text(), "uuid": Uuid(as_uuid=False)}[options.ids]
    mapped = MappedTables("storefront", options.tables, options.columns, EMPTY, key=key)
    return StorefrontTables(
        mapped.metadata,
        _users(mapped),
        _products(mapped),
        _orders(mapped),
        _order_items(mapped),
        _holds(mapped),
        _payments(mapped),
        _notifications(mapped),
        _resets(mapped),
        _sales(mapped),
        mapped.outbox(),
    )


def _users(mapped: MappedTables) -> Table:
    columns = {"id": mapped.key, "email": Text, "name": Text, "is_verified": Boolean}
    columns |= {"verification_sent_at": UtcDateTime, "created_at": UtcDateTime}
    return mapped.table("users", columns, "is_verified created_at id")


def _products(mapped: MappedTables) -> Table:
    stock = mapped.named("products", "stock")
    columns = {"id": mapped.key, "name": Text, "stock": Integer, "is_active": Boolean}
    columns |= {"low_since": UtcDateTime, "low_told_at": UtcDateTime}
    return mapped.table("products", columns, "", CheckConstraint(f'"{stock}" >= 0', name="products_stock_check"))


def _orders(mapped: MappedTables) -> Table:
    columns = {
        "id": mapped.key,
        "order_number": Text,
        "user_id": mapped.reference("orders", "user_id", "users", index=True),
        "status": Word,
        "total_amount": BigInteger,
        "currency": Text,
        "tracking_number": Text,
        "created_at": UtcDateTime,
    }
    return mapped.table("orders", columns, "created_at id")


def _order_items(mapped: MappedTables) -> Table:
    columns = {
        "id": mapped.key,
        "order_id": mapped.reference("order_items", "order_id", "orders", nullable=False),
        "product_id": mapped.reference("order_items", "product_id", "products"),
        "quantity": Integer,
    }
    return mapped.table("order_items", columns, "order_id")


def _holds(mapped: MappedTables) -> Table:
    columns = {
        "id": mapped.key,
        "product_id": mapped.reference("inventory_locks", "product_id", "products"),
        "order_id": mapped.reference("inventory_locks", "order_id", "orders", index=True),
        "quantity": Integer,
        "expires_at": UtcDateTime,
    }
    holds = mapped.table("inventory_locks", columns, "expires_at id")
    mapped.index(holds, "product_id expires_at")
    return holds


def _payments(mapped: MappedTables) -> Table:
    columns = {
        "id": mapped.key,
        "order_id": mapped.reference("payments", "order_id", "orders", nullable=False, index=True),
        "gateway_order_id": Text,
        "transaction_id": Text,
        "status": Word,
        "gateway_status": Text,
        "amount": BigInteger,
        "currency": Text,
        "checks": mapped.column("payments", "checks", Integer, server_default="0"),
        "next_check_at": UtcDateTime,
        "created_at": UtcDateTime,
    }
    payments = mapped.table("payments", columns, "status created_at id")
    mapped.index(payments, "gateway_order_id")
    return payments


def _notifications(mapped: MappedTables) -> Table:
    columns = {
        "id": mapped.key,
        "user_id": mapped.reference("notifications", "user_id", "users", index=True),
        "type": Word,
        "title": Text,
        "message": Text,
        "metadata": JSON,
        "is_read": Boolean,
        "created_at": UtcDateTime,
    }
    return mapped.table("notifications", columns, "created_at id")


def _resets(mapped: MappedTables) -> Table:
    columns = {
        "id": mapped.key,
        "user_id": mapped.reference("password_resets", "user_id", "users", index=True),
        "expires_at": UtcDateTime,
        "used_at": UtcDateTime,
    }
    resets = mapped.table("password_resets", columns, "expires_at id")
    mapped.index(resets, "used_at id")
    return resets


def _sales(mapped: MappedTables) -> Table:
    columns = {"window_start": UtcDateTime, "window_end": UtcDateTime, "currency": Text}
    columns |= {"orders": BigInteger, "revenue": BigInteger}
    return mapped.table("sales_summary", columns, "", UniqueConstraint("window_start", "currency"))
