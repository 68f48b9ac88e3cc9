"""Sales by day and currency, from 18:00 to 18:00 in the shop's zone, told once a day (ORA-ANA).

The day is computed from its orders as they are when it is over, and again for two weeks: an order that was given back
meanwhile is a line of a correction the day after. A day on which nothing ran is made up, with a report of its own.
"""

from __future__ import annotations

from sqlalchemy import func

from sexton import Policy, Rollup, RollupReport, cron

from .options import StorefrontOptions
from .tables import storefront_tables

SALES_DAY = "0 18 * * *"
"""When a day of sales ends."""


def summary(options: StorefrontOptions) -> list[Policy]:
    """The work of `storefront.sales_summary`."""
    own = storefront_tables(options)
    orders = own.orders.c
    return [
        Rollup(
            own.orders,
            by=orders.created_at,
            only=orders.status.in_(options.sales_statuses),
            group=[orders.currency],
            aggregates={"orders": func.count(), "revenue": func.sum(orders.total_amount)},
            into=own.sales_summary,
            windows=cron(SALES_DAY, tz=options.timezone),
            lateness=options.sales_lateness,
            tell=RollupReport("sales_report", to=options.admin, outbox=own.outbox),
            name="summary",
        )
    ]
