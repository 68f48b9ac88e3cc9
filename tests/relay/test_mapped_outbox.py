"""An outbox of the product's own: other names, other kinds of ids, fewer columns."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, text

from sexton import Job
from sexton.channels.function import FunctionSettings
from sexton.config.route_settings import OutboxSettings
from sexton.errors import SettingsError
from sexton.relay.job import relay_steps
from sexton.relay.relay import open_relay
from sexton.relay.rendering import message_id
from sexton.relay.routes import Route
from sexton.testing import run_job

from . import product_hooks

HOOK = {"function": FunctionSettings("tests.relay.product_hooks:on_message")}
UUID = "7b1c1f9a-6f1e-4b52-9f43-3f8f0b6c9a11"
KINDS = {"bigint": "41", "text": "msg/41:a", "uuid": UUID}


def deliver(engine: Engine, outbox: OutboxSettings, at: str = "2026-06-15 12:00") -> None:
    """One run of a relay over it, with one route for everything."""
    relay = open_relay(engine, [Route("hook", ("*",), "function", to="{payload.email}")], HOOK, outbox)
    run_job(engine, Job("sexton.deliver", work=relay_steps(relay, engine), guard=None), at=at, raise_errors=True)


def values(engine: Engine, sql: str) -> list[Any]:
    """The rows that the query gives."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_any_kind_of_id_and_payload(engine: Engine, kind: str) -> None:
    product_hooks.received.clear()
    postgres = engine.dialect.name == "postgresql"
    time, body = ("timestamptz", "json") if postgres else ("DATETIME", "JSON")
    column = kind if postgres else {"bigint": "INTEGER"}.get(kind, "TEXT")
    with engine.begin() as connection:
        connection.execute(
            text(
                f"CREATE TABLE events (nr {column} PRIMARY KEY, type text, payload {body}, created_at {time} NOT NULL,"
                f" sent_at {time})"
            )
        )
        connection.execute(
            text(
                'INSERT INTO events VALUES (:id, \'code\', \'{"email": "ada@example.com", "key": "k.1"}\','
                " '2026-06-15 11:00:00.000000', NULL)"
            ),
            {"id": KINDS[kind]},
        )

    outbox = OutboxSettings("events", {"id": "nr", "event_type": "type", "published_at": "sent_at"})
    deliver(engine, outbox)
    deliver(engine, outbox)

    (got,) = product_hooks.received
    assert (got.recipient, got.event, got.id) == ("ada@example.com", "code", message_id("k.1"))
    assert values(engine, "SELECT count(*) FROM events WHERE sent_at IS NOT NULL") == [(1,)]


def test_without_a_key_anywhere_the_id_is_made_of_table_and_id(engine: Engine) -> None:
    product_hooks.received.clear()
    time = "timestamptz" if engine.dialect.name == "postgresql" else "DATETIME"
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE events (id integer PRIMARY KEY, event_type text, payload text, "
                f"created_at {time}, published_at {time}, attempt_count integer)"
            )
        )
        connection.execute(
            text("INSERT INTO events VALUES (5, 'code', '{\"email\": \"a@b.example\"}', '2026-06-15 11:00', NULL, 0)")
        )

    deliver(engine, OutboxSettings("events"))

    assert [one.id for one in product_hooks.received] == [message_id("events:5")]
    assert values(engine, "SELECT attempt_count FROM events") == [(1,)]


def test_a_column_that_is_missing_is_one_clear_line(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE events (id integer, event_type text, body text)"))

    with pytest.raises(SettingsError) as refused:
        deliver(engine, OutboxSettings("events"))

    assert str(refused.value) == (
        "outbox.columns: events has no column 'payload' for payload; known: body, event_type, id; "
        'write columns = { payload = "…" }'
    )


def test_a_table_that_is_not_there_is_one_clear_line(engine: Engine) -> None:
    with pytest.raises(SettingsError, match=r"outbox\.table: there is no table evnts in this database"):
        deliver(engine, OutboxSettings("evnts"))
