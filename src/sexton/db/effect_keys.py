"""Effect keys and subjects as text: how their parts are joined so that two rows never read alike. The specification.

In a part that is free text `~` is written `~0` and the separator `~1`; NULL, where a key may hold it, is `~N`. So the
separator separates, and texts without both are as they were. The subject of a key of one column is its text, in which
only a `~` at the beginning is written `~0`. A text of more than `MAX_KEY_CHARACTERS` characters is its beginning, `~`,
and its SHA-256, together one character more than that: no whole text is so long. SQLite calls these functions itself;
what PostgreSQL has instead is compared with them by tests.

SQLite takes any value in any column. There a value that is not of its column's kind is marked: `~T` text, `~I` a
number, `~X` the hexadecimal digits of bytes; and `~R` a number whose 15 digits are not all of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from ..clock import iso

KEY_FORM = 1
"""What the column `form` holds beside keys and subjects of this form; those stored before revision 0010 have NULL."""

COLON, COMMA = ":", ","
"""What separates the parts of an effect key, and those of a subject."""

MAX_KEY_CHARACTERS = 500
"""Characters of a key; an entry of an index on PostgreSQL holds 2,700 bytes."""

KEPT_KEY_CHARACTERS = MAX_KEY_CHARACTERS - 64
"""Characters that stay of a longer one."""

NULL_PART = "~N"
"""In place of a value that is not there."""


def escaped_part(part: str, separator: str) -> str:
    """Free text as a part: without the separator, and read in one way only. separator: "" where it is the only part."""
    if not separator:
        return f"~0{part[1:]}" if part.startswith("~") else part
    return part.replace("~", "~0").replace(separator, "~1")


def effect_key(name: str, *parts: str | int | date) -> str:
    """The key that `text_key` makes in SQL of these values: for `tell`, whose keys are made in Python.

    name: what the fact is, written as it is.  parts: whom or what it is about; texts may hold anything.
    """
    return bounded(COLON.join((name, *(_part(part, COLON) for part in parts))))


def subject_of(key: Sequence[str | int | date]) -> str:
    """The subject that `subject_text` makes in SQL of the key of a row."""
    if len(key) == 1:
        return bounded(_part(key[0], ""))
    return bounded(COMMA.join(_part(part, COMMA) for part in key))


def _part(value: str | int | date, separator: str) -> str:
    if isinstance(value, datetime):
        return iso(value)
    return escaped_part(value, separator) if isinstance(value, str) else str(value)


def bounded(text: str) -> str:
    """The text, or for a long one its beginning and its hash."""
    return text if len(text) <= MAX_KEY_CHARACTERS else _hashed(text, text.encode(errors="surrogatepass"))


ValueKind = Literal["text", "number", "bytes", "time"]
"""What a column of SQLite is for. Any of them may hold anything."""

_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+(?:e[+-][0-9]+)?)?|Inf)")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}[.0-9]*")


@dataclass(frozen=True, slots=True)
class SqliteKeys:
    """Parts and keys as SQLite has them written. encoding: of the text in the file, which need not be any (UTF-8)."""

    encoding: str = "UTF-8"

    def part(self, kind: ValueKind, separator: str, found: str, value: bytes | None, digits: str) -> str | bytes | None:
        """A value of a column of this kind as a part.

        found: what it is, by `typeof`.  value: its text in bytes.  digits: of a number, 17 of them.
        """
        if value is None:
            return None
        text = value.hex() if found == "blob" else value.decode(self.encoding, self._odd)
        mark = _mark(kind, found, text, digits)
        if mark == "~R":
            return mark + digits
        if found == "text":
            text = f"{text.replace(' ', 'T')}Z" if kind == "time" and not mark else escaped_part(text, separator)
        try:
            (text := mark + text).encode()
        except UnicodeEncodeError:
            return text.encode(self.encoding, self._odd)
        return text

    def bounded(self, key: bytes | None) -> str | None:
        """`bounded` of a key. What is no text in the file's encoding is hashed however short it is."""
        if key is None:
            return None
        try:
            return bounded(key.decode(self.encoding))
        except UnicodeDecodeError:
            return _hashed(key.decode(self.encoding, "backslashreplace"), key)

    @property
    def _odd(self) -> str:
        """How bytes that are no text become some, and bytes again."""
        return "surrogateescape" if self.encoding == "UTF-8" else "surrogatepass"


def _mark(kind: ValueKind, found: str, text: str, digits: str) -> str:
    """The mark before a value that is not of its column's kind, or whose text may be that of another; else empty."""
    if found == "text":
        usual = {"text": True, "number": not _NUMBER.fullmatch(text), "time": bool(_TIME.fullmatch(text))}
        return "" if usual.get(kind) else "~T"
    if found == "blob":
        return "" if kind == "bytes" else "~X"
    if found == "real" and float(text) != float(digits):
        return "~R"
    return "" if kind == "number" else "~I"


def _hashed(text: str, whole: bytes) -> str:
    return f"{text[:KEPT_KEY_CHARACTERS].ljust(KEPT_KEY_CHARACTERS, '~')}~{hashlib.sha256(whole).hexdigest()}"


def storable(text: str, dialect: str) -> str:
    """A key that Python code made, bounded and as the database takes it.

    Lone surrogates, which no database keeps, are written `~u` and four digits, as is NUL for PostgreSQL.
    """
    odd = "\ud800-\udfff" if dialect == "sqlite" else "\0\ud800-\udfff"
    return bounded(re.sub(f"[{odd}]", lambda found: f"~u{ord(found[0]):04x}", text))
