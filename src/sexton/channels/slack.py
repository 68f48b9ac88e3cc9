"""The channel that posts to Slack through an incoming webhook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..addresses import unencrypted
from ..setting_fields import setting
from .chat_text import chat_text
from .contract import HTTP_LIBRARY, ConfiguredChannel, Notice, compact

MAX_SLACK_CHARACTERS = 4000
"""Characters after which Slack cuts a message, or splits it."""

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """Alerts to a channel in Slack, through an incoming webhook."""

    url: str | None = setting(
        None,
        "address of the incoming webhook; whoever knows it can post, so put it into .env",
        kind="url",
        secret=True,
        example="https://hooks.slack.com/services/T000/B000/XXXX",
    )


class SlackChannel(ConfiguredChannel[SlackSettings]):
    """Posts to `settings.url`, which is a secret."""

    name = "slack"
    settings_type = SlackSettings
    addressed = False
    required = ("url",)
    library = HTTP_LIBRARY

    @classmethod
    def warnings(cls, settings: SlackSettings) -> Iterator[tuple[str, str]]:
        """An address that is called unencrypted."""
        if (odd := unencrypted(settings.url)) is not None:
            yield "url", odd

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """Post it. Nobody is mentioned and no words become a link, whatever the text says: that needs an unescaped <.
        `parse` asks Slack not to look for addresses either."""
        from .http_post import post

        text = chat_text(notice, "*", MAX_SLACK_CHARACTERS, size=lambda part: len(part.translate(_ESCAPES))).translate(
            _ESCAPES
        )
        quiet = {"parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}
        post(self.settings.url or "", compact({"text": text, **quiet}))
        return {}
