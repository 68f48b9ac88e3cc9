"""Read a `.env` file with python-dotenv, and say which of its lines cannot be right.

The dialect is python-dotenv's, but nothing is put in for `$`: a password may hold one. Names of others are not
judged, lines are. Messages name the line and never show a value.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import NamedTuple

from dotenv.parser import Binding, parse_stream

from .environment import PREFIX

_SHAPE = "this is not NAME=value, a comment starts with #; or a quote is not closed, or text follows a closing one"
_LINE_END = re.compile(r"\r\n|\n|\r")
_OURS = re.compile(rf"(?:\r|\n)\s*(?:export\s+)?{PREFIX}\w+\s*=")
_QUOTED = re.compile(r"""\s|^['"#]""")
_ESCAPED = re.compile(r"[\\']")


class Entry(NamedTuple):
    """One value of the file and the number of its line, counted from 1."""

    value: str
    line: int


def parse(text: str, wrong: Callable[[int, str], None]) -> dict[str, Entry]:
    """The SEXTON_ names of the file's text. wrong: is told each line that cannot be right, and why."""
    entries: dict[str, Entry] = {}
    for binding in parse_stream(io.StringIO(text)):
        number, written = _first_line(binding)
        name, value = binding.key, binding.value
        if binding.error or (name is not None and value is None):
            wrong(number, _SHAPE)
        elif (ours := _OURS.search(written)) is not None:  # python-dotenv would take our setting for a part of this
            inside = number + len(_LINE_END.findall(written, 0, ours.end()))
            wrong(number, f"the quote is not closed before line {inside}, which holds a {PREFIX} name; close it")
        elif name is not None and value is not None and name.startswith(PREFIX):
            if name in entries:
                wrong(number, f"{name} is given twice, first on line {entries[name].line}; keep one of them")
            entries.setdefault(name, Entry(value, number))
    return entries


def quoted(value: str) -> str:
    """The value as it can be written behind `NAME=`, so that `parse()` gives it back."""
    if value and not _QUOTED.search(value):
        return value
    return f"'{_ESCAPED.sub(lambda sign: chr(92) + sign[0], value)}'"


def _first_line(binding: Binding) -> tuple[int, str]:
    """Where a name stands, and its text from there: python-dotenv counts from the end of what stands before it."""
    written = binding.original.string.lstrip()
    blank = binding.original.string.removesuffix(written)
    return binding.original.line + len(_LINE_END.findall(blank)), written
