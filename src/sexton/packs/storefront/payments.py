"""Money that has come in: one way for the gateway's webhook and for the job that asks after it (ORA-PAY.1, G4).

    with engine.begin() as connection:                      # in the webhook, after its signature was checked
        payment_id = payment_of(connection, options, event_order_id)
        outcome = confirm(connection, options, payment_id, GatewayPayment(...))

Locks go payment, order, products in the order of their ids. Whoever comes second waits, finds the payment settled,
and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, delete, func, select, update

from sexton import SextonError, ask_now, effect_key, tell

from .gateway import GatewayPayment
from .options import StorefrontOptions
from .order_notices import order_status_changed, plain
from .stock import PENDING, free_pieces
from .tables import StorefrontTables, storefront_tables

CAPTURED = "CAPTURED"
PAYMENT_REFUND_DUE = "payment_refund_due"
BY = "storefront.payments"

Confirmation = Literal["confirmed", "already", "refund", "mismatch"]


@dataclass(frozen=True, slots=True)
class _Payment:
    """A payment and its order, both locked, and what came for it."""

    connection: Connection
    options: StorefrontOptions
    own: StorefrontTables
    row: Any
    order: Any
    paid: GatewayPayment
    at: datetime


def payment_of(connection: Connection, options: StorefrontOptions, gateway_order_id: str) -> Any:
    """The id of our latest payment under this order of the gateway; None when it is none of ours."""
    payments = storefront_tables(options).payments.c
    asked = select(payments.id).where(payments.gateway_order_id == gateway_order_id)
    return connection.execute(asked.order_by(payments.created_at.desc(), payments.id.desc()).limit(1)).scalar()


def confirm(
    connection: Connection,
    options: StorefrontOptions,
    payment_id: object,
    paid: GatewayPayment,
    *,
    at: datetime | None = None,
) -> Confirmation:
    """Take in money that the gateway has captured; in the caller's transaction, as often as one likes.

    "confirmed": payment, order and stock are settled, the customer hears of it.
    "already": this very payment was taken in before; nothing changed.
    "refund": it cannot be used: the order was cancelled or is paid already, or its pieces are gone. The message
        payment_refund_due is in the outbox, once a payment of the gateway; stock was not touched.
    "mismatch": it is not what we are waiting for: another order, amount or currency, or not captured; nothing changed.
    at: when; the database's time by default.  SextonError when there is no such payment.
    """
    own = storefront_tables(options)
    asked = select(own.payments).where(own.payments.c.id == payment_id).with_for_update()
    row = connection.execute(asked).one_or_none()
    if row is None:
        raise SextonError(f"there is no payment {payment_id}")
    order = connection.execute(select(own.orders).where(own.orders.c.id == row.order_id).with_for_update()).one()
    payment = _Payment(connection, options, own, row, order, paid, at or ask_now(connection))
    if paid.status != "captured" or not is_for(row, paid):
        return "mismatch"
    if row.status == CAPTURED and row.transaction_id in (None, paid.id):
        return "already"
    if row.status == CAPTURED:
        return _refund(payment, "the order is paid already")
    if row.status == options.refund_status or order.status not in options.payable:
        return _refund(payment, f"the order is {order.status}")
    if not _take_stock(payment):
        return _cancel(payment)
    _settle(payment)
    return "confirmed"


def is_for(row: Any, paid: GatewayPayment) -> bool:
    """Whether what the gateway knows is about this payment of ours: order, or else its own id; amount; currency."""
    ours = row.gateway_order_id in (None, paid.order) and (
        row.gateway_order_id is not None or row.transaction_id == paid.id
    )
    return bool(ours) and (row.amount, row.currency) == (paid.amount, paid.currency)


def handle_failed(connection: Connection, options: StorefrontOptions, payment_id: object) -> bool:
    """Note that an attempt to pay has failed; in the caller's transaction. False when the payment is settled.

    It is not the end: the bank may let it through later, or the customer tries again. So the order stays payable and
    keeps its stock until its own deadline.
    """
    payments = storefront_tables(options).payments
    failed = update(payments).where(payments.c.id == payment_id, payments.c.status == PENDING)
    return connection.execute(failed.values(gateway_status="failed")).rowcount > 0


def _take_stock(payment: _Payment) -> bool:
    """Take the order's pieces, if each product has enough that nobody else holds; False, and nothing changed, if not.

    Holds of this order do not count: whether they are still there does not matter, only whether the pieces are.
    """
    own, connection = payment.own, payment.connection
    items, products = own.order_items.c, own.products.c
    asked = (
        select(items.product_id, func.sum(items.quantity).label("quantity"))
        .where(items.order_id == payment.order.id)
        .group_by(items.product_id)
    )
    wanted: dict[Any, int] = {row.product_id: int(row.quantity) for row in connection.execute(asked)}
    order, at = payment.order.id, payment.at
    free = free_pieces(connection, payment.options, wanted, for_order=order, at=at, lock=True)
    if any(free.get(product, 0) < quantity for product, quantity in wanted.items()):
        return False
    for product, quantity in sorted(wanted.items()):
        taken = update(own.products).where(products.id == product).values(stock=products.stock - quantity)
        connection.execute(taken)
    _release(payment)
    return True


def _release(payment: _Payment) -> None:
    """The order's holds are needed no more."""
    holds = payment.own.inventory_locks
    payment.connection.execute(delete(holds).where(holds.c.order_id == payment.order.id))


def _settle(payment: _Payment) -> None:
    own, options, order = payment.own, payment.options, payment.order
    _mark(payment, CAPTURED)
    paid = update(own.orders).where(own.orders.c.id == order.id).values(status=options.paid_status)
    payment.connection.execute(paid)
    order_status_changed(payment.connection, options, order.id, "CONFIRMED", at=payment.at, by=BY)


def _cancel(payment: _Payment) -> Confirmation:
    """Paid, and a piece is gone: the money goes back, what the order still holds is free, and the customer hears it."""
    own, options, order = payment.own, payment.options, payment.order
    _release(payment)
    cancelled = update(own.orders).where(own.orders.c.id == order.id).values(status=options.cancelled_status)
    payment.connection.execute(cancelled)
    order_status_changed(payment.connection, options, order.id, "CANCELLED", at=payment.at, by=BY)
    return _refund(payment, "a product of the order is sold out")


def _refund(payment: _Payment, why: str) -> Confirmation:
    """Put it on record, once a payment of the gateway, that money has to go back; the payment says so too."""
    row, order, paid = payment.row, payment.order, payment.paid
    tell(
        payment.connection,
        PAYMENT_REFUND_DUE,
        key=effect_key("refund", paid.id),
        subject=str(row.id),
        to=payment.options.admin,
        payload={
            "payment_id": plain(row.id),
            "gateway_payment_id": paid.id,
            "order_id": plain(order.id),
            "order_number": order.order_number,
            "amount": paid.amount,
            "currency": paid.currency,
            "why": why,
        },
        by=BY,
        at=payment.at,
        outbox=payment.own.outbox,
    )
    if row.status not in (CAPTURED, payment.options.refund_status):
        _mark(payment, payment.options.refund_status)
    return "refund"


def _mark(payment: _Payment, status: str) -> None:
    payments = payment.own.payments
    values = {"status": status, "transaction_id": payment.paid.id, "gateway_status": payment.paid.status}
    payment.connection.execute(update(payments).where(payments.c.id == payment.row.id).values(values))
