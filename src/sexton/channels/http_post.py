"""The one place where the HTTP library is used: post JSON, follow nothing, and say how it went.

No answer's body is read, no address is repeated in an error: both may hold a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx2

from ..addresses import is_forbidden
from .call_timeout import TooLate, within
from .contract import DEADLINE, ChannelError, Refused, Unavailable

LONGEST_WAIT = 3600.0
"""Seconds: what a server asks for beyond this is cut, so that no answer can silence a channel for good."""

_SECONDS = re.compile(r"[0-9]+")
_LATER = (408, 425, 429)


class _Forbidden(Exception):
    """The name leads to an address that nothing of ours is sent to."""


def _look_at_peer(event: str, told: Mapping[str, Any]) -> None:
    """Called by the library at each step: connected, and nothing is sent yet, whatever the name led to this time."""
    if event.endswith("connect_tcp.complete"):
        peer = told["return_value"].get_extra_info("server_addr")
        if peer and is_forbidden(str(peer[0])):
            told["return_value"].close()  # the library does not know it yet
            raise _Forbidden


def post(url: str, body: bytes, headers: Mapping[str, str] | None = None, *, deadline: float = DEADLINE) -> None:
    """Post JSON; returns when the other side took it (2xx).

    deadline: seconds for the whole call, from the name of the host to the head of the answer.
    Refused: a redirect, 401, 403 and other 4xx, an address where clouds tell credentials (SEC-25).
    Unavailable: 408, 425, 429, 5xx, no connection, no answer."""
    where = urlsplit(url).hostname or "the address"
    never = Refused(f"{where} leads to where a cloud tells its machines their credentials; correct the url")
    if is_forbidden(where):
        raise never
    try:
        client = httpx2.Client(timeout=deadline, follow_redirects=False)
    except Exception as error:  # the environment may name a proxy that it cannot use
        raise Unavailable(f"{where} cannot be called from here: {type(error).__name__}") from None
    sent = {"content-type": "application/json", "user-agent": "sexton", "accept-encoding": "identity"}

    def call() -> tuple[int, str | None]:
        all_headers = {**sent, **(headers or {})}
        look = {"trace": _look_at_peer}
        with client, client.stream("POST", url, content=body, headers=all_headers, extensions=look) as response:
            return response.status_code, response.headers.get("retry-after")

    try:
        status, asked = within(deadline, call, client.close)
    except _Forbidden:
        raise never from None
    except (TooLate, httpx2.TimeoutException):
        raise Unavailable(f"{where} did not answer within {deadline:.0f} s") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:  # the last of an empty label: "a..b"
        raise Unavailable(f"{where} cannot be reached: {_reason(error)}") from None
    if not 200 <= status < 300:
        raise _failure(where, status, asked)


def retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds that a header Retry-After asks for: a number or a date, at most an hour. None for anything else."""
    text = (text or "").strip()
    if _SECONDS.fullmatch(text) and text.isascii():
        return LONGEST_WAIT if len(text) > 9 else min(float(text), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    until = until.replace(tzinfo=UTC) if until.tzinfo is None else until
    return min(max((until - now).total_seconds(), 0.0), LONGEST_WAIT)


def _failure(where: str, status: int, asked: str | None) -> ChannelError:
    try:
        answer = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        answer = str(status)
    if status in _LATER or status >= 500:
        return Unavailable(f"{where} answered {answer}", retry_after=retry_after(asked, datetime.now(UTC)))
    if 300 <= status < 400:
        return Refused(f"{where} answered {answer}; redirects are not followed, correct the url")
    if status in (401, 403):
        return Refused(f"{where} answered {answer}; check url and secret")
    return Refused(f"{where} answered {answer}")


def _reason(error: Exception) -> str:
    """In words of the system where there are some; never the library's, which may quote the address."""
    while isinstance(error.__context__, Exception):
        error = error.__context__
    strerror = getattr(error, "strerror", None)
    return strerror if isinstance(strerror, str) else type(error).__name__
