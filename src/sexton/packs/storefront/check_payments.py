"""Payments of which no webhook told: ask the gateway, until it knows or a person must look (ORA-PAY.1).

    captured      confirmed as the webhook would have                authorized    captured, then the same
    failed        not the end for three days: a bank may still let it through, or the customer tries again
    created, none, unreadable, another amount, currency or order     no change; asked again
    nothing after 73 h                                               state `needs_review`, and the admin hears of it

Each payment is called for by itself: one that cannot be answered stops no other. The question goes by the gateway's
order where there is one, as that also has the attempts of which the shop never heard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import and_

from sexton import (
    Again,
    Attempt,
    Call,
    CallColumns,
    CallOutcome,
    Done,
    Message,
    Policy,
    ago,
    parse_duration,
    text_key,
)

from .gateway import GatewayPayment, PaymentGateway, gateway_of
from .options import StorefrontOptions
from .payments import confirm, is_for
from .stock import PENDING
from .tables import storefront_tables

FAILED_FOR_GOOD = {"status": "FAILED", "gateway_status": "failed"}


def steps(options: StorefrontOptions) -> list[Policy]:
    """The work of `storefront.check_payments`."""
    own = storefront_tables(options)
    payments = own.payments.c
    return [
        Call(
            own.payments,
            by=payments.created_at,
            call=asker(options, gateway_of(options)),
            key=text_key("payment", payments.id),
            when=and_(payments.status == PENDING, payments.created_at < ago(options.check_after)),
            unchanged=[payments.amount, payments.currency, payments.gateway_order_id],
            destination="gateway",
            rate=options.gateway_rate,
            timeout=options.gateway_timeout,
            concurrency=4,
            per_destination=4,
            retry=["5m", "1h", "1d"],
            give_up_after=options.give_up_after,
            state=CallColumns(attempts=payments.checks, next_at=payments.next_check_at),
            gave_up={"status": options.review_status},
            failed={"status": options.review_status},
            gone={"status": options.review_status},
            tell=Message(
                "payment_needs_review",
                key=text_key("payment_needs_review", payments.id),
                payload={
                    "payment_id": payments.id,
                    "order_id": payments.order_id,
                    "amount": payments.amount,
                    "currency": payments.currency,
                    "gateway_order_id": payments.gateway_order_id,
                    "transaction_id": payments.transaction_id,
                },
            ),
            name="ask",
        )
    ]


def asker(options: StorefrontOptions, gateway: PaymentGateway) -> Callable[[Attempt], CallOutcome]:
    """The function that is called for each payment."""
    return partial(_ask, options, gateway)


def _ask(options: StorefrontOptions, gateway: PaymentGateway, call: Attempt) -> CallOutcome:
    row = call.row
    if not row.gateway_order_id and not row.transaction_id:
        return Again("the payment never reached the gateway")
    found = gateway.find(row.gateway_order_id, row.transaction_id, timeout=call.left)
    if not isinstance(found, Sequence):
        return found
    right = [one for one in found if is_for(row, one)]
    held = next((one for one in right if one.status == "authorized"), None)
    if held is not None and options.capture and not any(one.status == "captured" for one in right):
        taken = gateway.capture(held, timeout=call.left)
        if not isinstance(taken, GatewayPayment):
            return taken
        right = [taken] if is_for(row, taken) else []
    return judged(options, call, found, right)


def judged(
    options: StorefrontOptions, call: Attempt, found: Sequence[GatewayPayment], right: Sequence[GatewayPayment]
) -> CallOutcome:
    """What the gateway's answer means. right: those of `found` that are for this payment as we know it."""
    captured = [one for one in right if one.status == "captured"]
    if captured:
        take_in = partial(_take_in, options, call, captured)
        return Done(then=take_in, if_moved=take_in)
    if any(one.status == "captured" for one in found):
        return Again("the gateway has another amount, currency or order")
    states = {one.status for one in right}
    if states == {"failed"} and call.row.created_at <= call.now - parse_duration(options.failed_for_good):
        return Done(values=FAILED_FOR_GOOD, why="failed at the gateway, for good")
    if states:
        state = next(one for one in ("authorized", "created", "refunded", "failed") if one in states)
        return Again(f"{state} at the gateway", values={"gateway_status": state})
    return Again("the gateway knows of no attempt to pay")


def _take_in(options: StorefrontOptions, call: Attempt, captured: Sequence[GatewayPayment], connection: Any) -> None:
    """The first one pays the order; what was captured beside it goes back. Also for a payment that moved meanwhile."""
    for one in captured:
        confirm(connection, options, call.row.id, one, at=call.now)
