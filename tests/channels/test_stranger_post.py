"""Calls of addresses that strangers chose: what is looked up, judged, connected to and read (W1 to W6, N1, N2, N4)."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from sexton.channels import stranger_post
from sexton.channels.address_rules import AddressRules
from sexton.channels.contract import Refused, Unavailable, Vanished
from sexton.channels.http_post import LONGEST_CALL_WAIT
from sexton.channels.stranger_post import (
    MOST_SENT_BYTES,
    Resolver,
    check_stranger_url,
    post_to_stranger,
    system_addresses,
)
from tests.support.certificates import certificate
from tests.support.hostile_http import (
    Behaviour,
    Hostile,
    answers,
    cuts,
    drips,
    gzip_bomb,
    hostile_server,
    redirects,
    silent,
)
from tests.support.patience import PATIENCE

from .web import flooding

CANARY = "qXcanaryX7"
NAME = "hooks.example.test"


def always(*addresses: str) -> Resolver:
    return lambda name: list(addresses)


def rules(*allow: str, http: bool = True, proxy: str | None = None) -> AddressRules:
    return AddressRules.parse(allow=allow, deny=(), ports=(443,), http=http, proxy=proxy)


def call(
    server: Hostile,
    *,
    resolve: Resolver | None = None,
    seconds: float = PATIENCE,
    body: bytes = b"{}",
    made: AddressRules | None = None,
) -> None:
    """The server by a name that leads to loopback, which is allowed on its port."""
    url = f"{server.scheme}://{NAME}:{server.port}/{CANARY}?x=1"
    made = made or rules(f"127.0.0.1:{server.port}")
    post_to_stranger(url, body, {"x-extra": "yes"}, seconds=seconds, rules=made, resolve=resolve or always("127.0.0.1"))


def test_it_is_posted_to_the_address_that_was_judged_under_its_name() -> None:
    with hostile_server(answers(204)) as server:
        call(server)

    (heard,) = server.heard
    assert (heard.method, heard.path, heard.body) == ("POST", f"/{CANARY}?x=1", b"{}")
    assert heard.headers["host"] == f"{NAME}:{server.port}"
    assert heard.headers["accept-encoding"] == "identity"
    assert (heard.headers["x-extra"], heard.headers["content-type"]) == ("yes", "application/json")
    assert "cookie" not in heard.headers


PRIVATE = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.100.100.200", "fd00:ec2::254", "::1", "::ffff:127.0.0.1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_w1_a_name_that_leads_inside_is_never_connected_to(address: str) -> None:
    with hostile_server() as server, pytest.raises(Refused, match="not public") as refused:
        call(server, resolve=always(address), made=rules())

    assert server.connections == 0
    assert address not in str(refused.value)
    assert CANARY not in str(refused.value)


def test_w1_one_address_inside_is_enough_to_refuse_all() -> None:
    with hostile_server() as server, pytest.raises(Refused, match="not public"):
        call(server, resolve=always("127.0.0.1", "10.0.0.1"))

    assert server.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"])
def test_w1_this_machine_is_not_called_by_the_system_s_own_names_either(host: str) -> None:
    with hostile_server() as server, pytest.raises(Refused, match="not public"):
        post_to_stranger(f"https://{host}:{server.port}/", b"{}", {}, seconds=PATIENCE, rules=rules())

    assert server.connections == 0


@pytest.mark.parametrize(
    "url",
    ["https://2130706433/", "https://0x7f.1/", "https://127.1/", "https://good.example@127.0.0.1/", "gopher://a/"],
)
def test_w2_other_spellings_are_not_even_looked_up(url: str) -> None:
    def never(name: str) -> Sequence[str]:
        raise AssertionError(name)

    with pytest.raises(Refused, match="the address of the endpoint is not taken: "):
        post_to_stranger(url, b"{}", {}, seconds=PATIENCE, rules=rules(http=False), resolve=never)


def changing(*answers_in_turn: Sequence[str]) -> tuple[Resolver, list[str]]:
    """A resolver that answers otherwise each time, as with a TTL of 0; and the names that it was asked for."""
    asked: list[str] = []

    def resolve(name: str) -> Sequence[str]:
        asked.append(name)
        return answers_in_turn[len(asked) - 1]

    return resolve, asked


def test_w3_a_name_is_looked_up_once_and_what_was_judged_is_called() -> None:
    """A second look would find 10.0.0.1."""
    resolve, asked = changing(["127.0.0.1"], ["10.0.0.1"])
    with hostile_server(answers(204)) as server:
        call(server, resolve=resolve)

    assert asked == [NAME]
    assert len(server.heard) == 1


def test_w3_what_was_public_when_it_was_registered_is_judged_again_when_it_is_called() -> None:
    resolve, asked = changing(["93.184.216.34"], ["127.0.0.1"])
    check_stranger_url(f"https://{NAME}/", rules(), resolve=resolve)
    with hostile_server() as server, pytest.raises(Refused, match="not public"):
        call(server, resolve=resolve, made=rules())

    assert (asked, server.connections) == ([NAME, NAME], 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_w4_a_redirect_is_a_failure_and_is_not_followed(status: int) -> None:
    with hostile_server() as inside, hostile_server(redirects(inside.url, status)) as server:
        with pytest.raises(Unavailable, match="redirects are not followed") as later:
            call(server)
        assert inside.connections == 0
    assert not later.value.whole


@pytest.mark.parametrize("behaviour", [silent(), drips(b"", b"x"), drips(b"HTTP/1.1 200 OK\r\nx-endless: ", b"y")])
def test_w5_a_drip_ends_with_the_time_of_the_call(behaviour: Behaviour) -> None:
    """It goes on for longer than any test lasts: had it come to its end, the words would be others."""
    with hostile_server(behaviour) as server, pytest.raises(Unavailable, match="did not answer within") as later:
        call(server, seconds=0.5)

    assert not later.value.whole


ENOUGH = 64 * 1024 * 1024


def test_w6_a_body_without_end_is_not_read() -> None:
    with flooding(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10_000, ENOUGH) as flood:
        call(Hostile(flood.port))

    assert flood.sent < ENOUGH


def test_w6_a_bomb_is_not_unpacked() -> None:
    with hostile_server(gzip_bomb()) as server:
        call(server)

    assert len(server.heard) == 1


def test_w6_a_head_without_end_is_hung_up_on() -> None:
    with flooding(b"HTTP/1.1 200 OK\r\n", b"x-more: y\r\n" * 1000, ENOUGH) as flood, pytest.raises(Unavailable):
        call(Hostile(flood.port))

    assert flood.sent < ENOUGH


def test_w6_a_message_too_long_is_not_sent() -> None:
    with hostile_server() as server:
        call(server, body=b"x" * MOST_SENT_BYTES)
        with pytest.raises(Refused, match="longer than 256 KiB"):
            call(server, body=b"x" * (MOST_SENT_BYTES + 1))

    assert len(server.heard) == 1


@pytest.mark.parametrize(
    ("status", "kind", "whole"),
    [
        (400, Unavailable, False),
        (401, Unavailable, False),
        (404, Unavailable, False),
        (410, Vanished, False),
        (429, Unavailable, True),
        (500, Unavailable, False),
        (503, Unavailable, False),
    ],
)
def test_w7_only_gone_is_for_good(status: int, kind: type[Exception], whole: bool) -> None:
    with hostile_server(answers(status, b'{"secret": "qXcanaryX7"}')) as server, pytest.raises(kind) as failed:
        call(server)

    assert isinstance(failed.value, Vanished | Unavailable)
    assert (type(failed.value), failed.value.whole) == (kind, whole)
    assert str(failed.value).startswith(f"{NAME} answered {status}")
    assert CANARY not in str(failed.value)


def test_g6_a_rest_of_years_is_one_of_a_day() -> None:
    with hostile_server(answers(503, retry_after="99999999999")) as server, pytest.raises(Unavailable) as later:
        call(server)

    assert (later.value.retry_after, later.value.whole) == (LONGEST_CALL_WAIT, True)


def test_an_answer_cut_off_may_have_been_a_success_and_is_asked_for_again() -> None:
    with hostile_server(cuts(b"HTTP/1.1 2")) as server, pytest.raises(Unavailable) as later:
        call(server)

    assert not later.value.whole


def test_where_nobody_listens_the_next_address_is_tried() -> None:
    with hostile_server(answers(204)) as server:
        call(server, resolve=always("127.0.0.2", "127.0.0.1"), made=rules(f"127.0.0.0/8:{server.port}"))
        assert len(server.heard) == 1

        with pytest.raises(Unavailable, match="Connection refused") as later:
            call(server, resolve=always("127.0.0.2", "127.0.0.3"), made=rules(f"127.0.0.0/8:{server.port}"))
    assert later.value.whole


def test_after_the_message_has_gone_out_no_other_address_gets_it() -> None:
    with hostile_server(cuts()) as server, pytest.raises(Unavailable):
        call(server, resolve=always("127.0.0.1", "127.0.0.1"))

    assert len(server.heard) == 1


def failing(error: Exception) -> Resolver:
    def resolve(name: str) -> Sequence[str]:
        raise error

    return resolve


@pytest.mark.parametrize(
    ("resolve", "words"),
    [
        (failing(socket.gaierror(socket.EAI_NONAME, "no")), "is a name that nobody knows"),
        (failing(socket.gaierror(socket.EAI_AGAIN, "again")), "cannot be looked up now"),
        (failing(socket.gaierror(socket.EAI_FAIL, "fail")), "cannot be looked up now"),
        (failing(UnicodeError()), "cannot be looked up now"),
        (always(), "has no address"),
    ],
)
def test_n1_n2_what_dns_says_or_does_not_say_is_never_for_good(resolve: Resolver, words: str) -> None:
    """(N1) (N2) No answer and "no such name" are told apart; both are about the host, and neither ends a message."""
    with hostile_server() as server, pytest.raises(Unavailable, match=words) as later:
        call(server, resolve=resolve)

    assert later.value.whole
    assert server.connections == 0


def test_an_address_that_nobody_can_read_is_refused() -> None:
    with hostile_server() as server, pytest.raises(Refused):
        call(server, resolve=always("127.0.0.1", "not an address"))


def stuck(over: threading.Event) -> Resolver:
    """Says nothing before the test is over."""

    def resolve(name: str) -> Sequence[str]:
        over.wait(PATIENCE)
        return []

    return resolve


def test_n4_a_resolver_that_hangs_costs_a_call_its_time_and_the_process_a_few_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stranger_post, "_lookups", threading.BoundedSemaphore(2))
    over = threading.Event()
    with hostile_server(answers(204)) as server:
        for _ in range(2):
            with pytest.raises(Unavailable, match=r"was not looked up within"):
                call(server, resolve=stuck(over), seconds=0.05)
        with pytest.raises(Unavailable, match="too many names are waited for"):
            call(server, resolve=stuck(over))
        over.set()
        end = time.monotonic() + PATIENCE
        while not server.heard and time.monotonic() < end:  # threads of those given up end by themselves
            with suppress(Unavailable):
                call(server)
    assert len(server.heard) == 1


def test_the_environment_s_proxies_have_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY")
    with hostile_server(answers(204)) as server:
        call(server)

    assert len(server.heard) == 1


def test_a_proxy_of_the_settings_gets_the_name_and_judges() -> None:
    def never(name: str) -> Sequence[str]:
        raise AssertionError(name)

    with hostile_server(answers(204)) as proxy:
        made = rules(proxy=f"http://127.0.0.1:{proxy.port}")
        post_to_stranger(f"http://{NAME}/x", b"{}", {}, seconds=PATIENCE, rules=made, resolve=never)

    check_stranger_url(f"https://{NAME}/x", made, resolve=never)
    (heard,) = proxy.heard
    assert heard.path == f"http://{NAME}/x"


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ssl.SSLContext]:
    """Makes a server's side of TLS whose certificate, for that name, this process trusts."""

    def make(name: str) -> ssl.SSLContext:
        chain, key = certificate(tmp_path, f"DNS:{name}")
        monkeypatch.setenv("SSL_CERT_FILE", str(chain))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        return context

    return make


def test_behind_tls_the_certificate_must_be_that_of_the_name(secure: Callable[[str], ssl.SSLContext]) -> None:
    context, names = secure(NAME), []
    context.sni_callback = lambda sock, name, ctx: names.append(name)
    with hostile_server(answers(204), tls=context) as server:
        call(server)

    assert names == [NAME]
    assert server.heard[0].headers["host"] == f"{NAME}:{server.port}"


def test_behind_a_certificate_of_another_nothing_is_sent(secure: Callable[[str], ssl.SSLContext]) -> None:
    context = secure("other.example.test")
    with hostile_server(answers(204), tls=context) as server, pytest.raises(Unavailable, match="reached") as later:
        call(server)

    assert later.value.whole
    assert server.heard == []


def test_the_system_answers_with_each_address_once() -> None:
    assert "127.0.0.1" in (found := system_addresses("localhost")) or "::1" in found
    assert len(found) == len(set(found))
