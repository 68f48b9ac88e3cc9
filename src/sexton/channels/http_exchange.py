"""The one place where the HTTP library is used: one request on a fresh connection, one answer, hard limits.

No redirect is followed, no cookie kept, nothing unpacked; no address is repeated in an error, as it may hold a secret.
"""

from __future__ import annotations

import logging
import os
import re
import ssl
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx2

from ..addresses import is_forbidden
from .call_timeout import TooLate, within

MOST_HEAD_BYTES = 32 * 1024
"""Bytes that names and values of an answer's headers may have."""

_BREAKS = re.compile(r"[\r\n\0]")
"""What would end a header, and begin another one."""

_ALWAYS = {"user-agent": "sexton", "accept-encoding": "identity"}


@dataclass(frozen=True, slots=True)
class HttpReply:
    """An answer. headers: names in lower case.  body: as it came, cut after as much as was asked for.

    whole: whether all of the body is there.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    whole: bool


@dataclass(frozen=True, slots=True)
class WayOut:
    """How the other side is reached. name: of the host, for its certificate and the header Host, where the URL holds
    the very address to connect to.  proxy: its URL.  by_environment: proxies and the like out of the environment count.
    peers_checked: addresses where clouds tell credentials are hung up on; else whoever gave the address has looked.
    """

    name: str = ""
    host_header: str = ""
    proxy: str | None = field(default=None, repr=False)
    by_environment: bool = True
    peers_checked: bool = True


OWN_WAY = WayOut()
"""To an address of the operator's own."""


class NoAnswer(Exception):
    """There is none; the text says why in a few words. sent: the request went out, and may have been done.

    late: time was up.
    """

    def __init__(self, reason: str, *, sent: bool, late: bool = False) -> None:
        self.sent, self.late = sent, late
        super().__init__(reason)


class NoQuestion(Exception):
    """The address or a header cannot be right; nothing was sent. It says nothing about the other side."""


class ForbiddenPeer(Exception):
    """The name leads to an address that nothing of ours is sent to (SEC-25); nothing was sent."""

    def __init__(self) -> None:
        super().__init__("leads to where a cloud tells its machines their credentials; correct the url")


_thread = threading.local()


def _is_not_ours(record: logging.LogRecord) -> bool:
    """The library logs the address of each call, which may hold a secret; calls that are not ours it may log."""
    return not getattr(_thread, "calls_for_us", False)


logging.getLogger(httpx2.__name__).addFilter(_is_not_ours)


class _Watch:
    """What the library says at each step of a call. sent: the request has begun to go out."""

    def __init__(self, peers_checked: bool) -> None:
        self.sent = False
        self._peers_checked = peers_checked

    def __call__(self, event: str, told: Mapping[str, Any]) -> None:
        self.sent = self.sent or event.endswith("send_request_headers.started")
        if self._peers_checked and event.endswith("connect_tcp.complete"):  # whatever the name led to this time
            peer = told["return_value"].get_extra_info("server_addr")
            if peer and is_forbidden(str(peer[0])):
                told["return_value"].close()  # the library does not know it yet
                raise ForbiddenPeer


def exchange(
    method: str,
    url: str,
    *,
    seconds: float,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    most: int = 0,
    way: WayOut = OWN_WAY,
    connect: float | None = None,
) -> HttpReply:
    """Ask once. seconds: for all of it, from the name of the host to the last byte that is read; a hard end.

    most: bytes of the body that are read.  connect: seconds of it for the connection alone.
    NoAnswer when there is none; ForbiddenPeer, NoQuestion."""
    watch = _Watch(way.peers_checked)
    if way.peers_checked and is_forbidden(host_in_words(url)):
        raise ForbiddenPeer
    client = _client(httpx2.Timeout(seconds, connect=seconds if connect is None else connect), way)
    sent = {**_ALWAYS, **({"host": way.host_header} if way.host_header else {}), **(headers or {})}
    told: dict[str, Any] = {"trace": watch, **({"sni_hostname": way.name} if way.name else {})}
    request = _request(client, method, url, body, sent, told)

    def call() -> HttpReply:
        _thread.calls_for_us = True  # the thread is made for this call
        with client:
            response = client.send(request, stream=True)
            with closing(response):
                return _read(response, most)

    try:
        return within(seconds, call, client.close)
    except (TooLate, httpx2.TimeoutException):
        raise NoAnswer(f"did not answer within {seconds:.0f} s", sent=watch.sent, late=True) from None
    except (httpx2.HTTPError, OSError, UnicodeError) as error:  # the last of an empty label: "a..b"
        sent_out = watch.sent and not isinstance(error, httpx2.ConnectError | httpx2.ProxyError)
        raise NoAnswer(f"cannot be reached: {_reason(error)}", sent=sent_out) from None


def _client(timeout: httpx2.Timeout, way: WayOut) -> httpx2.Client:
    try:
        return httpx2.Client(
            timeout=timeout,
            follow_redirects=False,
            trust_env=way.by_environment,
            proxy=way.proxy,
            verify=_trust(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
        )
    except Exception as error:  # the environment may name a proxy that it cannot use
        raise NoAnswer(f"cannot be called from here: {type(error).__name__}", sent=False) from None


def _request(
    client: httpx2.Client, method: str, url: str, body: bytes, headers: Mapping[str, str], told: dict[str, Any]
) -> httpx2.Request:
    try:
        if any(_BREAKS.search(text) for text in (method, *headers, *headers.values())):
            raise ValueError
        request = client.build_request(method, url, content=body, headers=headers, extensions=told)
        if request.url.scheme not in ("http", "https") or not request.url.host:
            raise ValueError
    except (httpx2.InvalidURL, ValueError, TypeError) as error:
        client.close()
        raise NoQuestion(f"cannot be asked: address or headers are not right ({type(error).__name__})") from None
    return request


def host_in_words(url: str) -> str:
    """What an error may say of an address: the host, never the rest."""
    try:
        return urlsplit(url).hostname or "the address"
    except ValueError:
        return "the address"


def _read(response: httpx2.Response, most: int) -> HttpReply:
    if sum(len(name) + len(value) for name, value in response.headers.raw) > MOST_HEAD_BYTES:
        raise httpx2.RemoteProtocolError("") from _TooMuch(f"more than {MOST_HEAD_BYTES // 1024} KiB of headers")
    parts, size = [], 0
    for part in response.iter_raw() if most else ():
        parts.append(part)
        size += len(part)
        if size > most:
            break
    headers = {name.lower(): value for name, value in response.headers.items()}
    return HttpReply(response.status_code, headers, b"".join(parts)[:most], bool(most) and size <= most)


class _TooMuch(Exception):
    """The other side says more than anybody reads."""

    @property
    def strerror(self) -> str:
        return str(self)


@cache
def _trust(file: str | None, folder: str | None) -> ssl.SSLContext:
    """Whose certificates are trusted: the system's, or those that the environment names. Made once, as it is slow."""
    return httpx2.create_ssl_context()


def _reason(error: BaseException) -> str:
    """In words of the system where there are some; never the library's, which may quote the address."""
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    strerror = getattr(error, "strerror", None)
    return strerror if isinstance(strerror, str) else type(error).__name__
