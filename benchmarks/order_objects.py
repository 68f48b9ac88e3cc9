"""The other side of T2: orders as mapped objects, changed one by one, a commit per thousand; as it is often written."""

from __future__ import annotations

import time

from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session, registry

from sexton.db.tables import own_tables

from .orders import AS_OF, CUTOFF, INVENTORY, ORDER_ITEMS, ORDERS

SUBSET = 2_000


class Order:
    """A mapped order."""


class Item:
    """A mapped item of an order."""


class Stock:
    """A mapped row of the inventory."""


class Effect:
    """A mapped fact on record."""


class Event:
    """A mapped message."""


def _map() -> None:
    mapper = registry()
    own = own_tables("postgresql")
    tables = (
        (Order, ORDERS),
        (Item, ORDER_ITEMS),
        (Stock, INVENTORY),
        (Effect, own.effects),
        (Event, own.outbox_events),
    )
    for entity, table in tables:
        mapper.map_imperatively(entity, table)


_map()


def object_rate(url: str) -> float:
    """Orders a second, measured on a subset."""
    engine = create_engine(url)
    began = time.perf_counter()
    with Session(engine, expire_on_commit=False) as session:
        due = select(Order).where(ORDERS.c.status == "pending", ORDERS.c.created_at < CUTOFF)
        orders = session.scalars(due.order_by(ORDERS.c.created_at).limit(SUBSET)).all()
        for number, order in enumerate(orders, 1):
            _expire(session, order)
            if number % 1000 == 0:
                session.commit()
        session.commit()
    seconds = time.perf_counter() - began
    engine.dispose()
    return len(orders) / seconds


def _expire(session: Session, order: object) -> None:
    values = vars(order)
    identity = values["id"]
    for item in session.scalars(select(Item).where(ORDER_ITEMS.c.vendor_order_id == identity)):
        stock = session.get(Stock, vars(item)["product_id"], with_for_update=True)
        assert stock is not None
        vars_of_stock = vars(stock)
        setattr(stock, "reserved", vars_of_stock["reserved"] - vars(item)["quantity"])  # noqa: B010 (mapped at run time)
    for whom, recipient in (("buyer", values["buyer_id"]), ("vendor", values["vendor_id"])):
        key = f"order_expired:{identity}:{whom}"
        effect, event = Effect(), Event()
        _fill(effect, key=key, job="objects", subject=str(identity), created_at=AS_OF)
        body = {"order": identity, "total_cents": values["total_cents"]}
        _fill(
            event,
            key=key,
            event_type="order_expired",
            recipient=str(recipient),
            payload=body,
            created_at=AS_OF,
        )
        session.add_all([effect, event])
    _fill(order, status="expired", updated_at=AS_OF)
    session.flush()


def _fill(entity: object, **values: object) -> None:
    for name, value in values.items():
        setattr(entity, name, value)
