"""Texts inside SQL: literals and dollar quotes."""

from __future__ import annotations

import re


def literal(text: str) -> str:
    """As a literal of PostgreSQL, with standard_conforming_strings."""
    return "'" + text.replace("'", "''") + "'"


def dollar_quoted(text: str, tag: str = "procedure") -> str:
    """Between dollar quotes whose tag the text does not hold."""
    while f"${tag}$" in text:
        tag += "_"
    return f"${tag}${text}${tag}$"


def filled(template: str, **parts: str) -> str:
    """The template with its `{names}` filled in; further lines of a part stand below its first. Of an empty part that
    has a line of its own nothing stays."""
    lines: list[str] = []
    for line in template.split("\n"):
        alone = re.fullmatch(r"( *)\{(\w+)\}(.*)", line)
        if alone is not None and not parts[alone[2]]:
            continue
        column = len(line) - len(line.lstrip())
        written = re.sub(r"\{(\w+)\}", lambda name: parts[name[1]], line)
        first, *rest = written.split("\n")
        lines += [one.rstrip() for one in (first, *(" " * column + one for one in rest))]
    return "\n".join(lines)
