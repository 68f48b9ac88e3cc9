"""Tests of calls without a network: scripted outcomes, a clock that moves to the next call, keys that never change."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, Text, insert, select

from sexton import Again, Attempt, Call, CallOutcome, Done, Down, Failed, Job, Unknown, UtcDateTime, text_key
from sexton.clock import parse_instant
from sexton.testing import Outside
from tests.support.ports import closed_port

METADATA = MetaData()
PARCELS = Table(
    "parcels",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("sent_at", UtcDateTime, nullable=False),
)


def ask_courier(attempt: Attempt) -> CallOutcome:
    """What a product would write: here nobody is to reach it."""
    with socket.create_connection(("127.0.0.1", 9)):
        return Done()


TRACK = Job(
    "parcels.track",
    timeout="4m",
    work=Call(
        PARCELS,
        by=PARCELS.c.sent_at,
        when=PARCELS.c.state == "under way",
        call=ask_courier,
        key=text_key("parcel", PARCELS.c.id),
        destination="courier",
        retry=["5m", "1h"],
        jitter=0,
        gave_up={"state": "lost"},
    ),
)


@pytest.fixture
def parcels(engine: Engine) -> Iterator[Engine]:
    """Two parcels under way."""
    METADATA.create_all(engine)
    sent = parse_instant("2026-11-30T08:00Z")
    with engine.begin() as connection:
        rows = [{"id": number, "state": "under way", "sent_at": sent} for number in (7, 8)]
        connection.execute(insert(PARCELS), rows)
    yield engine
    METADATA.drop_all(engine)


def states(engine: Engine) -> dict[int, str]:
    with engine.connect() as connection:
        return {row.id: row.state for row in connection.execute(select(PARCELS))}


def test_each_subject_gets_its_outcomes_and_the_clock_moves_to_the_next_call(parcels: Engine) -> None:
    outside = Outside({"7": [Again("in the van"), Done({"state": "delivered"})], "8": [Done({"state": "delivered"})]})

    runs = outside.run(parcels, TRACK, at="2026-11-30T10:00Z")

    assert states(parcels) == {7: "delivered", 8: "delivered"}
    assert [f"{run.as_of:%H:%M}" for run in runs if run.as_of] == ["10:00", "10:05"]
    assert outside.numbers("7") == [1, 2]
    assert {call.key for call in outside.calls} == {"parcel:7", "parcel:8"}


def test_the_whole_list_of_delays_is_over_in_a_moment(parcels: Engine) -> None:
    outside = Outside({"7": [Again(), Again(), Again()], "8": [Unknown("cut"), Done({"state": "delivered"})]})

    runs = outside.run(parcels, TRACK, at="2026-11-30T10:00Z")

    assert states(parcels) == {7: "lost", 8: "delivered"}
    assert max(f"{run.as_of:%H:%M}" for run in runs if run.as_of) == "11:05"
    assert [call.uncertain for call in outside.calls if call.subject == "8"] == [False, True]


def test_a_dependency_that_is_down_takes_nobodys_attempt(parcels: Engine) -> None:
    outside = Outside({"7": [Down("refused"), Done({"state": "delivered"})], "8": [Done({"state": "delivered"})]})

    outside.run(parcels, TRACK, at="2026-11-30T10:00Z")

    assert outside.numbers("7") == [1, 1]
    assert states(parcels) == {7: "delivered", 8: "delivered"}


def test_a_function_answers_in_its_place_and_may_say_that_it_is_alive(parcels: Engine) -> None:
    seen: list[int] = []

    def deliver(attempt: Attempt) -> CallOutcome:
        attempt.heartbeat()
        seen.append(attempt.row.id)
        return Done({"state": "delivered"})

    outside = Outside({"7": [Again("in the van"), deliver], "8": [deliver]})

    outside.run(parcels, TRACK, at="2026-11-30T10:00Z")

    assert seen == [8, 7]
    assert outside.numbers("7") == [1, 2]
    assert states(parcels) == {7: "delivered", 8: "delivered"}


def test_a_call_that_the_test_did_not_expect_fails_it(parcels: Engine) -> None:
    with pytest.raises(AssertionError, match="unexpected call for 8, attempt 1"):
        Outside({"7": [Failed("lost at sea")]}).run(parcels, TRACK, at="2026-11-30T10:00Z")


def test_an_answer_that_nobody_asked_for_fails_it(parcels: Engine) -> None:
    done = Done({"state": "delivered"})
    with pytest.raises(AssertionError, match=r"calls that were not made: \{'9'"):
        Outside({"7": [done], "8": [done], "9": [done]}).run(parcels, TRACK, at="2026-11-30T10:00Z")


def test_no_socket_is_opened_meanwhile(parcels: Engine) -> None:
    class Leaky(Outside):
        """Calls the real function, as a mistake would."""

        def answer(self, attempt: Attempt, subject: str) -> CallOutcome:
            return ask_courier(attempt)

    with pytest.raises(AssertionError, match=r"a call went out to \('127.0.0.1', 9\)"):
        Leaky({}).run(parcels, TRACK, at="2026-11-30T10:00Z")

    with closed_port() as port, socket.socket() as after, pytest.raises(ConnectionRefusedError):
        after.connect(("127.0.0.1", port))
