"""A notice as a message in a chat that reads markup: what others wrote stands in code, where none is read (SEC-20).

In code neither Slack nor Discord makes a mention, a quote, a heading, or a link that shows other words than its own
address. A backtick, which would end it, is escaped. The title is one line, and each line below it is one of ours.
"""

from __future__ import annotations

from collections.abc import Callable

from ..texts import escaped
from .contract import Notice, shortened

LONGEST_TITLE = 200

_FENCE = "```"


def chat_text(notice: Notice, strong: str, longest: int, *, size: Callable[[str], int] = len) -> str:
    """Title and lines; cut inside the code, which always ends. strong: what makes bold.  size: as the chat counts."""
    head = f"{strong}`{shortened(_code(notice.title), LONGEST_TITLE)}`{strong}\n{_FENCE}\n"
    body, tail = _code("\n".join(notice.lines())), f"\n{_FENCE}"
    room = longest - size(head) - size(tail)
    return head + _cut(body, room, size) + tail


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
