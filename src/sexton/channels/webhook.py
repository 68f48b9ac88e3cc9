"""The channel that posts JSON to an address of the user's, signed in the form of Standard Webhooks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ..addresses import unencrypted
from ..setting_fields import setting
from .contract import HTTP_LIBRARY, ConfiguredChannel, Notice, as_json, compact


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Alerts as a POST of JSON to an address of yours, signed as Standard Webhooks says."""

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


class WebhookChannel(ConfiguredChannel[WebhookSettings]):
    """Posts to `settings.url`; unsigned where there is no secret."""

    name = "webhook"
    settings_type = WebhookSettings
    required = ("url",)
    library = HTTP_LIBRARY

    @classmethod
    def warnings(cls, settings: WebhookSettings) -> Iterator[tuple[str, str]]:
        """An address that is called unencrypted."""
        if (odd := unencrypted(settings.url)) is not None:
            yield "url", odd

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """Post it; `webhook-id` is the notice's key in every try, so that the receiver can tell a second copy."""
        from .http_post import post

        body = compact({"type": "sexton.alert", "data": as_json(notice)})
        now = datetime.now(UTC)
        headers = {"webhook-id": notice.key, "webhook-timestamp": str(int(now.timestamp()))}
        if self.settings.secret is not None:
            from standardwebhooks import Webhook

            headers["webhook-signature"] = Webhook(self.settings.secret).sign(notice.key, now, body.decode())
        post(self.settings.url or "", body, headers)
        return {}
