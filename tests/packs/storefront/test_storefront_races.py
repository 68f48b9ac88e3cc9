"""Customers, webhooks and jobs at work on the same rows: whoever commits second sees the first (promise 5, G4)."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert, select, update

from sexton.db.connect import open_database
from sexton.packs.storefront.gateway import GatewayPayment
from sexton.packs.storefront.payments import confirm
from sexton.packs.storefront.stock import free_pieces
from sexton.runs.context import Limits
from sexton.testing.processes import wait_until
from tests.cli.shell import Shell
from tests.support.gateway import paid, says_payments, scripted_gateway
from tests.support.market import at
from tests.support.patience import PATIENCE
from tests.support.storefront import Storefront, open_storefront
from tests.support.waiters import somebody_waits

NOW = "2026-06-15 12:00"
PAID = GatewayPayment("pay_1", "order_1", "captured", 1000, "INR")
PATIENT = Limits(lock_wait=PATIENCE)

on_postgresql = pytest.mark.databases("postgres")


@contextmanager
def other_session(shop: Storefront) -> Iterator[Connection]:
    """A second transaction; rolled back at the end unless it was committed."""
    engine = open_database(shop.engine.url.render_as_string(hide_password=False))
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{PATIENCE:.0f}s'")
            yield connection
    finally:
        engine.dispose()


@contextmanager
def meanwhile(shop: Storefront, work: Callable[[], Any]) -> Iterator[Future[Any]]:
    """`work` in a thread; the block goes on once it waits for a lock, and it has ended after the block."""
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(work)
        assert wait_until(lambda: future.done() or somebody_waits(shop.engine), PATIENCE)
        yield future


def take_in(shop: Storefront, number: int = 1) -> str:
    """The webhook."""
    key = GatewayPayment(f"pay_{number}", f"order_{number}", "captured", 1000, "INR")
    with shop.engine.begin() as connection:
        return confirm(connection, shop.options, number, key, at=at(NOW))


@on_postgresql
def test_a_checkout_that_extends_its_hold_meanwhile_keeps_it(shop: Storefront) -> None:
    """ORA-INV.1"""
    holds = shop.own.inventory_locks
    shop.hold(1, product=7, expires="2026-06-15 11:00")
    shop.hold(2, product=7, expires="2026-06-15 11:00")

    with other_session(shop) as checkout:
        checkout.execute(update(holds).where(holds.c.id == 1).values(expires_at=at("2026-06-15 13:00")))
        with meanwhile(shop, lambda: shop.run("holds", limits=PATIENT, at=NOW)) as job:
            checkout.commit()

    assert job.result().state == "succeeded"
    assert shop.holds() == [1]


@on_postgresql
def test_a_payment_that_begins_meanwhile_keeps_the_hold_that_it_locked(shop: Storefront) -> None:
    """ORA-INV.1: whoever begins to pay locks the hold first."""
    holds = shop.own.inventory_locks
    shop.order(1)
    shop.hold(1, product=7, order=1, expires="2026-06-15 11:00")
    row = {"order_id": 1, "status": "PENDING", "amount": 1, "currency": "INR", "created_at": at(NOW)}

    with other_session(shop) as checkout:
        checkout.execute(select(holds.c.id).where(holds.c.id == 1).with_for_update())
        checkout.execute(insert(shop.own.payments).values(row))
        with meanwhile(shop, lambda: shop.run("holds", limits=PATIENT, at=NOW)) as job:
            checkout.commit()

    assert job.result().state == "succeeded"
    assert shop.holds() == [1]


@on_postgresql
def test_a_user_who_verifies_meanwhile_is_not_deleted(shop: Storefront) -> None:
    """ORA-USR"""
    users = shop.own.users
    shop.user(1, verified=False, created="2026-01-01")
    shop.user(2, verified=False, created="2026-01-01")

    with other_session(shop) as verification:
        verification.execute(update(users).where(users.c.id == 1).values(is_verified=True))
        with meanwhile(shop, lambda: shop.run("users", limits=PATIENT, at=NOW)) as job:
            verification.commit()

    assert job.result().state == "succeeded"
    assert shop.ids(users) == [1]


@on_postgresql
def test_the_last_piece_is_taken_once_when_a_hold_has_lapsed_and_two_payments_come(shop: Storefront) -> None:
    """ORA-PAY.1, ORA-INV.1: the second waits for the product, looks again, and its money goes back."""
    shop.product(7, stock=1)
    for number in (1, 2):
        shop.order(number, items={7: 1})
        shop.payment(number)

    with other_session(shop) as first:
        assert confirm(first, shop.options, 1, PAID, at=at(NOW)) == "confirmed"
        with meanwhile(shop, lambda: take_in(shop, 2)) as second:
            first.commit()

    assert second.result() == "refund"
    assert (shop.stock(), shop.orders()) == ({7: 0}, {1: "PROCESSING", 2: "CANCELLED"})


@on_postgresql
def test_a_hold_that_is_placed_meanwhile_is_seen(shop: Storefront) -> None:
    """ORA-PAY.1: the payment's own hold had lapsed, and another customer is faster."""
    shop.product(7, stock=1)
    shop.order(1, items={7: 1})
    shop.payment(1)
    hold = {"product_id": 7, "quantity": 1, "expires_at": at("2026-06-15 12:15")}

    with other_session(shop) as checkout:
        assert free_pieces(checkout, shop.options, [7], at=at(NOW), lock=True) == {7: 1}
        checkout.execute(insert(shop.own.inventory_locks).values(hold))
        with meanwhile(shop, lambda: take_in(shop)) as webhook:
            checkout.commit()

    assert webhook.result() == "refund"
    assert shop.stock() == {7: 1}


@on_postgresql
def test_g4_a_webhook_that_is_at_work_while_we_record_confirms_once(engine: Engine) -> None:
    """G4: the gateway has answered us, too; stock is taken once, the customer hears of it once."""
    with scripted_gateway() as gateway:
        shop = open_storefront(engine, gateway_url=gateway.url, gateway_timeout=f"{PATIENCE / 2:.0f}s")
        gateway.plan = {"order_1": [says_payments(paid("pay_1", "order_1"))]}
        shop.order(1, items={7: 1})
        shop.payment(1, created="2026-06-15 11:00")

        with other_session(shop) as webhook:
            told, asked = threading.Event(), gateway.plan["order_1"][0]

            def answer(client: Any, over: threading.Event) -> None:
                assert confirm(webhook, shop.options, 1, PAID, at=at(NOW)) == "confirmed"
                told.set()
                asked(client, over)

            gateway.plan["order_1"] = [answer]
            with ThreadPoolExecutor(1) as threads:
                job = threads.submit(shop.run, "payments", NOW, limits=PATIENT)
                assert told.wait(PATIENCE)
                assert wait_until(lambda: job.done() or somebody_waits(shop.engine), PATIENCE)
                webhook.commit()

    assert job.result().state == "succeeded"
    assert (shop.payments(), shop.orders(), shop.stock()) == ({1: "CAPTURED"}, {1: "PROCESSING"}, {7: 99})
    assert [row.event_type for row in shop.sent()] == ["ORDER_CONFIRMED"]


def test_g4_an_order_cancelled_while_the_gateway_is_asked_gets_its_money_back(engine: Engine) -> None:
    """G4, ORA-PAY.1: the payment row has moved as well: it is left as it is, and the refund is on record."""
    with scripted_gateway() as gateway:
        shop = open_storefront(engine, gateway_url=gateway.url, gateway_timeout=f"{PATIENCE / 2:.0f}s")
        says_captured = says_payments(paid("pay_1", "order_1"))

        def answer(client: Any, over: threading.Event) -> None:
            shop.change(shop.own.orders, 1, status="CANCELLED")
            shop.change(shop.own.payments, 1, status="CANCELLED")
            says_captured(client, over)

        gateway.plan = {"order_1": [answer]}
        shop.order(1, items={7: 1})
        shop.payment(1, created="2026-06-15 11:00")

        shop.run("payments", at=NOW)

    assert (shop.payments(), shop.stock()) == ({1: "refund_due"}, {7: 100})
    assert [row.payload["why"] for row in shop.sent("payment_refund_due")] == ["the order is CANCELLED"]


WEBHOOKS = """
import sys
from sexton.clock import parse_instant
from sexton.db.connect import open_database
from sexton.packs.storefront.gateway import GatewayPayment
from sexton.packs.storefront.options import StorefrontOptions
from sexton.packs.storefront.payments import confirm

url, orders = sys.argv[1], int(sys.argv[2])
engine, said = open_database(url), []
for number in range(1, orders + 1):
    paid = GatewayPayment(f"pay_{number}", f"order_{number}", "captured", 1000, "INR")
    with engine.begin() as connection:
        said.append(confirm(connection, StorefrontOptions(), number, paid, at=parse_instant("2026-06-15 12:00")))
engine.dispose()
print(" ".join(said))
"""


@pytest.mark.slow
@on_postgresql
def test_g4_two_processes_take_in_the_same_money_and_stock_adds_up(shop: Storefront) -> None:
    """G4, ORA-PAY.1: each order once, by one of them; of twelve pieces none is sold twice."""
    shop.product(7, stock=12)
    for number in range(1, 21):
        shop.order(number, items={7: 1})
        shop.payment(number)
    url = shop.engine.url.render_as_string(hide_password=False)

    command = [sys.executable, "-c", WEBHOOKS, url, "20"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=PATIENCE)[0].split() for process in processes]

    assert [process.returncode for process in processes] == [0, 0]
    confirmed = [pair for pair in zip(*said, strict=True) if "confirmed" in pair]
    assert len(confirmed) == 12
    assert all(sorted(pair) == ["already", "confirmed"] for pair in confirmed)
    assert (shop.stock(), len(shop.sent("ORDER_CONFIRMED"))) == ({7: 0}, 12)
    assert len(shop.sent("payment_refund_due")) == 8


SETTINGS = """
database = "{database}"
packs = ["storefront"]
[pack.storefront]
gateway_url = "{gateway}"
gateway_key = "key"
gateway_secret = "secret"
gateway_rate = "1000/10m"
gateway_timeout = "60s"
"""


@pytest.mark.slow
@on_postgresql
def test_g4_a_process_that_reconciles_and_one_that_takes_webhooks_settle_each_payment_once(
    shop: Storefront, tmp_path: Path
) -> None:
    """G4, ORA-PAY.1: `sexton run` in one process, the webhooks in another, about the same 20 payments."""
    shop.product(7, stock=12)
    url = shop.engine.url.render_as_string(hide_password=False)
    with scripted_gateway() as gateway:
        for number in range(1, 21):
            shop.order(number, items={7: 1})
            shop.payment(number, created="2026-06-15 11:00")
            gateway.plan[f"order_{number}"] = [says_payments(paid(f"pay_{number}", f"order_{number}"))]
        (tmp_path / "sexton.toml").write_text(SETTINGS.format(database=url, gateway=gateway.url))
        webhooks = subprocess.Popen([sys.executable, "-c", WEBHOOKS, url, "20"], stdout=subprocess.PIPE, text=True)
        job = Shell(tmp_path).sexton("run", "storefront.check_payments", "--now", "2026-06-15T12:00Z")
        webhooks.communicate(timeout=PATIENCE)

    assert (job.code, webhooks.returncode) == (0, 0), job.err
    states = list(shop.payments().values())
    assert (states.count("CAPTURED"), states.count("refund_due")) == (12, 8)
    assert (shop.stock(), len(shop.sent("ORDER_CONFIRMED")), len(shop.sent("payment_refund_due"))) == ({7: 0}, 12, 8)


@pytest.mark.slow
@on_postgresql
def test_two_processes_that_release_and_extend_holds_lose_none_that_was_extended(
    shop: Storefront, tmp_path: Path
) -> None:
    """ORA-INV.1: a checkout extends every second hold while the job runs; it is told which of them it still has."""
    shop.product(7, stock=1000)
    with shop.engine.begin() as connection:
        rows = [{"id": n, "product_id": 7, "quantity": 1, "expires_at": at("2026-06-15 11:00")} for n in range(1, 201)]
        connection.execute(insert(shop.own.inventory_locks), rows)
    url = shop.engine.url.render_as_string(hide_password=False)
    (tmp_path / "sexton.toml").write_text(f'database = "{url}"\npacks = ["storefront"]\n')

    checkout = subprocess.Popen([sys.executable, "-c", EXTEND, url], stdout=subprocess.PIPE, text=True)
    job = Shell(tmp_path).sexton("run", "storefront.release_stale_holds", "--now", "2026-06-15T12:00Z")
    extended = {int(word) for word in checkout.communicate(timeout=PATIENCE)[0].split()}

    assert (job.code, checkout.returncode) == (0, 0), job.err
    assert set(shop.holds()) == extended


EXTEND = """
import sys
from sqlalchemy import text
from sexton.db.connect import open_database

engine, kept = open_database(sys.argv[1]), []
for number in range(2, 201, 2):
    with engine.begin() as connection:
        extend = text("UPDATE inventory_locks SET expires_at = '2026-06-15 13:00Z' WHERE id = :number")
        if connection.execute(extend, {"number": number}).rowcount:
            kept.append(number)
engine.dispose()
print(*kept)
"""
