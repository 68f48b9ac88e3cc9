"""The channel that posts JSON to an address of the user's, signed in the form of Standard Webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence

from .contract import Notice, as_json, compact
from .http_post import post


class WebhookChannel:
    """Posts to `url`. secret: "whsec_" and base64; None: unsigned."""

    name = "webhook"

    def __init__(self, url: str, secret: str | None) -> None:
        self._url, self._secret = url, secret

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """Post it; `webhook-id` is the notice's key in every try, so that the receiver can tell a second copy."""
        body = compact({"type": "sexton.alert", "data": as_json(notice)})
        stamp = int(time.time())
        headers = {"webhook-id": notice.key, "webhook-timestamp": str(stamp)}
        if self._secret is not None:
            headers["webhook-signature"] = signature(self._secret, notice.key, stamp, body)
        post(self._url, body, headers)
        return {}


def signature(secret: str, key: str, stamp: int, body: bytes) -> str:
    """What `webhook-signature` holds: "v1," and the HMAC-SHA256 of "key.stamp.body". stamp: seconds since 1970."""
    shared = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(shared, b".".join((key.encode(), str(stamp).encode(), body)), hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()
