"""Endpoints of customers: signed with their own secrets, disabled when gone or after days of failures (W7, W10)."""

from __future__ import annotations

import base64

from sqlalchemy import Engine, select, text
from standardwebhooks import Webhook

from sexton.channels.webhook import WebhookSettings
from sexton.db.tables import own_tables
from sexton.relay.routes import Route
from tests.support.hostile_http import Hostile, answers, hostile_server

from .mailroom import Mailroom, open_room

OLD, NEW = ("whsec_" + base64.b64encode(f"{age} key of at least 24 bytes".encode()).decode() for age in ("old", "new"))
TO_CUSTOMERS = Route(
    "customers",
    ("paid",),
    "webhook",
    people="endpoints",
    address="url",
    secrets=("secret", "previous_secret"),
    retry=("12h",),
    give_up_after="9d",
)


def room_of(engine: Engine, server: Hostile) -> Mailroom:
    """Customer 7 has an endpoint at this server."""
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE endpoints (id TEXT PRIMARY KEY, url TEXT, secret TEXT, previous_secret TEXT)")
        )
        row = {"id": "7", "url": f"http://127.0.0.1:{server.port}/hook", "secret": NEW, "previous_secret": OLD}
        connection.execute(text("INSERT INTO endpoints VALUES (:id, :url, :secret, :previous_secret)"), row)
    settings = WebhookSettings(url="https://ours.example/", allow=(f"127.0.0.1:{server.port}",), http=True)
    return open_room(engine, TO_CUSTOMERS, channels={"webhook": settings})


def told(engine: Engine) -> list[tuple[str, str]]:
    """Events about endpoints, and to whom."""
    events = own_tables(engine.dialect.name).outbox_events.c
    asked = select(events.event_type, events.recipient).where(events.event_type.like("sexton.%")).order_by(events.id)
    with engine.connect() as connection:
        return [(row.event_type, row.recipient) for row in connection.execute(asked)]


def test_w10_a_message_is_signed_by_all_secrets_of_the_customer_that_have_not_expired(engine: Engine) -> None:
    with hostile_server(answers(204)) as server:
        room = room_of(engine, server)
        room.message(1, "paid", to="7", amount=12)
        room.run(calls=True)
        (heard,) = server.heard

    assert [Webhook(secret).verify(heard.body, dict(heard.headers))["data"] for secret in (OLD, NEW)] == [
        {"amount": 12},
        {"amount": 12},
    ]
    assert room.deliveries() == ["1 customers 7 done"]


def test_w7_an_endpoint_that_answers_410_is_disabled_and_its_owner_told_once(engine: Engine) -> None:
    with hostile_server(answers(410)) as server:
        room = room_of(engine, server)
        for number in (10, 20, 30):
            room.message(number, "paid", to="7")
            room.run(calls=True)
        assert len(server.heard) == 1

    assert room.deliveries() == ["10 customers 7 gone", "20 customers 7 gone", "30 customers 7 gone"]
    assert told(engine) == [("sexton.endpoint_disabled", "7")]
    assert all(room.published()[number] for number in (10, 20, 30))


def test_w7_five_days_of_failures_disable_it_and_the_owner_hears_of_it_after_one(engine: Engine) -> None:
    with hostile_server(answers(500)) as server:
        room = room_of(engine, server)
        room.message(10, "paid", to="7")
        for day in range(15, 23):
            for hour in ("06:00", "12:30", "19:00"):
                room.run(f"2026-06-{day} {hour}", calls=True)
        room.message(20, "paid", to="7", at="2026-06-23 12:00")
        calls = len(server.heard)
        room.run("2026-06-23 12:30", calls=True)
        assert len(server.heard) == calls

    assert told(engine) == [("sexton.endpoint_failing", "7"), ("sexton.endpoint_disabled", "7")]
    assert room.deliveries()[1] == "20 customers 7 gone"
