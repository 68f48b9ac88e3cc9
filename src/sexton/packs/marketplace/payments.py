"""A payment that arrives after its order expired: never ignored. For the product's payment path, not for a job.

    with engine.begin() as connection:
        outcome = settle_late(connection, options, vendor_order_id)
        if outcome == "refund": ...            # tell the gateway after the commit

The path must lock the vendor order before it looks at it, as `settle_late` does and as the expiry does: then whoever
commits second sees what the other did, and an order is never both paid and expired.
"""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import Connection, func, select, update

from sexton import SextonError, tell

from .options import Options
from .tables import Tables, tables

PaymentDecision = Literal["open", "reserved", "refund"]


def settle_late(connection: Connection, options: Options, vendor_order_id: object) -> PaymentDecision:
    """Lock the vendor order and decide what a payment for it means; in the caller's transaction.

    "open": it has not expired; go on as usual.
    "reserved": it had expired, all its pieces are still there and are reserved again; it and its parent are `pending`.
    "refund": it had expired and a piece is gone: nothing was changed, and the event `order_paid_after_expiry` is in the
    outbox, once, for whoever refunds and looks into it.
    SextonError when there is no such order.
    """
    own = tables(options)
    orders = own.vendor_orders.c
    asked = select(orders.status, orders.order_id).where(orders.id == vendor_order_id).with_for_update()
    order = connection.execute(asked).one_or_none()
    if order is None:
        raise SextonError(f"there is no vendor order {vendor_order_id}")
    if order.status != "expired":
        return "open"
    if _reserve(connection, own, vendor_order_id):
        reopened = update(own.vendor_orders).where(orders.id == vendor_order_id).values(status="pending")
        parent = update(own.orders).where(own.orders.c.id == order.order_id, own.orders.c.status == "expired")
        connection.execute(reopened)
        connection.execute(parent.values(status="pending"))
        return "reserved"
    _flag(connection, own, vendor_order_id, order)
    return "refund"


def _reserve(connection: Connection, own: Tables, vendor_order_id: object) -> bool:
    """Reserve the order's pieces again if every product has enough; stock rows locked in product order."""
    items, inventory = own.order_items.c, own.inventory.c
    asked = (
        select(items.product_id, func.sum(items.quantity).label("quantity"))
        .where(items.vendor_order_id == vendor_order_id)
        .group_by(items.product_id)
    )
    wanted: dict[Any, Any] = {row.product_id: row.quantity for row in connection.execute(asked)}
    stock = connection.execute(
        select(inventory.product_id, (inventory.available - inventory.reserved).label("free"))
        .where(inventory.product_id.in_(wanted))
        .order_by(inventory.product_id)
        .with_for_update()
    ).all()
    free: dict[Any, Any] = {row.product_id: row.free for row in stock}
    if any(free.get(product, 0) < quantity for product, quantity in wanted.items()):
        return False
    for product, quantity in sorted(wanted.items()):
        raised = update(own.inventory).where(inventory.product_id == product)
        connection.execute(raised.values(reserved=inventory.reserved + quantity))
    return True


def _flag(connection: Connection, own: Tables, vendor_order_id: object, order: Any) -> None:
    tell(
        connection,
        "order_paid_after_expiry",
        key=f"order_paid_after_expiry:{vendor_order_id}",
        subject=str(vendor_order_id),
        payload={"vendor_order_id": vendor_order_id, "order_id": order.order_id},
        by="marketplace.payments",
        outbox=own.outbox,
    )
