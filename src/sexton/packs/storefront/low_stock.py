"""Low stock: one message about all products that have become low, repeated daily while they are (ORA-INV.2).

1. `recovered`  more free than `low_stock` + `low_stock_over`, or no longer sold: low no more.
2. `low`        active, so few free pieces or fewer, not known as low: `low_since` is the run's time. The fact is on
                record under product and instant, so the same low is never a second one.
3. `digest`     those never told about, or told a day ago: one message that lists them.

Between the two thresholds nothing changes: a product that goes 5, 6, 5 is told about once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, null, or_, select, update

from sexton import Counts, Message, Policy, Run, Transition, now, parse_duration, tell, text_key

from .options import StorefrontOptions
from .stock import held_pieces
from .tables import StorefrontTables, storefront_tables

LOW_STOCK_ALERT = "LOW_STOCK_ALERT"
MOST_LISTED = 200
"""Products that one message names; it counts the others."""

MOST_TOLD = 5000
"""Products that one message is about; the next run tells about more."""


def steps(options: StorefrontOptions) -> list[Policy | Callable[[Run], Counts]]:
    """The work of `storefront.check_low_stock`."""
    own = storefront_tables(options)
    return [_recovered(own, options), _low(own, options), _digest(own, options)]


def _free(own: StorefrontTables, options: StorefrontOptions) -> ColumnElement[int]:
    return own.products.c.stock - held_pieces(own, options)


def _recovered(own: StorefrontTables, options: StorefrontOptions) -> Transition:
    products = own.products.c
    enough = _free(own, options) > options.low_stock + options.low_stock_over
    return Transition(
        own.products,
        {"low_since": null(), "low_told_at": null()},
        only=and_(products.low_since.is_not(None), or_(enough, products.is_active.is_(False))),
        lock_first=True,
        name="recovered",
    )


def _low(own: StorefrontTables, options: StorefrontOptions) -> Transition:
    products = own.products.c
    return Transition(
        own.products,
        {"low_since": now()},
        only=and_(
            products.is_active.is_(True),
            products.low_since.is_(None),
            _free(own, options) <= options.low_stock,
        ),
        tell=(Message(None, key=text_key("low_stock", products.id, now())),),
        lock_first=True,
        name="low",
    )


def _digest(own: StorefrontTables, options: StorefrontOptions) -> Callable[[Run], Counts]:
    products = own.products.c

    def digest(run: Run) -> Counts:
        with run.transaction() as connection:
            before = run.now - parse_duration(options.low_stock_repeat)
            due = and_(
                products.low_since.is_not(None), or_(products.low_told_at.is_(None), products.low_told_at <= before)
            )
            locked = connection.execute(
                select(products.id).where(due).order_by(products.id).limit(MOST_TOLD).with_for_update()
            )
            ids = [row.id for row in locked]
            if not ids or run.dry_run:
                return Counts(picked=len(ids), changed=len(ids), told=min(len(ids), 1))
            free = (products.stock - held_pieces(own, options, run.now)).label("free")
            asked = select(products.id, products.name, products.stock, free, products.low_since).order_by(products.id)
            rows = connection.execute(asked.where(products.id.in_(ids[:MOST_LISTED]))).all()
            told = tell(
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
            if not told:  # a run at the very same instant has told about others: the next one tells about these
                return Counts(picked=len(ids))
            connection.execute(update(own.products).where(products.id.in_(ids)).values(low_told_at=run.now))
        return Counts(picked=len(ids), changed=len(ids), told=1)

    return digest


def _item(row: Any) -> dict[str, Any]:
    number = row.id if isinstance(row.id, int) else str(row.id)
    since = _instant(row.low_since)
    return {"product_id": number, "name": row.name, "stock": row.stock, "free": int(row.free), "since": since}


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"
