"""The marketplace's tables, as far as its jobs read and write them, under the names a product gives them.

Columns are used by their logical names (`licenses.c.expires_at`) whatever they are called in the database. A product
may have more columns; the jobs never touch them.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import CheckConstraint, Index, Integer, MetaData, Table, Text

from sexton import Outbox, UtcDateTime, Word

from ..mapped_tables import MappedTables, Number
from .options import Options


@dataclass(frozen=True, slots=True)
class Tables:
    """One attribute a logical table. outbox: where messages go; None: Sexton's own outbox."""

    metadata: MetaData
    licenses: Table
    stores: Table
    media: Table
    media_attachments: Table
    vendor_orders: Table
    orders: Table
    order_items: Table
    inventory: Table
    payments: Table
    notifications: Table
    outbox: Outbox | None


def tables(options: Options) -> Tables:
    """All tables under the product's names. PolicyError for a mapped column that the pack does not use."""
    mapped = MappedTables("marketplace", options.tables, options.columns, empty=("read_at",))
    return Tables(
        mapped.metadata,
        _licenses(mapped),
        mapped.table("stores", {"id": Number, "vendor_id": Number, "name": Text, "kyc_status": Word}),
        mapped.table("media", {"id": Number, "storage_key": Text, "created_at": UtcDateTime}),
        _attachments(mapped),
        _vendor_orders(mapped),
        mapped.table("orders", {"id": Number, "buyer_id": Number, "status": Word}, "status id"),
        _order_items(mapped),
        _inventory(mapped),
        mapped.table("payments", {"id": Number, "order_id": Number, "status": Word}, "order_id"),
        mapped.table(
            "notifications",
            {"id": Number, "user_id": Number, "read_at": UtcDateTime, "created_at": UtcDateTime},
            "created_at id",
        ),
        mapped.outbox(),
    )


def _licenses(mapped: MappedTables) -> Table:
    store = mapped.reference("licenses", "store_id", "stores")
    columns = {
        "id": Number,
        "store_id": store,
        "status": Word,
        "expires_at": UtcDateTime,
        "created_at": UtcDateTime,
    }
    licenses = mapped.table("licenses", columns, "expires_at id")
    Index(f"{licenses.name}_store_id_expires_at", licenses.c.store_id, licenses.c.expires_at)
    return licenses


def _attachments(mapped: MappedTables) -> Table:
    media = mapped.reference("media_attachments", "media_id", "media", index=True)
    columns = {"id": Number, "media_id": media, "entity_type": Word, "entity_id": Number}
    return mapped.table("media_attachments", columns, "entity_type entity_id")


def _vendor_orders(mapped: MappedTables) -> Table:
    order = mapped.reference("vendor_orders", "order_id", "orders", index=True)
    columns = {"id": Number, "order_id": order, "store_id": Number, "status": Word, "created_at": UtcDateTime}
    return mapped.table("vendor_orders", columns, "status created_at id")


def _order_items(mapped: MappedTables) -> Table:
    order = mapped.reference("order_items", "vendor_order_id", "vendor_orders")
    columns = {"id": Number, "vendor_order_id": order, "product_id": Number, "quantity": Integer}
    return mapped.table("order_items", columns, "vendor_order_id")


def _inventory(mapped: MappedTables) -> Table:
    product = mapped.column("inventory", "product_id", Number, primary_key=True)
    reserved = mapped.named("inventory", "reserved")
    columns = {"product_id": product, "available": Integer, "reserved": Integer}
    return mapped.table(
        "inventory", columns, "", CheckConstraint(f'"{reserved}" >= 0', name="inventory_reserved_check")
    )
