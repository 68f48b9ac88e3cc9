"""Orders: nudge the vendor, expire, give stock back (PF-138). Every day.

1. `nudge`   pending for 5 days, not yet 10: the vendor hears it once (PF-138.1).
2. `expire`  pending for 10 days and no payment settled or in flight: `vendor_orders.status` `expired` (PF-138.2); buyer
   and vendor hear it, one message each (PF-138.3); reserved stock is given back in the same transaction (PF-138.4);
   the parent order expires with its last open child. An order whose stock would fall below zero is set aside.
3. `settle`  parents whose children all ended otherwise, by another hand at the same moment: expired as well.

Twice at the same instant: the second run counts 0 (PF-138.5): the state is in the predicate, and the effect keys are
on record. An order is never nudged and expired in one run. A payment that arrives while the job runs locks the
vendor order first; whoever commits second sees the other. For a payment after expiry see `payments.settle_late`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal_column, not_, select

from sexton import Change, Found, Message, Policy, Transition, WarnOnce, ago, only_if, text_key

from .options import Options
from .tables import Tables, tables

OPEN = ("pending",)
SHORT = "stock of a product would fall below zero"


def steps(options: Options, dialect: str = "postgresql") -> list[Policy]:
    """The work of `marketplace.expire_orders`."""
    own = tables(options)
    return [_nudge(own, options), _expire(own, options), _settle(own, options)]


def _nudge(own: Tables, options: Options) -> WarnOnce:
    orders = own.vendor_orders.c
    return WarnOnce(
        own.vendor_orders,
        by=orders.created_at,
        when=and_(
            orders.status.in_(OPEN),
            orders.created_at <= ago(options.nudge_after),
            orders.created_at > ago(options.expire_after),
        ),
        tell=Message(
            "order_pending_nudge",
            key=text_key("order_pending_nudge", orders.id),
            to=orders.store_id,
            payload={
                "vendor_order_id": orders.id,
                "order_id": orders.order_id,
                "created_at": orders.created_at,
            },
        ),
        outbox=own.outbox,
        name="nudge",
    )


def _expire(own: Tables, options: Options) -> Transition:
    orders, inventory = own.vendor_orders.c, own.inventory.c
    return Transition(
        own.vendor_orders,
        {"status": "expired"},
        only=and_(orders.status.in_(OPEN), *_guards(own, options)),
        by=orders.created_at,
        keep=options.expire_after,
        boundary="<=",
        carry=(orders.order_id,),
        found=(Found("released", lambda rows: _released(own, rows), lock=own.inventory),),
        changes=(
            Change.update(
                "orders",
                own.orders,
                lambda rows: _last_child_gone(own, options, rows),
                lambda rows: {"status": "expired"},
            ),
            Change.update(
                "inventory",
                own.inventory,
                lambda rows: inventory.product_id == rows["released"].c.product_id,
                lambda rows: {"reserved": _lowered(own, rows)},
                counted=False,
            ),
        ),
        tell=_expired_messages(own),
        outbox=own.outbox,
        lock_first=True,
        name="expire",
    )


def _expired_messages(own: Tables) -> tuple[Message, Message]:
    """One for the buyer, one for the vendor, each with a key of its own (PF-138.3)."""
    orders = own.vendor_orders.c
    about = {"vendor_order_id": orders.id, "order_id": orders.order_id, "store_id": orders.store_id}
    buyer = select(own.orders.c.buyer_id).where(own.orders.c.id == orders.order_id).scalar_subquery()
    return (
        Message(
            "order_expired",
            key=text_key("order_expired", orders.id, "buyer"),
            to=buyer,
            payload={**about, "for": "buyer"},
        ),
        Message(
            "order_expired",
            key=text_key("order_expired", orders.id, "vendor"),
            to=orders.store_id,
            payload={**about, "for": "vendor"},
        ),
    )


def _guards(own: Tables, options: Options) -> list[ColumnElement[bool]]:
    """What else must hold: no payment settled or in flight, and the operator's own condition."""
    guards: list[ColumnElement[bool]] = []
    if options.payment_holds:
        payments = own.payments.c
        held = select(1).where(
            payments.order_id == own.vendor_orders.c.order_id, payments.status.in_(options.payment_holds)
        )
        guards.append(not_(exists(held)))
    if options.expire_guard:
        guards.append(literal_column(f"({options.expire_guard})"))
    return guards


def _released(own: Tables, rows: Any) -> Select[Any]:
    """Pieces to give back, by product; stock rows locked in product order, so that two batches never cross."""
    items, inventory = own.order_items.c, own.inventory.c
    sums = (
        select(items.product_id, func.sum(items.quantity).label("quantity"))
        .where(items.vendor_order_id.in_(select(rows["picked"].c.id)))
        .group_by(items.product_id)
        .subquery("sums")
    )
    held = select(inventory.product_id, sums.c.quantity).join_from(
        own.inventory, sums, inventory.product_id == sums.c.product_id
    )
    return held.order_by(inventory.product_id)


def _lowered(own: Tables, rows: Any) -> ColumnElement[Any]:
    reserved, quantity = own.inventory.c.reserved, rows["released"].c.quantity
    return only_if(reserved >= quantity, reserved - quantity, SHORT)


def _last_child_gone(own: Tables, options: Options, rows: Any) -> ColumnElement[bool]:
    """Open parents of the picked orders that have no other open child."""
    picked, parents = rows["picked"], own.orders.c
    sibling = own.vendor_orders.alias("sibling")
    still_open = select(1).where(
        sibling.c.order_id == parents.id,
        sibling.c.status.not_in(options.child_ended),
        sibling.c.id.not_in(select(picked.c.id)),
    )
    return and_(parents.id.in_(select(picked.c.order_id)), parents.status.in_(OPEN), not_(exists(still_open)))


def _settle(own: Tables, options: Options) -> Transition:
    parents, children = own.orders.c, own.vendor_orders.c
    expired = select(1).where(children.order_id == parents.id, children.status == "expired")
    still_open = select(1).where(children.order_id == parents.id, children.status.not_in(options.child_ended))
    return Transition(
        own.orders,
        {"status": "expired"},
        only=and_(parents.status.in_(OPEN), exists(expired), not_(exists(still_open))),
        lock_first=True,
        name="settle",
    )
