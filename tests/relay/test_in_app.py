"""Messages in the product: rows of a table of its own, exactly once, with publishing."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from sexton.channels.in_app import InAppSettings
from sexton.clock import parse_instant
from sexton.errors import SettingsError
from sexton.relay.routes import Route

from .mailroom import NOON, Mailroom, open_room

BELL = Route("bell", ("code", "nudge"), "in_app", only={})
COLUMNS = {
    "user_id": "{recipient}",
    "title": "Code {payload.code}: {payload.who.name}",
    "told_at": "{created_at}",
    "body": "{payload}",
}


@pytest.fixture
def table(engine: Engine) -> str:
    """A table of the product, in the names of its columns."""
    number = "INTEGER" if engine.dialect.name == "sqlite" else "BIGINT"
    time = "DATETIME" if engine.dialect.name == "sqlite" else "timestamptz"
    with engine.begin() as connection:
        connection.execute(
            text(
                f"CREATE TABLE notices (user_id {number} NOT NULL, title text NOT NULL, told_at {time}, body text,"
                " CHECK (user_id < 1000))"
            )
        )
    return "notices"


def rows(room: Mailroom) -> list[tuple[int, str]]:
    """What stands in it."""
    with room.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT user_id, title FROM notices ORDER BY title"))]


def test_a_row_for_each_message_and_published_with_it(engine: Engine, table: str) -> None:
    room = open_room(engine, BELL, channels={"in_app": InAppSettings(table, COLUMNS)})
    room.message(1, "code", to="7", code=1234, who={"name": "Ada"})
    room.message(2, "nudge", to="8", code=True, who={"name": "Bob's"})
    room.message(3, "other", to="9")

    room.run(calls=True)
    room.run(calls=True)

    assert rows(room) == [(7, "Code 1234: Ada"), (8, "Code true: Bob's")]
    at = parse_instant(NOON)
    assert room.published() == {1: at, 2: at, 3: None}
    assert room.effect("code:1").delivered_at == at
    assert room.deliveries() == []


def test_a_missing_field_refuses_that_row_and_no_other(engine: Engine, table: str) -> None:
    room = open_room(engine, BELL, channels={"in_app": InAppSettings(table, COLUMNS)})
    room.message(1, "code", to="7", code=1)
    room.message(2, "code", to="8", code=2, who={"name": "Bob"})

    room.run(calls=True)

    assert rows(room) == [(8, "Code 2: Bob")]
    assert room.deliveries() == ["1 bell 7 failed"]
    assert room.rows()[0].error == "the message has no payload.who.name"
    assert (room.stored(1).published_at, room.stored(1).attempt_count) == (None, 5)


def test_a_row_that_the_table_refuses_is_set_aside_and_the_others_go_on(engine: Engine, table: str) -> None:
    room = open_room(engine, BELL, channels={"in_app": InAppSettings(table, COLUMNS)})
    for number, user in ((1, "7"), (2, "1000"), (3, "9")):
        room.message(number, "code", to=user, code=number, who={"name": "A"})

    run = room.run(calls=True)

    assert rows(room) == [(7, "Code 1: A"), (9, "Code 3: A")]
    assert [number for number, at in room.published().items() if at is None] == [2]
    assert run.state == "partial"


def test_with_another_route_it_has_a_delivery_like_any_other(engine: Engine, table: str) -> None:
    room = open_room(engine, BELL, Route("log", ("code",), "log"), channels={"in_app": InAppSettings(table, COLUMNS)})
    room.message(1, "code", to="7", code=1, who={"name": "Ada"})
    room.message(2, "code", to="8", code=2)

    room.run(calls=True)
    room.run(calls=True)

    assert rows(room) == [(7, "Code 1: Ada")]
    assert room.deliveries() == ["1 bell 7 done", "1 log 7 done", "2 bell 8 failed", "2 log 8 done"]
    assert [number for number, at in room.published().items() if at is None] == [2]


def test_a_column_that_is_not_there_is_one_clear_line(engine: Engine, table: str) -> None:
    settings = InAppSettings(table, {"user_idd": "{recipient}"})

    with pytest.raises(SettingsError) as refused:
        open_room(engine, BELL, channels={"in_app": settings})

    assert str(refused.value) == ("channel.in_app.columns: notices has no column 'user_idd'; did you mean user_id?")
