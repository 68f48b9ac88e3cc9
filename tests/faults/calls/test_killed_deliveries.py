"""kill -9 at every step of a delivery (P6): no message lost, none sent a second time without the same id.

The receivers are a real relay of mail and a real web server, which note what has come in.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pytest
from sqlalchemy import Engine

from sexton.call_state import CallState
from sexton.relay.relay import MessageRelay
from tests.channels.relay import Relay, relay_server
from tests.support.database_checks import let_leases_end
from tests.support.hostile_http import Hostile, answers, hostile_server
from tests.support.mortal_calls import STATEMENT, STEPS
from tests.support.mortal_deliveries import (
    NOON,
    deliver_once,
    deliver_until_death,
    delivery_rows,
    let_claims_end,
    relay_to,
    write_messages,
)
from tests.support.workers import Gate, Start

ROUNDS = 25
"""Kills on each kind of database."""

CALLED = STEPS.index("call has arrived")
CLAIMED = STEPS.index("claim is committed")
LATER = "2026-06-15 12:10"


@dataclass
class Receivers:
    """Who gets the messages."""

    mail: Relay
    web: Hostile

    def ids(self, channel: str) -> list[str]:
        """Of what has arrived, in order: what a receiver tells a second copy by."""
        if channel == "email":
            return [str(message["Message-ID"]) for _, message in self.mail.taken]
        return [heard.headers["webhook-id"] for heard in self.web.heard]

    def relay(self, engine: Engine, *channels: str) -> MessageRelay:
        return relay_to(engine, self.mail.port, self.web.url, *channels)


@pytest.fixture
def receivers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receivers]:
    """Both, until the end of the test."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with relay_server() as mail, hostile_server(answers(204)) as web:
        yield Receivers(mail, web)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("channel", ["email", pytest.param("webhook", marks=pytest.mark.slow)])
def test_p6_a_delivery_killed_once_at_each_step(
    engine: Engine, database: str, start: Start, receivers: Receivers, channel: str, step: str
) -> None:
    write_messages(engine, 1)

    child = start(deliver_until_death, database, receivers.mail.port, receivers.web.url, [channel], NOON, step, 1)
    assert child.wait() == -signal.SIGKILL, child.output + child.errors
    let_leases_end(engine)
    let_claims_end(engine)
    run = deliver_once(engine, receivers.relay(engine, channel), LATER)

    place = STEPS.index(step)
    assert run.state == "succeeded", run.error
    (row,) = delivery_rows(engine)
    second = place >= CLAIMED and step != "record is committed"
    assert (row.state, row.attempts, row.claim) == (CallState.DONE, 2 if second else 1, None)
    ids = receivers.ids(channel)
    assert len(ids) == (2 if second and place >= CALLED else 1)
    assert len(set(ids)) == 1


@pytest.mark.slow
def test_p6_deliveries_killed_again_and_again(
    engine: Engine, database: str, start: Start, receivers: Receivers, chance: Random
) -> None:
    """Both channels; a new message for each process. What may have been sent twice is not sent a third time."""
    kills = number = 0

    while kills < ROUNDS:
        number += 1
        write_messages(engine, number)
        let_leases_end(engine)
        let_claims_end(engine)
        step = chance.choice([*STEPS, STATEMENT])
        nth = chance.randint(1, 80 if step == STATEMENT else 4)
        place = (receivers.mail.port, receivers.web.url, ["email", "webhook"])
        child = start(
            deliver_until_death, database, *place, f"2026-06-15 {12 + number // 20}:{number % 20 * 3:02}", step, nth
        )
        code = child.wait()
        assert code in (-signal.SIGKILL, 0), child.output + child.errors
        kills += code != 0
    for day in (17, 18, 19):
        let_leases_end(engine)
        let_claims_end(engine)
        assert deliver_once(engine, receivers.relay(engine, "email", "webhook"), f"2026-06-{day} 12:00").error is None

    rows = delivery_rows(engine)
    assert len(rows) == 2 * number
    for channel in ("email", "webhook"):
        arrived = Counter(receivers.ids(channel))
        mine = [row for row in rows if row.channel == channel]
        done = [row for row in mine if row.state == CallState.DONE]
        in_doubt = [row for row in mine if row.state == CallState.UNKNOWN]
        assert len(done) + len(in_doubt) == number
        assert all(row.attempts >= 2 for row in in_doubt)
        assert len(done) <= len(arrived) <= number
        assert sum(arrived.values()) <= sum(row.attempts for row in mine)
        assert max(arrived.values()) <= 2


def test_two_relays_at_once_send_each_message_once(
    engine: Engine, database: str, start: Start, receivers: Receivers
) -> None:
    """Two processes that begin together."""
    write_messages(engine, *range(1, 31))
    gate = Gate()
    place = (receivers.mail.port, receivers.web.url, ["email", "webhook"])

    children = [start(deliver_in_lane, database, *place, lane, gate=gate) for lane in (1, 2)]
    gate.open()

    assert [child.wait() for child in children] == [0, 0], [child.output + child.errors for child in children]
    deliver_once(engine, receivers.relay(engine, "email", "webhook"), LATER)
    assert {(row.state, row.attempts) for row in delivery_rows(engine)} == {(CallState.DONE, 1)}
    for channel in ("email", "webhook"):
        assert sorted(Counter(receivers.ids(channel)).values()) == [1] * 30


def deliver_in_lane(url: str, smtp: int, web: str, channels: list[str], lane: int) -> int:
    """A child that delivers, beside another one."""
    from sexton.db.connect import open_database

    engine = open_database(url)
    outcome = deliver_once(engine, relay_to(engine, smtp, web, *channels), NOON, lane)
    print(outcome.state, outcome.error or outcome.note or "", flush=True)
    return outcome.exit_code
