"""What customers are told when their order changes: a row and a message, once a state (ORA-NTF.1, ORA-PAY.2)."""

from __future__ import annotations

import logging

import pytest

from sexton import SextonError
from sexton.packs.storefront.order_notices import ORDER_NOTICES, order_status_changed
from tests.support.market import at
from tests.support.storefront import Storefront

NOON = at("2026-06-15 12:00")


def changed(shop: Storefront, status: str, order: int = 1) -> bool:
    """The order comes to a state."""
    with shop.engine.begin() as connection:
        return order_status_changed(connection, shop.options, order, status, at=NOON)


@pytest.mark.parametrize("status", ["PLACED", "CONFIRMED", "SHIPPED", "DELIVERED", "CANCELLED", "RETURN_APPROVED"])
def test_ora_ntf_1_each_of_the_six_states_gives_a_row_and_a_message_once(shop: Storefront, status: str) -> None:
    """ORA-NTF.1"""
    shop.order(1, user=9)

    assert changed(shop, status)
    assert not changed(shop, status)

    (row,), (message,) = shop.notices(), shop.sent()
    assert (row.user_id, row.type, row.is_read, row.created_at) == (9, message.event_type, False, NOON)
    assert row.metadata == {"orderId": 1, "orderNumber": "N1"}
    assert (row.title, row.message) == (message.payload["title"], message.payload["text"])
    assert "N1" in row.message
    assert message.recipient == "9"
    assert shop.effects() == [f"order:1:{status}"]


def test_ora_pay_2_the_confirmation_says_number_total_items_and_delivery(shop: Storefront) -> None:
    """ORA-PAY.2: five days from the confirmation, unless the shop says otherwise."""
    shop.order(1, total=129900, items={7: 2, 8: 1})

    changed(shop, "CONFIRMED")

    (message,) = shop.sent("ORDER_CONFIRMED")
    said = {name: message.payload[name] for name in ("order_number", "total", "currency", "estimated_delivery")}
    assert said == {"order_number": "N1", "total": 129900, "currency": "INR", "estimated_delivery": "2026-06-20"}
    assert message.payload["items"] == [{"name": "Product 7", "quantity": 2}, {"name": "Product 8", "quantity": 1}]


def test_ora_ntf_1_a_shipped_order_names_its_tracking_number_if_it_has_one(shop: Storefront) -> None:
    """ORA-NTF.1: the ticket's own code says "undefined" where it has none."""
    shop.order(1, tracking="TRK-5")
    shop.order(2)

    changed(shop, "SHIPPED", 1)
    changed(shop, "SHIPPED", 2)

    first, second = [row.message for row in shop.notices()]
    assert "TRK-5" in first
    assert "None" not in second
    assert "racking" not in second


def test_ora_ntf_1_an_unknown_state_tells_nobody_and_is_logged(
    shop: Storefront, caplog: pytest.LogCaptureFixture
) -> None:
    """ORA-NTF.1"""
    shop.order(1)

    with caplog.at_level(logging.WARNING, logger="sexton.storefront"):
        assert not changed(shop, "LOST")

    assert (shop.notices(), shop.sent()) == ([], [])
    assert "'LOST'" in caplog.text


def test_ora_ntf_1_what_is_rolled_back_was_never_told(shop: Storefront) -> None:
    """ORA-NTF.1: the notice is in the transaction that changes the order."""
    shop.order(1)

    with shop.engine.connect() as connection:
        assert order_status_changed(connection, shop.options, 1, "SHIPPED", at=NOON)
        connection.rollback()

    assert (shop.notices(), shop.sent(), shop.effects()) == ([], [], [])
    assert changed(shop, "SHIPPED")


def test_an_order_that_is_not_there_is_an_error(shop: Storefront) -> None:
    """ORA-NTF.1"""
    with pytest.raises(SextonError, match="there is no order 5"):
        changed(shop, "PLACED", 5)


def test_ora_ntf_1_there_are_texts_for_exactly_the_states_of_the_ticket() -> None:
    """ORA-NTF.1: the ticket lists six and has texts for three."""
    assert [notice.event for notice in ORDER_NOTICES.values()] == [
        "ORDER_PLACED",
        "ORDER_CONFIRMED",
        "ORDER_SHIPPED",
        "ORDER_DELIVERED",
        "ORDER_CANCELLED",
        "RETURN_APPROVED",
    ]
