"""The invoice that a job on demand is asked about, as it is now, with its business, customer and items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from sexton import Counts, RequestRun, SextonError

from .options import InvoicingOptions
from .tables import InvoicingTables, invoicing_tables

Asked = Callable[[RequestRun, Any], Counts]


@dataclass(frozen=True, slots=True)
class AskedInvoice:
    """One invoice. row: of the invoice.  business, customer: rows as well; customer: None when it names none."""

    row: Any
    business: Any
    customer: Any
    items: tuple[Any, ...]

    @property
    def net(self) -> int:
        """Without VAT."""
        return int(self.row.total_amount - self.row.vat_amount)


def read_invoice(connection: Connection, options: InvoicingOptions, invoice_id: object) -> AskedInvoice:
    """SextonError when there is none, or it is a draft: nothing leaves the house for one that may still change."""
    own = invoicing_tables(options)
    row = connection.execute(select(own.invoices).where(own.invoices.c.id == invoice_id)).one_or_none()
    if row is None:
        raise SextonError(f"there is no invoice {invoice_id}")
    if row.status == options.draft_status:
        raise SextonError(f"invoice {invoice_id} is a draft; finalise it first")
    business = connection.execute(select(own.businesses).where(own.businesses.c.id == row.business_id)).one()
    customer = connection.execute(select(own.customers).where(own.customers.c.id == row.customer_id)).one_or_none()
    return AskedInvoice(row, business, customer, _items(connection, own, invoice_id))


def _items(connection: Connection, own: InvoicingTables, invoice_id: object) -> tuple[Any, ...]:
    items = own.invoice_items
    asked = select(items).where(items.c.invoice_id == invoice_id).order_by(items.c.id)
    return tuple(connection.execute(asked))


def by_id(options: InvoicingOptions, work: Asked) -> Callable[..., Counts]:
    """`work` as a function of a number, or of a text where ids are no numbers, so that others are refused at once."""

    def of_number(run: RequestRun, invoice_id: int) -> Counts:
        return work(run, invoice_id)

    def of_text(run: RequestRun, invoice_id: str) -> Counts:
        return work(run, invoice_id)

    return of_number if options.ids == "number" else of_text
