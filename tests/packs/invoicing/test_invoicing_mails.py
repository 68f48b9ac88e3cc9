"""Each mail of the pack, as its template makes it of what a job writes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sexton.channels.contract import OutgoingMessage
from sexton.channels.templates import Templates
from sexton.packs.invoicing import pack
from sexton.packs.invoicing.invoice_email import send_invoice_email
from sexton.packs.invoicing.mails import mail_routes
from sexton.packs.invoicing.options import InvoicingOptions
from tests.support.billing import Billing, days

TEMPLATES = Templates([pack.templates])


def made(event: str, payload: dict[str, Any]) -> Any:
    """By the route that takes the event."""
    (route,) = [one for one in mail_routes(InvoicingOptions()) if event in one.events]
    created = datetime(2026, 6, 15, 3, tzinfo=UTC)
    message = OutgoingMessage(id="msg_7", key="k", event=event, recipient="a@b.c", payload=payload, created_at=created)
    return TEMPLATES.render(route.template, message)


def test_every_template_is_right() -> None:
    """T2.6, T5.5, T1.9"""
    names = {route.template for route in mail_routes(InvoicingOptions())}

    assert [error for name in sorted(names) for error in TEMPLATES.errors(name)] == []
    assert pack.routes is not None
    assert (list(pack.routes(InvoicingOptions())), len(list(pack.routes(InvoicingOptions(mail=True))))) == ([], 4)


def test_t2_6_a_digest_names_what_is_overdue(desk: Billing) -> None:
    """T2.6: from right to left where names are; nothing of a name is HTML."""
    desk.customer(7, name="<b>דנה</b>")
    desk.invoice(1, customer=7, due=days(-10))
    desk.run("overdue", at="2026-06-15 03:00")
    (row,) = desk.sent("overdue_digest")

    mail = made("overdue_digest", row.payload)

    assert mail.subject == "1 overdue invoice: Business 1"
    assert "* N1  118.00 ILS  10 days  <b>דנה</b>" in mail.text
    assert "To be paid: 118.00 ILS" in mail.text
    assert "<bdi>&lt;b&gt;דנה&lt;/b&gt;</bdi>" in mail.html


def test_t1_9_an_invoice_says_what_is_to_be_paid(desk: Billing) -> None:
    """T1.9"""
    desk.customer(3, name="דנה")
    desk.invoice(7, customer=3, due=days(9), paid=1_800, items={"ייעוץ": (2, 5_000)})
    desk.ask(send_invoice_email(desk.options), 7)
    (row,) = desk.sent("invoice_email")

    mail = made("invoice_email", row.payload)

    assert mail.subject == "Invoice N7 from Business 1"
    for words in ("דנה", "2 x ייעוץ: 100.00 ILS", "VAT: 18.00 ILS", "Total: 118.00 ILS"):
        assert words in mail.text
    assert f"To pay: 100.00 ILS until {days(9)}" in mail.text
    assert "Allocation number" not in mail.text


@pytest.mark.parametrize(
    ("event", "payload", "words"),
    [
        ("shaam_needs_authorisation", {"business": "Bakery"}, "authorise it anew"),
        ("shaam_renewal_fails", {"business": "Bakery"}, "connection of Bakery"),
        ("allocation_refused", {"number": "N7", "why": "vat number unknown"}, "invoice N7: vat number unknown"),
    ],
)
def test_t5_5_owners_are_told_what_to_do(event: str, payload: dict[str, Any], words: str) -> None:
    """T5.5, T1.9"""
    mail = made(event, payload)

    assert words in mail.text
    assert len(mail.subject.splitlines()) == 1
