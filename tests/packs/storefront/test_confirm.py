"""Money that has come in is taken in once, whoever tells of it, and never for stock that is not there (ORA-PAY.1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sexton import SextonError
from sexton.packs.storefront.gateway import GatewayPayment
from sexton.packs.storefront.payments import confirm, handle_failed, payment_of
from tests.support.market import at
from tests.support.storefront import Storefront

NOON = at("2026-06-15 12:00")
PAID = GatewayPayment("pay_1", "order_1", "captured", 1000, "INR")


def take_in(shop: Storefront, paid: GatewayPayment = PAID, payment: int = 1) -> str:
    """What `confirm` says."""
    with shop.engine.begin() as connection:
        return confirm(connection, shop.options, payment, paid, at=NOON)


def refunds(shop: Storefront) -> list[tuple[Any, str]]:
    """What has to go back, and why."""
    return [(row.payload["gateway_payment_id"], row.payload["why"]) for row in shop.sent("payment_refund_due")]


def test_ora_pay_1_a_captured_payment_settles_order_and_stock_once(shop: Storefront) -> None:
    """ORA-PAY.1, G4: as often as it is told."""
    shop.product(7, stock=10)
    shop.order(1, items={7: 2})
    shop.hold(1, product=7, pieces=2, order=1, expires="2026-06-15 12:10")
    shop.payment(1)

    assert [take_in(shop) for _ in range(3)] == ["confirmed", "already", "already"]

    assert (shop.payments(), shop.orders(), shop.stock(), shop.holds()) == (
        {1: "CAPTURED"},
        {1: "PROCESSING"},
        {7: 8},
        [],
    )
    assert shop.column(shop.own.payments, "transaction_id") == {1: "pay_1"}
    assert [row.event_type for row in shop.sent()] == ["ORDER_CONFIRMED"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"currency": "USD"},
        {"amount": 999},
        {"amount": 1001},
        {"order": "order_2"},
        {"status": "authorized"},
        {"status": "failed"},
        {"status": "refunded"},
    ],
    ids=str,
)
def test_g3_money_that_is_not_the_expected_money_changes_nothing(shop: Storefront, wrong: dict[str, Any]) -> None:
    """G3: neither paid nor failed."""
    shop.order(1, items={7: 1})
    shop.payment(1)
    before = shop.dump()

    assert take_in(shop, replace(PAID, **wrong)) == "mismatch"

    assert shop.dump() == before


def test_a_payment_without_a_gateway_order_is_known_by_its_own_id_alone(shop: Storefront) -> None:
    """ORA-PAY.1, G3"""
    shop.payment(1, gateway=None, transaction="pay_1")
    shop.payment(2, gateway=None)

    assert take_in(shop, replace(PAID, order="")) == "confirmed"
    assert take_in(shop, replace(PAID, order=""), payment=2) == "mismatch"


def test_a_payment_captured_after_its_holds_lapsed_takes_pieces_that_are_still_free(shop: Storefront) -> None:
    """ORA-PAY.1, ORA-INV.1"""
    shop.product(7, stock=2)
    shop.order(1, items={7: 2})
    shop.hold(1, product=7, pieces=2, order=1, expires="2026-06-15 11:00")
    shop.payment(1, created="2026-06-15 10:00")
    shop.run("holds", at="2026-06-15 11:30")

    assert take_in(shop) == "confirmed"
    assert shop.stock() == {7: 0}


@pytest.mark.parametrize(("stock", "held"), [(1, 0), (2, 1), (0, 0)], ids=str)
def test_a_payment_whose_pieces_are_gone_goes_back_and_stock_is_never_negative(
    shop: Storefront, stock: int, held: int
) -> None:
    """ORA-PAY.1, ORA-INV.1: what another customer holds is gone, too; what this order still held is free again."""
    shop.product(7, stock=stock)
    shop.product(8, stock=5)
    shop.order(1, items={7: 2, 8: 1})
    shop.hold(1, product=8, order=1, expires="2026-06-15 12:10")
    if held:
        shop.hold(2, product=7, pieces=held, expires="2026-06-15 12:10")
    shop.payment(1)

    assert [take_in(shop), take_in(shop)] == ["refund", "refund"]

    assert (shop.payments(), shop.orders(), shop.stock()) == (
        {1: "refund_due"},
        {1: "CANCELLED"},
        {7: stock, 8: 5},
    )
    assert shop.holds() == ([2] if held else [])
    assert refunds(shop) == [("pay_1", "a product of the order is sold out")]
    assert [row.event_type for row in shop.sent()] == ["ORDER_CANCELLED", "payment_refund_due"]


@pytest.mark.parametrize("status", ["CANCELLED", "EXPIRED", "PROCESSING"])
def test_money_for_an_order_that_is_cancelled_expired_or_paid_already_goes_back(shop: Storefront, status: str) -> None:
    """ORA-PAY.1"""
    shop.product(7, stock=3)
    shop.order(1, status=status, items={7: 1})
    shop.payment(1)

    assert take_in(shop) == "refund"

    assert (shop.payments(), shop.orders(), shop.stock()) == ({1: "refund_due"}, {1: status}, {7: 3})
    assert refunds(shop) == [("pay_1", f"the order is {status}")]


def test_money_that_came_twice_for_one_order_goes_back_once(shop: Storefront) -> None:
    """ORA-PAY.1: two payments of the gateway, both captured."""
    shop.product(7, stock=3)
    shop.order(1, items={7: 1})
    shop.payment(1)
    second = replace(PAID, id="pay_2")

    told = [take_in(shop, paid) for paid in (PAID, second, second, PAID)]

    assert told == ["confirmed", "refund", "refund", "already"]
    assert (shop.payments(), shop.stock()) == ({1: "CAPTURED"}, {7: 2})
    assert refunds(shop) == [("pay_2", "the order is paid already")]


def test_ora_pay_1_failed_is_not_the_end(shop: Storefront) -> None:
    """ORA-PAY.1: noted, the order stays payable and keeps its holds, and what is captured later counts."""
    shop.order(1, items={7: 1})
    shop.hold(1, product=7, order=1, expires="2026-06-15 12:10")
    shop.payment(1)

    with shop.engine.begin() as connection:
        assert handle_failed(connection, shop.options, 1)
    assert (shop.payments(), shop.orders(), shop.holds()) == ({1: "PENDING"}, {1: "PENDING"}, [1])
    assert shop.column(shop.own.payments, "gateway_status") == {1: "failed"}

    assert take_in(shop) == "confirmed"
    with shop.engine.begin() as connection:
        assert not handle_failed(connection, shop.options, 1)
    assert shop.payments() == {1: "CAPTURED"}


@pytest.mark.parametrize("status", ["FAILED", "needs_review"])
def test_a_payment_that_was_given_up_is_taken_in_when_its_money_comes(shop: Storefront, status: str) -> None:
    """ORA-PAY.1"""
    shop.order(1, items={7: 1})
    shop.payment(1, status=status)

    assert take_in(shop) == "confirmed"


def test_the_webhook_finds_our_payment_by_the_gateways_order(shop: Storefront) -> None:
    """ORA-PAY.1: the latest, where a second attempt has a row of its own."""
    shop.payment(1, gateway="order_x", created="2026-06-15 10:00")
    shop.payment(2, order=1, gateway="order_x", created="2026-06-15 11:00")

    with shop.engine.connect() as connection:
        assert payment_of(connection, shop.options, "order_x") == 2
        assert payment_of(connection, shop.options, "order_y") is None


def test_a_payment_that_is_not_there_is_an_error(shop: Storefront) -> None:
    """ORA-PAY.1"""
    with pytest.raises(SextonError, match="there is no payment 5"):
        take_in(shop, payment=5)
