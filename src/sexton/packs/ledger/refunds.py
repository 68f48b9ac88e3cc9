"""Which lots a refund goes into: what an operation held is a stack, lots that end last on top, and goes back from it.

held of lots  17: 120, 21: 300    given back before: 250      this refund: 100
stack from the top  21: 300, 17: 120                          21 gets 50, 17 gets 50
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, func, select

from .operations import held
from .tables import CREDIT, LedgerTables


def refunded_parts(
    connection: Connection, own: LedgerTables, operation: int, amount: int | None, at: datetime
) -> tuple[list[tuple[int, int]], int, int]:
    """(lot, amount) of lots that are not past their time; the amount of those that are; and what is free to give back.

    Locks the lots. The caller has locked the operation, so no other refund of it comes in between.
    """
    entries = own.entries.c
    rows = held(own, select(own.operations.c.id).where(own.operations.c.id == operation))
    stack = connection.execute(rows.with_for_update(of=own.lots)).all()
    given = select(func.coalesce(func.sum(entries.amount), 0)).where(
        entries.operation_id == operation, entries.type == CREDIT
    )
    before = int(connection.execute(given).scalar_one())
    free = sum(row.amount for row in stack) - before
    until = before + (free if amount is None else amount)
    ends_last = sorted(stack, key=lambda row: (row.expires_at is None, row.expires_at or at, row.lot_id), reverse=True)
    alive, gone = [], 0
    parts = _cut(((row.amount for row in ends_last)), before, until)
    for row, part in zip(ends_last, parts, strict=True):
        if part and row.expires_at is not None and row.expires_at < at:
            gone += part
        elif part:
            alive.append((row.lot_id, part))
    return alive, gone, free


def _cut(amounts: Iterable[int], begin: int, end: int) -> list[int]:
    """How much of each lies between two heights of the stack."""
    parts, height = [], 0
    for amount in amounts:
        parts.append(max(min(height + amount, end) - max(height, begin), 0))
        height += amount
    return parts
