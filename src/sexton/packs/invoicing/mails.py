"""The pack's mails: digests and notices to the owner of a business, invoices to the customer."""

from __future__ import annotations

from sexton import Route

from .allocation import ALLOCATION_REFUSED
from .digest import OVERDUE_DIGEST
from .invoice_email import INVOICE_EMAIL
from .options import InvoicingOptions
from .tokens import REAUTHORISE, RENEWAL_FAILS

AWAITED = 10
"""Priority of what somebody waits for."""


def mail_routes(options: InvoicingOptions) -> list[Route]:
    """Each message has the address of its receiver."""
    return [
        Route("invoicing_overdue", (OVERDUE_DIGEST,), "email", template="overdue_digest"),
        Route("invoicing_shaam", (REAUTHORISE, RENEWAL_FAILS), "email", template="shaam", priority=AWAITED),
        Route("invoicing_allocation", (ALLOCATION_REFUSED,), "email", template="allocation_refused"),
        Route("invoicing_invoice", (INVOICE_EMAIL,), "email", template="invoice", priority=AWAITED),
    ]
