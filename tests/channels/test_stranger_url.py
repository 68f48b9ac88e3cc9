"""Addresses that strangers write: one strict form, which every program reads alike (W2)."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sexton.channels.stranger_url import LONGEST_URL, StrangerUrl, read_stranger_url


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("https://hooks.example.com", ("https", "hooks.example.com", 443, "/", "hooks.example.com")),
        ("HTTPS://Hooks.Example.COM/A?b=c", ("https", "hooks.example.com", 443, "/A?b=c", "hooks.example.com")),
        ("https://hooks.example.com:443/", ("https", "hooks.example.com", 443, "/", "hooks.example.com")),
        ("https://hooks.example.com:8443?x", ("https", "hooks.example.com", 8443, "/?x", "hooks.example.com:8443")),
        ("http://hooks.example.com/x", ("http", "hooks.example.com", 80, "/x", "hooks.example.com")),
        ("https://bücher.example/%C3%A4", ("https", "xn--bcher-kva.example", 443, "/%C3%A4", "xn--bcher-kva.example")),
        ("https://203.0.113.7/x", ("https", "203.0.113.7", 443, "/x", "203.0.113.7")),
        ("https://[2001:DB8:0::7]:8443/x", ("https", "2001:db8::7", 8443, "/x", "[2001:db8::7]:8443")),
    ],
)
def test_the_usual_forms_are_read(text: str, read: tuple[object, ...]) -> None:
    found = read_stranger_url(text, http=True)

    assert (found.scheme, found.host, found.port, found.path, found.netloc) == read


REFUSED = [
    ("", "1 to 2048 characters"),
    ("https://a.example/" + "x" * LONGEST_URL, "1 to 2048 characters"),
    ("http://a.example/", "must begin with https://"),
    ("ftp://a.example/", "must begin with https://"),
    ("//a.example/", "must begin with https://"),
    ("https:a.example", "must begin with https://"),
    ("https:///x", "must be a name such as"),
    ("https://2130706433/", "four numbers"),
    ("https://0x7f.1/", "four numbers"),
    ("https://0x7f000001/", "four numbers"),
    ("https://0177.0.0.1/", "four numbers"),
    ("https://127.1/", "four numbers"),
    ("https://127.0.0.01/", "four numbers"),
    ("https://127.0.0.256/", "four numbers"),
    ("https://1.2.3.0x4/", "four numbers"),
    ("https://a.example.0x/", "four numbers"),
    ("https://127.0.0.1./", "without a dot at its end"),
    ("https://a.example./", "without a dot at its end"),
    ("https://a..example/", "must be a name such as"),
    ("https://-a.example/", "must be a name such as"),
    ("https://a_b.example/", "must be a name such as"),
    (f"https://{'a' * 64}.example/", "must be a name such as"),
    (f"https://{'a.' * 126}example/", "must be a name such as"),
    ("https://１２７.0.0.1/", "letters that no name has"),
    ("https://127。0。0。1/", "four numbers"),
    ("https://ⓔxample.com/", "letters that no name has"),
    ("https://\u212aelvin.example/", "letters that no name has"),
    ("https://a\u00ad.example/", "letters that no name has"),
    ("https://good.example@127.0.0.1/", "must not name a user"),
    ("https://user:pass@a.example/", "must not name a user"),
    ("https://@a.example/", "must not name a user"),
    ("https://a.example%40b.example/", "must be a name such as"),
    ("https://a.example\\@b.example/", "backslashes"),
    ("https:\\\\a.example/", "backslashes"),
    ("https://a.example/ x", "blanks"),
    (" https://a.example/", "blanks"),
    ("https://a.example/\r\nx: y", "control characters"),
    ("https://a.example/\x00", "control characters"),
    ("https://a.example/\x7f", "control characters"),
    ("https://[fe80::1%25eth0]/", "zones are not taken"),
    ("https://[fe80::1%eth0]/", "zones are not taken"),
    ("https://[::1/", "cannot be read"),
    ("https://[127.0.0.1]/", "no IPv6 address"),
    ("https://[]/", "no IPv6 address"),
    ("https://::1/", "must be a name such as"),
    ("https://a.example:/", "port of the address must be"),
    ("https://a.example:0/", "port of the address must be"),
    ("https://a.example:0443/", "port of the address must be"),
    ("https://a.example:65536/", "port of the address must be"),
    ("https://a.example:４４３/", "port of the address must be"),
    ("https://a.example:443:443/", "port of the address must be"),
    ("https://a.example/#part", "is never sent"),
    ("https://a.example/ä", "written as %xx"),
    ("https://a.example/%zz", "written as %xx"),
    ('https://a.example/"x"', "written as %xx"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED, ids=[text[:40] or "empty" for text, _ in REFUSED])
def test_w2_what_programs_read_differently_is_refused_in_a_line_without_the_address(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        read_stranger_url(text)

    assert "\n" not in str(refused.value)
    assert "example/" not in str(refused.value)


def test_the_path_is_not_in_the_repr() -> None:
    assert "qXcanaryX7" not in repr(read_stranger_url("https://a.example/qXcanaryX7"))


PIECES = st.sampled_from(
    (
        *("https://", "http://", "a.example", "127.0.0.1", "127.1", "0x7f", "[::1]", "[::ffff:1.2.3.4]", "[", "]"),
        *("@", ":", "/", "\\", "?", "#", "%", "%2e", "%25", "443", ".", "-", "_", "ü", "１", "。", "xn--bcher-kva"),
        *(" ", "\t", "\n", ";", "&", "="),
    )
)
URLS = st.one_of(
    st.text(max_size=60),
    st.lists(PIECES, max_size=8).map("".join),
    st.lists(PIECES, max_size=8).map(lambda pieces: "https://" + "".join(pieces)),
)


@given(URLS)
@example("https://a.example/;x@[::1]:80//b/../c")
@example("https://a.example?@127.0.0.1/")
def test_w2_whatever_is_read_two_other_parsers_read_alike(text: str) -> None:
    """A property: anything else is a ValueError."""
    try:
        read = read_stranger_url(text, http=True)
    except ValueError:
        return
    split, client = urlsplit(text), httpx2.URL(text)
    assert client.raw_host.decode().strip("[]") == read.host
    assert (client.port or {"https": 443, "http": 80}[read.scheme]) == read.port
    assert (client.scheme, client.userinfo) == (read.scheme, b"")
    assert (split.port or {"https": 443, "http": 80}[read.scheme]) == read.port
    if read.address is None:
        assert (split.hostname or "").encode("idna").decode() == read.host or not text.isascii()
    else:
        assert ip_address(split.hostname or "") == read.address


@given(URLS)
def test_w2_what_was_read_reads_the_same_again(text: str) -> None:
    try:
        read = read_stranger_url(text, http=True)
    except ValueError:
        return
    assert read_stranger_url(f"{read.scheme}://{read.netloc}{read.path}", http=True) == read
    assert isinstance(read, StrangerUrl)
