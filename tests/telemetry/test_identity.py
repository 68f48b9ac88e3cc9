"""SEC-18: messages of two databases never look alike to receivers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import delete, text, update

from sexton.channels.email import EmailChannel, EmailSettings
from sexton.channels.webhook import WebhookChannel, WebhookSettings
from sexton.db.connect import open_database
from sexton.db.database_identity import identity, renew_identity
from sexton.db.migrate import migrate
from sexton.db.tables import own_tables
from sexton.telemetry.alert_delivery import deliver
from tests.channels.relay import Relay
from tests.channels.web import Web

from .past import HOURLY, ONE_CHANNEL, Past, at, many


def test_sec_18_two_databases_never_send_the_same_id(past: Past, web: Web, relay: Relay) -> None:
    """The second one is a product beside it, or the same one built anew: its numbers begin at 1 as well."""
    channels = ("webhook", "email")
    address = EmailSettings(
        host="127.0.0.1", port=relay.port, security="none", sender="sexton@example.com", to=("ops@example.com",)
    )
    for _ in range(2):
        many(past, 1, channels=channels)
        deliver(past.engine, [WebhookChannel(WebhookSettings(url=web.url)), EmailChannel(address)], at("15 12:06"))
        own = own_tables(past.engine.dialect.name)
        with past.engine.begin() as connection:
            for table in (own.alerts, own.incidents, own.runs, own.identity):
                connection.execute(delete(table))
            if connection.dialect.name == "postgresql":
                connection.execute(text("ALTER SEQUENCE sexton.incidents_id_seq RESTART"))

    posted = [request.headers["webhook-id"] for request in web.requests]
    mailed = [message["Message-ID"] for _, message in relay.taken]
    assert [key.split(":")[2:] for key in posted] == [["1", "open", "webhook"]] * 2
    assert len(set(posted)) == len(set(mailed)) == 2


def test_sec_18_attack_a_database_that_was_restored_sends_no_id_again(past: Past, web: Web) -> None:
    """What happened since the backup is gone, and the next incident has the number of one that was told."""
    for hour in ("12:05", "14:05"):
        many(past, 1, channels=("webhook",), now=f"15 {hour}")
        deliver(past.engine, [WebhookChannel(WebhookSettings(url=web.url))], at(f"15 {hour}"))
        own = own_tables(past.engine.dialect.name)
        with past.engine.begin() as connection:
            for table in (own.alerts, own.incidents, own.runs):
                connection.execute(delete(table))
            if connection.dialect.name == "postgresql":
                connection.execute(text("ALTER SEQUENCE sexton.incidents_id_seq RESTART"))

    first, second = (request.headers["webhook-id"] for request in web.requests)
    assert first.split(":")[2:] == second.split(":")[2:]
    assert first != second


def test_sec_18_the_id_is_made_once_and_a_copy_can_have_another(past: Past) -> None:
    with past.engine.begin() as connection:
        first = identity(connection)
        assert identity(connection) == first
        assert len(first) == 16
        second = renew_identity(connection)
        assert identity(connection) == second != first


def test_sec_18_a_message_queued_before_the_upgrade_keeps_the_key_it_may_have_been_sent_with(
    past: Past, web: Web
) -> None:
    many(past, 1, channels=("webhook",))
    with past.engine.begin() as connection:
        connection.execute(update(own_tables(connection.dialect.name).alerts).values(key="alert:1:open:webhook"))

    deliver(past.engine, [WebhookChannel(WebhookSettings(url=web.url))], at("15 12:06"))
    past.assess("15 12:07", replace(ONE_CHANNEL, channels=("webhook",)), jobs=[HOURLY])

    assert web.requests[0].headers["webhook-id"] == "alert:1:open:webhook"
    assert [row.key.endswith(":1:close:webhook") for row in past.messages()] == [False, True]


def test_sec_18_an_incident_from_before_the_upgrade_is_closed_under_the_new_id(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_database(empty_database)
    with monkeypatch.context() as earlier:
        earlier.setattr("sexton.db.migrate.HEAD_REVISION", "0009")
        migrate(engine)
    name = own_tables(engine.dialect.name).incidents.fullname
    row = f"INSERT INTO {name} (job, kind, text, opened_at, told_at) VALUES ('shop.hourly', 'failing', 'x', :at, :at)"
    with engine.begin() as connection:
        connection.execute(
            text(row), {"at": at("15 09:00") if engine.dialect.name == "postgresql" else "2026-06-15 09:00:00.000000"}
        )

    assert migrate(engine)
    past = Past(engine)
    past.ran("15 10:00")
    past.assess("15 10:05")

    assert past.keys() == ["1:close:log"]
    engine.dispose()
