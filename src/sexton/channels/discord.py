"""The channel that posts to Discord through a webhook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .contract import Notice, compact
from .http import post

LONGEST = 2000
"""Characters that Discord takes; a longer message is refused as a whole."""

NO_PREVIEWS = 4


class DiscordChannel:
    """Posts to `url`, which is a secret."""

    name = "discord"

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """Post it; `allowed_mentions` makes every @ in it plain text."""
        text = "\n".join([f"**{notice.title}**", *notice.lines()])
        message = {"content": _cut(text), "allowed_mentions": {"parse": []}, "flags": NO_PREVIEWS}
        post(self._url, compact(message))
        return {}


def _cut(text: str) -> str:
    """At most LONGEST units of UTF-16, as which Discord counts."""
    units = text.encode("utf-16-le")
    return text if len(units) <= 2 * LONGEST else units[: 2 * LONGEST - 2].decode("utf-16-le", "ignore") + "…"
