"""The channel that posts to Discord through a webhook."""

from __future__ import annotations

from dataclasses import dataclass

from ..setting_fields import setting
from .chat_channel import ChatChannel
from .chat_text import chat_text
from .contract import Notice, OutgoingMessage, compact

MAX_DISCORD_UNITS = 2000
"""Units of UTF-16, as which Discord counts; a longer message is refused as a whole."""

NO_PREVIEWS = 4


@dataclass(frozen=True, slots=True)
class DiscordSettings:
    """Alerts and messages to a channel in Discord, through a webhook."""

    url: str | None = setting(
        None,
        "address of the webhook; whoever knows it can post, so put it into .env",
        kind="url",
        secret=True,
        example="https://discord.com/api/webhooks/000/XXXX",
    )


class DiscordChannel(ChatChannel[DiscordSettings]):
    """Posts to `settings.url`, which is a secret."""

    name = "discord"
    settings_type = DiscordSettings

    def body(self, told: Notice | OutgoingMessage) -> bytes:
        """`allowed_mentions` makes every @ in it plain text."""
        text = chat_text(told, "**", MAX_DISCORD_UNITS, size=lambda part: len(part.encode("utf-16-le")) // 2)
        return compact({"content": text, "allowed_mentions": {"parse": []}, "flags": NO_PREVIEWS})
