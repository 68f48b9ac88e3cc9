"""Reserved stock against open orders: where the counter and the items disagree. Read-only; a report, not a repair.

Drift is never clamped away: an order whose stock would fall below zero is set aside by the expiry, and shows up here.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from .options import Options
from .orders import OPEN
from .tables import tables


@dataclass(frozen=True, slots=True)
class Drift:
    """A product whose reserved counter is not the sum of its open items. Both in pieces."""

    product_id: object
    reserved: int
    open_items: int


def drift(connection: Connection, options: Options) -> list[Drift]:
    """Products that have drifted, by product; empty is right."""
    own = tables(options)
    items, orders, inventory = own.order_items.c, own.vendor_orders.c, own.inventory.c
    open_items = (
        select(items.product_id, func.sum(items.quantity).label("quantity"))
        .join_from(own.order_items, own.vendor_orders, items.vendor_order_id == orders.id)
        .where(orders.status.in_(OPEN))
        .group_by(items.product_id)
        .subquery()
    )
    held = func.coalesce(open_items.c.quantity, 0)
    asked = (
        select(inventory.product_id, inventory.reserved, held.label("open_items"))
        .join_from(own.inventory, open_items, open_items.c.product_id == inventory.product_id, isouter=True)
        .where(inventory.reserved != held)
        .order_by(inventory.product_id)
    )
    return [Drift(*row) for row in connection.execute(asked)]
