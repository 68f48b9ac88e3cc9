"""A notice or message in a chat that reads markup: what others wrote stands in code, where none is read (SEC-20).

In code neither Slack nor Discord makes a mention, a quote, a heading, or a link that shows other words than its own
address. A backtick, which would end it, is escaped. The title is one line, and each line below it is one of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..masking import without_secrets
from ..texts import escaped, json_text, one_line, visible
from .contract import Notice, OutgoingMessage, shortened

LONGEST_TITLE = 200

_FENCE = "```"


def chat_text(told: Notice | OutgoingMessage, strong: str, longest: int, *, size: Callable[[str], int] = len) -> str:
    """Title and lines; cut inside the code, which always ends. strong: what makes bold.  size: as the chat counts."""
    title, lines = (told.title, told.lines()) if isinstance(told, Notice) else _of_message(told)
    head = f"{strong}`{shortened(_code(title), LONGEST_TITLE)}`{strong}\n{_FENCE}\n"
    body, tail = _code("\n".join(lines)), f"\n{_FENCE}"
    room = longest - size(head) - size(tail)
    return head + _cut(body, room, size) + tail


def _of_message(message: OutgoingMessage) -> tuple[str, Sequence[str]]:
    """Its subject and text, as its template made them; without one the event, and a line for each key of its payload,
    where values that look secret are masked: a chat is read by many."""
    title = _line(message.subject or message.event)
    if message.text:
        return title, [_line(line) for line in message.text.splitlines()]
    payload = without_secrets(message.payload)
    assert isinstance(payload, Mapping)
    return title, list(_pairs(payload))


def _pairs(payload: Mapping[str, Any]) -> Iterator[str]:
    for name, value in payload.items():
        yield _line(f"{name}: {value if isinstance(value, str) else json_text(value, default=str)}")


def _line(text: str) -> str:
    return visible(one_line(text))


def _code(text: str) -> str:
    return text.replace("`", escaped("`"))


def _cut(text: str, room: int, size: Callable[[str], int]) -> str:
    """At most so much of it, marked where something is missing."""
    if size(text) <= room:
        return text
    kept, beyond = 0, len(text)
    while beyond - kept > 1:
        middle = (kept + beyond) // 2
        kept, beyond = (middle, beyond) if size(text[:middle]) < room else (kept, middle)
    return text[:kept] + "…"
