"""Calls of an API: what each answer and each silence of a real, misbehaving server comes to (G1 to G7)."""

from __future__ import annotations

import logging
from decimal import Decimal

import httpx2
import pytest

from sexton import Again, Down, Failed, Gone, HttpAnswer, Unknown, http_call
from sexton.channels.http_call import MOST_JSON_BYTES
from sexton.channels.http_post import LONGEST_CALL_WAIT
from tests.support.hostile_http import (
    Behaviour,
    answers,
    cuts,
    drips,
    endless,
    gzip_bomb,
    hostile_server,
    redirects,
    says,
    silent,
)
from tests.support.patience import PATIENCE

CANARY = "qXcanaryX7"
KEY = {"authorization": f"Bearer {CANARY}", "idempotency-key": "payment:7"}


def test_json_goes_there_and_comes_back() -> None:
    with hostile_server(says({"status": "captured", "paid": 10})) as server:
        found = http_call("POST", server.url, json={"order": "A-1"}, headers=KEY, timeout=PATIENCE)

    (heard,) = server.heard
    assert found == HttpAnswer(200, {"status": "captured", "paid": 10})
    assert (heard.method, heard.json()) == ("POST", {"order": "A-1"})
    assert (heard.headers["idempotency-key"], heard.headers["content-type"]) == ("payment:7", "application/json")
    assert CANARY not in repr(found)


def test_a_form_goes_there_as_browsers_send_it() -> None:
    """T5.3: as OAuth wants it (RFC 6749)."""
    with hostile_server(says({"access_token": "a"})) as server:
        found = http_call("POST", server.url, form={"grant_type": "refresh_token", "a b": "ü&="}, timeout=PATIENCE)

    (heard,) = server.heard
    assert found == HttpAnswer(200, {"access_token": "a"})
    assert heard.headers["content-type"] == "application/x-www-form-urlencoded"
    assert heard.body == b"grant_type=refresh_token&a+b=%C3%BC%26%3D"


def test_money_with_a_fraction_stays_what_it_was() -> None:
    with hostile_server(answers(200, b'{"amount": 10.10, "count": 3}')) as server:
        found = http_call("GET", server.url, timeout=PATIENCE)

    assert found == HttpAnswer(200, {"amount": Decimal("10.10"), "count": 3})


@pytest.mark.parametrize(
    ("status", "body", "json"), [(204, b"", None), (404, b"", None), (404, b"<html>", None), (404, b'"no"', "no")]
)
def test_a_status_that_is_an_answer_is_one_whatever_its_body(status: int, body: bytes, json: object) -> None:
    with hostile_server(answers(status, body)) as server:
        assert http_call("GET", server.url, timeout=PATIENCE, answers=(404,)) == HttpAnswer(status, json)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Failed),
        (404, Failed),
        (422, Failed),
        (410, Gone),
        (401, Down),
        (403, Down),
        (408, Again),
        (429, Down),
        (500, Again),
        (502, Again),
        (503, Again),
        (504, Again),
    ],
)
def test_g1_g5_what_a_status_comes_to(status: int, kind: type) -> None:
    """(G1) (G5): a revoked key is about everybody there, and lasts."""
    with hostile_server(answers(status)) as server:
        found = http_call("GET", server.url, timeout=PATIENCE)

    assert type(found) is kind
    assert isinstance(found, Again | Failed | Gone | Down)
    assert found.why.startswith(f"127.0.0.1 answered {status} ")
    assert CANARY not in str(found)
    assert not isinstance(found, Down) or found.lasting == (status in (401, 403))


@pytest.mark.parametrize("status", [500, 502, 504])
def test_g1_after_a_broken_answer_to_a_charge_nobody_knows(status: int) -> None:
    with hostile_server(answers(status)) as server:
        assert type(http_call("POST", server.url, json={}, timeout=PATIENCE)) is Unknown
        assert type(http_call("PUT", server.url, json={}, timeout=PATIENCE)) is Again


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("100000000000000", LONGEST_CALL_WAIT), ("9" * 4000, LONGEST_CALL_WAIT)]
)
def test_g6_what_it_asks_for_counts_for_a_day_at_most(status: int, header: str, seconds: float) -> None:
    with hostile_server(answers(status, retry_after=header)) as server:
        found = http_call("POST", server.url, json={}, timeout=PATIENCE)

    assert isinstance(found, Down)
    assert (found.after, found.lasting) == (seconds, False)


def test_g6_garbage_is_no_wish() -> None:
    with hostile_server(answers(429, retry_after="soon")) as server:
        found = http_call("GET", server.url, timeout=PATIENCE)

    assert isinstance(found, Down)
    assert found.after is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_g7_a_redirect_is_refused_and_no_credentials_follow_it(status: int) -> None:
    with hostile_server() as other, hostile_server(redirects(other.url, status)) as server:
        found = http_call("POST", server.url, json={}, headers=KEY, timeout=PATIENCE)

    assert isinstance(found, Again)
    assert "redirects are not followed" in found.why
    assert other.connections == 0


LATE = [
    silent(),
    drips(b"", b"x"),
    drips(b"HTTP/1.1 200 OK\r\nx-endless: ", b"y"),
    drips(b"HTTP/1.1 200 OK\r\n\r\n", b" "),
]


@pytest.mark.parametrize("behaviour", LATE)
def test_g2_no_drip_outlives_the_end_of_the_call(behaviour: Behaviour) -> None:
    """Had it come to its end, the words would be others: it goes on for longer than any test lasts."""
    with hostile_server(behaviour) as server:
        asked = http_call("GET", server.url, timeout=0.5)
        charged = http_call("POST", server.url, json={}, timeout=0.5)

    assert (type(asked), type(charged)) == (Again, Unknown)
    assert "did not answer within" in str(asked)


def test_without_time_nobody_is_asked_and_it_is_no_attempt() -> None:
    with hostile_server() as server:
        assert http_call("GET", server.url, timeout=0.0) == Again("no time was left", counts=False)
    assert server.connections == 0


@pytest.mark.parametrize(
    "behaviour", [cuts(), cuts(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"), cuts(b"HTTP/1.1 2")]
)
def test_g1_a_cut_after_the_request_is_an_answer_lost(behaviour: Behaviour) -> None:
    with hostile_server(behaviour) as server:
        assert type(http_call("GET", server.url, timeout=PATIENCE)) is Again
        assert type(http_call("POST", server.url, json={}, timeout=PATIENCE)) is Unknown


def test_g1_where_nobody_listens_it_is_about_all_and_nothing_was_done() -> None:
    found = http_call("POST", f"http://127.0.0.1:1/{CANARY}", json={}, timeout=PATIENCE)

    assert found == Down("127.0.0.1 cannot be reached: Connection refused")


GARBAGE = [
    b"<html>Welcome</html>",
    b'{"status": "captured"',
    b'{"amount": NaN}',
    b'{"amount": Infinity}',
    b"\xff\xfe{}",
    b"[" * 100_000,
    b'{"amount": ' + b"9" * 5000 + b"}",
    b'{"amount": 1e' + b"9" * 30 + b"}",
    b"\x00",
]


@pytest.mark.parametrize("body", GARBAGE, ids=range(len(GARBAGE)))
def test_g3_garbage_is_neither_paid_nor_failed(body: bytes) -> None:
    with hostile_server(answers(200, body)) as server:
        asked = http_call("GET", server.url, timeout=PATIENCE)
        charged = http_call("POST", server.url, json={}, timeout=PATIENCE)

    assert (type(asked), type(charged)) == (Again, Unknown)
    assert str(asked).count("no JSON") == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        endless(b"HTTP/1.1 200 OK\r\n\r\n", b"1" * 65536),
        endless(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"10000\r\n" + b"1" * 65536 + b"\r\n"),
        answers(200, b'"' + b"x" * MOST_JSON_BYTES + b'"'),
        gzip_bomb(),
    ],
    ids=["endless", "endless in chunks", "a byte too long", "packed"],
)
def test_g3_a_body_without_end_is_given_up_after_a_mebibyte(behaviour: Behaviour) -> None:
    with hostile_server(behaviour) as server:
        found = http_call("GET", server.url, timeout=PATIENCE)

    assert isinstance(found, Again)
    assert "no JSON" in found.why


def test_g7_a_cloud_s_credentials_are_never_asked_for() -> None:
    found = http_call("GET", f"http://169.254.169.254/{CANARY}", timeout=PATIENCE)

    assert isinstance(found, Down)
    assert found.lasting
    assert CANARY not in str(found)


def test_g2_headers_beyond_the_limit_are_no_answer() -> None:
    with hostile_server(answers(200, b"{}", x_long="y" * 33_000)) as server:
        found = http_call("GET", server.url, timeout=PATIENCE)

    assert isinstance(found, Again)
    assert "more than 32 KiB of headers" in found.why


def test_no_log_has_the_address_of_a_call_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    """(G7) Programs that log everything do so with the addresses of their own calls only."""
    caplog.set_level(logging.DEBUG)
    with hostile_server(says({})) as server:
        http_call("POST", server.url, json={}, headers=KEY, timeout=PATIENCE)
        assert CANARY not in caplog.text

        with httpx2.Client(trust_env=False) as client:
            client.get(server.url, timeout=PATIENCE)
    assert CANARY in caplog.text


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/a\nb", "k"),
        ("/a\x00b", "k"),
        ("/" + "a" * 70_000, "k"),
        ("/a", "k\r\nx-injected: 1"),
        ("/a", "ключ"),
        (":port/a", "k"),
    ],
    ids=["line feed", "NUL", "too long", "header in a header", "no letter of a header", "no port"],
)
def test_g1_what_one_row_makes_wrong_is_not_the_other_side_s_fault(path: str, key: str) -> None:
    """Else one row with an odd key would rest the gateway for all."""
    with hostile_server(says({})) as server:
        found = http_call(
            "POST", f"http://127.0.0.1:{server.port}{path}", json={}, headers={"x-key": key}, timeout=PATIENCE
        )

    assert isinstance(found, Failed)
    assert "cannot be asked" in found.why
    assert server.connections == 0


@pytest.mark.parametrize("url", ["", "/orders/7", "ftp://127.0.0.1/x", "http:///x", "http://[::1"])
def test_an_address_that_is_none_is_a_failure_in_one_line(url: str) -> None:
    found = http_call("GET", url, timeout=PATIENCE)

    assert isinstance(found, Failed)
    assert "\n" not in found.why
