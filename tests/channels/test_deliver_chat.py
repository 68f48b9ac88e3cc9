"""Messages of the outbox in Slack and Discord: what is posted, and what comes of it (ORA-FUT.3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sexton import Again, Done, Down, Failed
from sexton.channels.chat_channel import ChatChannel
from sexton.channels.contract import Notice, OutgoingMessage, Unavailable
from sexton.channels.discord import MAX_DISCORD_UNITS, DiscordChannel, DiscordSettings
from sexton.channels.http_post import LONGEST_CALL_WAIT, LONGEST_WAIT
from sexton.channels.slack import MAX_SLACK_CHARACTERS, SlackChannel, SlackSettings
from tests.support.hostile_http import Hostile, answers, hostile_server
from tests.support.patience import PATIENCE

CANARY = "qXcanaryX7"
MESSAGE = OutgoingMessage(
    id="msg_1",
    key="payment_late:7",
    event="payment.late",
    recipient="",
    payload={"payment": 7, "buyer": "<!channel> @everyone", "amount": {"cents": 990}, "reset_token": CANARY},
    created_at=datetime(2026, 11, 22, 4, 0, tzinfo=UTC),
)

both = pytest.mark.parametrize("kind", ["slack", "discord"])


def channel(kind: str, server: Hostile) -> ChatChannel[Any]:
    if kind == "slack":
        return SlackChannel(SlackSettings(url=server.url))
    return DiscordChannel(DiscordSettings(url=server.url))


def text_of(server: Hostile) -> str:
    posted = server.heard[-1].json()
    text: str = posted["text"] if "text" in posted else posted["content"]
    return text.replace("&lt;", "<").replace("&gt;", ">")


@both
def test_without_a_template_the_event_and_the_payload_are_posted_in_code(kind: str) -> None:
    """(SEC-20) Nothing that others wrote is read as markup; (SEC-9) each value is one line. Secrets are masked."""
    with hostile_server(answers(200)) as server:
        assert list(channel(kind, server).deliver([MESSAGE], seconds=PATIENCE)) == [Done()]

    assert text_of(server).strip("*").splitlines() == [
        "`payment.late`" + ("*" if kind == "slack" else "**"),
        "```",
        "payment: 7",
        "buyer: <!channel> @everyone",
        'amount: {"cents": 990}',
        "reset_token: ***",
        "```",
    ]
    assert "<!channel>" not in str(server.heard[0].json()) or kind == "discord"
    assert CANARY not in str(server.heard[0].body)


@both
def test_the_text_of_a_template_is_posted_line_by_line(kind: str) -> None:
    made = replace(MESSAGE, subject="Payment 7 is late", text="Dear ``` all\n\x1b[31mplease look\n")
    with hostile_server(answers(200)) as server:
        list(channel(kind, server).deliver([made], seconds=PATIENCE))

    lines = text_of(server).splitlines()
    assert "Payment 7 is late" in lines[0]
    assert lines[1:] == ["```", "Dear \\u0060\\u0060\\u0060 all", "\\u001b[31mplease look", "```"]


@both
def test_a_text_too_long_is_cut_inside_its_code(kind: str) -> None:
    made = replace(MESSAGE, text="x" * 90_000)
    with hostile_server(answers(200)) as server:
        list(channel(kind, server).deliver([made], seconds=PATIENCE))

    text = text_of(server)
    assert text.endswith("…\n```")
    assert len(text) <= (MAX_SLACK_CHARACTERS if kind == "slack" else MAX_DISCORD_UNITS)


@both
@pytest.mark.parametrize(
    ("status", "outcome"), [(400, Failed), (401, Down), (404, Down), (410, Down), (429, Down), (500, Again)]
)
def test_w7_g5_what_an_answer_comes_to(kind: str, status: int, outcome: type) -> None:
    """(W7) (G5) Where a webhook was deleted all messages wait until a person gives another address."""
    with hostile_server(answers(status)) as server:
        (found,) = channel(kind, server).deliver([MESSAGE], seconds=PATIENCE)

    assert type(found) is outcome
    assert not isinstance(found, Down) or (found.lasting, found.counts) == (status != 429, False)
    assert not isinstance(found, Again) or found.fault
    assert CANARY not in str(found)


@both
def test_g6_a_rest_of_a_message_is_longer_than_one_of_an_alert(kind: str) -> None:
    notice = Notice("key", "title", "text", "shop.expire")
    with hostile_server(answers(429, retry_after="999999")) as server:
        chat = channel(kind, server)
        (found,) = chat.deliver([MESSAGE], seconds=PATIENCE)
        with pytest.raises(Unavailable) as later:
            chat.send(notice)

    assert isinstance(found, Down)
    assert (found.after, later.value.retry_after) == (LONGEST_CALL_WAIT, LONGEST_WAIT)
