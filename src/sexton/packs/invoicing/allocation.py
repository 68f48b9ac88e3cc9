"""Allocation numbers: asked of SHAAM for an invoice, once a version, and stored on it (T1.9).

The ticket calls it `shaam-allocation-request`.

The call is made outside of any transaction, under a key of invoice and version, so that a second one brings the same
number. It is stored if the invoice is still of that version and has none; a refusal is told to the owner, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import and_, update

from sexton import Counts, RequestRun, SextonError, effect_key, parse_duration, tell

from .asked_invoice import AskedInvoice, by_id, read_invoice
from .credentials import access_token
from .digest import plain
from .options import InvoicingOptions
from .pack_log import INVOICING_LOG
from .shaam import AllocationRefused, ShaamClient, client_of
from .tables import InvoicingTables, invoicing_tables

ALLOCATION_REFUSED = "allocation_refused"


def request_allocation(options: InvoicingOptions) -> Callable[..., Counts]:
    """The work of `invoicing.request_allocation`, a function of the run and `invoice_id`.

    SextonError, so that it is tried again: no token that is good, no answer, SHAAM is down, the invoice has changed.
    """
    own, client = invoicing_tables(options), client_of(options)
    return by_id(options, lambda run, invoice_id: _request(own, options, client, run, invoice_id))


def _request(
    own: InvoicingTables, options: InvoicingOptions, client: ShaamClient, run: RequestRun, invoice_id: object
) -> Counts:
    with run.transaction() as connection:
        asked = read_invoice(connection, options, invoice_id)
        token = access_token(connection, options, asked.row.business_id, at=run.now)
    if asked.row.allocation_number is not None or asked.row.status not in options.allocation_statuses:
        return Counts()
    if token is None:
        raise SextonError(f"business {asked.row.business_id} has no SHAAM token that is good")
    key = effect_key("allocation", asked.row.id, asked.row.version)
    timeout = parse_duration(options.shaam_timeout).total_seconds()
    found = client.allocate(token, described(asked), key=key, timeout=timeout)
    if isinstance(found, AllocationRefused):
        return _refused(own, run, asked, found)
    if not isinstance(found, str):
        raise SextonError(f"invoice {invoice_id} has no allocation number yet: {found.why}")
    return _store(own, run, asked, found)


def described(asked: AskedInvoice) -> Mapping[str, Any]:
    """What SHAAM is told of an invoice."""
    row = asked.row
    return {
        "invoice_id": plain(row.id),
        "invoice_number": row.number,
        "invoice_date": None if row.issue_date is None else f"{row.issue_date}",
        "vat_number": asked.business.tax_number,
        "customer_name": None if asked.customer is None else asked.customer.name,
        "currency": row.currency,
        "amount_before_vat": asked.net,
        "vat_amount": row.vat_amount,
        "total_amount": row.total_amount,
    }


def _store(own: InvoicingTables, run: RequestRun, asked: AskedInvoice, number: str) -> Counts:
    invoices = own.invoices.c
    same = and_(
        invoices.id == asked.row.id, invoices.version == asked.row.version, invoices.allocation_number.is_(None)
    )
    with run.transaction() as connection:
        stored = connection.execute(update(own.invoices).where(same).values(allocation_number=number)).rowcount
    if not stored:
        raise SextonError(f"invoice {asked.row.id} has changed since its allocation number was asked for")
    return Counts(picked=1, changed=1)


def _refused(own: InvoicingTables, run: RequestRun, asked: AskedInvoice, found: AllocationRefused) -> Counts:
    """Another try would bring the same: the owner hears of it, and a new version may be asked for anew."""
    row = asked.row
    INVOICING_LOG.error("invoice %s gets no allocation number: %s", row.id, found.why)
    with run.transaction() as connection:
        told = tell(
            connection,
            ALLOCATION_REFUSED,
            key=effect_key(ALLOCATION_REFUSED, row.id, row.version),
            subject=str(row.id),
            to=asked.business.owner_email,
            payload={"invoice_id": plain(row.id), "number": row.number, "why": found.why},
            by=run.job,
            at=run.now,
            outbox=own.outbox,
        )
    return Counts(picked=1, told=int(told))
