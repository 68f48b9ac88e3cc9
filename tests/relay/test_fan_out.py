"""Fan-out: a delivery for each route of each message that waits, and nothing else."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, update

from sexton.channels.email import EmailSettings
from sexton.clock import parse_instant
from sexton.db.tables import own_tables
from sexton.relay.routes import Route

from .mailroom import NOON, open_room

MAIL = {"email": EmailSettings(host="127.0.0.1", sender="shop@example.com")}


def test_each_route_of_an_event_gets_a_delivery(engine: Engine) -> None:
    room = open_room(
        engine,
        Route("mails", ("order_expired",), "log", to="{payload.email}"),
        Route("all", ("*",), "log"),
    )
    room.message(1, "order_expired", to="buyer-7", email="ada@example.com")
    room.message(2, "license_expired", to="vendor-9")

    room.run(only=["fan_out"])

    assert room.deliveries() == [
        "1 all buyer-7 waiting",
        "1 mails ada@example.com waiting",
        "2 all vendor-9 waiting",
    ]


def test_an_event_without_a_route_is_left_alone(engine: Engine) -> None:
    room = open_room(engine, Route("mails", ("order_expired",), "log", to="ops"))
    room.message(1, "license_expired")

    room.run()

    assert room.deliveries() == []
    assert room.published() == {1: None}


def test_twice_is_once(engine: Engine) -> None:
    room = open_room(engine, Route("mails", ("order_expired",), "log", to="ops"))
    room.message(1, "order_expired")

    room.run(only=["fan_out"])
    again = room.run(only=["fan_out"])

    assert room.deliveries() == ["1 mails - waiting"]
    assert again.total.picked == 0


def test_a_message_with_a_lower_id_that_commits_later_is_found(engine: Engine) -> None:
    """New messages are never looked for by `id > last`."""
    room = open_room(engine, Route("mails", ("order_expired",), "log", to="ops"))
    room.message(9, "order_expired")
    room.run(only=["fan_out"])
    room.message(3, "order_expired")

    room.run(only=["fan_out"])

    assert room.deliveries() == ["3 mails - waiting", "9 mails - waiting"]


def test_a_missing_field_fails_that_message_and_no_other(engine: Engine) -> None:
    room = open_room(engine, Route("mails", ("order_expired",), "log", to="{payload.buyer.email}"))
    room.message(1, "order_expired", buyer={})
    room.message(2, "order_expired", buyer={"email": "ada@example.com"})
    room.message(3, "order_expired", buyer=[])

    room.run(only=["fan_out"])

    assert room.deliveries() == ["1 mails - failed", "2 mails ada@example.com waiting", "3 mails - failed"]
    assert [row.error for row in room.rows()] == [
        "the message has no payload.buyer.email",
        None,
        "the message has no payload.buyer.email",
    ]


def test_send_before_priority_and_only_are_kept_with_the_delivery(engine: Engine) -> None:
    room = open_room(
        engine,
        Route("soon", ("code",), "log", to="ops", send_before="2h", priority=5),
        Route("field", ("code",), "log", to="ops", send_before="{payload.until}"),
        Route("paid", ("code",), "log", to="ops", only={"plan": "paid"}),
    )
    room.message(1, "code", until="2026-06-15T12:30:00Z", plan="free")

    room.run(only=["fan_out"])

    kept = {row.route: (row.send_before, row.priority) for row in room.rows()}
    assert kept == {
        "soon": (parse_instant("2026-06-15 14:00"), -5),
        "field": (parse_instant("2026-06-15 12:30"), 0),
    }
    assert room.rows()[0].created_at == parse_instant(NOON)


def test_hostile_payloads_stop_nobody(engine: Engine) -> None:
    """Lists, numbers, quotes, braces, a recipient without end: each fails by itself, or is taken as it is."""
    room = open_room(engine, Route("mails", ("x",), "email", to="{payload.mail}"), channels=MAIL)
    hostile: list[Any] = [
        {"mail": "a'; DROP TABLE x; --"},
        {"mail": "{payload.mail}%s%%:now"},
        {"mail": "x" * 10_000},
        {"mail": ["a", "b"]},
        {"mail": None},
        {"mail": ""},
        {},
    ]
    for number, payload in enumerate(hostile, start=1):
        room.message(number, "x", **payload)

    room.run(only=["fan_out"])

    found = {int(row.message): (str(row.state), row.recipient[:30], row.error) for row in room.rows()}
    assert found[1] == ("waiting", "a'; DROP TABLE x; --", None)
    assert found[2] == ("waiting", "{payload.mail}%s%%:now", None)
    assert found[3] == ("failed", "x" * 30, "the recipient has over 500 characters")
    assert found[4][0] == "waiting"
    assert found[5] == found[7] == ("failed", "", "the message has no payload.mail")
    assert found[6] == ("failed", "", "the message has no payload.mail")


def test_a_payload_that_is_no_object_has_no_fields(engine: Engine) -> None:
    room = open_room(engine, Route("mails", ("x",), "email", to="{payload.mail}"), channels=MAIL)
    events = own_tables(engine.dialect.name).outbox_events
    room.message(1, "x")
    with engine.begin() as connection:
        connection.execute(update(events).values(payload=[1, 2]))

    room.run(only=["fan_out"])

    assert room.deliveries() == ["1 mails - failed"]
