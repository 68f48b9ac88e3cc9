"""The page of the invoicing pack: its jobs, options, tables and events."""

from __future__ import annotations

from collections.abc import Iterator

from sexton.packs.invoicing import jobs
from sexton.packs.invoicing.allocation import ALLOCATION_REFUSED
from sexton.packs.invoicing.digest import OVERDUE_DIGEST
from sexton.packs.invoicing.invoice_email import INVOICE_EMAIL
from sexton.packs.invoicing.mails import mail_routes
from sexton.packs.invoicing.options import InvoicingOptions
from sexton.packs.invoicing.tables import invoicing_tables
from sexton.packs.invoicing.tokens import REAUTHORISE, RENEWAL_FAILS

from .markdown import code, page, table
from .pack_parts import events_table, jobs_table, options_table, tables_table

OWNER, CUSTOMER = "`businesses.owner_email`", "`customers.email`"
OF_DIGESTS = "business_id, business, date, count, new, totals, invoices"
OF_INVOICES = "invoice_id, number, business, customer, currency, vat, total, to_pay, due_date, allocation_number, items"


def invoicing() -> str:
    """Jobs, options, tables, events and mails of the pack."""
    return page("The invoicing pack", "src/sexton/packs/invoicing", _parts())


def _parts() -> Iterator[str]:
    yield (
        'Enabled by `packs = ["invoicing"]` in `sexton.toml`. How to set it up, and what the product itself calls: '
        "[the invoicing pack, step by step](../how-to/invoicing.md)."
    )
    made = jobs(InvoicingOptions(), "postgresql")
    yield "## Jobs"
    yield '[`[job."NAME"]`](settings.md#jobname) moves or stops one.'
    yield jobs_table(made)
    yield "## Options"
    yield (
        "In the table `[pack.invoicing]` of `sexton.toml`. A duration counts days of 24 hours. `token_lead` must be "
        "longer than 15 minutes; `draft_status` is none of `overdue_statuses`."
    )
    yield options_table(InvoicingOptions)
    yield "## Tables and columns"
    yield (
        "What the jobs, and the functions for the product's own code, read and write under the pack's own names; "
        "`tables` and `columns` map them to yours. Your tables may have more columns. Money is a whole number of the "
        "smallest unit. Unless `outbox_events` is mapped, messages go to "
        "[Sexton's own outbox](tables.md#outbox_events)."
    )
    yield tables_table(invoicing_tables(InvoicingOptions()).metadata)
    yield "## Events"
    yield "The effect key decides that each is written once."
    yield events_table((), _events())
    yield "## Mails"
    yield "With `mail = true`. [`[route.NAME]`](settings.md#routename) changes one, or switches it off."
    yield table(["route", "events", "template"], _mails())


def _events() -> Iterator[list[str]]:
    """Event, who writes it, to whom, its fields; each names the fact that is told once."""
    business = "business_id, business"
    yield [code(OVERDUE_DIGEST), "`invoicing.flag_overdue`, once a business and local date", OWNER, OF_DIGESTS]
    yield [
        code(REAUTHORISE),
        "`invoicing.refresh_tokens`, once a business and generation of its tokens",
        OWNER,
        business,
    ]
    yield [code(RENEWAL_FAILS), "`invoicing.refresh_tokens`, likewise", OWNER, business]
    refused = "invoice_id, number, why"
    yield [code(ALLOCATION_REFUSED), "`invoicing.request_allocation`, once a version of the invoice", OWNER, refused]
    yield [code(INVOICE_EMAIL), "`invoicing.send_invoice_email`, once a version and copy", CUSTOMER, OF_INVOICES]


def _mails() -> Iterator[list[str]]:
    for route in mail_routes(InvoicingOptions()):
        yield [code(route.name), ", ".join(map(code, route.events)), code(route.template)]
