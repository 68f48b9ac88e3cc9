"""Low stock: one message about all products that have become low, repeated daily while they are (ORA-INV.2).

1. `recovered`  more free than `low_stock` + `low_stock_over`, or no longer sold: low no more.
2. `low`        active, so few free pieces or fewer, not known as low: `low_since` is the run's time. The fact is on
                record under product and instant, so the same low is never a second one.
3. `digest`     those never told about, or told a day ago: one message that lists them.

Between the two thresholds nothing changes: a product that goes 5, 6, 5 is told about once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, not_, null, or_, select, update

from sexton import Counts, Message, Policy, Run, Transition, now, parse_duration, tell, text_key

from .options import StorefrontOptions
from .stock import held_pieces
from .tables import StorefrontTables, storefront_tables

LOW_STOCK_ALERT = "LOW_STOCK_ALERT"
PRODUCTS_NAMED = 200
"""Products that one message names; it counts the others."""

PRODUCTS_TOLD = 5000
"""Products that one message is about; the next run tells about more."""


def steps(options: StorefrontOptions) -> list[Policy | Callable[[Run], Counts]]:
    """The work of `storefront.check_low_stock`."""
    own = storefront_tables(options)
    return [_recovered(own, options), _low(own, options), _digest(own, options)]


def _recovers(own: StorefrontTables, options: StorefrontOptions, at: datetime | None = None) -> ColumnElement[bool]:
    products = own.products.c
    free = products.stock - held_pieces(own, options, at)
    enough = free > options.low_stock + options.low_stock_over
    return and_(products.low_since.is_not(None), or_(enough, products.is_active.is_(False)))


def _begins(own: StorefrontTables, options: StorefrontOptions, at: datetime | None = None) -> ColumnElement[bool]:
    products = own.products.c
    free = products.stock - held_pieces(own, options, at)
    return and_(products.is_active.is_(True), products.low_since.is_(None), free <= options.low_stock)


def _recovered(own: StorefrontTables, options: StorefrontOptions) -> Transition:
    values = {"low_since": null(), "low_told_at": null()}
    return Transition(own.products, values, only=_recovers(own, options), lock_first=True, name="recovered")


def _low(own: StorefrontTables, options: StorefrontOptions) -> Transition:
    return Transition(
        own.products,
        {"low_since": now()},
        only=_begins(own, options),
        tell=(Message(None, key=text_key("low_stock", own.products.c.id, now())),),
        lock_first=True,
        name="low",
    )


def _digest(own: StorefrontTables, options: StorefrontOptions) -> Callable[[Run], Counts]:
    products = own.products.c

    def digest(run: Run) -> Counts:
        before = run.now - parse_duration(options.low_stock_repeat)
        untold = or_(products.low_told_at.is_(None), products.low_told_at <= before)
        with run.transaction() as connection:
            if run.dry_run:
                return _foreseen(connection, own, options, run.now, untold)
            due = select(products.id).where(products.low_since.is_not(None), untold).order_by(products.id)
            ids = [row.id for row in connection.execute(due.limit(PRODUCTS_TOLD).with_for_update())]
            if not ids:
                return Counts()
            if not _tell(connection, own, options, run, ids):
                # A run at the very same instant has told about others: the next one tells about these.
                return Counts(picked=len(ids))
            connection.execute(update(own.products).where(products.id.in_(ids)).values(low_told_at=run.now))
        return Counts(picked=len(ids), changed=len(ids), told=1)

    return digest


def _foreseen(
    connection: Connection,
    own: StorefrontTables,
    options: StorefrontOptions,
    at: datetime,
    untold: ColumnElement[bool],
) -> Counts:
    """What the digest will count once the steps before it have done their work."""
    stays = and_(own.products.c.low_since.is_not(None), not_(_recovers(own, options, at)))
    due = select(func.count()).select_from(own.products).where(or_(stays, _begins(own, options, at)), untold)
    number = min(int(connection.execute(due).scalar_one()), PRODUCTS_TOLD)
    return Counts(picked=number, changed=number, told=min(number, 1))


def _tell(
    connection: Connection, own: StorefrontTables, options: StorefrontOptions, run: Run, ids: Sequence[Any]
) -> bool:
    """Write the one message; False when there is one of this very instant."""
    products = own.products.c
    free = (products.stock - held_pieces(own, options, run.now)).label("free")
    asked = select(products.id, products.name, products.stock, free, products.low_since).order_by(products.id)
    rows = connection.execute(asked.where(products.id.in_(ids[:PRODUCTS_NAMED]))).all()
    return tell(
        connection,
        LOW_STOCK_ALERT,
        key=f"low_stock_digest:{_instant(run.now)}",
        subject=options.admin,
        to=options.admin,
        payload={"count": len(ids), "threshold": options.low_stock, "items": [_item(row) for row in rows]},
        by=run.job,
        at=run.now,
        outbox=own.outbox,
    )


def _item(row: Any) -> dict[str, Any]:
    number = row.id if isinstance(row.id, int) else str(row.id)
    since = _instant(row.low_since)
    return {"product_id": number, "name": row.name, "stock": row.stock, "free": int(row.free), "since": since}


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"
