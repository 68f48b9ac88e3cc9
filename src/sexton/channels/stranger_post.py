"""Post to an address that a stranger chose: read it, look its name up once, judge every address, connect to that one.

    read      the strict form, see `stranger_url`
    resolve   all addresses of the name, within 5 seconds; an error, none, or one that is not permitted: refused
    connect   to an address that was judged, never to the name again; certificate and Host keep the name

So what answers is what was looked at, whatever DNS says a moment later. The answer's body is not read.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv6Address, ip_address

from ..addresses import Address
from .address_rules import AddressRules
from .call_timeout import TooLate, within
from .contract import ChannelError, Refused, Unavailable, Vanished
from .stranger_url import StrangerUrl, read_stranger_url

Resolver = Callable[[str], Sequence[str]]
"""The addresses that a name has now, as text. Raises OSError when nobody can say."""

LOOKUP = 5.0
"""Seconds for a name, in all."""

MOST_LOOKUPS = 32
"""Names that are looked up at once, with those that were given up: a resolver that hangs costs so many threads."""

MOST_TRIES = 4
"""Addresses of one name that are tried, when nobody listens at the first."""

MOST_SENT_BYTES = 256 * 1024
"""Bytes of one message."""

_lookups = threading.BoundedSemaphore(MOST_LOOKUPS)


def system_addresses(name: str) -> list[str]:
    """As the system answers, each address once."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def check_stranger_url(url: str, rules: AddressRules, *, resolve: Resolver = system_addresses) -> None:
    """To be asked when somebody registers an address: Refused, or Unavailable when its name cannot be looked up now.

    It is asked again at each sending, as what a name leads to changes. A proxy judges by itself where that is."""
    read = _read(url, rules)
    if rules.proxy is None:
        _targets(read, rules, resolve, LOOKUP)


def post_to_stranger(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    seconds: float,
    rules: AddressRules,
    resolve: Resolver = system_addresses,
) -> None:
    """Post JSON; returns when the other side took it (2xx). seconds: for all of it, a hard end.

    Refused: an address that is not permitted, or too long a message.  Vanished: 410.
    Unavailable: anything else, redirects too, as endpoints break and heal; `whole` when nobody could be reached, or the
    other side asks for a rest. No address and nothing of an answer is in the text: a tenant may read it."""
    ends = time.monotonic() + seconds
    if len(body) > MOST_SENT_BYTES:
        raise Refused(f"the message is longer than {MOST_SENT_BYTES // 1024} KiB")
    read = _read(url, rules)
    addresses = _targets(read, rules, resolve, min(LOOKUP, seconds)) if rules.proxy is None else []
    _first_that_answers(read, addresses, body, headers, ends, rules)


def _read(url: str, rules: AddressRules) -> StrangerUrl:
    try:
        return read_stranger_url(url, http=rules.http)
    except ValueError as error:
        raise Refused(f"the address of the endpoint is not taken: {error}") from None


def _targets(url: StrangerUrl, rules: AddressRules, resolve: Resolver, seconds: float) -> list[Address]:
    """The addresses of its host, all of which are permitted."""
    if url.address is not None:
        addresses: list[Address] = [url.address]
    else:
        addresses = [_address(text) for text in _looked_up(url.host, resolve, seconds)]
    if not all(rules.permit(address, url.port) for address in addresses):
        raise Refused(f"{url.host} leads to an address or a port that is not public; nothing is sent there")
    return addresses[:MOST_TRIES]


def _address(text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError:
        return IPv6Address("::")  # nothing that can be judged: never permitted


def _looked_up(name: str, resolve: Resolver, seconds: float) -> Sequence[str]:
    if not _lookups.acquire(blocking=False):
        raise Unavailable(f"{name} cannot be looked up: too many names are waited for").of_all()

    def look_up() -> Sequence[str]:
        try:
            return resolve(name)
        finally:
            _lookups.release()

    try:
        found = within(seconds, look_up, lambda: None)
    except TooLate:
        raise Unavailable(f"{name} was not looked up within {seconds:.0f} s").of_all() from None
    except socket.gaierror as error:
        unknown = error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
        words = "is a name that nobody knows" if unknown else "cannot be looked up now"
        raise Unavailable(f"{name} {words}").of_all() from None
    except (OSError, UnicodeError):
        raise Unavailable(f"{name} cannot be looked up now").of_all() from None
    if not found:
        raise Unavailable(f"{name} has no address").of_all()
    return found


def _first_that_answers(
    url: StrangerUrl,
    addresses: Sequence[Address],
    body: bytes,
    headers: Mapping[str, str],
    ends: float,
    rules: AddressRules,
) -> None:
    """The next address only where nothing was sent to the one before."""
    from .http_exchange import NoAnswer, WayOut, exchange  # loads the HTTP library
    from .http_post import JSON_TYPE, unanswered

    way = WayOut(url.host, url.netloc, rules.proxy, by_environment=False, peers_checked=False)
    places = [_place(url, address) for address in addresses] or [url.netloc]
    for number, place in enumerate(places, 1):
        left = max(ends - time.monotonic(), 0.0)
        share = left / (len(places) - number + 1)  # of the time to connect: one that is silent leaves some for others
        where, told = f"{url.scheme}://{place}{url.path}", {**JSON_TYPE, **headers}
        try:
            reply = exchange("POST", where, seconds=left, connect=share, body=body, headers=told, way=way)
        except NoAnswer as error:
            if error.sent or number == len(places):
                raise unanswered(url.host, error) from None
        else:
            if not 200 <= reply.status < 300:
                raise _refusal(url.host, reply.status, reply.headers.get("retry-after"))
            return


def _place(url: StrangerUrl, address: Address) -> str:
    host = f"[{address}]" if address.version == 6 else str(address)
    return f"{host}:{url.port}"


def _refusal(host: str, status: int, wish: str | None) -> ChannelError:
    """What a status other than 2xx means: by Standard Webhooks only 410 is for good."""
    from datetime import UTC, datetime

    from .http_post import LATER, LONGEST_CALL_WAIT, asks_for_rest, retry_after, status_in_words

    answer = status_in_words(host, status)
    if status == 410:
        return Vanished(answer)
    asked = retry_after(wish, datetime.now(UTC), LONGEST_CALL_WAIT)
    follow = "; redirects are not followed" if 300 <= status < 400 else ""
    later = Unavailable(f"{answer}{follow}", retry_after=asked)
    if asks_for_rest(status, asked):
        return later.of_all()
    return later.of_server() if status in LATER or status >= 500 else later
