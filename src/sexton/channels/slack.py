"""The channel that posts to Slack through an incoming webhook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .contract import Notice, compact, shortened
from .http import post

LONGEST = 4000
"""Characters after which Slack cuts a message, or splits it."""

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class SlackChannel:
    """Posts to `url`, which is a secret."""

    name = "slack"

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """Post it. Nobody is mentioned, whatever the text says: a mention needs an unescaped <."""
        text = "\n".join([f"*{notice.title}*", *notice.lines()]).translate(_ESCAPES)
        message = {"text": shortened(text, LONGEST), "unfurl_links": False, "unfurl_media": False}
        post(self._url, compact(message))
        return {}
