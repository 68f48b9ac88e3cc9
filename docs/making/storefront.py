"""The page of the storefront pack: its jobs, options, tables and events."""

from __future__ import annotations

from collections.abc import Iterator

from sexton.packs.storefront import jobs
from sexton.packs.storefront.low_stock import LOW_STOCK_ALERT
from sexton.packs.storefront.mails import mail_routes
from sexton.packs.storefront.options import StorefrontOptions
from sexton.packs.storefront.order_notices import ORDER_NOTICES
from sexton.packs.storefront.payments import PAYMENT_REFUND_DUE
from sexton.packs.storefront.tables import storefront_tables

from .markdown import code, page, table
from .pack_parts import events_table, jobs_table, options_table, tables_table

OF_ORDERS = "title, text, order_id, order_number, total, currency, tracking_number, items, estimated_delivery"
OF_SALES = "window_start, window_end, zone, lines, groups"
OF_REFUNDS = "payment_id, gateway_payment_id, order_id, order_number, amount, currency, why"


def storefront() -> str:
    """Jobs, options, tables, events and mails of the pack."""
    return page("The storefront pack", "src/sexton/packs/storefront", _parts())


def _parts() -> Iterator[str]:
    yield (
        'Enabled by `packs = ["storefront"]` in `sexton.toml`. How to set it up, and what the shop itself calls: '
        "[the storefront pack, step by step](../how-to/storefront.md)."
    )
    made = jobs(StorefrontOptions(), "postgresql")
    yield "## Jobs"
    yield '[`[job."NAME"]`](settings.md#jobname) moves or stops one.'
    yield jobs_table(made)
    yield "## Options"
    yield (
        "In the table `[pack.storefront]` of `sexton.toml`. A duration counts days of 24 hours. `failed_for_good` must "
        "be shorter than `give_up_after`; with `mail`, `admin` must be an address."
    )
    yield options_table(StorefrontOptions)
    yield "## Tables and columns"
    yield (
        "What the jobs, and the functions for the shop's own code, read and write under the pack's own names; `tables` "
        "and `columns` map them to yours. Your tables may have more columns. Money is a whole number of the smallest "
        "unit. Unless `outbox_events` is mapped, messages go to [Sexton's own outbox](tables.md#outbox_events)."
    )
    yield tables_table(storefront_tables(StorefrontOptions()).metadata)
    yield "## Events"
    yield "The effect key decides that each is written once. Those of orders are written where the order changes."
    yield events_table(made, _further())
    yield "## Mails"
    yield "With `mail = true`. [`[route.NAME]`](settings.md#routename) changes one, or switches it off."
    yield table(["route", "events", "to", "template"], _mails())


def _further() -> Iterator[list[str]]:
    """Messages that are no part of a policy's plan."""
    yield [code(LOW_STOCK_ALERT), "`storefront.check_low_stock`, step `digest`", "`admin`", "count, threshold, items"]
    for event, more in (("sales_report", ""), ("sales_report_correction", ", correction")):
        yield [code(event), "`storefront.sales_summary`, step `summary`", "`admin`", OF_SALES + more]
    yield [code(PAYMENT_REFUND_DUE), "`confirm`", "`admin`", OF_REFUNDS]
    for status, notice in ORDER_NOTICES.items():
        yield [code(notice.event), f"`order_status_changed`, `{status}`", "`orders.user_id`", OF_ORDERS]


def _mails() -> Iterator[list[str]]:
    for route in mail_routes(StorefrontOptions()):
        to = f"`{route.people}.{route.address}`" if route.people else "`admin`"
        yield [code(route.name), ", ".join(map(code, route.events)), to, code(route.template)]
