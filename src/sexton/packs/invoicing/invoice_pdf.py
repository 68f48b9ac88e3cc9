"""PDFs of invoices: made once a version, kept as bytes in `invoice_documents` (T1.9, `generate-pdf`).

In a table, and not in a folder: it commits with the run's fence, is in every backup, and the process that asks for it
may run on another machine than the one that made it.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, and_, insert, select

from sexton import Counts, RequestRun, SextonError

from .asked_invoice import by_id, read_invoice
from .options import InvoicingOptions
from .pdf_page import invoice_page
from .tables import InvoicingTables, invoicing_tables


def generate_pdf(options: InvoicingOptions) -> Callable[..., Counts]:
    """The work of `invoicing.generate_pdf`, a function of the run and `invoice_id`.

    SextonError: no such invoice, a draft, no font, or the invoice has changed meanwhile.
    """
    own = invoicing_tables(options)
    return by_id(options, lambda run, invoice_id: _generate(own, options, run, invoice_id))


def invoice_document(connection: Connection, options: InvoicingOptions, invoice_id: object) -> bytes | None:
    """The PDF of the invoice as it is now, for the product's own code; None while there is none."""
    own = invoicing_tables(options)
    invoices, documents = own.invoices.c, own.invoice_documents.c
    asked = select(documents.content).where(
        invoices.id == invoice_id, documents.invoice_id == invoices.id, documents.version == invoices.version
    )
    return connection.execute(asked).scalar_one_or_none()


def _generate(own: InvoicingTables, options: InvoicingOptions, run: RequestRun, invoice_id: object) -> Counts:
    with run.transaction() as connection:
        asked = read_invoice(connection, options, invoice_id)
        there = _is_there(connection, own, invoice_id, asked.row.version)
    if there:
        return Counts()
    content = invoice_page(asked, options.pdf_font, run.now)
    row = {"invoice_id": invoice_id, "version": asked.row.version, "content": content, "created_at": run.now}
    invoices = own.invoices.c
    with run.transaction() as connection:
        locked = select(invoices.version).where(invoices.id == invoice_id).with_for_update()
        if connection.execute(locked).scalar_one_or_none() != asked.row.version:
            raise SextonError(f"invoice {invoice_id} has changed while its PDF was made")
        if not _is_there(connection, own, invoice_id, asked.row.version):
            connection.execute(insert(own.invoice_documents).values(row))
    return Counts(picked=1, changed=1)


def _is_there(connection: Connection, own: InvoicingTables, invoice_id: object, version: int) -> bool:
    documents = own.invoice_documents.c
    same = and_(documents.invoice_id == invoice_id, documents.version == version)
    return connection.execute(select(documents.id).where(same)).first() is not None
