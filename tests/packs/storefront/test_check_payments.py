"""Payments of which no webhook told, against a real gateway on loopback that misbehaves (ORA-PAY.1, G1 to G7)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.support.gateway import ScriptedGateway, paid, says_payments, scripted_gateway
from tests.support.hostile_http import Behaviour, answers, cuts, redirects, says, silent
from tests.support.market import later
from tests.support.patience import PATIENCE
from tests.support.storefront import Storefront, open_storefront

NOON = "2026-06-15 12:00"
OLD = "2026-06-15 11:45"


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    """A gateway that knows nothing yet."""
    with scripted_gateway() as gateway:
        yield gateway


@pytest.fixture
def shop(engine: Engine, gateway: ScriptedGateway) -> Storefront:
    """A shop that asks it, and waits as long as a busy machine may take."""
    key = {"gateway_key": "rzp_test_key", "gateway_secret": "qXcanaryX7"}
    return open_storefront(engine, gateway_url=gateway.url, gateway_timeout=f"{PATIENCE / 2:.0f}s", **key)


def pending(shop: Storefront, *numbers: int, created: str = OLD) -> None:
    """Orders of one piece of product 7 each, held and being paid."""
    for number in numbers:
        shop.order(number, items={7: 1}, created=created)
        shop.hold(number, product=7, order=number, expires="2026-06-16")
        shop.payment(number, created=created)


def captured(number: int) -> Behaviour:
    """The order's payment has been captured."""
    return says_payments(paid(f"pay_{number}", f"order_{number}"))


def checks(shop: Storefront) -> dict[Any, int]:
    """Attempts by payment."""
    return shop.column(shop.own.payments, "checks")


def test_ora_pay_1_captured_is_confirmed_as_the_webhook_would_have(shop: Storefront, gateway: ScriptedGateway) -> None:
    """ORA-PAY.1: payments pending for more than ten minutes, and no others."""
    pending(shop, 1)
    pending(shop, 2, created="2026-06-15 11:50")
    for number in (1, 2):
        gateway.plan[f"order_{number}"] = [captured(number)]

    run = shop.run("payments", at=NOON)
    shop.run("payments", at=NOON)

    assert (run.state, run.total.picked, gateway.asked) == ("succeeded", 1, ["order_1"])
    assert (shop.payments(), shop.orders()) == ({1: "CAPTURED", 2: "PENDING"}, {1: "PROCESSING", 2: "PENDING"})
    assert (shop.stock(), shop.holds()) == ({7: 99}, [2])
    assert [row.event_type for row in shop.sent()] == ["ORDER_CONFIRMED"]


def test_ora_pay_1_where_no_attempt_was_heard_of_the_question_goes_by_the_order(
    shop: Storefront, gateway: ScriptedGateway
) -> None:
    """ORA-PAY.1: the ticket asks for the transaction `null`."""
    shop.payment(1, created=OLD)
    shop.payment(2, created=OLD, gateway=None, transaction="pay_2")
    shop.payment(3, created=OLD, gateway=None)
    gateway.plan = {"order_1": [captured(1)], "pay_2": [says(paid("pay_2", None))]}

    shop.run("payments", at=NOON)

    assert sorted(gateway.asked) == ["order_1", "pay_2"]
    assert shop.payments() == {1: "CAPTURED", 2: "CAPTURED", 3: "PENDING"}


@pytest.mark.parametrize(
    "trouble",
    [answers(500), answers(502), answers(504), cuts(), cuts(b"HTTP/1.1 200 OK\r\ncontent-le"), answers(400)],
    ids=["500", "502", "504", "cut", "cut in the head", "400"],
)
def test_g1_trouble_with_one_payment_stops_no_other(
    shop: Storefront, gateway: ScriptedGateway, trouble: Behaviour
) -> None:
    """G1: the row is untouched, and asked about again five minutes later."""
    pending(shop, 1, 2, 3)
    gateway.plan = {"order_1": [trouble, captured(1)], "order_2": [captured(2)], "order_3": [captured(3)]}

    shop.run("payments", at=NOON)
    assert shop.payments() == {1: "PENDING", 2: "CAPTURED", 3: "CAPTURED"}
    assert (checks(shop)[1], shop.orders()[1]) == (1, "PENDING")

    shop.run("payments", at=later(NOON, minutes=10))
    assert shop.payments()[1] == "CAPTURED"


def test_g2_an_answer_that_never_comes_is_given_up_and_the_others_go_on(
    engine: Engine, gateway: ScriptedGateway
) -> None:
    """G2: the gateway accepts the question and stays silent."""
    shop = open_storefront(engine, gateway_url=gateway.url, gateway_timeout="3s")
    pending(shop, 1)
    gateway.plan = {"order_1": [silent()]}

    run = shop.run("payments", at=NOON)

    assert run.state == "succeeded"
    assert (shop.payments(), checks(shop)) == ({1: "PENDING"}, {1: 1})


WRONG = {
    "no JSON": answers(200, b"<html>hello</html>"),
    "nothing": answers(200),
    "a list": says([1, 2]),
    "a text": says("captured"),
    "null": says(None),
    "no items": says({"entity": "collection"}),
    "items that are none": says({"items": "captured"}),
    "an item that is none": says({"items": [7]}),
    "no payments": says_payments(),
    "another currency": says_payments(paid("pay_1", "order_1", currency="USD")),
    "another amount": says_payments(paid("pay_1", "order_1", amount=100)),
    "an amount as text": says_payments(paid("pay_1", "order_1", amount="1000")),
    "an amount with a fraction": says_payments(paid("pay_1", "order_1", amount=1000.5)),
    "another order": says_payments(paid("pay_1", "order_9")),
    "no id": says_payments(paid("", "order_1")),
    "an unknown state": says_payments(paid("pay_1", "order_1", status="settled")),
    "created": says_payments(paid("pay_1", "order_1", status="created")),
    "refunded": says_payments(paid("pay_1", "order_1", status="refunded")),
    "deep": answers(200, b"[" * 100_000),
}


@pytest.mark.parametrize("said", WRONG.values(), ids=WRONG.keys())
def test_g3_what_is_not_understood_is_neither_paid_nor_failed(
    shop: Storefront, gateway: ScriptedGateway, said: Behaviour
) -> None:
    """G3"""
    pending(shop, 1)
    gateway.plan = {"order_1": [said]}

    shop.run("payments", at=NOON)

    assert (shop.payments(), shop.orders(), shop.stock()) == ({1: "PENDING"}, {1: "PENDING"}, {7: 100})
    assert (shop.sent(), shop.holds(), checks(shop)) == ([], [1], {1: 1})


@pytest.mark.parametrize("status", [401, 403])
def test_g5_revoked_credentials_stop_the_calls_and_cost_nobody_an_attempt(
    shop: Storefront, gateway: ScriptedGateway, status: int
) -> None:
    """G5: no storm of questions."""
    pending(shop, *range(1, 11))
    gateway.plan = {f"order_{number}": [answers(status)] for number in range(1, 11)}

    shop.run("payments", at=NOON)
    first = len(gateway.asked)
    shop.run("payments", at=later(NOON, minutes=10))

    assert first <= 4
    assert len(gateway.asked) == first
    assert set(checks(shop).values()) == {0}


def test_g6_a_gateway_that_asks_for_rest_gets_it(shop: Storefront, gateway: ScriptedGateway) -> None:
    """G6"""
    pending(shop, *range(1, 9))
    gateway.plan = {f"order_{number}": [answers(429, retry_after="3600")] for number in range(1, 9)}

    shop.run("payments", at=NOON)
    first = len(gateway.asked)
    shop.run("payments", at=later(NOON, minutes=10))

    assert first <= 4
    assert len(gateway.asked) == first
    assert set(checks(shop).values()) == {0}


def test_g7_a_redirect_is_not_followed_and_the_key_goes_nowhere_else(
    shop: Storefront, gateway: ScriptedGateway
) -> None:
    """G7"""
    pending(shop, 1)
    with scripted_gateway() as elsewhere:
        gateway.plan = {"order_1": [redirects(f"{elsewhere.url}/v1/orders/order_1/payments", 307)]}
        elsewhere.plan = {"order_1": [captured(1)]}

        shop.run("payments", at=NOON)

        assert (elsewhere.asked, elsewhere.keys) == ([], [])
    assert shop.payments() == {1: "PENDING"}


def test_ora_pay_1_failed_then_captured_two_hours_later(shop: Storefront, gateway: ScriptedGateway) -> None:
    """ORA-PAY.1: failed is not final; the order stays payable, and its holds are let go by their own time only."""
    pending(shop, 1)
    failed = says_payments(paid("pay_1", "order_1", status="failed"))
    gateway.plan = {"order_1": [failed, failed, captured(1)]}

    shop.run("payments", at=NOON)
    assert (shop.payments(), shop.orders(), shop.holds()) == ({1: "PENDING"}, {1: "PENDING"}, [1])
    assert shop.column(shop.own.payments, "gateway_status") == {1: "failed"}
    for minutes in (10, 20, 130):
        shop.run("payments", at=later(NOON, minutes=minutes))

    assert len(gateway.asked) == 3
    assert (shop.payments(), shop.orders()) == ({1: "CAPTURED"}, {1: "PROCESSING"})


def test_ora_pay_1_a_second_attempt_that_was_captured_counts(shop: Storefront, gateway: ScriptedGateway) -> None:
    """ORA-PAY.1: the shop heard only of the first one."""
    pending(shop, 1)
    shop.change(shop.own.payments, 1, transaction_id="pay_0")
    both = says_payments(paid("pay_0", "order_1", status="failed"), paid("pay_1", "order_1"))
    gateway.plan = {"order_1": [both]}

    shop.run("payments", at=NOON)

    assert shop.column(shop.own.payments, "transaction_id") == {1: "pay_1"}


def test_ora_pay_1_captured_twice_pays_once_and_the_second_goes_back(
    shop: Storefront, gateway: ScriptedGateway
) -> None:
    """ORA-PAY.1"""
    pending(shop, 1)
    gateway.plan = {"order_1": [says_payments(paid("pay_1", "order_1"), paid("pay_2", "order_1"))]}

    shop.run("payments", at=NOON)

    assert (shop.payments(), shop.stock()) == ({1: "CAPTURED"}, {7: 99})
    assert [row.payload["gateway_payment_id"] for row in shop.sent("payment_refund_due")] == ["pay_2"]


def test_ora_pay_1_money_that_is_authorised_is_captured_and_then_confirmed(
    shop: Storefront, gateway: ScriptedGateway
) -> None:
    """ORA-PAY.1"""
    pending(shop, 1)
    gateway.plan = {
        "order_1": [says_payments(paid("pay_1", "order_1", status="authorized"))],
        "pay_1/capture": [says(paid("pay_1", "order_1"))],
    }

    shop.run("payments", at=NOON)

    assert gateway.asked == ["order_1", "pay_1/capture"]
    assert shop.payments() == {1: "CAPTURED"}


def test_ora_pay_1_a_capture_whose_answer_was_lost_is_asked_about_before_anything_else(
    shop: Storefront, gateway: ScriptedGateway
) -> None:
    """ORA-PAY.1, G1: never captured a second time."""
    pending(shop, 1)
    authorized = says_payments(paid("pay_1", "order_1", status="authorized"))
    gateway.plan = {"order_1": [authorized, captured(1)], "pay_1/capture": [cuts()]}

    shop.run("payments", at=NOON)
    shop.run("payments", at=later(NOON, minutes=10))

    assert gateway.asked == ["order_1", "pay_1/capture", "order_1"]
    assert (shop.payments(), checks(shop)) == ({1: "CAPTURED"}, {1: 2})


def test_ora_pay_1_a_shop_that_captures_by_itself_is_left_alone(engine: Engine, gateway: ScriptedGateway) -> None:
    """ORA-PAY.1"""
    shop = open_storefront(engine, gateway_url=gateway.url, capture=False)
    pending(shop, 1)
    gateway.plan = {"order_1": [says_payments(paid("pay_1", "order_1", status="authorized"))]}

    shop.run("payments", at=NOON)

    assert (gateway.asked, shop.payments()) == (["order_1"], {1: "PENDING"})


def test_ora_pay_1_captured_after_the_order_was_cancelled_goes_back(shop: Storefront, gateway: ScriptedGateway) -> None:
    """ORA-PAY.1"""
    pending(shop, 1)
    shop.change(shop.own.orders, 1, status="CANCELLED")
    gateway.plan = {"order_1": [captured(1)]}

    shop.run("payments", at=NOON)

    assert (shop.payments(), shop.stock()) == ({1: "refund_due"}, {7: 100})
    assert [row.payload["why"] for row in shop.sent("payment_refund_due")] == ["the order is CANCELLED"]


def through_days(shop: Storefront, days: int) -> None:
    """The job every few hours, for that long."""
    for hour in range(0, days * 24, 6):
        shop.run("payments", at=later(NOON, hours=hour))


def test_ora_pay_1_unknown_for_three_days_is_for_a_person_to_review(shop: Storefront, gateway: ScriptedGateway) -> None:
    """ORA-PAY.1: asked after 5 minutes, an hour, then daily; after 73 hours `needs_review`, and loud, once."""
    pending(shop, 1)
    gateway.plan = {"order_1": [answers(500)]}

    through_days(shop, 7)

    assert shop.payments() == {1: "needs_review"}
    assert 5 <= len(gateway.asked) <= 8
    (message,) = shop.sent("payment_needs_review")
    assert (message.payload["payment_id"], message.payload["gateway_order_id"]) == (1, "order_1")


def test_ora_pay_1_failed_for_three_days_is_failed(shop: Storefront, gateway: ScriptedGateway) -> None:
    """ORA-PAY.1: then no bank lets it through any more, and nobody need look."""
    pending(shop, 1)
    gateway.plan = {"order_1": [says_payments(paid("pay_1", "order_1", status="failed"))]}

    through_days(shop, 7)

    assert (shop.payments(), shop.sent()) == ({1: "FAILED"}, [])


def test_no_key_of_the_gateway_is_left_behind(shop: Storefront, gateway: ScriptedGateway) -> None:
    """G5: sent with each question, and in no table, message or text of a setting."""
    pending(shop, 1, 2)
    gateway.plan = {"order_1": [answers(401, b"qXcanaryX7")], "order_2": [answers(500, b"qXcanaryX7")]}

    shop.run("payments", at=NOON)

    assert gateway.keys[0].startswith("Basic ")
    assert "qXcanaryX7" not in str(shop.dump())
    assert "qXcanaryX7" not in repr(shop.options)
    assert "rzp_test_key" not in str(shop.dump())


def test_a_gateway_without_a_key_is_not_asked_and_costs_nobody_an_attempt(
    engine: Engine, gateway: ScriptedGateway
) -> None:
    """G5: it rests, and says what has to be set."""
    shop = open_storefront(engine, gateway_url=gateway.url, gateway_secret="")
    pending(shop, 1)

    shop.run("payments", at=NOON)

    assert (gateway.asked, checks(shop), shop.payments()) == ([], {1: 0}, {1: "PENDING"})
    assert "gateway_key and gateway_secret are not set" in str(shop.dump())


def test_a_dry_run_asks_nobody(shop: Storefront, gateway: ScriptedGateway) -> None:
    """ORA-PAY.1"""
    pending(shop, 1)
    before = shop.dump()

    assert shop.preview("payments", at=NOON).total.picked == 1

    assert (gateway.asked, shop.dump()) == ([], before)


def test_no_more_than_twenty_payments_are_asked_about_in_ten_minutes(
    shop: Storefront, gateway: ScriptedGateway
) -> None:
    """ORA-PAY.1, G5: the option `gateway_rate`."""
    pending(shop, *range(1, 31))

    shop.run("payments", at=NOON)

    assert 1 <= len(gateway.asked) <= 20
    assert sum(checks(shop).values()) == len(gateway.asked)
