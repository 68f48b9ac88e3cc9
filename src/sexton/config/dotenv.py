r"""Read a `.env` file: a small strict language, so that a value means the same to every reader of it.

    SEXTON_DATABASE=postgresql+psycopg://shop:a#b$c@db/shop  # a comment starts with a blank and a #
    export SEXTON_TIMEZONE='Europe/Berlin'                   # single quotes: each character is itself
    SEXTON_JOBS="\"quotes\", a \\ and a \n line feed"         # double quotes: these three escapes, no others

No blank around `=`; a value with blanks, quotes or a backslash stands in quotes; a value ends on its own
line; `$` is a dollar sign. A byte order mark and CRLF line ends are accepted. A name may stand once. The file
may hold settings of others: only names that start with SEXTON_ are looked at.
Errors are SettingsError with the line number and never show a value.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import SettingsError

SETTING_PREFIX = "SEXTON_"
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?(?P<name>[^=\s'\"#]+)(?P<before>\s*)=(?P<rest>.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS = re.compile(rf"\s*(?:export\s+)?{SETTING_PREFIX}")
_TAIL = re.compile(r"\s*|\s+#.*", re.DOTALL)
_COMMENT = re.compile(r"\s+#")
_DOUBLE_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_UNTERMINATED = "the quote is not closed on this line; close it, or write \\n for a line feed"
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}


class Entry(NamedTuple):
    """One value of the file and the number of its line, counted from 1."""

    value: str
    line: int


class _Wrong(Exception):
    """What is wrong with the line in hand."""


def parse(text: str, *, where: str = ".env") -> dict[str, Entry]:
    """The SEXTON_ names of the file's text. SettingsError names `where` and the line."""
    entries: dict[str, Entry] = {}
    foreign = _ForeignQuote()
    lines = text.removeprefix("\ufeff").split("\n")
    for number, line in enumerate(lines, start=1):
        line = line.removesuffix("\r")
        try:
            if foreign.swallows(line, number) or not line.strip() or line.lstrip().startswith("#"):
                continue
            name, value = _assignment(line, foreign, number)
            if value is None:
                continue
            if name in entries:
                raise _Wrong(f"{name} is given twice, first on line {entries[name].line}; keep one of them")
            entries[name] = Entry(value, number)
        except _Wrong as wrong:
            raise SettingsError(f"{where} line {foreign.start or number}: {wrong}") from None
    if foreign.start:
        raise SettingsError(f"{where} line {foreign.start}: {_UNTERMINATED}")
    return entries


def quoted(value: str) -> str:
    """The value as it can be written behind `NAME=`, so that `parse()` gives it back."""
    if value and not re.search(r"[\s'\"\\]", value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


class _ForeignQuote:
    """Follows a quoted value of somebody else's name over its lines: keys and certificates have many."""

    def __init__(self) -> None:
        self.quote = ""
        self.start = 0

    def opens(self, rest: str, number: int) -> None:
        """Look at the value of a name that is not ours."""
        if rest[:1] in ("'", '"') and not self._closed(rest[1:], rest[0]):
            self.quote, self.start = rest[0], number

    def swallows(self, line: str, number: int) -> bool:
        """Whether the line lies inside such a value. One of our names in there means a quote is missing."""
        if not self.start:
            return False
        if _OURS.match(line):
            raise _Wrong(f"the quote is not closed before line {number}, which holds a {SETTING_PREFIX} name; close it")
        if self._closed(line, self.quote):
            self.start = 0
        return True

    @staticmethod
    def _closed(text: str, quote: str) -> bool:
        return quote in (text if quote == "'" else re.sub(r"\\.", "", text))


def _assignment(line: str, foreign: _ForeignQuote, number: int) -> tuple[str, str | None]:
    """Name and value of a line; the value is None when the name is not ours."""
    found = _ASSIGNMENT.fullmatch(line)
    if found is None:
        raise _Wrong("this is not NAME=value; a comment starts with #")
    name, rest = found["name"], found["rest"]
    if not name.startswith(SETTING_PREFIX):
        foreign.opens(rest, number)
        return name, None
    if not _NAME.fullmatch(name):
        raise _Wrong("a name has letters, digits and _ only")
    if found["before"] or (rest.strip() and rest[:1].isspace() and not _COMMENT.match(rest)):
        raise _Wrong(f"no blanks around the = of {name}; write {name}=value")
    return name, _value(name, rest)


def _value(name: str, rest: str) -> str:
    if rest[:1] == "'":
        value, closing, tail = rest[1:].partition("'")
        if not closing:
            raise _Wrong(f"{name}: {_UNTERMINATED}")
    elif rest[:1] == '"':
        value, tail = _double_quoted(name, rest)
    else:
        return _unquoted(name, rest)
    if not _TAIL.fullmatch(tail):
        raise _Wrong(f"{name}: text follows the closing quote; a comment needs a blank before its #")
    return value


def _double_quoted(name: str, rest: str) -> tuple[str, str]:
    """Value and the text behind the closing quote."""
    found = _DOUBLE_QUOTED.match(rest)
    if found is None:
        raise _Wrong(f"{name}: {_UNTERMINATED}")
    if any(escape not in _ESCAPES for escape in _ESCAPE.findall(found[1])):
        raise _Wrong(f'{name}: in double quotes \\ is followed by n, " or \\; single quotes need no escapes')
    return _ESCAPE.sub(lambda escape: _ESCAPES[escape[1]], found[1]), rest[found.end() :]


def _unquoted(name: str, rest: str) -> str:
    comment = _COMMENT.search(rest)
    value = (rest[: comment.start()] if comment else rest).strip()
    if re.search(r"\s", value):
        raise _Wrong(f"{name}: a value with blanks stands in quotes")
    if re.search(r"['\"\\]", value):
        raise _Wrong(f"{name}: a value with quotes or a backslash stands in quotes")
    return value
