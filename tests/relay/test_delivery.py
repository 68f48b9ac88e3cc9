"""Delivery: each message goes to its channel once it is due, and what comes of it is recorded with its end."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine, text

from sexton.call_outcomes import Again, Done, Down, Failed
from sexton.channels.contract import OutgoingMessage
from sexton.channels.function import FunctionSettings
from sexton.channels.slack import SlackSettings
from sexton.channels.webhook import WebhookSettings
from sexton.clock import parse_instant
from sexton.relay.rendering import message_id
from sexton.relay.routes import Route
from tests.support.hostile_http import answers, hostile_server

from . import product_hooks
from .mailroom import NOON, open_room

HOOK = {"function": FunctionSettings("tests.relay.product_hooks:on_message")}


@pytest.fixture(autouse=True)
def received() -> list[OutgoingMessage]:
    """What the product's function got, emptied before each test."""
    product_hooks.received.clear()
    product_hooks.answers.clear()
    return product_hooks.received


def test_a_message_is_delivered_and_published(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    room = open_room(engine, Route("log", ("order_expired",), "log"))
    room.message(1, "order_expired", to="buyer-7", total=12, reset_token="geheim")

    run = room.run(calls=True)

    line = json.loads(capsys.readouterr().err.splitlines()[0])
    assert run.state == "succeeded"
    assert (line["id"], line["type"], line["recipient"]) == (message_id("order_expired:1"), "order_expired", "buyer-7")
    assert line["payload"] == {"total": 12, "reset_token": "***"}
    assert room.deliveries() == ["1 log buyer-7 done"]
    assert room.published()[1] is not None
    assert room.effect("order_expired:1").delivered_at is not None


def test_a_function_gets_message_and_key(engine: Engine, received: list[OutgoingMessage]) -> None:
    room = open_room(engine, Route("hook", ("code",), "function", to="{payload.email}"), channels=HOOK)
    room.message(1, "code", email="ada@example.com", n=1)

    room.run(calls=True)

    (got,) = received
    assert (got.key, got.event, got.recipient, got.payload["n"]) == ("code:1", "code", "ada@example.com", 1)
    assert (got.attempt, got.uncertain, got.created_at) == (1, False, parse_instant(NOON))


def test_again_keeps_it_open_with_the_same_id_until_it_ends(engine: Engine, received: list[OutgoingMessage]) -> None:
    room = open_room(engine, Route("hook", ("code",), "function", retry=("1m", "5m")), channels=HOOK)
    room.message(1, "code")
    product_hooks.answers[""] = [Again("busy"), Done()]

    room.run(NOON, calls=True)
    assert room.published() == {1: None}
    room.run("2026-06-15 12:00:30", calls=True)
    assert len(received) == 1
    room.run("2026-06-15 12:02", calls=True)

    assert [one.id for one in received] == [message_id("code:1")] * 2
    assert [one.attempt for one in received] == [1, 2]
    assert room.stored(1).attempt_count == 2
    assert room.published()[1] is not None


def test_pf_140_its_delays_over_it_is_a_dead_letter(engine: Engine) -> None:
    """PF-140."""
    room = open_room(engine, Route("hook", ("code",), "function", retry=("1m",)), channels=HOOK)
    room.message(1, "code")
    product_hooks.answers[""] = [Again("busy"), Again("busy still")]

    room.run(NOON, calls=True)
    room.run("2026-06-15 12:02", calls=True)

    stored = room.stored(1)
    assert room.deliveries() == ["1 hook - gave_up"]
    assert (stored.published_at, stored.attempt_count, stored.last_error) == (None, 5, "busy still")


def test_one_that_fails_holds_up_no_other(engine: Engine) -> None:
    room = open_room(engine, Route("hook", ("code",), "function"), channels=HOOK)
    for number in (1, 2, 3):
        room.message(number, "code", fails=number == 2)

    room.run(calls=True)

    assert room.deliveries() == ["1 hook - done", "2 hook - failed", "3 hook - done"]
    assert [number for number, at in room.published().items() if at is None] == [2]


def test_same_database_is_written_exactly_once_with_the_record(engine: Engine) -> None:
    channels = {"function": FunctionSettings("tests.relay.product_hooks:in_the_record", same_database=True)}
    room = open_room(engine, Route("hook", ("code",), "function"), channels=channels)
    room.message(1, "code", n=4)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE seen (n integer)"))

    room.run(calls=True)
    room.run(calls=True)

    with engine.connect() as connection:
        assert list(connection.execute(text("SELECT n FROM seen")).scalars()) == [4]


def test_address_and_wanted_are_asked_when_it_is_sent(engine: Engine, received: list[OutgoingMessage]) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE people (id integer PRIMARY KEY, email text, wants boolean)"))
        connection.execute(
            text("INSERT INTO people VALUES (1, 'ada@example.com', true), (2, 'bob@example.com', false)")
        )
    route = Route("hook", ("code",), "function", people="people", address="email", wanted=("wants",))
    room = open_room(engine, route, channels=HOOK)
    for number, recipient in ((1, "1"), (2, "2"), (3, "3"), (4, "nobody")):
        room.message(number, "code", to=recipient)

    room.run(calls=True)

    assert [one.recipient for one in received] == ["ada@example.com"]
    assert room.deliveries() == ["1 hook 1 done", "2 hook 2 dropped", "3 hook 3 gone", "4 hook nobody gone"]
    assert [row.error for row in room.rows()][1:] == [
        "not wanted: wants is not true",
        "people knows no such recipient any more",
        "people knows no such recipient any more",
    ]
    assert all(room.published().values())


def test_too_late_is_dropped(engine: Engine, received: list[OutgoingMessage]) -> None:
    room = open_room(engine, Route("hook", ("code",), "function", send_before="2h"), channels=HOOK)
    room.message(1, "code")

    room.run("2026-06-15 14:00", calls=True)

    assert received == []
    assert room.deliveries() == ["1 hook - dropped"]
    assert room.published()[1] is not None


def test_a_digest_is_one_message_of_all_facts_of_its_window(engine: Engine, received: list[OutgoingMessage]) -> None:
    room = open_room(engine, Route("hook", ("code",), "function", digest="15m", retry=("1m",)), channels=HOOK)
    room.message(1, "code", to="ada", n=1)
    room.message(2, "code", to="bob", n=2)
    room.run(NOON, calls=True)
    room.message(3, "code", to="ada", n=3, at="2026-06-15 12:10")
    room.run("2026-06-15 12:10", calls=True)
    assert received == []
    product_hooks.answers["ada"] = [Again("busy"), Done()]

    room.run("2026-06-15 12:15", calls=True)
    room.message(4, "code", to="ada", n=4, at="2026-06-15 12:16")
    room.run("2026-06-15 12:17", calls=True)

    bodies = [(one.recipient, [m["payload"]["n"] for m in one.payload["messages"]]) for one in received]
    assert sorted(bodies) == [("ada", [1, 3]), ("ada", [1, 3]), ("bob", [2])]
    assert len({one.id for one in received if one.recipient == "ada"}) == 1
    assert [number for number, at in room.published().items() if at is None] == [4]


def test_a_failing_digest_ends_all_of_its_members(engine: Engine) -> None:
    room = open_room(engine, Route("hook", ("code",), "function", digest="15m"), channels=HOOK)
    for number in (1, 2):
        room.message(number, "code", to="ada")
    room.run(NOON, calls=True)
    product_hooks.answers["ada"] = [Failed("refused")]

    room.run("2026-06-15 12:20", calls=True)

    assert room.deliveries() == ["1 hook ada failed", "2 hook ada failed"]
    assert [room.stored(number).attempt_count for number in (1, 2)] == [5, 5]


def test_g1_what_met_nobody_for_a_week_is_a_dead_letter_after_one_more_call(engine: Engine) -> None:
    """(G1) A rest eats no attempts, and ends loudly all the same; whoever was not called since waits on."""
    room = open_room(engine, Route("hook", ("code",), "function"), channels=HOOK)
    room.message(1, "code")
    room.message(2, "code")
    product_hooks.answers[""] = [Down("refused")] * 4

    for day in ("15", "21", "22"):
        room.run(f"2026-06-{day} 12:00", calls=True)
        if day == "21":
            assert [row.attempts for row in room.rows()] == [0, 0]
    assert room.deliveries() == ["1 hook - gave_up", "2 hook - waiting"]

    room.run("2026-06-25 12:00", calls=True)
    assert room.deliveries() == ["1 hook - gave_up", "2 hook - done"]


def test_w7_a_chat_that_was_deleted_loses_no_message_and_waits_for_another_address(engine: Engine) -> None:
    """(W7) One place of ours: not each message is gone, but all of them wait, and one a day finds out."""
    with hostile_server(*[answers(404)] * 3, answers(200)) as server:
        settings = SlackSettings(f"http://127.0.0.1:{server.port}/hook")
        room = open_room(engine, Route("ops", ("code",), "slack"), channels={"slack": settings})
        room.message(1, "code", text="one")
        room.message(2, "code", text="two")
        for at in ("2026-06-15 12:00", "2026-06-15 18:00", "2026-06-16 12:30"):
            room.run(at, calls=True)
        waiting = (room.deliveries(), len(server.heard))
        room.run("2026-06-17 13:00", calls=True)

    assert waiting == (["1 ops - waiting", "2 ops - waiting"], 3)
    assert room.deliveries() == ["1 ops - done", "2 ops - done"]


def test_g1_three_failures_of_our_own_endpoint_in_sequence_and_it_rests(engine: Engine) -> None:
    """(G1) A 5xx says little about one message, and much about three."""
    with hostile_server(answers(500)) as server:
        settings = WebhookSettings(url=f"http://127.0.0.1:{server.port}/hook")
        room = open_room(engine, Route("ops", ("code",), "webhook", to=""), channels={"webhook": settings})
        for number in range(1, 9):
            room.message(number, "code")
        room.run(calls=True)
        heard = len(server.heard)

    assert 3 <= heard < 8
