"""Two relays at once, a plain model, and what an idle look reads."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from sexton.call_state import ENDED_BADLY, NOTHING_LEFT, OPEN_CALLS, CallState
from sexton.channels.function import FunctionSettings
from sexton.clock import parse_instant
from sexton.relay.closing import close_messages
from sexton.relay.job import waiting
from sexton.relay.routes import Route

from . import product_hooks
from .mailroom import NOON, Mailroom, open_room

ROUTES = (
    Route("a", ("code", "nudge"), "log"),
    Route("b", ("code",), "log"),
    Route("c", ("*",), "log", only={"n": "1"}),
)
STATES = (*OPEN_CALLS, *NOTHING_LEFT, *ENDED_BADLY)


def test_fan_out_and_close_do_what_a_plain_model_says(engine: Engine, chance: random.Random) -> None:
    """Random messages, random ends of their deliveries; each step twice."""
    room = open_room(engine, *ROUTES)
    events = {number: chance.choice(["code", "nudge", "other"]) for number in range(1, 41)}
    ones = {number: chance.random() < 0.3 for number in events}
    for number, name in events.items():
        room.message(number, name, n=1 if ones[number] else 2)

    for _ in range(2):
        room.run(only=["fan_out"])

    expected = {
        (number, route.name)
        for number, name in events.items()
        for route in ROUTES
        if route.takes(name) and (not route.only or ones[number])
    }
    assert {(int(row.message), row.route) for row in room.rows()} == expected

    ends = {pair: chance.choice(STATES) for pair in sorted(expected)}
    for (number, route), state in ends.items():
        room.end(number, state, route=route)
    for _ in range(2):
        room.run(only=["close"])

    for number in events:
        mine = [state for (message, _), state in ends.items() if message == number]
        over = bool(mine) and all(state in NOTHING_LEFT for state in mine)
        dead = not any(state in OPEN_CALLS for state in mine) and any(state in ENDED_BADLY for state in mine)
        stored = room.stored(number)
        assert (stored.published_at is not None) == over, (number, mine)
        assert (stored.published_at is None and stored.attempt_count >= 5) == dead, (number, mine)
        told = room.effect(f"{events[number]}:{number}").delivered_at
        assert (told is not None) == (over and CallState.DONE in mine), (number, mine)


def test_two_relays_at_once_deliver_nothing_twice(engine: Engine) -> None:
    product_hooks.received.clear()
    product_hooks.answers.clear()
    channels = {"function": FunctionSettings("tests.relay.product_hooks:on_message")}
    room = open_room(engine, Route("hook", ("code",), "function"), channels=channels)
    for number in range(1, 41):
        room.message(number, "code")

    with ThreadPoolExecutor(2) as both:
        runs = [both.submit(room.run, calls=True, job=f"test.deliver_{lane}") for lane in (1, 2)]
        states = {run.result().state.value for run in runs}

    assert states == {"succeeded"}
    assert sorted(one.key for one in product_hooks.received) == sorted(f"code:{number}" for number in range(1, 41))
    assert all(room.published().values())


@pytest.mark.databases("postgres")
def test_of_two_deliveries_that_end_at_once_the_later_one_closes_the_message(engine: Engine) -> None:
    room = open_room(engine, *ROUTES[:2])
    room.message(1, "code")
    room.run(only=["fan_out"])
    at = parse_instant(NOON)

    def ends(connection: Connection, route: str) -> None:
        connection.execute(
            text("UPDATE sexton.deliveries SET state = 'done', closed_at = now() WHERE route = :route"),
            {"route": route},
        )
        close_messages(connection, room.relay, ["1"], at)

    with engine.connect() as first, engine.connect() as second, ThreadPoolExecutor(1) as other:
        ends(first, "a")
        later = other.submit(ends, second, "b")
        first.commit()
        later.result()
        second.commit()

    assert room.published() == {1: at}


def looked(room: Mailroom, at: str) -> bool:
    """Whether anything is to be done then."""
    with room.engine.connect() as connection:
        return waiting(connection, room.relay, parse_instant(at))


def test_an_idle_look_says_when_something_is_to_be_done(engine: Engine) -> None:
    product_hooks.answers.clear()
    channels = {"function": FunctionSettings("tests.relay.product_hooks:on_message")}
    route = Route("hook", ("code",), "function", retry=("10m",), digest="")
    room = open_room(engine, route, channels=channels)
    assert not looked(room, NOON)
    room.message(1, "other")
    assert not looked(room, NOON)
    room.message(2, "code")
    assert looked(room, NOON)
    room.run(only=["fan_out"])
    assert looked(room, NOON)
    with engine.begin() as connection:
        next_at = parse_instant(NOON) + timedelta(minutes=10)
        connection.execute(room.relay.deliveries.update().values(next_at=next_at, attempts=1))
    assert not looked(room, NOON)
    assert looked(room, "2026-06-15 12:10")
    room.run("2026-06-15 12:10", calls=True)
    assert not looked(room, "2026-06-15 12:11")


def test_what_waits_for_its_digest_or_rests_is_nothing_to_be_done(engine: Engine) -> None:
    room = open_room(engine, Route("daily", ("code",), "log", digest="1h"))
    room.message(1, "code")
    room.run(only=["fan_out"])
    assert not looked(room, "2026-06-15 12:59")
    assert looked(room, "2026-06-15 13:00")

    from sexton.calls import destinations

    with engine.begin() as connection:
        destinations.pause(connection, "log", "ada", "tea", parse_instant(NOON))

    assert not looked(room, "2026-06-15 13:00")


@pytest.mark.databases("sqlite")
def test_an_idle_look_reads_what_is_open_and_never_what_is_closed(engine: Engine) -> None:
    room = open_room(engine, Route("daily", ("code",), "log", digest="1h", send_before="2h"))
    asked: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _u, sql, values, *_more: asked.append((sql, values)))

    looked(room, NOON)

    ((sql, values),) = [one for one in asked if "FROM sexton_deliveries" in one[0] and "outbox_events" not in one[0]]
    with engine.connect() as connection:
        plan = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert any("sexton_deliveries_open" in line for line in plan), plan


@pytest.mark.databases("postgres")
def test_an_idle_look_among_many_closed_deliveries_reads_a_few_pages(engine: Engine) -> None:
    room = open_room(engine, Route("daily", ("code",), "log"))
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO sexton.deliveries (outbox, message, message_key, event_type, route, channel, destination,"
                " recipient, created_at, state, closed_at) SELECT '', n::text, n::text, 'code', 'daily', 'log', 'log',"
                " '', now(), 'done', now() FROM generate_series(1, 20000) AS n"
            )
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE sexton.deliveries"))

    with engine.connect() as connection:
        before = connection.execute(text(READ)).scalar_one()
        waiting(connection, room.relay, parse_instant(NOON))
        after = connection.execute(text(READ)).scalar_one()

    assert after - before == 0


READ = "SELECT pg_stat_get_xact_tuples_returned('sexton.deliveries'::regclass)"
"""Rows of the table that sequential scans of this transaction have read."""
