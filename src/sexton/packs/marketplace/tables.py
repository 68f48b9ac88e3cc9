"""The marketplace's tables, as far as its jobs read and write them, under the names a product gives them.

Columns are used by their logical names (`licenses.c.expires_at`) whatever they are called in the database. A product
may have more columns; the jobs never touch them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, MetaData, Table, Text
from sqlalchemy.types import JSON

from sexton import Outbox, PolicyError, UtcDateTime, Word

from .options import Options

Number = BigInteger().with_variant(Integer(), "sqlite")


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
    mapped = _Mapped(options)
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
        _outbox(mapped),
    )


class _Mapped:
    """Builds tables under mapped names."""

    def __init__(self, options: Options) -> None:
        self.metadata = MetaData()
        self.options = options

    def column(self, table: str, key: str, kind: Any, *more: Any, **options: Any) -> Column[Any]:
        """A column under its logical key; `id` is the primary key, `read_at` may be empty."""
        name = self.options.columns.get(table, {}).get(key, key)
        options.setdefault("primary_key", key == "id")
        options.setdefault("nullable", key == "read_at")
        return Column(name, kind, *more, key=key, **options)

    def table(self, table: str, columns: dict[str, Any], index: str = "", *more: Any) -> Table:
        """A table whose columns are given as name -> type, or as Column where they need more."""
        made = [kind if isinstance(kind, Column) else self.column(table, key, kind) for key, kind in columns.items()]
        unknown = self.options.columns.get(table, {}).keys() - columns.keys()
        if unknown:
            known = ", ".join(columns)
            raise PolicyError(f"pack.marketplace.columns.{table}: no column {sorted(unknown)[0]!r}; it has {known}")
        twice = [column.name for column in made if sum(other.name == column.name for other in made) > 1]
        if twice:
            raise PolicyError(f"pack.marketplace.columns.{table}: two columns are named {twice[0]!r}")
        schema, _, name = self.options.tables.get(table, table).rpartition(".")
        built = Table(name, self.metadata, *made, *more, schema=schema or None)
        if index:
            Index(f"{name}_{index.replace(' ', '_')}", *(built.c[key] for key in index.split()))
        return built

    def target(self, table: str) -> str:
        """The id of another of the tables, for a foreign key: by its logical key, as SQLAlchemy wants it."""
        return f"{self.options.tables.get(table, table)}.id"


def _licenses(mapped: _Mapped) -> Table:
    store = mapped.column("licenses", "store_id", Number, ForeignKey(mapped.target("stores")))
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


def _attachments(mapped: _Mapped) -> Table:
    media = mapped.column("media_attachments", "media_id", Number, ForeignKey(mapped.target("media")), index=True)
    columns = {"id": Number, "media_id": media, "entity_type": Word, "entity_id": Number}
    return mapped.table("media_attachments", columns, "entity_type entity_id")


def _vendor_orders(mapped: _Mapped) -> Table:
    order = mapped.column("vendor_orders", "order_id", Number, ForeignKey(mapped.target("orders")), index=True)
    columns = {"id": Number, "order_id": order, "store_id": Number, "status": Word, "created_at": UtcDateTime}
    return mapped.table("vendor_orders", columns, "status created_at id")


def _order_items(mapped: _Mapped) -> Table:
    order = mapped.column("order_items", "vendor_order_id", Number, ForeignKey(mapped.target("vendor_orders")))
    columns = {"id": Number, "vendor_order_id": order, "product_id": Number, "quantity": Integer}
    return mapped.table("order_items", columns, "vendor_order_id")


def _inventory(mapped: _Mapped) -> Table:
    product = mapped.column("inventory", "product_id", Number, primary_key=True)
    reserved = mapped.options.columns.get("inventory", {}).get("reserved", "reserved")
    columns = {"product_id": product, "available": Integer, "reserved": Integer}
    return mapped.table(
        "inventory", columns, "", CheckConstraint(f'"{reserved}" >= 0', name="inventory_reserved_check")
    )


def _outbox(mapped: _Mapped) -> Outbox | None:
    """The product's own outbox when it is mapped: messages go there, "through the existing outbox" (PF-137.8)."""
    if "outbox_events" not in mapped.options.tables:
        return None
    named = mapped.options.columns.get("outbox_events", {})
    empty = {"published_at": UtcDateTime, "last_attempted_at": UtcDateTime}
    columns: dict[str, Any] = {"id": Number, "event_type": Text, "payload": JSON, "created_at": UtcDateTime}
    columns["attempt_count"] = mapped.column("outbox_events", "attempt_count", Integer, server_default="0")
    for key, kind in empty.items():
        columns[key] = mapped.column("outbox_events", key, kind, nullable=True)
    for key in ("key", "recipient"):
        if key in named:
            columns[key] = mapped.column("outbox_events", key, Text, nullable=key == "recipient")
    table = mapped.table("outbox_events", columns, "published_at id")
    named_key, recipient = table.c.get("key"), table.c.get("recipient")
    return Outbox(table, named_key, table.c.event_type, recipient, table.c.payload, table.c.created_at)
