"""The invoice by mail to its customer: a message in the outbox, once a version (T1.9, `send-invoice-email`).

The relay sends it by the route `invoicing_invoice`, or one of the product's. Whoever wants to send the same version
once more on purpose says so: `copy=2`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sexton import Counts, RequestRun, SextonError, effect_key, tell

from .asked_invoice import AskedInvoice, read_invoice
from .digest import plain
from .options import InvoicingOptions
from .tables import InvoicingTables, invoicing_tables

INVOICE_EMAIL = "invoice_email"


def send_invoice_email(options: InvoicingOptions) -> Callable[..., Counts]:
    """The work of `invoicing.send_invoice_email`, a function of the run, `invoice_id` and `copy`.

    SextonError: no such invoice, a draft, a customer without an address.
    """
    own = invoicing_tables(options)

    def of_number(run: RequestRun, invoice_id: int, copy: int = 1) -> Counts:
        return _send(own, options, run, invoice_id, copy)

    def of_text(run: RequestRun, invoice_id: str, copy: int = 1) -> Counts:
        return _send(own, options, run, invoice_id, copy)

    return of_number if options.ids == "number" else of_text


def _send(own: InvoicingTables, options: InvoicingOptions, run: RequestRun, invoice_id: object, copy: int) -> Counts:
    with run.transaction() as connection:
        asked = read_invoice(connection, options, invoice_id)
        if asked.customer is None or not asked.customer.email:
            raise SextonError(f"invoice {invoice_id} has no customer with an address")
        told = tell(
            connection,
            INVOICE_EMAIL,
            key=effect_key(INVOICE_EMAIL, asked.row.id, asked.row.version, copy),
            subject=str(invoice_id),
            to=asked.customer.email,
            payload=letter(asked),
            by=run.job,
            at=run.now,
            outbox=own.outbox,
        )
    return Counts(picked=1, told=int(told), told_before=int(not told))


def letter(asked: AskedInvoice) -> dict[str, Any]:
    """What the template is given."""
    row = asked.row
    return {
        "invoice_id": plain(row.id),
        "number": row.number,
        "business": asked.business.name,
        "customer": asked.customer.name,
        "currency": row.currency,
        "vat": row.vat_amount,
        "total": row.total_amount,
        "to_pay": row.total_amount - row.paid_amount,
        "due_date": None if row.due_date is None else f"{row.due_date}",
        "allocation_number": row.allocation_number,
        "items": [
            {"description": item.description, "quantity": item.quantity, "unit_price": item.unit_price}
            for item in asked.items
        ],
    }
