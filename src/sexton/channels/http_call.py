"""A call of somebody's API from a function of a `Call`: JSON there and back, one try, a hard end, an outcome.

found = http_call("GET", f"{gateway}/orders/{call.row.order}", headers=key, timeout=call.left, answers=(404,))
if not isinstance(found, HttpAnswer):
    return found
"""

from __future__ import annotations

import json as json_library
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ..call_outcomes import Again, CallOutcome, Down, Failed, Gone
from ..call_outcomes import Unknown as UnknownOutcome
from .contract import DEADLINE, compact

if TYPE_CHECKING:
    from .http_exchange import HttpReply

MOST_JSON_BYTES = 1024 * 1024
"""Bytes of an answer that are read; a longer one is no answer."""

FORM_TYPE = {"content-type": "application/x-www-form-urlencoded"}

REPEATABLE = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")
"""Methods that may be asked again when the answer was lost (RFC 9110, 9.2.2). After others nobody knows."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the other side said. json: its body; None when there is none, or none that can be read.

    Numbers with a fraction are `Decimal`, so that money stays what it was.
    """

    status: int
    json: Any = field(default=None, repr=False)


def http_call(
    method: str,
    url: str,
    *,
    json: Any = None,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = DEADLINE,
    answers: Collection[int] = (),
) -> HttpAnswer | CallOutcome:
    """Ask once. An `HttpAnswer` for 2xx with JSON or an empty body, else the outcome to return from the function.

    json: sent as the body, None: no body.  form: instead of it, fields as an HTML form sends them.
    headers: credentials and the key of the call go here.
    timeout: seconds for the whole call, a hard end (G2): `call.left`.
    answers: further statuses that are answers, such as 404 for "no such payment".
    Down: no connection, 401, 403, 429, 503 with Retry-After.  Gone: 410.
    Failed: other 4xx, and what cannot be asked: a line feed in the address or a header.
    Again: a redirect, which is never followed (G7); and, as a fault of theirs, 5xx, time is up, and what is no JSON or
    longer than 1 MiB (G3).
    Unknown instead, where a POST or PATCH may have been done. The address and the answer are in no outcome."""
    from .http_exchange import ForbiddenPeer, NoAnswer, NoQuestion, exchange, host_in_words  # loads the HTTP library

    where = host_in_words(url)
    if timeout <= 0:
        return Again("no time was left", counts=False)
    body, kind = _body(json, form)
    sent = {"accept": "application/json", **kind, **(headers or {})}
    try:
        reply = exchange(method, url, seconds=timeout, body=body, headers=sent, most=MOST_JSON_BYTES)
    except ForbiddenPeer as error:
        return Down(f"{where} {error}", lasting=True)
    except NoQuestion as error:
        return Failed(f"{where} {error}")
    except NoAnswer as error:
        return _lost(method, f"{where} {error}") if error.sent else Down(f"{where} {error}")
    if 200 <= reply.status < 300 or reply.status in answers:
        return _answer(method, where, reply, known=reply.status in answers)
    return _outcome(method, where, reply)


def _body(json: Any, form: Mapping[str, str] | None) -> tuple[bytes, Mapping[str, str]]:
    from .http_post import JSON_TYPE

    if form is not None:
        return urlencode(form).encode("ascii"), FORM_TYPE
    return (b"", {}) if json is None else (compact(json), JSON_TYPE)


def _answer(method: str, where: str, reply: HttpReply, *, known: bool) -> HttpAnswer | CallOutcome:
    if not reply.body and reply.whole:
        return HttpAnswer(reply.status)
    try:
        if not reply.whole:
            raise ValueError("cut")
        return HttpAnswer(reply.status, _read(reply.body))
    except (ValueError, RecursionError, ArithmeticError):
        if known:
            return HttpAnswer(reply.status)
        longer = "" if reply.whole else f" within {MOST_JSON_BYTES // 1024} KiB"
        return _lost(method, f"{where} answered {reply.status} with what is no JSON{longer}")


def _outcome(method: str, where: str, reply: HttpReply) -> CallOutcome:
    from .http_post import LONGEST_CALL_WAIT, asks_for_rest, retry_after, status_in_words

    why, status = status_in_words(where, reply.status), reply.status
    asked = retry_after(reply.headers.get("retry-after"), datetime.now(UTC), LONGEST_CALL_WAIT)
    if asks_for_rest(status, asked):
        return Down(why, asked)
    if status in (401, 403):
        return Down(f"{why}; check the credentials", lasting=True)
    if status in (408, 425, 503):
        return Again(why, asked, fault=True)
    if status >= 500:
        return _lost(method, why)
    if status == 410:
        return Gone(why)
    return Again(f"{why}; redirects are not followed, correct the url") if status < 400 else Failed(why)


def _lost(method: str, why: str) -> CallOutcome:
    return Again(why, fault=True) if method.upper() in REPEATABLE else UnknownOutcome(why)


def _read(body: bytes) -> Any:
    return json_library.loads(body.decode("utf-8"), parse_float=Decimal, parse_constant=_none)


def _none(word: str) -> Any:
    raise ValueError(word)  # NaN and Infinity are no JSON
