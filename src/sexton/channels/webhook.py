"""The channel that posts JSON, signed in the form of Standard Webhooks: to an address of ours, or to one of a stranger.

Ours stands in settings, and takes alerts and messages without a recipient. A stranger's is the recipient of a message;
it is judged before each call, see `stranger_post`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from ..addresses import unencrypted
from ..call_outcomes import CallOutcome, Down
from ..setting_fields import setting
from .address_rules import AddressRules
from .contract import HTTP_LIBRARY, ConfiguredChannel, Notice, OutgoingMessage, Refused, as_json, compact
from .one_by_one import one_by_one

if TYPE_CHECKING:
    from .stranger_post import Resolver

WEBHOOK_SECONDS = 15.0
"""Seconds for one message in all, whatever the endpoint does."""

SHORTEST_SECRET = 24
"""Bytes of the key that signs for a stranger's endpoint (Standard Webhooks asks for 24 to 64)."""


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """JSON by POST, signed as Standard Webhooks says: alerts to an address of yours, messages to it or to endpoints."""

    url: str | None = setting(
        None, "address that is posted to", kind="url", secret=True, example="https://ops.example.com/sexton"
    )
    secret: str | None = setting(
        None,
        'key of the signature, "whsec_" and base64; left out: no signature',
        kind="webhook secret",
        secret=True,
        example="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    allow: tuple[str, ...] = setting(
        (),
        "addresses that endpoints of others may have although they are not public, or have another port",
        example=("10.1.2.0/24:8443", "[fd00::1]:443"),
    )
    deny: tuple[str, ...] = setting(
        (), "addresses that endpoints of others may not have; counts more than allow", example=("198.18.7.0/24",)
    )
    ports: tuple[int, ...] = setting((443,), "ports that endpoints of others may have", minimum=1, maximum=65535)
    http: bool = setting(False, "whether endpoints of others may be called unencrypted, by http://")
    proxy: str | None = setting(
        None,
        "proxy for calls of endpoints of others; it judges their addresses then, not Sexton",
        secret=True,
        example="http://proxy.example.com:3128",
    )

    def check(self) -> None:
        """ValueError when the rules about endpoints cannot be read."""
        if self.proxy is not None and not (self.proxy.startswith(("http://", "https://")) and _place(self.proxy)):
            raise ValueError("proxy is not an address of the web; write for instance http://proxy.example.com:3128")
        self.rules()

    def rules(self) -> AddressRules:
        """Which addresses endpoints of others may have."""
        return AddressRules.parse(allow=self.allow, deny=self.deny, ports=self.ports, http=self.http, proxy=self.proxy)


class WebhookChannel(ConfiguredChannel[WebhookSettings]):
    """Posts to `settings.url`, or to the endpoint that a message names. Unsigned where there is no secret.

    seconds: for one message in all.  resolve: looks names of endpoints up; by default as the system does.
    """

    name = "webhook"
    settings_type = WebhookSettings
    required = ("url",)
    library = HTTP_LIBRARY
    delivers = True
    strangers = True
    retry: ClassVar[tuple[str, ...]] = ("1m", "5m", "30m", "2h")

    def __init__(
        self, settings: WebhookSettings, *, seconds: float = WEBHOOK_SECONDS, resolve: Resolver | None = None
    ) -> None:
        super().__init__(settings)
        self._seconds, self._resolve = seconds, resolve

    @classmethod
    def warnings(cls, settings: WebhookSettings) -> Iterator[tuple[str, str]]:
        """An address that is called unencrypted."""
        if (odd := unencrypted(settings.url)) is not None:
            yield "url", odd
        if settings.http:
            yield "http", "endpoints of others may be called unencrypted: what they are told can be read on its way"

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """Post it; `webhook-id` is the notice's key in every try, so that the receiver can tell a second copy."""
        from .http_post import post

        body = compact({"type": "sexton.alert", "data": as_json(notice)})
        post(self.settings.url or "", body, signed(notice.key, body, self._own_secrets()))
        return {}

    def destination(self, recipient: str) -> str:
        """Its host, with the port: what fails together."""
        place = _place(recipient or self.settings.url or "")
        return f"{self.name}:{place}" if place else self.name

    def check_recipient(self, recipient: str) -> None:
        """Whether a stranger may register this address. Raises Refused, or Unavailable when nobody can say now.

        It is asked again before each message, as what a name leads to changes."""
        from .stranger_post import check_stranger_url, system_addresses

        check_stranger_url(recipient, self.settings.rules(), resolve=self._resolve or system_addresses)

    def deliver(self, messages: Sequence[OutgoingMessage], *, seconds: float) -> Iterator[CallOutcome]:
        """Post each message. An endpoint that is down costs its message an attempt; ours does not."""
        strangers = [bool(message.recipient) for message in messages]
        for strange, outcome in zip(strangers, one_by_one(messages, seconds, self._take), strict=True):
            yield replace(outcome, counts=True) if strange and isinstance(outcome, Down) else outcome

    def _take(self, message: OutgoingMessage, seconds: float) -> None:
        from .http_post import LONGEST_CALL_WAIT, post
        from .stranger_post import post_to_stranger, system_addresses

        body = compact({"type": message.event, "timestamp": _instant(message.created_at), "data": message.payload})
        seconds = min(seconds, self._seconds)
        if message.recipient:
            post_to_stranger(
                message.recipient,
                body,
                signed(message.id, body, [_long_enough(secret) for secret in message.secrets]),
                seconds=seconds,
                rules=self.settings.rules(),
                resolve=self._resolve or system_addresses,
            )
            return
        if self.settings.url is None:
            raise Refused("the message names no endpoint, and [channel.webhook] has no url").of_all()
        headers = signed(message.id, body, self._own_secrets())
        post(self.settings.url, body, headers, deadline=seconds, longest_wait=LONGEST_CALL_WAIT)

    def _own_secrets(self) -> list[str]:
        return [self.settings.secret] if self.settings.secret is not None else []


def signed(message: str, body: bytes, secrets: Sequence[str]) -> Mapping[str, str]:
    """The headers of Standard Webhooks for this attempt: the same id in every one, the time of this one, and a
    signature by each secret, so that a receiver may change from one to the next."""
    now = datetime.now(UTC)
    headers = {"webhook-id": message, "webhook-timestamp": str(int(now.timestamp()))}
    if secrets:
        from standardwebhooks import Webhook

        headers["webhook-signature"] = " ".join(Webhook(each).sign(message, now, body.decode()) for each in secrets)
    return headers


def _long_enough(secret: str) -> str:
    key = secret.removeprefix("whsec_")
    try:
        length = len(base64.b64decode(key + "=" * (-len(key) % 4), validate=True))
    except ValueError:
        length = 0
    if length < SHORTEST_SECRET:
        raise Refused(f'a secret of the endpoint is not "whsec_" and at least {SHORTEST_SECRET} bytes in base64')
    return secret


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _place(url: str) -> str:
    """Host and port of an address, as the relay reads them; never the rest, which may be a secret."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""
