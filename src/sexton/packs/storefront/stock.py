"""How much of a product is free: its stock less what live holds keep. One predicate for the job and for the shop.

    free = free_pieces(connection, options, [product], for_order=order)[product]

A hold that has run out counts no more, whether or not the job has deleted it; so nobody depends on when that ran.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, not_, or_, select

from sexton import ago, ask_now, now, parse_duration

from .options import StorefrontOptions
from .tables import StorefrontTables, storefront_tables

PENDING = "PENDING"
"""State of a payment that is under way."""


def under_way(own: StorefrontTables, holds: Any, since: Any) -> ColumnElement[bool]:
    """A payment for the hold's order is pending, and not older than `since`: it may be settled any moment."""
    payments = own.payments.c
    pending = select(1).where(
        payments.order_id == holds.order_id, payments.status == PENDING, payments.created_at >= since
    )
    return exists(pending)


def held_pieces(
    own: StorefrontTables, options: StorefrontOptions, at: datetime | None = None, for_order: object = None
) -> ColumnElement[int]:
    """Pieces of a product that live holds keep, as an expression over `products`; those of `for_order` left out.

    at: None stands for the time of the run, in a policy.
    """
    holds = own.inventory_locks.alias("live")
    instant = now() if at is None else at
    settled = ago(options.settle_window) if at is None else at - parse_duration(options.settle_window)
    keeps = or_(holds.c.expires_at >= instant, under_way(own, holds.c, settled))
    others = [] if for_order is None else [or_(holds.c.order_id.is_(None), holds.c.order_id != for_order)]
    pieces = select(func.coalesce(func.sum(holds.c.quantity), 0)).where(
        holds.c.product_id == own.products.c.id, keeps, *others
    )
    return pieces.correlate(own.products).scalar_subquery()


def run_out(own: StorefrontTables, options: StorefrontOptions) -> ColumnElement[bool]:
    """Of a hold whose time is up: nothing is under way for it. The opposite of what `held_pieces` counts."""
    return not_(under_way(own, own.inventory_locks.c, ago(options.settle_window)))


def free_pieces(
    connection: Connection,
    options: StorefrontOptions,
    products: Collection[object],
    *,
    for_order: object = None,
    at: datetime | None = None,
    lock: bool = False,
) -> dict[Any, int]:
    """Free pieces of each product that there is. A product that is oversold has fewer than none.

    for_order: its own holds do not count, so that nobody is kept out by what she holds herself.
    at: an instant; the database's time by default.  lock: lock the products first, in the order of their ids, as
    whoever places a hold must: two who want the last piece then come one after the other.
    """
    own = storefront_tables(options)
    at = at or ask_now(connection)
    named = and_(own.products.c.id.in_(products))
    if lock:
        # In a statement of its own: what a hold was when the lock was still waited for must not count.
        connection.execute(select(own.products.c.id).where(named).order_by(own.products.c.id).with_for_update())
    free = own.products.c.stock - held_pieces(own, options, at, for_order)
    asked = select(own.products.c.id, free.label("free")).where(named)
    return {row.id: int(row.free) for row in connection.execute(asked)}
