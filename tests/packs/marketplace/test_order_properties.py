"""Random orders, payments and stock at random times: the job does what the plain model does, once, as it predicted."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from sexton import Counts
from tests.support.market import NOW, Market, at, open_market

from .models import DAY, HOLDS, Order, Orders

pytestmark = pytest.mark.slow

TICK = timedelta(microseconds=1)
EDGES = [-days * DAY + tick for days in (4, 5, 6, 9, 10, 11) for tick in (-TICK, TICK * 0, TICK)]
CREATED = st.one_of(st.sampled_from(EDGES), st.timedeltas(-20 * DAY, DAY)).map(lambda offset: at(NOW) + offset)
STATES = st.sampled_from(["pending"] * 6 + ["expired", "cancelled"])
LATER = st.sampled_from([timedelta(0), TICK, timedelta(minutes=59), timedelta(hours=1), DAY, 2 * DAY, 6 * DAY])
ITEMS = st.dictionaries(st.integers(1, 4), st.integers(1, 3), max_size=3)


@st.composite
def worlds(draw: st.DrawFn) -> Orders:
    """Up to 12 orders of 6 parents; three products have a stock row, one of them sometimes too little."""
    orders = {
        number: Order(number, draw(st.integers(1, 6)), draw(STATES), draw(CREATED), draw(ITEMS))
        for number in range(1, draw(st.integers(1, 12)) + 1)
    }
    parents = {number: draw(st.sampled_from(["pending"] * 4 + ["cancelled"])) for number in range(1, 7)}
    payment = st.tuples(st.integers(1, 6), st.sampled_from(["failed", "cancelled", *HOLDS]))
    stock = {1: 100, 2: 100, 3: draw(st.sampled_from([100, 100, 2]))}
    return Orders(orders, parents, draw(st.lists(payment, max_size=3)), stock)


def load(shop: Market, world: Orders) -> None:
    """Empty all tables, and put the rows of `world` in."""
    own = shop.own
    orders = [
        {
            "id": order.number,
            "order_id": order.parent,
            "store_id": 7,
            "status": order.status,
            "created_at": order.created,
        }
        for order in world.orders.values()
    ]
    items = [
        {"vendor_order_id": order.number, "product_id": product, "quantity": pieces}
        for order in world.orders.values()
        for product, pieces in order.items.items()
    ]
    shop.refill(
        {
            own.orders: [{"id": n, "buyer_id": n, "status": status} for n, status in world.parents.items()],
            own.vendor_orders: orders,
            own.order_items: items,
            own.payments: [{"order_id": order, "status": status} for order, status in world.payments],
            own.inventory: [{"product_id": n, "available": 0, "reserved": held} for n, held in world.stock.items()],
        }
    )


def check(shop: Market, world: Orders, times: list[datetime]) -> None:
    """At each time: as predicted, as in the model, and nothing the second time."""
    load(shop, world)
    for time in sorted(times):
        before = shop.dump()
        predicted = shop.preview("orders", at=time)
        assert shop.dump() == before

        run = shop.run("orders", at=time)
        expected = world.run(time)

        assert {step: counts.picked for step, counts in run.steps.items()} == expected
        if not run.total.poison:  # what the database will refuse, no preview can know
            assert run.steps == predicted.steps
        assert shop.run("orders", at=time).total == Counts()
        assert shop.orders() == {number: order.status for number, order in world.orders.items()}
        assert shop.parents() == world.parents
        assert shop.stock() == world.stock
        assert shop.poison() == [("expire", number) for number in sorted(map(str, world.aside))]
        assert shop.messages() == world.messages


TIMES = st.lists(LATER.map(lambda offset: at(NOW) + offset), min_size=1, max_size=3)
FEW = settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
FEWER = settings(FEW, max_examples=2)


@pytest.mark.databases("sqlite")
def test_orders_go_as_the_model_says_twice_is_once_and_the_dry_run_knows(engine: Engine) -> None:
    """PF-138"""
    shop = open_market(engine)

    @FEW
    @given(worlds(), TIMES)
    def compare(world: Orders, times: list[datetime]) -> None:
        check(shop, world, times)

    compare()


@pytest.mark.databases("postgres")
def test_orders_go_as_the_model_says_on_postgresql_too(engine: Engine) -> None:
    """PF-138"""
    shop = open_market(engine)

    @FEWER
    @given(worlds(), TIMES)
    def compare(world: Orders, times: list[datetime]) -> None:
        check(shop, world, times)

    compare()
