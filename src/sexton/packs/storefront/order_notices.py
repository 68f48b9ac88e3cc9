"""What a customer is told when an order changes: a row for the shop's pages and a message, once a state.

    with engine.begin() as connection:
        connection.execute(update(orders)...values(status="SHIPPED", tracking_number=number))
        order_status_changed(connection, options, order_id, "SHIPPED")

In the transaction that changes the order: either both are true afterwards, or neither.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, insert, select

from sexton import SextonError, ask_now, effect_key, parse_duration, tell

from .options import StorefrontOptions
from .tables import StorefrontTables, storefront_tables

LOG = logging.getLogger("sexton.storefront")


@dataclass(frozen=True, slots=True)
class OrderNotice:
    """What is told about one state. event: the type of message and row.  text: may name {number} and {tracking}.

    untracked: instead of `text` while the order has no tracking number.
    """

    event: str
    title: str
    text: str
    untracked: str = ""

    def about(self, order: Any) -> str:
        """The text for one order."""
        text = self.text if order.tracking_number or not self.untracked else self.untracked
        return text.format(number=order.order_number, tracking=order.tracking_number)


ORDER_NOTICES: Mapping[str, OrderNotice] = {
    "PLACED": OrderNotice("ORDER_PLACED", "Order received", "Thank you: order {number} has reached us."),
    "CONFIRMED": OrderNotice(
        "ORDER_CONFIRMED", "Order confirmed", "Order {number} is paid. We are getting it ready for you."
    ),
    "SHIPPED": OrderNotice(
        "ORDER_SHIPPED",
        "Order shipped",
        "Order {number} is on its way to you. Its tracking number: {tracking}.",
        "Order {number} is on its way to you.",
    ),
    "DELIVERED": OrderNotice(
        "ORDER_DELIVERED", "Order delivered", "Order {number} has arrived. Is anything missing? Please tell us."
    ),
    "CANCELLED": OrderNotice("ORDER_CANCELLED", "Order cancelled", "Order {number} is cancelled."),
    "RETURN_APPROVED": OrderNotice(
        "RETURN_APPROVED", "Return approved", "You may send back what you ordered under {number}."
    ),
}
"""By the state that an order has come to; what is told about others is nothing (ORA-NTF.1)."""


def order_status_changed(
    connection: Connection,
    options: StorefrontOptions,
    order_id: object,
    status: str,
    *,
    at: datetime | None = None,
    by: str = "storefront.order_status_changed",
) -> bool:
    """Tell the customer that the order has come to `status`; in the caller's transaction.

    False when this was told before, and for a state of which there is no notice: that one is logged.
    at: when it happened; the database's time by default.  by: who tells, for the record.
    SextonError when there is no such order.
    """
    notice = ORDER_NOTICES.get(status)
    if notice is None:
        LOG.warning("storefront: order %s came to %r, of which nobody is told", order_id, status)
        return False
    own = storefront_tables(options)
    order, at = _order(connection, own, order_id), at or ask_now(connection)
    words = {"title": notice.title, "text": notice.about(order)}
    told = tell(
        connection,
        notice.event,
        key=effect_key("order", plain(order.id), status),
        subject=str(order.id),
        to=str(order.user_id),
        payload={**words, **_facts(connection, own, options, order, at)},
        by=by,
        at=at,
        outbox=own.outbox,
    )
    if told:
        row = {"user_id": order.user_id, "type": notice.event, "title": notice.title, "message": words["text"]}
        _notify(connection, own, options, order, row | {"created_at": at})
    return told


def _order(connection: Connection, own: StorefrontTables, order_id: object) -> Any:
    order = connection.execute(select(own.orders).where(own.orders.c.id == order_id)).one_or_none()
    if order is None:
        raise SextonError(f"there is no order {order_id}")
    return order


def _facts(
    connection: Connection, own: StorefrontTables, options: StorefrontOptions, order: Any, at: datetime
) -> dict[str, Any]:
    """What a mail about the order shows: number, total, items, estimated delivery (ORA-PAY.2)."""
    items, products = own.order_items.c, own.products.c
    asked = (
        select(products.name, items.quantity)
        .join_from(own.order_items, own.products, items.product_id == products.id)
        .where(items.order_id == order.id)
        .order_by(products.name)
    )
    return {
        "order_id": plain(order.id),
        "order_number": order.order_number,
        "total": order.total_amount,
        "currency": order.currency,
        "tracking_number": order.tracking_number,
        "items": [{"name": row.name, "quantity": row.quantity} for row in connection.execute(asked)],
        "estimated_delivery": f"{at + parse_duration(options.delivery_time):%Y-%m-%d}",
    }


def _notify(
    connection: Connection, own: StorefrontTables, options: StorefrontOptions, order: Any, row: Mapping[str, Any]
) -> None:
    """Write the row; an id that is no number is made here, as few databases do that by themselves."""
    key = {"id": str(uuid4())} if options.ids != "number" else {}
    about = {"orderId": plain(order.id), "orderNumber": order.order_number}
    connection.execute(insert(own.notifications).values({**key, **row, "metadata": about, "is_read": False}))


def plain(key: Any) -> int | str:
    """An id as JSON has it: a UUID is its text."""
    return key if isinstance(key, int) else str(key)
