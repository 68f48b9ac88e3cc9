"""What webhook, Slack, Discord and the log are sent, byte by byte."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
from dataclasses import replace

import pytest
from standardwebhooks import Webhook

from sexton.channels.contract import Notice, Unavailable
from sexton.channels.discord import MAX_DISCORD_UNITS as DISCORD
from sexton.channels.discord import DiscordChannel, DiscordSettings
from sexton.channels.log import LogChannel, LogSettings
from sexton.channels.slack import MAX_SLACK_CHARACTERS as SLACK
from sexton.channels.slack import SlackChannel, SlackSettings
from sexton.channels.webhook import WebhookChannel, WebhookSettings

from .web import Web

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_a_webhook_is_signed_as_the_standards_own_library_checks(web: Web, notice: Notice) -> None:
    WebhookChannel(WebhookSettings(url=web.url, secret=SECRET)).send(notice)

    (request,) = web.requests
    data = Webhook(SECRET).verify(request.body, dict(request.headers))
    assert data["type"] == "sexton.alert"
    assert data["data"]["command"] == "sexton show 17"
    assert request.headers["webhook-id"] == notice.key


def test_a_signature_is_the_one_that_the_standard_describes(web: Web, notice: Notice) -> None:
    """Made here by hand: whoever checks it may use another library than we do."""
    WebhookChannel(WebhookSettings(url=web.url, secret=SECRET)).send(notice)

    (request,) = web.requests
    signed = f"{notice.key}.{request.headers['webhook-timestamp']}.".encode() + request.body
    digest = hmac.digest(base64.b64decode(SECRET.removeprefix("whsec_")), signed, hashlib.sha256)
    assert request.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


def test_a_webhook_without_secret_is_not_signed(web: Web, notice: Notice) -> None:
    WebhookChannel(WebhookSettings(url=web.url)).send(notice)

    assert "webhook-signature" not in web.requests[0].headers


def test_slack_gets_plain_text_that_mentions_nobody(web: Web, notice: Notice) -> None:
    """ORA-FUT.3"""
    SlackChannel(SlackSettings(url=web.url)).send(replace(notice, text="<!channel> <@U123> a & b"))

    message = web.requests[0].json()
    lines = message["text"].splitlines()
    assert lines[:3] == ["*`failing: shop.expire`*", "```", "&lt;!channel&gt; &lt;@U123&gt; a &amp; b"]
    assert lines[-2:] == ["look closer: sexton show 17", "```"]
    assert message["unfurl_links"] is False


def test_discord_gets_plain_text_that_mentions_nobody(web: Web, notice: Notice) -> None:
    """ORA-FUT.3"""
    DiscordChannel(DiscordSettings(url=web.url)).send(replace(notice, text="@everyone look"))

    message = web.requests[0].json()
    assert "@everyone look" in message["content"]
    assert message["allowed_mentions"] == {"parse": []}


@pytest.mark.parametrize("character", ["x", "<", "é", "🔔"])
def test_a_text_too_long_is_cut_and_not_refused(web: Web, notice: Notice, character: str) -> None:
    long = replace(notice, text=character * 9000, facts={f"error {n}": character * 9000 for n in range(3)})

    SlackChannel(SlackSettings(url=web.url)).send(long)
    DiscordChannel(DiscordSettings(url=web.url)).send(long)

    slack, discord = (request.json() for request in web.requests)
    assert SLACK - 10 < len(slack["text"]) <= SLACK
    assert DISCORD - 10 < len(discord["content"].encode("utf-16-le")) / 2 <= DISCORD
    assert slack["text"].endswith("…\n```")
    assert discord["content"].endswith("…\n```")


def test_the_log_gets_one_line_whatever_the_text_holds(notice: Notice) -> None:
    stream = io.StringIO()

    LogChannel(LogSettings(), stream=stream).send(replace(notice, text='first\n{"event": "forged"}'))

    (line,) = stream.getvalue().splitlines()
    value = json.loads(line)
    assert (value["event"], value["key"], value["job"]) == ("alert", notice.key, "shop.expire")
    assert value["text"].startswith("first\\n")


def test_a_log_that_is_closed_is_tried_again_later(notice: Notice) -> None:
    stream = io.StringIO()
    stream.close()

    with pytest.raises(Unavailable):
        LogChannel(LogSettings(), stream=stream).send(notice)
