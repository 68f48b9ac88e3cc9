"""Texts inside SQL: dollar quotes, and templates with statements in their places."""

from __future__ import annotations

import re

from ...db.operator_query import QUOTED

_LINE_FEED = "\x00"
"""Stands for a line feed inside quotes; no text of PostgreSQL holds it."""


def dollar_quoted(text: str, tag: str = "procedure") -> str:
    """Between dollar quotes whose tag the text does not hold."""
    while f"${tag}$" in text:
        tag += "_"
    return f"${tag}${text}${tag}$"


def filled(template: str, **parts: str) -> str:
    """The template with its `{names}` filled in; further lines of a part stand below its first. Of an empty part that
    has a line of its own nothing stays. What stands between quotes stays as it is, to the last blank."""
    parts = {name: QUOTED.sub(lambda found: found[0].replace("\n", _LINE_FEED), part) for name, part in parts.items()}
    lines: list[str] = []
    for line in template.split("\n"):
        alone = re.fullmatch(r"( *)\{(\w+)\}(.*)", line)
        if alone is not None and not parts[alone[2]]:
            continue
        column = len(line) - len(line.lstrip())
        written = re.sub(r"\{(\w+)\}", lambda name: parts[name[1]], line)
        first, *rest = written.split("\n")
        lines += [one.rstrip() for one in (first, *(" " * column + one for one in rest))]
    return "\n".join(lines).replace(_LINE_FEED, "\n")
