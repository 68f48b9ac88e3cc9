"""Invoices by mail: one message a version, as their customers can read it (T1.9)."""

from __future__ import annotations

import pytest

from sexton import SextonError
from sexton.packs.invoicing.invoice_email import send_invoice_email
from tests.support.billing import Billing


def test_t1_9_an_invoice_is_sent_once_a_version(desk: Billing) -> None:
    """T1.9: `send-invoice-email`: however often it is asked for; another version, or a copy on purpose, is sent."""
    desk.customer(3, name="דנה לוי")
    desk.invoice(7, customer=3, due="2026-07-01", paid=800, items={"ייעוץ": (2, 5000)})
    work = send_invoice_email(desk.options)

    runs = [desk.ask(work, 7), desk.ask(work, 7), desk.ask(work, 7, copy=2)]
    desk.change(desk.own.invoices, 7, version=2)
    desk.ask(work, 7)

    assert [run.total.told for run in runs] == [1, 0, 1]
    assert desk.effects() == ["invoice_email:7:1:1", "invoice_email:7:1:2", "invoice_email:7:2:1"]
    message = desk.sent("invoice_email")[0]
    assert message.recipient == "customer3@example.org"
    assert message.payload == {
        "invoice_id": 7,
        "number": "N7",
        "business": "Business 1",
        "customer": "דנה לוי",
        "currency": "ILS",
        "vat": 1_800,
        "total": 11_800,
        "to_pay": 11_000,
        "due_date": "2026-07-01",
        "allocation_number": None,
        "items": [{"description": "ייעוץ", "quantity": 2, "unit_price": 5000}],
    }


def test_t1_9_without_an_address_nothing_is_sent_and_it_says_why(desk: Billing) -> None:
    """T1.9: the request fails, and ends as a dead letter that somebody sees."""
    desk.customer(3, email=None)
    desk.invoice(7, customer=3)
    desk.invoice(8)
    desk.invoice(9, customer=3, status="draft")
    for invoice, words in (
        (7, "no customer with an address"),
        (8, "no customer"),
        (9, "is a draft"),
        (10, "no invoice"),
    ):
        with pytest.raises(SextonError, match=words):
            desk.ask(send_invoice_email(desk.options), invoice)
    assert desk.sent() == []
