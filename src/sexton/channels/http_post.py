"""Post JSON to an address of the operator's own, follow nothing, and say how it went as channels do.

No answer's body is read, no address is repeated in an error: both may hold a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from .contract import DEADLINE, ChannelError, Refused, Unavailable, Vanished
from .http_exchange import ForbiddenPeer, HttpReply, NoAnswer, NoQuestion, exchange, host_in_words

LONGEST_WAIT = 3600.0
"""Seconds: what a server asks for beyond this is cut, so that no answer can silence a channel of alerts for good."""

LONGEST_CALL_WAIT = 86_400.0
"""Seconds of the same for calls and deliveries, each of which has its own schedule (G6)."""

JSON_TYPE = {"content-type": "application/json"}

LATER = (408, 425, 429)
"""Statuses below 500 after which the same may be asked again."""

_SECONDS = re.compile(r"[0-9]+")
_CREDENTIALS = (401, 403)


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    *,
    deadline: float = DEADLINE,
    longest_wait: float = LONGEST_WAIT,
    gone: Sequence[int] = (410,),
) -> None:
    """Post JSON; returns when the other side took it (2xx).

    deadline: seconds for the whole call, from the name of the host to the head of the answer.
    longest_wait: seconds of a Retry-After that count.  gone: statuses that say that nobody is there any more.
    Refused: a redirect, 401, 403 and other 4xx, an address where clouds tell credentials (SEC-25). Vanished: `gone`,
    about all messages: the address is ours, and what is to go there waits until a person gives another.
    Unavailable: 408, 425, 429, 5xx, no connection, no answer. What says nothing about this message is `whole`."""
    where = host_in_words(url)
    try:
        reply = exchange("POST", url, seconds=deadline, body=body, headers={**JSON_TYPE, **(headers or {})})
    except ForbiddenPeer as error:
        raise Refused(f"{where} {error}").of_all() from None
    except NoQuestion as error:
        raise Refused(f"{where} {error}") from None
    except NoAnswer as error:
        raise unanswered(where, error) from None
    if not 200 <= reply.status < 300:
        raise failure(where, reply, longest_wait, gone)


def unanswered(where: str, error: NoAnswer) -> Unavailable:
    """Not now; without a connection it says nothing about the message."""
    later = Unavailable(f"{where} {error}")
    return later.of_server() if error.sent else later.of_all()


def failure(where: str, reply: HttpReply, longest_wait: float, gone: Sequence[int] = (410,)) -> ChannelError:
    """What a status other than 2xx means for who posts."""
    answer = status_in_words(where, reply.status)
    if reply.status in LATER or reply.status >= 500:
        asked = retry_after(reply.headers.get("retry-after"), datetime.now(UTC), longest_wait)
        later = Unavailable(answer, retry_after=asked)
        return later.of_all() if asks_for_rest(reply.status, asked) else later.of_server()
    if reply.status in gone:
        return Vanished(f"{answer}; nobody is there any more, give another url").of_all()
    if 300 <= reply.status < 400:
        return Refused(f"{answer}; redirects are not followed, correct the url")
    if reply.status in _CREDENTIALS:
        return Refused(f"{answer}; check url and secret").of_all()
    return Refused(answer)


def asks_for_rest(status: int, asked: float | None) -> bool:
    """Whether the other side wants no calls at all for a while. asked: seconds of its Retry-After, None without one."""
    return status == 429 or (status == 503 and asked is not None)


def status_in_words(where: str, status: int) -> str:
    """ "api.example.com answered 404 Not Found"."""
    try:
        return f"{where} answered {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{where} answered {status}"


def retry_after(text: str | None, now: datetime, longest: float = LONGEST_WAIT) -> float | None:
    """Seconds that a header Retry-After asks for: a number or a date, at most `longest`. None for anything else."""
    text = (text or "").strip()
    if _SECONDS.fullmatch(text) and text.isascii():
        return longest if len(text) > 9 else min(float(text), longest)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    until = until.replace(tzinfo=UTC) if until.tzinfo is None else until
    return min(max((until - now).total_seconds(), 0.0), longest)
