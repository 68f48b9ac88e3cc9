"""What the channels to chats share: notices and messages are posted to one address out of the settings, a secret."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from ..addresses import unencrypted
from ..call_outcomes import CallOutcome
from .contract import HTTP_LIBRARY, ConfiguredChannel, Notice, OutgoingMessage
from .one_by_one import one_by_one

NOBODY_THERE = (404, 410)
"""What Slack and Discord answer when the webhook was deleted: nothing will be taken before a person makes another."""


class ChatSettings(Protocol):
    """Settings that have an address."""

    @property
    def url(self) -> str | None:
        """Of the webhook."""
        ...


C = TypeVar("C", bound=ChatSettings)


class ChatChannel(ConfiguredChannel[C]):
    """Posts what `body` makes to `settings.url`."""

    addressed = False
    required = ("url",)
    library = HTTP_LIBRARY
    delivers = True
    needed_to_deliver = ("url",)

    @classmethod
    def warnings(cls, settings: C) -> Iterator[tuple[str, str]]:
        """An address that is called unencrypted."""
        if (odd := unencrypted(settings.url)) is not None:
            yield "url", odd

    @abstractmethod
    def body(self, told: Notice | OutgoingMessage) -> bytes:
        """The JSON that this chat takes."""

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """Post the notice."""
        from .http_post import post

        post(self.settings.url or "", self.body(notice), gone=NOBODY_THERE)
        return {}

    def deliver(self, messages: Sequence[OutgoingMessage], *, seconds: float) -> Iterator[CallOutcome]:
        """Post each: the text of its template, else what its payload says."""
        from .http_post import LONGEST_CALL_WAIT, post

        def take(message: OutgoingMessage, left: float) -> None:
            body = self.body(message)
            post(self.settings.url or "", body, deadline=left, longest_wait=LONGEST_CALL_WAIT, gone=NOBODY_THERE)

        return one_by_one(messages, seconds, take)
