"""Messages of the outbox by webhook: to ours and to endpoints of strangers; what is signed, and what comes of it."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import Engine, literal, select
from standardwebhooks import Webhook, WebhookVerificationError

from sexton import Again, CallOutcome, Done, Down, Failed, Gone, SextonError
from sexton.channels.contract import OutgoingMessage, Refused
from sexton.channels.http_post import LONGEST_CALL_WAIT
from sexton.channels.webhook import WebhookChannel, WebhookSettings, signed
from sexton.config.reading import read_into
from sexton.relay.destinations import url_host
from tests.support.hostile_http import Hostile, answers, drips, hostile_server, redirects, silent
from tests.support.patience import PATIENCE

CANARY = "qXcanaryX7"
NAME = "hooks.example.test"
OLD = "whsec_" + base64.b64encode(b"old key of at least 24 bytes").decode()
NEW = "whsec_" + base64.b64encode(b"new key of at least 24 bytes").decode()
MESSAGE = OutgoingMessage(
    id="msg_2f6c0d",
    key="order_expired:7:2026-11-22T04:00:00Z",
    event="order.expired",
    recipient="",
    payload={"order": 7, "buyer": "Jørgen", "note": "a\u2028b"},
    created_at=datetime(2026, 11, 22, 4, 0, tzinfo=UTC),
)


def ours(server: Hostile, secret: str | None = OLD) -> WebhookChannel:
    return WebhookChannel(WebhookSettings(url=server.url, secret=secret), seconds=PATIENCE)


def theirs(server: Hostile) -> tuple[WebhookChannel, OutgoingMessage]:
    """A channel that lets an endpoint be on loopback under a name, and a message to it."""
    settings = WebhookSettings(url="https://ours.example/", secret=OLD, allow=(f"127.0.0.1:{server.port}",), http=True)
    channel = WebhookChannel(settings, seconds=PATIENCE, resolve=lambda name: ["127.0.0.1"])
    return channel, replace(MESSAGE, recipient=f"http://{NAME}:{server.port}/{CANARY}", secrets=(NEW, OLD))


def delivered(channel: WebhookChannel, *messages: OutgoingMessage, seconds: float = PATIENCE) -> list[CallOutcome]:
    return list(channel.deliver(messages, seconds=seconds))


def test_a_message_to_ours_is_signed_with_our_secret() -> None:
    with hostile_server(answers(204)) as server:
        assert delivered(ours(server), MESSAGE) == [Done()]

    (heard,) = server.heard
    assert Webhook(OLD).verify(heard.body, dict(heard.headers)) == {
        "type": "order.expired",
        "timestamp": "2026-11-22T04:00:00Z",
        "data": {"order": 7, "buyer": "Jørgen", "note": "a\u2028b"},
    }
    assert heard.headers["webhook-id"] == "msg_2f6c0d"


def test_without_a_secret_ours_is_not_signed() -> None:
    with hostile_server(answers(204)) as server:
        assert delivered(ours(server, secret=None), MESSAGE) == [Done()]

    assert "webhook-signature" not in server.heard[0].headers


def test_w10_during_a_rotation_both_secrets_of_the_endpoint_sign() -> None:
    with hostile_server(answers(200)) as server:
        channel, message = theirs(server)
        assert delivered(channel, message) == [Done()]

    (heard,) = server.heard
    for secret in (OLD, NEW):
        Webhook(secret).verify(heard.body, dict(heard.headers))
    assert heard.headers["webhook-signature"].count("v1,") == 2
    assert heard.headers["host"] == f"{NAME}:{server.port}"


def test_w10_a_stranger_s_endpoint_never_gets_a_signature_by_our_secret() -> None:
    with hostile_server(answers(200)) as server:
        channel, message = theirs(server)
        delivered(channel, replace(message, secrets=()), replace(message, secrets=(NEW,)))

    unsigned, by_theirs = server.heard
    assert "webhook-signature" not in unsigned.headers
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(by_theirs.body, dict(by_theirs.headers))


def test_w10_the_signature_is_that_of_the_standard_s_own_example() -> None:
    """The vector of its reference libraries."""
    with time_machine.travel(datetime.fromtimestamp(1614265330, UTC), tick=False):
        headers = signed(
            "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
        )

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_w9_w10_another_try_has_the_same_id_and_the_same_bytes_and_its_own_time() -> None:
    """(W9) (W10) Whoever checks the time of a copy kept from yesterday refuses it."""
    with hostile_server(answers(500), answers(204)) as server:
        channel, message = theirs(server)
        (again,) = delivered(channel, message)
        with time_machine.travel(datetime.now(UTC) + timedelta(hours=2), tick=True):
            (done,) = delivered(channel, replace(message, attempt=2, uncertain=True))

    first, second = server.heard
    assert (type(again), done) == (Again, Done())
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == MESSAGE.id
    assert first.body == second.body
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) >= 7190
    with pytest.raises(WebhookVerificationError, match="too new"):
        Webhook(NEW).verify(second.body, dict(second.headers))


def test_w9_a_receiver_that_accepts_and_says_nothing_gets_the_same_id_again() -> None:
    with hostile_server(silent(), answers(204)) as server:
        channel, message = theirs(server)
        (lost,) = delivered(channel, message, seconds=0.5)
        (done,) = delivered(channel, message)

    assert (type(lost), done) == (Again, Done())
    assert [heard.headers["webhook-id"] for heard in server.heard] == [MESSAGE.id, MESSAGE.id]


OUTCOMES_OF_OURS = [
    (204, Done()),
    (302, Failed),
    (400, Failed),
    (401, Down),
    (403, Down),
    (404, Failed),
    (410, Down),
    (429, Down),
    (500, Again),
    (503, Again),
]


@pytest.mark.parametrize(("status", "outcome"), OUTCOMES_OF_OURS)
def test_g1_g5_w7_what_ours_answers(status: int, outcome: object) -> None:
    """(G1) (G5) (W7)"""
    with hostile_server(answers(status)) as server:
        (found,) = delivered(ours(server), MESSAGE)

    assert type(found) is (outcome if isinstance(outcome, type) else type(outcome))
    assert not isinstance(found, Down) or (found.lasting, found.counts) == (status != 429, False)
    assert not isinstance(found, Again) or found.fault
    assert CANARY not in str(found)


OUTCOMES_OF_THEIRS = [
    (200, Done),
    (302, Again),
    (400, Again),
    (401, Again),
    (404, Again),
    (410, Gone),
    (429, Down),
    (500, Again),
    (503, Again),
]


@pytest.mark.parametrize(("status", "kind"), OUTCOMES_OF_THEIRS)
def test_w4_w7_what_an_endpoint_answers(status: int, kind: type) -> None:
    """(W4) (W7) It may break and heal: only 410 is for good, and what is down counts as an attempt."""
    with hostile_server(answers(status, location="http://127.0.0.1:1/")) as server:
        channel, message = theirs(server)
        (found,) = delivered(channel, message)

    assert type(found) is kind
    assert not isinstance(found, Down) or (found.lasting, found.counts) == (False, True)
    assert not isinstance(found, Again) or found.fault == (status >= 500)
    assert CANARY not in str(found)


@pytest.mark.parametrize(("status", "header"), [(429, "99999999999"), (503, "Fri, 31 Dec 9999 23:59:59 GMT")])
def test_g6_a_rest_is_a_day_at_most(status: int, header: str) -> None:
    with hostile_server(answers(status, retry_after=header)) as server:
        channel, message = theirs(server)
        for found in (*delivered(ours(server), MESSAGE), *delivered(channel, message)):
            assert isinstance(found, Down)
            assert found.after == LONGEST_CALL_WAIT


def test_g1_where_nobody_listens_ours_costs_no_attempt_and_theirs_does() -> None:
    nobody = Hostile(1)
    channel, message = theirs(nobody)

    (own,), (other,) = delivered(ours(nobody), MESSAGE), delivered(channel, message)

    assert isinstance(own, Down)
    assert isinstance(other, Down)
    assert (own.counts, other.counts) == (False, True)


def test_w5_a_drip_costs_its_own_call_and_another_receiver_none() -> None:
    with hostile_server(drips(b"", b"x")) as slow, hostile_server(answers(204)) as healthy:
        channel, message = theirs(slow)
        _, fine = theirs(healthy)
        wide = WebhookChannel(
            WebhookSettings(allow=("127.0.0.0/8",), http=True), seconds=PATIENCE, resolve=lambda name: ["127.0.0.1"]
        )
        waiting = threading.Thread(target=lambda: delivered(channel, message, seconds=2))
        waiting.start()
        (found,) = delivered(wide, fine)
        waiting.join()

    assert found == Done()
    assert len(slow.heard) == 1


def test_w1_what_leads_inside_fails_in_one_line_without_address() -> None:
    with hostile_server() as server:
        message = theirs(server)[1]
        closed = WebhookChannel(WebhookSettings(), seconds=PATIENCE, resolve=lambda name: ["127.0.0.1"])
        (found,) = delivered(closed, replace(message, recipient=f"https://{NAME}/{CANARY}"))

    assert found == Failed(f"{NAME} leads to an address or a port that is not public; nothing is sent there")
    assert server.connections == 0


@pytest.mark.parametrize("secret", ["whsec_c2hvcnQ=", "whsec_", "", "whsec_!!!!", "kürzer"])
def test_w10_a_secret_too_short_is_refused_and_not_shown(secret: str) -> None:
    with hostile_server() as server:
        channel, message = theirs(server)
        (found,) = delivered(channel, replace(message, secrets=(NEW, secret)))

    assert isinstance(found, Failed)
    assert found.why == 'a secret of the endpoint is not "whsec_" and at least 24 bytes in base64'
    assert server.connections == 0


def test_w10_secrets_are_in_no_repr() -> None:
    assert OLD not in repr(replace(MESSAGE, secrets=(OLD,)))
    assert "proxy.example" not in repr(WebhookSettings(proxy="http://u:p@proxy.example:3128"))


def test_without_url_and_endpoint_it_is_about_the_settings() -> None:
    (found,) = delivered(WebhookChannel(WebhookSettings()), MESSAGE)

    assert isinstance(found, Down)
    assert found.lasting


def test_without_time_no_attempt_is_lost() -> None:
    with hostile_server() as server:
        assert delivered(ours(server), MESSAGE, MESSAGE, seconds=0) == [Again("no time was left", counts=False)] * 2
    assert server.connections == 0


def test_outcomes_come_as_soon_as_they_are_known() -> None:
    with hostile_server(answers(204), answers(500)) as server:
        outcomes: Iterator[CallOutcome] = ours(server).deliver([MESSAGE, MESSAGE], seconds=PATIENCE)
        assert next(outcomes) == Done()
        assert len(server.heard) == 1
        assert isinstance(next(outcomes), Again)


@pytest.mark.parametrize(
    ("recipient", "name"),
    [
        ("https://Hooks.Example.com:8443/x", "webhook:hooks.example.com:8443"),
        ("https://[2001:db8::1]/x", "webhook:[2001:db8::1]"),
        ("", "webhook:ours.example"),
        ("https://[broken", "webhook"),
    ],
)
def test_w8_what_rests_and_takes_turns_is_the_host(recipient: str, name: str) -> None:
    assert WebhookChannel(WebhookSettings(url="https://ours.example/x")).destination(recipient) == name


def test_w3_an_address_is_checked_when_it_is_registered() -> None:
    channel = WebhookChannel(WebhookSettings(), resolve=lambda name: ["10.0.0.1" if name == NAME else "93.184.216.34"])

    channel.check_recipient("https://hooks.example.com/x")
    for refused in (
        f"https://{NAME}/x",
        "https://127.1/",
        "http://hooks.example.com/",
        "https://hooks.example.com:22/",
    ):
        with pytest.raises(Refused):
            channel.check_recipient(refused)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"allow": ["10.0.0.1/8"]}, "'10.0.0.1/8' is no range of addresses"),
        ({"deny": ["intern"]}, "'intern' is no range of addresses"),
        ({"ports": [0]}, "0 is out of range"),
        ({"ports": ["x"]}, "must be a whole number"),
        ({"proxy": "proxy.example:3128"}, "proxy is not an address of the web"),
        ({"proxy": "http://[qXcanaryX7"}, "proxy is not an address of the web"),
    ],
)
def test_rules_that_cannot_be_right_are_one_line(given: dict[str, object], words: str) -> None:
    with pytest.raises(SextonError) as refused:
        read_into(WebhookSettings, given, where="sexton.toml: channel.webhook")

    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert CANARY not in str(refused.value)


def test_g7_ours_is_not_led_elsewhere() -> None:
    with hostile_server() as other, hostile_server(redirects(other.url)) as server:
        (found,) = delivered(ours(server), MESSAGE)

    assert isinstance(found, Failed)
    assert other.connections == 0


def test_what_a_terminal_would_obey_is_escaped_and_reads_back() -> None:
    with hostile_server(answers(204)) as server:
        delivered(ours(server), MESSAGE)

    body = server.heard[0].body
    assert b'"a\\u2028b"' in body
    assert json.loads(body)["data"] == MESSAGE.payload


@pytest.mark.parametrize(
    "url",
    [
        "https://Hooks.Example.com:8443/x?y#z",
        "https://a.example",
        "https://a.example?x=/",
        "https://user:pass@a.example/x@y",
        "https://[2001:DB8::1]:8443/x",
    ],
)
def test_w8_the_relay_reads_the_same_host_out_of_an_address(engine: Engine, url: str) -> None:
    """It asks the database, for many rows at once; the name of a host must not depend on who asks."""
    with engine.connect() as connection:
        place = connection.execute(select(url_host(literal(url)))).scalar_one()

    assert WebhookChannel(WebhookSettings()).destination(url) == f"webhook:{place}"
