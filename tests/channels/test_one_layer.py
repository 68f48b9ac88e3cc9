"""Alerts and messages of the outbox are taken by the same channels, which speak SMTP and HTTP in one place each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sexton.channels import http_post
from sexton.channels.contract import ConfiguredChannel, Notice, OutgoingMessage
from sexton.channels.discord import DiscordChannel, DiscordSettings
from sexton.channels.email import EmailChannel, EmailSettings
from sexton.channels.slack import SlackChannel, SlackSettings
from sexton.channels.smtp_session import Conversation
from sexton.channels.webhook import WebhookChannel, WebhookSettings

from .relay import Relay
from .web import Web

MESSAGE = OutgoingMessage("msg_1", "code:1", "code", "", {"n": 1}, datetime(2026, 6, 15, tzinfo=UTC))


def test_mails_of_both_kinds_are_one_conversation(
    relay: Relay, notice: Notice, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken = calls_of(monkeypatch, Conversation, "carry")
    settings = EmailSettings("127.0.0.1", relay.port, "none", sender="shop@example.com", to=("ops@example.com",))
    channel = EmailChannel(settings)

    channel.send(notice)
    list(channel.deliver([replaced(MESSAGE, "ada@example.com")], seconds=60.0))

    assert (len(spoken), relay.told()) == (2, ["ada@example.com", "ops@example.com"])


@pytest.mark.parametrize(
    ("kind", "settings_type"),
    [(WebhookChannel, WebhookSettings), (SlackChannel, SlackSettings), (DiscordChannel, DiscordSettings)],
)
def test_posts_of_both_kinds_are_one_exchange(
    kind: type[ConfiguredChannel[Any]],
    settings_type: Any,
    web: Web,
    notice: Notice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    posted = calls_of(monkeypatch, http_post, "exchange")
    channel = kind(settings_type(url=web.url))

    channel.send(notice)
    list(channel.deliver([MESSAGE], seconds=60.0))

    assert (len(posted), len(web.requests)) == (2, 2)


def calls_of(monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> list[str]:
    """Grows with each call."""
    seen: list[str] = []
    real = getattr(where, name)

    def noted(*arguments: Any, **options: Any) -> Any:
        seen.append(name)
        return real(*arguments, **options)

    monkeypatch.setattr(where, name, noted)
    return seen


def replaced(message: OutgoingMessage, recipient: str) -> OutgoingMessage:
    return OutgoingMessage(message.id, message.key, message.event, recipient, message.payload, message.created_at)
