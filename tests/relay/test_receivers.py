"""The whole way: a message of the outbox by its route to a real receiver that misbehaves, and what becomes of it."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from sexton import Job
from sexton.channels.email import EmailSettings
from sexton.channels.webhook import WebhookChannel, WebhookSettings
from sexton.relay import delivery
from sexton.relay.job import relay_steps
from sexton.relay.routes import Route
from sexton.testing import run_job
from sexton.testing.processes import wait_until
from tests.channels.relay import Relay, relay_server
from tests.support.hostile_http import Behaviour, Hostile, answers, hostile_server, redirects, silent
from tests.support.patience import PATIENCE

from .mailroom import NOON, Mailroom, open_room

MAILS = Route("mails", ("code",), "email", to="{payload.email}", retry=("1m", "1m", "1m"))
HOOKS = Route("hooks", ("code",), "webhook", to="{payload.url}", retry=("1m", "1m", "1m"))
LATER, LATEST = "2026-06-15 12:10", "2026-06-15 12:20"
THREE = ("a@example.com", "b@example.com", "c@example.com")


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the developer's."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def relay() -> Iterator[Relay]:
    """A relay of mail that takes everything until it is told otherwise."""
    with relay_server() as server:
        yield server


def mail_room(engine: Engine, relay: Relay, *addresses: str, **login: Any) -> Mailroom:
    """A message for each address."""
    settings = EmailSettings(host="127.0.0.1", port=relay.port, security="none", sender="shop@example.com", **login)
    room = open_room(engine, MAILS, channels={"email": settings})
    for number, address in enumerate(addresses, 1):
        room.message(number, "code", email=address)
    return room


def hook_room(engine: Engine, *servers: Hostile) -> Mailroom:
    """A relay that may post to these servers."""
    allowed = tuple(f"127.0.0.1:{server.port}" for server in servers)
    settings = WebhookSettings(url="https://ours.example/", allow=allowed, http=True)
    return open_room(engine, HOOKS, channels={"webhook": settings})


def states(room: Mailroom) -> dict[str, tuple[str, int]]:
    """State and attempts by recipient."""
    return {row.recipient: (str(row.state), row.attempts) for row in room.rows()}


def identities(relay: Relay) -> list[str]:
    """Message-IDs of what arrived."""
    return [str(message["Message-ID"]) for _, message in relay.taken]


def test_m1_one_address_that_does_not_exist_fails_alone(engine: Engine, relay: Relay) -> None:
    relay.receivers = {"b@example.com": ["550 5.1.1 no such user"]}
    room = mail_room(engine, relay, *THREE)

    room.run(calls=True)

    assert states(room) == {THREE[0]: ("done", 1), THREE[1]: ("failed", 1), THREE[2]: ("done", 1)}
    assert (relay.told(), relay.sessions) == ([THREE[0], THREE[2]], 1)
    assert [number for number, at in room.published().items() if at is None] == [2]


@pytest.mark.parametrize("reply", ["451 4.3.0 later", "452 4.2.2 quota", "450 4.2.0 greylisted", "552 5.2.2 box full"])
def test_m2_m5_only_the_one_that_is_put_off_is_sent_again(engine: Engine, relay: Relay, reply: str) -> None:
    relay.receivers = {"b@example.com": [reply]}
    room = mail_room(engine, relay, *THREE)

    room.run(calls=True)
    before = states(room)
    room.run(LATER, calls=True)

    assert before == {THREE[0]: ("done", 1), THREE[1]: ("waiting", 1), THREE[2]: ("done", 1)}
    assert states(room) == {THREE[0]: ("done", 1), THREE[1]: ("done", 2), THREE[2]: ("done", 1)}
    assert relay.told() == sorted(THREE)


def test_m3_cut_in_the_middle_of_the_data_is_sent_again(engine: Engine, relay: Relay) -> None:
    relay.cut = {"in DATA": 1}
    room = mail_room(engine, relay, *THREE)

    room.run(calls=True)
    room.run(LATER, calls=True)

    assert {state for state, _ in states(room).values()} == {"done"}
    assert relay.told() == sorted(THREE)


def test_m4_cut_after_the_dot_is_sent_once_more_with_the_same_message_id(engine: Engine, relay: Relay) -> None:
    relay.cut = {"after the dot": 2}
    room = mail_room(engine, relay, "a@example.com")

    room.run(calls=True)
    before = states(room)
    for at in (LATER, LATEST):
        room.run(at, calls=True)

    assert before == {"a@example.com": ("waiting", 1)}
    assert states(room) == {"a@example.com": ("unknown", 2)}
    assert list(Counter(identities(relay)).values()) == [2]
    assert room.stored(1).attempt_count >= 5


@pytest.mark.parametrize("phase", ["ehlo", "auth", "mail"])
def test_m6_a_fault_of_ours_costs_no_message_an_attempt(engine: Engine, relay: Relay, phase: str) -> None:
    setattr(relay, phase, "535 5.7.8 no" if phase == "auth" else "550 5.7.1 no")
    login = {"user": "shop", "password": "wrong"} if phase == "auth" else {}
    room = mail_room(engine, relay, *THREE, **login)

    room.run(calls=True)

    assert states(room) == dict.fromkeys(THREE, ("waiting", 0))
    assert relay.told() == []


def test_m7_m8_what_is_no_address_fails_and_makes_no_second_header(engine: Engine, relay: Relay) -> None:
    wrong = ("a@example.com\r\nBcc: eve@example.com", "", "x" * 300 + "@example.com", "no address")
    room = mail_room(engine, relay, *wrong, "ada@bücher.example")

    room.run(calls=True)

    assert relay.told() == ["ada@xn--bcher-kva.example"]
    assert Counter(state for state, _ in states(room).values()) == {"failed": 4, "done": 1}
    assert [message["Bcc"] for _, message in relay.taken] == [None]


def test_w4_a_redirect_is_followed_by_nobody(engine: Engine) -> None:
    with hostile_server(answers(204)) as inside, hostile_server(redirects(inside.url, 307), answers(204)) as server:
        room = hook_room(engine, server)
        room.message(1, "code", url=server.url)

        room.run(calls=True)
        before = states(room)
        room.run(LATER, calls=True)

        assert (before, states(room)) == ({server.url: ("waiting", 1)}, {server.url: ("done", 2)})
        assert (inside.connections, len({heard.headers["webhook-id"] for heard in server.heard})) == (0, 1)


def test_w1_an_address_inside_is_never_connected_to(engine: Engine) -> None:
    with hostile_server(answers(204)) as inside, hostile_server(answers(204)) as other:
        room = hook_room(engine, other)
        room.message(1, "code", url=inside.url)

        room.run(calls=True)

        assert states(room) == {inside.url: ("failed", 1)}
        assert inside.connections == 0


def test_w9_no_answer_in_time_is_followed_by_the_same_id(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WebhookChannel.__init__, "__kwdefaults__", {"seconds": 0.5, "resolve": None})
    with hostile_server(silent(), answers(204)) as server:
        room = hook_room(engine, server)
        room.message(1, "code", url=server.url)

        room.run(calls=True)
        before = states(room)
        monkeypatch.setattr(WebhookChannel.__init__, "__kwdefaults__", {"seconds": PATIENCE, "resolve": None})
        room = replace(room, relay=hook_room(engine, server).relay)
        room.run(LATER, calls=True)

        assert before == {server.url: ("waiting", 1)}
        assert states(room) == {server.url: ("done", 2)}
        assert len({heard.headers["webhook-id"] for heard in server.heard}) == 1


def test_w5_of_a_hundred_receivers_one_that_hangs_holds_up_no_other(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers once all others have got theirs: its one call is still under way then."""
    monkeypatch.setattr(WebhookChannel.__init__, "__kwdefaults__", {"seconds": PATIENCE, "resolve": None})
    monkeypatch.setattr(delivery, "DELIVERY_TIMEOUT", f"{PATIENCE:.0f}s")

    def after_the_others(others: Hostile) -> Behaviour:
        def behave(client: socket.socket, over: threading.Event) -> None:
            if wait_until(lambda: over.is_set() or len(others.heard) == 99, PATIENCE) and not over.is_set():
                answers(204)(client, over)

        return behave

    with hostile_server(answers(204)) as others, hostile_server(after_the_others(others)) as slow:
        room = hook_room(engine, others, slow)
        room.message(1, "code", url=slow.url)
        for number in range(2, 101):
            room.message(number, "code", url=f"{others.url}/{number}")
        work: Any = relay_steps(room.relay, engine)

        run = run_job(engine, Job("sexton.deliver", work=work, guard=None, timeout="1h"), at=NOON, raise_errors=True)

        assert run.state == "succeeded"
        assert (len(others.heard), len(slow.heard)) == (99, 1)
        assert set(states(room).values()) == {("done", 1)}
