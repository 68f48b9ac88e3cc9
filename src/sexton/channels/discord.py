"""The channel that posts to Discord through a webhook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..addresses import unencrypted
from ..setting_fields import setting
from .chat_text import chat_text
from .contract import HTTP_LIBRARY, ConfiguredChannel, Notice, compact

MAX_DISCORD_UNITS = 2000
"""Units of UTF-16, as which Discord counts; a longer message is refused as a whole."""

NO_PREVIEWS = 4


@dataclass(frozen=True, slots=True)
class DiscordSettings:
    """Alerts to a channel in Discord, through a webhook."""

    url: str | None = setting(
        None,
        "address of the webhook; whoever knows it can post, so put it into .env",
        kind="url",
        secret=True,
        example="https://discord.com/api/webhooks/000/XXXX",
    )


class DiscordChannel(ConfiguredChannel[DiscordSettings]):
    """Posts to `settings.url`, which is a secret."""

    name = "discord"
    settings_type = DiscordSettings
    addressed = False
    required = ("url",)
    library = HTTP_LIBRARY

    @classmethod
    def warnings(cls, settings: DiscordSettings) -> Iterator[tuple[str, str]]:
        """An address that is called unencrypted."""
        if (odd := unencrypted(settings.url)) is not None:
            yield "url", odd

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """Post it; `allowed_mentions` makes every @ in it plain text."""
        from .http_post import post

        text = chat_text(notice, "**", MAX_DISCORD_UNITS, size=lambda part: len(part.encode("utf-16-le")) // 2)
        message = {"content": text, "allowed_mentions": {"parse": []}, "flags": NO_PREVIEWS}
        post(self.settings.url or "", compact(message))
        return {}
