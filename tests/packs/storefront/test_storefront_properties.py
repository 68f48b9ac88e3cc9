"""Random shops at random times: holds, low stock and money go as a plain model says, and twice is once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert

from sexton import Counts
from sexton.packs.storefront.gateway import GatewayPayment
from sexton.packs.storefront.payments import confirm
from sexton.packs.storefront.stock import free_pieces
from tests.support.market import at
from tests.support.storefront import Storefront, open_storefront

pytestmark = pytest.mark.slow

NOW = at("2026-06-15 12:00")
TICK = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
USER = {"id": 1, "email": "", "name": "", "is_verified": True, "created_at": NOW}
FEW = settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
FEWER = settings(FEW, max_examples=3)

NEAR_NOW = st.sampled_from([-60 * MINUTE, -TICK, TICK * 0, TICK, 10 * MINUTE]).map(lambda offset: NOW + offset)
NEAR_WINDOW = st.sampled_from([-60 * MINUTE, -15 * MINUTE - TICK, -15 * MINUTE, -15 * MINUTE + TICK, TICK * 0])


@dataclass(frozen=True)
class Held:
    """A hold of an order, which is being paid since `paying`, or is not."""

    number: int
    product: int
    pieces: int
    expires: datetime
    paying: datetime | None
    state: str

    def live(self, now: datetime) -> bool:
        """Whether its pieces are not free."""
        settling = self.paying is not None and self.state == "PENDING" and self.paying >= now - 15 * MINUTE
        return self.expires >= now or settling


@st.composite
def holds(draw: st.DrawFn) -> list[Held]:
    """Up to eight holds on three products."""
    return [
        Held(
            number,
            draw(st.integers(1, 3)),
            draw(st.integers(1, 4)),
            draw(NEAR_NOW),
            draw(st.none() | NEAR_WINDOW.map(lambda offset: NOW + offset)),
            draw(st.sampled_from(["PENDING", "PENDING", "FAILED", "CAPTURED"])),
        )
        for number in range(1, draw(st.integers(0, 8)) + 1)
    ]


def product(number: int, stock: int, active: bool = True) -> dict[str, Any]:
    """A row."""
    return {"id": number, "name": f"Product {number}", "stock": stock, "is_active": active}


def order(number: int, status: str = "PENDING") -> dict[str, Any]:
    """A row."""
    row = {"id": number, "order_number": f"N{number}", "user_id": 1, "status": status, "total_amount": 1000}
    return row | {"currency": "INR", "created_at": NOW}


def payment(number: int, created: datetime, status: str = "PENDING") -> dict[str, Any]:
    """A row."""
    row = {"id": number, "order_id": number, "gateway_order_id": f"order_{number}", "status": status}
    return row | {"amount": 1000, "currency": "INR", "created_at": created}


def load_holds(shop: Storefront, held: list[Held], stock: int) -> None:
    """Empty all tables, and put these in."""
    own = shop.own
    paying = [one for one in held if one.paying is not None]
    shop.refill(
        {
            own.users: [USER],
            own.products: [product(number, stock) for number in (1, 2, 3)],
            own.orders: [order(one.number) for one in held],
            own.payments: [payment(one.number, one.paying, one.state) for one in paying if one.paying is not None],
            own.inventory_locks: [
                {
                    "id": one.number,
                    "product_id": one.product,
                    "order_id": one.number,
                    "quantity": one.pieces,
                    "expires_at": one.expires,
                }
                for one in held
            ],
        }
    )


def check_holds(shop: Storefront, held: list[Held], stock: int) -> None:
    """What is free is the same before and after the job, and what the model says."""
    load_holds(shop, held, stock)
    live = [one for one in held if one.live(NOW)]
    expected = {number: stock - sum(one.pieces for one in live if one.product == number) for number in (1, 2, 3)}

    def free() -> dict[Any, int]:
        with shop.engine.connect() as connection:
            return free_pieces(connection, shop.options, [1, 2, 3], at=NOW)

    assert free() == expected
    predicted = shop.preview("holds", at=NOW)
    assert shop.run("holds", at=NOW).steps == predicted.steps
    assert shop.holds() == [one.number for one in live]
    assert free() == expected
    assert shop.run("holds", at=NOW).total == Counts()


@dataclass
class Low:
    """What the model knows about a product."""

    stock: int
    active: bool
    since: datetime | None = None
    told: datetime | None = None

    def look(self, now: datetime) -> bool:
        """Whether it is told about now."""
        if self.since is not None and (self.stock > 7 or not self.active):
            self.since = self.told = None
        if self.since is None and self.active and self.stock <= 5:
            self.since = now
        if self.since is not None and (self.told is None or self.told <= now - timedelta(days=1)):
            self.told = now
            return True
        return False


CHANGES = st.dictionaries(st.integers(1, 3), st.tuples(st.integers(3, 9), st.sampled_from([True] * 4 + [False])))


def check_low_stock(shop: Storefront, changes: list[tuple[int, dict[int, tuple[int, bool]]]]) -> None:
    """changes: hours that pass, and what each product is then."""
    shop.refill({shop.own.products: [product(number, 9) for number in (1, 2, 3)]})
    model, now, expected = {number: Low(9, True) for number in (1, 2, 3)}, NOW, []
    for hours, changed in changes:
        now += timedelta(hours=hours)
        for number, (stock, active) in changed.items():
            model[number].stock, model[number].active = stock, active
            shop.change(shop.own.products, number, stock=stock, is_active=active)
        told = [number for number, one in model.items() if one.look(now)]
        expected += [told] if told else []

        predicted = shop.preview("low stock", at=now)
        assert shop.run("low stock", at=now).steps == predicted.steps
        shop.run("low stock", at=now)

    sent = shop.sent("LOW_STOCK_ALERT")
    assert [[item["product_id"] for item in row.payload["items"]] for row in sent] == expected


Deed = tuple[str, int, int]
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["pay", "pay", "pay again", "hold", "release", "cancel"]), st.integers(1, 4), st.integers(1, 2)
    ),
    max_size=12,
)


def check_money(shop: Storefront, deeds: list[Deed], stock: int) -> None:
    """Pieces are taken only by confirmed orders, never more than there are; all money is used or goes back, once."""
    own = shop.own
    shop.refill(
        {
            own.users: [USER],
            own.products: [product(1, stock)],
            own.orders: [order(number) for number in range(1, 5)],
            own.order_items: [
                {"order_id": number, "product_id": 1, "quantity": number % 2 + 1} for number in range(1, 5)
            ],
            own.payments: [payment(number, NOW) for number in range(1, 5)],
        }
    )
    told: dict[tuple[str, int], str] = {}
    for place, (deed, number, pieces) in enumerate(deeds):
        if deed in ("pay", "pay again"):
            said = pay(shop, deed, number)
            before = told.setdefault((deed, number), said)
            assert said == {"confirmed": "already", "already": "already", "refund": "refund"}[before] or said == before
        status = shop.orders()[number]
        with shop.engine.begin() as connection:
            if deed == "hold":
                row = {"id": place + 1, "product_id": 1, "quantity": pieces, "expires_at": NOW + MINUTE}
                connection.execute(insert(own.inventory_locks).values(row))
            elif deed == "release":
                connection.execute(delete(own.inventory_locks))
            elif deed == "cancel" and status == "PENDING":
                connection.execute(own.orders.update().where(own.orders.c.id == number).values(status="CANCELLED"))
    confirmed = [number for (_, number), said in told.items() if said == "confirmed"]
    refunded = [key for key, said in told.items() if said == "refund"]
    assert shop.stock()[1] == stock - sum(number % 2 + 1 for number in confirmed) >= 0
    assert len(confirmed) == len(set(confirmed)) == len(shop.sent("ORDER_CONFIRMED"))
    assert len(refunded) == len(shop.sent("payment_refund_due"))


def pay(shop: Storefront, deed: str, number: int) -> str:
    """The gateway tells of a payment of the order, the first or a second one."""
    paid = GatewayPayment(f"pay_{number}", f"order_{number}", "captured", 1000, "INR")
    if deed == "pay again":
        paid = replace(paid, id=f"pay_{number}_again")
    with shop.engine.begin() as connection:
        return confirm(connection, shop.options, number, paid, at=NOW)


def every(shop: Storefront, how: settings) -> None:
    """All three comparisons, on one database."""

    @how
    @given(holds(), st.integers(0, 20))
    def compare_holds(held: list[Held], stock: int) -> None:
        check_holds(shop, held, stock)

    @how
    @given(st.lists(st.tuples(st.sampled_from([1, 5, 23, 24, 25]), CHANGES), min_size=1, max_size=6))
    def compare_low_stock(changes: list[tuple[int, dict[int, tuple[int, bool]]]]) -> None:
        check_low_stock(shop, changes)

    @how
    @given(DEEDS, st.integers(0, 6))
    def compare_money(deeds: list[Deed], stock: int) -> None:
        check_money(shop, deeds, stock)

    compare_holds()
    compare_low_stock()
    compare_money()


@pytest.mark.databases("sqlite")
def test_holds_low_stock_and_money_go_as_the_model_says(engine: Engine) -> None:
    """ORA-INV.1, ORA-INV.2, ORA-PAY.1, ORA-BP.3"""
    every(open_storefront(engine), FEW)


@pytest.mark.databases("postgres")
def test_holds_low_stock_and_money_go_as_the_model_says_on_postgresql_too(engine: Engine) -> None:
    """ORA-INV.1, ORA-INV.2, ORA-PAY.1, ORA-BP.3"""
    every(open_storefront(engine), FEWER)
