"""The ledger's tables under the names a product gives them. Entries are written once, and never changed or deleted.

    lots        what an account was given at once, with the time until which it can be spent
    entries     all that happened to a lot; their sum is what is left of it
    operations  what an account does: it holds amounts of lots until it is completed, cancelled, or its time is up
    holds       how much of which lot

Amounts are whole numbers of the smallest unit. A product may have more columns; the pack never touches them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ColumnElement, Index, MetaData, Table, Text, UniqueConstraint, Uuid

from sexton import Outbox, UtcDateTime, Word

from ..mapped_tables import MappedTables, Number
from .options import LedgerOptions

MAY_BE_NULL = ("expires_at", "operation_id", "last_id", "closed_at", "locked_at", "finished_at")
"""Columns that may be NULL."""

CREDIT, HOLD, RELEASE, EXPIRY = "credit", "hold", "release", "expiry"
"""Types of entries: given or given back by a refund; held by an operation; given back by it; past its time."""

OPEN_OPERATION, COMPLETED, OPERATION_CANCELLED, EXPIRED_OPERATION = "open", "completed", "cancelled", "expired"
"""States of operations."""

KEY_IN_PROGRESS, KEY_FAILED = "in_progress", "failed"
"""States of idempotency keys; the third is COMPLETED."""


@dataclass(frozen=True, slots=True)
class LedgerTables:
    """One attribute a logical table. outbox: where messages go; None: Sexton's own outbox."""

    metadata: MetaData
    lots: Table
    entries: Table
    operations: Table
    holds: Table
    idempotency_keys: Table
    outbox: Outbox | None


def ledger_tables(options: LedgerOptions) -> LedgerTables:
    """All tables under the product's names. PolicyError for a mapped column that the pack does not use."""
    account = {"number": Number, "text": Text(), "uuid": Uuid(as_uuid=False)}[options.account_ids]
    mapped = MappedTables("ledger", options.tables, options.columns, MAY_BE_NULL)
    return LedgerTables(
        mapped.metadata,
        _lots(mapped, account),
        _entries(mapped),
        _operations(mapped, account),
        _holds(mapped),
        _idempotency_keys(mapped),
        mapped.outbox(),
    )


def _lots(mapped: MappedTables, account: Any) -> Table:
    columns = {"id": mapped.key, "account_id": account, "expires_at": UtcDateTime, "created_at": UtcDateTime}
    lots = mapped.table("lots", columns, "expires_at id")
    mapped.index(lots, "account_id expires_at id")
    return lots


def _entries(mapped: MappedTables) -> Table:
    columns = {
        "id": mapped.key,
        "lot_id": mapped.reference("entries", "lot_id", "lots"),
        "operation_id": mapped.reference("entries", "operation_id", "operations", index=True),
        "type": Word,
        "amount": BigInteger,
        "last_id": mapped.key,
        "created_at": UtcDateTime,
    }
    # With the amount behind it, what is left of a lot is read from the index alone.
    entries = mapped.table("entries", columns, "lot_id id amount")
    entry, expired = entries.c, entries.c.type == EXPIRY
    _unique(entries, "released_once", "operation_id lot_id", entry.type == RELEASE)
    _unique(entries, "expired_once", "lot_id last_id", expired & entry.operation_id.is_(None))
    _unique(entries, "expired_once_with_operation", "operation_id lot_id", expired & entry.operation_id.is_not(None))
    return entries


def _unique(table: Table, name: str, columns: str, where: ColumnElement[bool]) -> None:
    chosen = [table.c[key] for key in columns.split()]
    Index(f"{table.name}_{name}", *chosen, unique=True, postgresql_where=where, sqlite_where=where)


def _operations(mapped: MappedTables, account: Any) -> Table:
    columns = {
        "id": mapped.key,
        "account_id": account,
        "status": Word,
        "opened_at": UtcDateTime,
        "expires_at": mapped.column("operations", "expires_at", UtcDateTime, nullable=False),
        "closed_at": UtcDateTime,
    }
    return mapped.table("operations", columns, "status expires_at id")


def _holds(mapped: MappedTables) -> Table:
    amount = mapped.named("holds", "amount")
    columns = {
        "id": mapped.key,
        "operation_id": mapped.reference("holds", "operation_id", "operations", nullable=False),
        "lot_id": mapped.reference("holds", "lot_id", "lots", index=True),
        "amount": BigInteger,
    }
    positive = CheckConstraint(f'"{amount}" > 0', name="holds_amount_check")
    once = UniqueConstraint("operation_id", "lot_id")
    return mapped.table("holds", columns, "", positive, once)


def _idempotency_keys(mapped: MappedTables) -> Table:
    columns = {
        "key": mapped.column("idempotency_keys", "key", Text, primary_key=True),
        "status": Word,
        "locked_at": UtcDateTime,
        "finished_at": UtcDateTime,
    }
    keys = mapped.table("idempotency_keys", columns, "finished_at key")
    mapped.index(keys, "status locked_at key")
    return keys
