"""The channel that posts JSON to an address of the user's, signed in the form of Standard Webhooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

from .contract import Notice, as_json, compact
from .http_post import post


class WebhookChannel:
    """Posts to `url`. secret: "whsec_" and base64; None: unsigned."""

    name = "webhook"

    def __init__(self, url: str, secret: str | None) -> None:
        self._url = url
        self._signer = None if secret is None else Webhook(secret)

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """Post it; `webhook-id` is the notice's key in every try, so that the receiver can tell a second copy."""
        body = compact({"type": "sexton.alert", "data": as_json(notice)})
        now = datetime.now(UTC)
        headers = {"webhook-id": notice.key, "webhook-timestamp": str(int(now.timestamp()))}
        if self._signer is not None:
            headers["webhook-signature"] = self._signer.sign(notice.key, now, body.decode())
        post(self._url, body, headers)
        return {}
