"""The channel that posts to Slack through an incoming webhook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .chat_text import chat_text
from .contract import Notice, compact
from .http_post import post

MAX_SLACK_CHARACTERS = 4000
"""Characters after which Slack cuts a message, or splits it."""

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class SlackChannel:
    """Posts to `url`, which is a secret."""

    name = "slack"

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """Post it. Nobody is mentioned and no words become a link, whatever the text says: that needs an unescaped <.
        `parse` asks Slack not to look for addresses either."""
        text = chat_text(notice, "*", MAX_SLACK_CHARACTERS, size=lambda part: len(part.translate(_ESCAPES))).translate(
            _ESCAPES
        )
        quiet = {"parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}
        post(self._url, compact({"text": text, **quiet}))
        return {}
