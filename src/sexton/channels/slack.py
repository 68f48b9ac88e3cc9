"""The channel that posts to Slack through an incoming webhook."""

from __future__ import annotations

from dataclasses import dataclass

from ..setting_fields import setting
from .chat_channel import ChatChannel
from .chat_text import chat_text
from .contract import Notice, OutgoingMessage, compact

MAX_SLACK_CHARACTERS = 4000
"""Characters after which Slack cuts a message, or splits it."""

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """Alerts and messages to a channel in Slack, through an incoming webhook."""

    url: str | None = setting(
        None,
        "address of the incoming webhook; whoever knows it can post, so put it into .env",
        kind="url",
        secret=True,
        example="https://hooks.slack.com/services/T000/B000/XXXX",
    )


class SlackChannel(ChatChannel[SlackSettings]):
    """Posts to `settings.url`, which is a secret."""

    name = "slack"
    settings_type = SlackSettings

    def body(self, told: Notice | OutgoingMessage) -> bytes:
        """Nobody is mentioned and no words become a link, whatever the text says: that needs an unescaped <.
        `parse` asks Slack not to look for addresses either."""
        text = chat_text(told, "*", MAX_SLACK_CHARACTERS, size=lambda part: len(part.translate(_ESCAPES)))
        quiet = {"parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}
        return compact({"text": text.translate(_ESCAPES), **quiet})
