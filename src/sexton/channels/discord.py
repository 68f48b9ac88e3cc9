"""The channel that posts to Discord through a webhook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .chat_text import chat_text
from .contract import Notice, compact
from .http_post import post

MAX_DISCORD_UNITS = 2000
"""Units of UTF-16, as which Discord counts; a longer message is refused as a whole."""

NO_PREVIEWS = 4


class DiscordChannel:
    """Posts to `url`, which is a secret."""

    name = "discord"

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """Post it; `allowed_mentions` makes every @ in it plain text."""
        text = chat_text(notice, "**", MAX_DISCORD_UNITS, size=lambda part: len(part.encode("utf-16-le")) // 2)
        message = {"content": text, "allowed_mentions": {"parse": []}, "flags": NO_PREVIEWS}
        post(self._url, compact(message))
        return {}
