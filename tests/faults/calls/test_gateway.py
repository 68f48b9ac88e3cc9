"""A payment gateway that misbehaves (G1, G2, G4, G5, G6), as rows that are asked about see it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from sexton import Attempt, CallOutcome, Done
from sexton.channels.http_call import HttpAnswer, http_call
from sexton.db.connect import open_database
from tests.support.hostile_http import Behaviour, Hostile, answers, cuts, drips, hostile_server, says
from tests.support.payments import DAY, HOUR, MINUTE, PAID, Payments, make_payments
from tests.support.ports import closed_port
from tests.support.sessions import NOON

CAPTURED = says({"status": "captured"})


@pytest.fixture
def shop(engine: Engine) -> Payments:
    return make_payments(engine)


class Asking:
    """Asks a server about payments, one after the other."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, call: Attempt) -> CallOutcome:
        found = http_call("GET", self.url, headers={"idempotency-key": call.key}, timeout=call.left)
        if not isinstance(found, HttpAnswer):
            return found
        return Done(PAID)


def ask(shop: Payments, server: Hostile, **options: Any) -> Any:
    return shop.run(Asking(server.url), **{"concurrency": 1, "retry": ["1h"], **options})


FAULTS: dict[str, Behaviour] = {
    **{str(status): answers(status) for status in (500, 502, 503, 504)},
    "reset": cuts(),
    "cut in the middle": cuts(b"HTTP/1.1 200 Said\r\ncontent-length: 90\r\n\r\n{"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_g1_an_error_about_one_row_leaves_it_as_it_is_and_the_others_go_on(shop: Payments, fault: Behaviour) -> None:
    shop.add(5)

    with hostile_server(CAPTURED, fault, CAPTURED) as server:
        run = ask(shop, server)
        waiting = shop.of(2)
        ask(shop, server, at=NOON + 2 * HOUR)

    assert run.total.also == {"done": 4, "again": 1}
    assert (waiting.state, waiting.attempts) == ("waiting", 1)
    assert set(shop.statuses().values()) == {"paid"}
    keys = [heard.headers["idempotency-key"] for heard in server.heard]
    assert keys == [f"payment:{one}" for one in (1, 2, 3, 4, 5, 2)]


def test_g1_a_gateway_that_is_not_there_costs_no_attempt_and_is_asked_once(shop: Payments) -> None:
    shop.add(9)

    with closed_port() as port:
        run = shop.run(Asking(f"http://127.0.0.1:{port}/"), concurrency=1, retry=["1h"])

    assert run.total.also == {"down": 1}
    assert run.note is not None
    assert "call_payments rests: " in run.note
    assert {shop.of(one).attempts for one in range(1, 10)} == {0}


def test_g1_three_different_rows_in_sequence_and_it_is_the_gateway(shop: Payments) -> None:
    """One attempt lost each, and nobody storms it: then it rests, is probed by one row, and comes back."""
    shop.add(9)

    with hostile_server(answers(500), answers(500), answers(500), answers(500), CAPTURED) as server:
        ask(shop, server)
        after_run = [shop.of(one).attempts for one in range(1, 10)]
        ask(shop, server, at=NOON + 5 * MINUTE)
        after_probe = len(server.heard)
        ask(shop, server, at=NOON + 10 * MINUTE)
        ask(shop, server, at=NOON + 2 * HOUR)

    assert after_run == [1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert after_probe == 4
    assert set(shop.statuses().values()) == {"paid"}


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 Said\r\n"], ids=["silent", "drips a header"])
def test_g2_one_that_drips_has_the_time_of_one_call_and_no_more(shop: Payments, first: bytes) -> None:
    shop.add(4)

    with hostile_server(CAPTURED, drips(first, b"x: y\r\n" if first else b""), CAPTURED) as server:
        run = ask(shop, server, timeout="2s")

    assert run.state == "succeeded"
    assert run.total.also["done"] == 3
    assert shop.statuses() == {1: "paid", 2: "pending", 3: "paid", 4: "paid"}


def confirm(connection: Connection, number: int) -> None:
    """What a product does when money has come, whoever says so: once, by the guard of its UPDATE."""
    paid = text("UPDATE payments SET status = 'paid' WHERE id = :id AND status = 'pending'")
    if connection.execute(paid, {"id": number}).rowcount:
        connection.execute(text("UPDATE stock SET pieces = pieces - 1"))


@pytest.fixture
def stocked(shop: Payments) -> Payments:
    with shop.engine.begin() as connection:
        connection.execute(text("CREATE TABLE stock (pieces integer)"))
        connection.execute(text("INSERT INTO stock VALUES (100)"))
    return shop


def pieces(shop: Payments) -> int:
    with shop.engine.connect() as connection:
        return int(connection.execute(text("SELECT pieces FROM stock")).scalar_one())


def test_g4_a_webhook_that_confirms_while_we_ask_confirms_once(stocked: Payments) -> None:
    stocked.add(10)

    def call(attempt: Attempt) -> Done:
        if attempt.row.id % 2:
            with stocked.engine.begin() as connection:  # the webhook is quicker
                confirm(connection, attempt.row.id)
        return Done(then=lambda connection: confirm(connection, attempt.row.id))

    run = stocked.run(call)

    assert run.total.also == {"done": 5, "moved": 5}
    assert set(stocked.statuses().values()) == {"paid"}
    assert pieces(stocked) == 90


def test_g4_both_ways_at_once_confirm_once(stocked: Payments) -> None:
    """The webhook's transaction begins as the call ends, and races with the record."""
    stocked.add(30)
    webserver = open_database(stocked.engine.url)  # another process, with connections of its own: two at once

    def webhook(number: int) -> None:
        with webserver.begin() as connection:
            confirm(connection, number)

    with ThreadPoolExecutor(2) as hooks:

        def call(attempt: Attempt) -> Done:
            hooks.submit(webhook, attempt.row.id)
            return Done(then=lambda connection: confirm(connection, attempt.row.id))

        run = stocked.run(call)
    webserver.dispose()

    assert run.state == "succeeded"
    assert run.total.also["done"] + run.total.also.get("moved", 0) == 30
    assert set(stocked.statuses().values()) == {"paid"}
    assert pieces(stocked) == 70


@pytest.mark.parametrize("status", [401, 403])
def test_g5_revoked_credentials_stop_all_calls_but_one_probe_a_day(shop: Payments, status: int) -> None:
    shop.add(6)
    asked = []

    with hostile_server(answers(status)) as server:
        for hours in (0, 1, 12, 23, 25, 30, 50):
            run = ask(shop, server, at=NOON + hours * HOUR)
            asked.append(len(server.heard))
            assert ("rests" in (run.note or "")) == (hours == 0)  # said once, not with each run

    assert asked == [1, 1, 1, 1, 2, 2, 3]
    assert {shop.of(one).attempts for one in range(1, 7)} == {0}


RETRY_AFTER: dict[str, tuple[str, int]] = {
    "seconds": ("7200", 120),
    "a date long gone": ("Wed, 21 Oct 2015 07:28:00 GMT", 1),
    "a date in years": ("Wed, 21 Oct 2099 07:28:00 GMT", 24 * 60),
    "10^14": ("100000000000000", 24 * 60),
    "garbage": ("soon", 1),
    "negative": ("-5", 1),
}
"""What the header says, and after how many minutes the gateway is asked again at the latest."""


@pytest.mark.parametrize(("header", "minutes"), RETRY_AFTER.values(), ids=RETRY_AFTER)
def test_g6_retry_after_is_honoured_within_a_day(shop: Payments, header: str, minutes: int) -> None:
    shop.add(3)

    with hostile_server(answers(429, retry_after=header), CAPTURED) as server:
        ask(shop, server)
        ask(shop, server, at=NOON + (minutes - 1) * MINUTE if minutes > 1 else NOON)
        before = len(server.heard)
        ask(shop, server, at=NOON + minutes * MINUTE + 5 * MINUTE)

    assert before == 1
    assert set(shop.statuses().values()) == {"paid"}
    assert (minutes * MINUTE) <= DAY
