"""Calls of a web address: faults G1, G2, G5, G6, G7 against real servers on loopback."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from sexton.channels.contract import ChannelError, Refused, Unavailable, Vanished
from sexton.channels.http_post import LONGEST_CALL_WAIT, LONGEST_WAIT, post, retry_after
from tests.support.patience import PATIENCE

from .web import Web, dripping, flooding, web_server

CANARY = "qXcanaryX7"
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 201, 204])
def test_taken(web: Web, status: int) -> None:
    web.answers = [(status, {})]

    post(web.url, b"{}", {"x-extra": "yes"})

    (request,) = web.requests
    assert (request.body, request.headers["x-extra"]) == (b"{}", "yes")
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_g1_an_overloaded_server_is_asked_again_later(web: Web, status: int) -> None:
    web.answers = [(status, {})]

    with pytest.raises(Unavailable, match=str(status)) as later:
        post(web.url, b"{}")
    assert later.value.retry_after is None
    assert len(web.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_g5_a_refusal_is_for_good_and_does_not_show_the_address(web: Web, status: int) -> None:
    web.answers = [(status, {})]

    with pytest.raises(Refused, match=str(status)) as refused:
        post(web.url, b"{}")
    assert len(web.requests) == 1
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        ("3600", 3600),
        ("3601", LONGEST_WAIT),
        ("100000000000000", LONGEST_WAIT),
        ("9" * 5000, LONGEST_WAIT),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
        ("Fri, 31 Dec 99999999 23:59:59 GMT", None),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("٣", None),
        ("", None),
        (None, None),
    ],
)
def test_g6_what_a_server_asks_for_is_honoured_within_an_hour(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "header", "whole"),
    [
        (401, None, True),
        (403, None, True),
        (429, None, True),
        (503, "7", True),
        (503, "soon", False),
        (500, "7", False),
        (400, None, False),
        (404, None, False),
        (302, None, False),
        (410, None, True),
    ],
)
def test_g1_g5_what_says_nothing_about_this_message_is_about_all(
    web: Web, status: int, header: str | None, whole: bool
) -> None:
    """(G1) (G5)"""
    web.answers = [(status, {"retry-after": header} if header else {})]

    with pytest.raises(ChannelError) as failed:
        post(web.url, b"{}")
    assert failed.value.whole == whole


def test_w7_who_is_gone_is_told_apart_from_who_refuses(web: Web) -> None:
    web.answers = [(410, {}), (404, {}), (404, {})]

    assert [type(failure_of(web)), type(failure_of(web)), type(failure_of(web, gone=(404, 410)))] == [
        Vanished,
        Refused,
        Vanished,
    ]


def failure_of(web: Web, gone: tuple[int, ...] = (410,)) -> ChannelError:
    with pytest.raises(ChannelError) as failed:
        post(web.url, b"{}", gone=gone)
    return failed.value


def test_g6_a_call_may_be_asked_to_rest_for_a_day(web: Web) -> None:
    web.answers = [(429, {"retry-after": "999999"})]

    with pytest.raises(Unavailable) as later:
        post(web.url, b"{}", longest_wait=LONGEST_CALL_WAIT)
    assert later.value.retry_after == LONGEST_CALL_WAIT


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("100000000000000", LONGEST_WAIT), ("soon", None)])
def test_g6_the_header_reaches_the_one_who_asks(web: Web, header: str, seconds: float | None) -> None:
    web.answers = [(429, {"retry-after": header})]

    with pytest.raises(Unavailable) as later:
        post(web.url, b"{}")
    assert later.value.retry_after == seconds


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_g7_a_redirect_is_refused_and_nothing_follows_it(web: Web, status: int) -> None:
    with web_server() as other:
        web.answers = [(status, {"location": other.url})]

        with pytest.raises(Refused, match="redirects are not followed") as refused:
            post(web.url, b'{"token": 1}', {"webhook-signature": CANARY})
        assert other.requests == []
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nx-endless: "])
def test_g2_a_server_that_drips_ends_with_the_deadline(first: bytes) -> None:
    """It drips for longer than any test lasts; had it come to its end, the words would be others."""
    with dripping(first, b"x") as port, pytest.raises(Unavailable, match="did not answer within"):
        post(f"http://127.0.0.1:{port}/", b"{}", deadline=0.5)


def test_g2_who_was_reached_and_is_slow_is_not_down(web: Web) -> None:
    with dripping(b"", b"x") as port, pytest.raises(Unavailable) as slow:
        post(f"http://127.0.0.1:{port}/", b"{}", deadline=0.5)
    with pytest.raises(Unavailable) as away:
        post("http://127.0.0.1:1/", b"{}")

    assert (slow.value.whole, away.value.whole) == (False, True)


def test_g1_nobody_listens() -> None:
    with pytest.raises(Unavailable) as refused:
        post(f"http://127.0.0.1:1/{CANARY}", b"{}")
    assert str(refused.value) == "127.0.0.1 cannot be reached: Connection refused"


def test_sec_25_attack_a_name_that_is_none_is_one_that_cannot_be_reached() -> None:
    with pytest.raises(Unavailable, match=r"^a\.\.b cannot be reached: UnicodeError$"):
        post("https://a..b/secret", b"{}")


def test_g3_garbage_is_no_answer() -> None:
    with dripping(b"\x00\xff garbage\r\n\r\n", b"x") as port, pytest.raises(Unavailable, match="cannot be reached"):
        post(f"http://127.0.0.1:{port}/{CANARY}", b"{}")


ENOUGH = 64 * 1024 * 1024


@pytest.mark.parametrize("chunk", [b"x-more: y\r\n" * 1000, b"x" * 10_000, b"x-long: " + b"y" * 60_000 + b"\r\n"])
def test_sec_10_headers_without_end_are_hung_up_on(chunk: bytes) -> None:
    with flooding(b"HTTP/1.1 200 OK\r\n", chunk, ENOUGH) as flood, pytest.raises(Unavailable, match="reached"):
        post(f"http://127.0.0.1:{flood.port}/", b"{}", deadline=PATIENCE)
    assert flood.sent < ENOUGH


def test_sec_10_a_body_without_end_is_not_read() -> None:
    with flooding(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10_000, ENOUGH) as flood:
        post(f"http://127.0.0.1:{flood.port}/", b"{}", deadline=PATIENCE)
    assert flood.sent < ENOUGH


def test_sec_10_interim_answers_without_end_are_ended_by_the_deadline() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nx-more: y\r\n\r\n"
    with flooding(b"", interim, 10**12) as flood, pytest.raises(Unavailable, match="did not answer within"):
        post(f"http://127.0.0.1:{flood.port}/", b"{}", deadline=0.5)


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "2852039166", "[::ffff:169.254.169.254]", "metadata.google.internal"]
)
def test_sec_25_nothing_is_sent_to_where_clouds_keep_credentials(host: str) -> None:
    with pytest.raises(Refused, match="leads to where a cloud tells its machines their credentials") as refused:
        post(f"http://{host}/{CANARY}", b"{}")
    assert CANARY not in str(refused.value)


def test_sec_25_a_name_that_leads_there_is_found_out_before_anything_is_sent(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As DNS may answer otherwise each time, the connection itself is asked. Loopback stands for such an address."""
    monkeypatch.setattr("sexton.channels.http_exchange.is_forbidden", lambda host: host == "127.0.0.1")

    with pytest.raises(Refused, match="localhost leads to where a cloud"):
        post(web.url.replace("127.0.0.1", "localhost"), b"{}")
    assert web.requests == []
