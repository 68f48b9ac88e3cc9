"""The end of a message: published, a dead letter, or open still."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from sexton.call_state import CallState
from sexton.clock import parse_instant
from sexton.relay import decisions
from sexton.relay.routes import Route

from .mailroom import NOON, Mailroom, open_room


@pytest.fixture
def room(engine: Engine) -> Mailroom:
    """Two routes for one event, fanned out for message 1."""
    room = open_room(
        engine, Route("a", ("code",), "log", to="ops", secret=("pin",)), Route("b", ("code",), "log", to="ops")
    )
    room.message(1, "code", pin="1234", name="Ada")
    room.run(only=["fan_out"])
    return room


def test_published_once_nothing_is_left(room: Mailroom) -> None:
    room.end(1, CallState.DONE, route="a")
    room.run(only=["close"])
    assert room.published() == {1: None}

    room.end(1, CallState.DONE, route="b", attempts=3)
    room.run(only=["close"])

    stored = room.stored(1)
    assert stored.published_at == parse_instant(NOON)
    assert stored.attempt_count == 3
    assert room.effect("code:1").delivered_at == parse_instant(NOON)
    assert {row.closed_at for row in room.rows()} == {parse_instant(NOON)}


@pytest.mark.parametrize("ended", [CallState.GONE, CallState.DROPPED, CallState.MOVED])
def test_what_nobody_has_to_do_anything_about_is_closed_and_not_delivered(room: Mailroom, ended: CallState) -> None:
    room.end(1, ended)

    room.run(only=["close"])

    assert room.published() == {1: parse_instant(NOON)}
    assert room.effect("code:1").delivered_at is None


@pytest.mark.parametrize("ended", [CallState.FAILED, CallState.GAVE_UP, CallState.UNKNOWN])
def test_pf_140_a_dead_letter_stays_unpublished_with_five_attempts(room: Mailroom, ended: CallState) -> None:
    """PF-140: who purges "unpublished, 5 attempts and more" finds it; the true number stands in `deliveries`."""
    room.end(1, CallState.DONE, route="a")
    room.end(1, ended, route="b", attempts=2)

    room.run(only=["close"])

    stored = room.stored(1)
    assert (stored.published_at, stored.attempt_count, stored.last_error) == (None, 5, "why")
    assert stored.last_attempted_at == parse_instant(NOON)
    assert stored.payload == {"pin": "1234", "name": "Ada"}
    assert [row.attempts for row in room.rows()] == [1, 2]


def test_secret_fields_are_erased_at_the_end(room: Mailroom) -> None:
    room.end(1, CallState.DONE)

    room.run(only=["close"])

    assert room.stored(1).payload == {"name": "Ada"}


def test_closing_twice_changes_nothing(room: Mailroom) -> None:
    room.end(1, CallState.DONE)
    room.run(only=["close"])

    again = room.run("2026-06-15 13:00", only=["close"])

    assert again.total.picked == 0
    assert room.published() == {1: parse_instant(NOON)}


def test_all_dead_letters_are_decided_about_however_many_there_are(
    room: Mailroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "DEAD_AT_ONCE", 2)
    for number in range(2, 6):
        room.message(number, "code", pin="1")
    room.run(only=["fan_out"])
    for number in range(1, 6):
        room.end(number, CallState.FAILED)
    room.run(only=["close"])

    with room.engine.begin() as connection:
        decision = decisions.Decision("ann", parse_instant(NOON))
        each = decisions.of_the_dead(connection, room.relay, decision)
        numbers = [decisions.drop_deliveries(connection, room.relay, one) for one in each]

    assert numbers == [4, 4, 2]
    assert all(room.published().values())
