"""Allocation numbers, asked of a real server on loopback (T1.9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from sexton import SextonError
from sexton.packs.invoicing.allocation import request_allocation
from tests.support.billing import Billing, open_billing
from tests.support.hostile_http import Behaviour, answers, cuts, redirects, says
from tests.support.shaam import Shaam, shaam_server


@pytest.fixture
def shaam() -> Iterator[Shaam]:
    """A service that has given no number yet."""
    with shaam_server() as shaam:
        yield shaam


@pytest.fixture
def desk(engine: Engine, shaam: Shaam) -> Billing:
    """Business 1, which it knows, and its invoice 7 to Dana."""
    desk = open_billing(engine, shaam_timeout="60s", **shaam.options)
    desk.tokens(1, expires="2999-01-01")
    desk.customer(3, name="דנה לוי")
    desk.invoice(7, customer=3, status="finalized", total=118_000, vat=18_000)
    return desk


def ask(desk: Billing, number: int = 7) -> Any:
    """The job, once."""
    return desk.ask(request_allocation(desk.options), number)


def number(desk: Billing, invoice: int = 7) -> Any:
    """The allocation number of an invoice."""
    return desk.column(desk.own.invoices, "allocation_number")[invoice]


def test_t1_9_an_invoice_gets_its_number_once(desk: Billing, shaam: Shaam) -> None:
    """T1.9: `shaam-allocation-request`: asked under the token of its business; a second run asks nobody."""
    first, second = ask(desk), ask(desk)

    assert (number(desk), first.total.changed, second.total.changed) == ("202606150001", 1, 0)
    (said,) = shaam.requests
    assert said == {
        "invoice_id": 7,
        "invoice_number": "N7",
        "invoice_date": "2026-05-01",
        "vat_number": "511",
        "customer_name": "דנה לוי",
        "currency": "ILS",
        "amount_before_vat": 100_000,
        "vat_amount": 18_000,
        "total_amount": 118_000,
    }
    assert shaam.headers[0]["authorization"] == "Bearer access-1-0"
    assert shaam.headers[0]["idempotency-key"] == "allocation:7:1"


def test_t1_9_an_answer_that_was_lost_brings_the_same_number(desk: Billing, shaam: Shaam) -> None:
    """T1.9: asked again under the same key."""
    shaam.plan = {"N7": [cuts()]}
    with pytest.raises(SextonError, match="invoice 7 has no allocation number yet"):
        ask(desk)
    assert number(desk) is None

    ask(desk)

    assert (number(desk), {head["idempotency-key"] for head in shaam.headers}) == ("202606150001", {"allocation:7:1"})


WORDLESS: dict[str, Behaviour] = {
    "500": answers(500),
    "503": answers(503, retry_after="3600"),
    "no JSON": answers(200, b"<html>"),
    "no number": says({"confirmation_number": ""}),
    "null": says(None),
    "401": answers(401),
    "redirect": redirects("http://127.0.0.1:1/", 307),
}


@pytest.mark.parametrize("said", WORDLESS.values(), ids=WORDLESS.keys())
def test_t1_9_what_is_no_answer_is_tried_again(desk: Billing, shaam: Shaam, said: Behaviour) -> None:
    """T1.9: the run fails, and so the request waits for its next attempt."""
    shaam.plan = {"N7": [said]}

    with pytest.raises(SextonError, match="no allocation number yet"):
        ask(desk)

    assert (number(desk), desk.sent()) == (None, [])


def test_t1_9_a_refusal_is_told_to_the_owner_once(desk: Billing, shaam: Shaam) -> None:
    """T1.9: another try would bring the same; a corrected invoice is another version, and asked about anew."""
    shaam.plan = {"N7": [says({"message": "vat number\nunknown"}, 422)] * 3}
    for _ in range(2):
        assert ask(desk).state == "succeeded"

    (message,) = desk.sent("allocation_refused")
    assert (message.recipient, message.payload["why"]) == ("owner1@example.org", "vat number unknown")

    shaam.plan.clear()
    desk.change(desk.own.invoices, 7, version=2)
    ask(desk)
    assert (number(desk), shaam.headers[-1]["idempotency-key"]) == ("202606150001", "allocation:7:2")


def test_t1_9_a_number_for_another_version_is_not_stored(desk: Billing, shaam: Shaam) -> None:
    """T1.9: the invoice was corrected while the call was under way."""

    def corrected(client: Any, over: Any) -> None:
        desk.change(desk.own.invoices, 7, version=2)
        says({"confirmation_number": "old"})(client, over)

    shaam.plan = {"N7": [corrected]}
    with pytest.raises(SextonError, match="has changed"):
        ask(desk)
    assert number(desk) is None

    ask(desk)
    assert number(desk) == "202606150001"


def test_t1_9_no_token_no_invoice_and_a_draft_are_said_as_such(desk: Billing, shaam: Shaam) -> None:
    """T1.9"""
    desk.invoice(8, business=2, status="finalized")
    desk.invoice(9, status="draft")
    for invoice, words in ((8, "business 2 has no SHAAM token"), (9, "invoice 9 is a draft"), (10, "no invoice 10")):
        with pytest.raises(SextonError, match=words):
            ask(desk, invoice)
    assert shaam.requests == []


def test_t1_9_what_was_cancelled_meanwhile_is_not_asked_about(desk: Billing, shaam: Shaam) -> None:
    """T1.9"""
    desk.change(desk.own.invoices, 7, status="void")

    assert ask(desk).state == "succeeded"

    assert (number(desk), shaam.requests) == (None, [])


def test_t1_9_no_transaction_is_open_during_the_call(desk: Billing, shaam: Shaam) -> None:
    """T1.9: nobody waits for SHAAM but the job."""

    def beside(client: Any, over: Any) -> None:
        with desk.engine.begin() as connection:
            connection.execute(text("UPDATE invoices SET number = 'N7' WHERE id = 7"))
        says({"confirmation_number": "1"})(client, over)

    shaam.plan = {"N7": [beside]}
    ask(desk)
    assert number(desk) == "1"
