"""Text that somebody else wrote, made fit to be kept in any database and shown to people.

What no database holds (NUL, halves of surrogate pairs), what a terminal obeys (ESC, CR, BEL) and what deceives the eye
(bidirectional controls) is escaped as JSON does: `\\n`, `\\u001b`. So a JSON line stays one, and people can read it.

`one_line` and `lines` are for what is kept, `visible` and `json_text` for what is shown: nothing without a shape of its
own (Unicode's Cc, Cf, Cs, Co, Cn, U+2028, U+2029) leaves them as it is (SEC-9).
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from functools import cache
from typing import Any
from unicodedata import category, east_asian_width

MAX_TEXT_CHARACTERS = 2_000
"""Characters that are kept of one text of others."""

ESCAPING = "sexton-escaping"
"""Name of the handler of encoding errors that escapes what an encoding cannot hold."""

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_BLANKS = "\u00a0\u3000"
"""Not called printable by Python, but seen: blanks that do not break, or are wide."""

_HARMLESS = f"\u200c\u200d\u00ad{_BLANKS}"
"""Kept as well, as scripts, emoji and names need them: joiners, soft hyphen. They are not seen, so not shown."""


def one_line(text: str, longest: int = MAX_TEXT_CHARACTERS) -> str:
    """The text on one line without anything that is obeyed or cannot be kept; at most `longest` characters."""
    cut = _decoded(str.__str__(text)[: longest + 1])  # before escaping: it may be huge
    plain = cut if cut.isprintable() else "".join(map(_plain, cut))
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def lines(text: str, longest: int) -> str:
    """The same for several lines. Of a long text, head and tail are kept. longest: bytes as UTF-8."""
    kept = "\n".join(one_line(line, longest) for line in _shortened(text, longest).split("\n"))
    return _shortened(kept, longest)


def visible(text: str) -> str:
    """One line to be shown: whatever has no shape of its own, line feeds and tabs too, is an escape one can see."""
    text = _decoded(str.__str__(text))
    return text if text.isprintable() else "".join(map(_shown, text))


def printed(text: str) -> str:
    """The same for what is not ours to lay out: line feeds and tabs stay."""
    if text.isprintable():
        return text
    return "".join(character if character in "\n\t" else _shown(character) for character in text)


def json_text(
    value: Any,
    *,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    default: Callable[[Any], Any] | None = None,
) -> str:
    """JSON in which the same characters are escapes, so that reading it gives the value back. Others stand as they are.

    indent, separators, default: as of `json.dumps`, which makes one line without `indent`.
    """
    return printed(json.dumps(value, indent=indent, separators=separators, default=default, ensure_ascii=False))


def width(text: str) -> int:
    """Columns that a visible text takes on a terminal: signs of East Asia and emoji take two, accents and the vowels
    that stand above or below a letter none."""
    if text.isascii():
        return len(text)
    return sum(0 if category(sign) in ("Mn", "Me") else 2 if east_asian_width(sign) in "WF" else 1 for sign in text)


def encodable(text: str, encoding: str) -> str:
    """The text, with an escape for each character that this encoding lacks."""
    if text.isascii():
        return text
    _register()
    return text.encode(encoding, ESCAPING).decode(encoding)


def escaped(character: str) -> str:
    """One character as JSON escapes it."""
    units = character.encode("utf-16-be", "surrogatepass")
    pairs = (units[place : place + 2].hex() for place in range(0, len(units), 2))
    return _SHORT.get(character) or "".join(f"\\u{pair}" for pair in pairs)


@cache
def _register() -> None:
    codecs.register_error(ESCAPING, _escape)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(escaped, error.object[error.start : error.end])), error.end


def _decoded(text: str) -> str:
    """Bytes of an argument that Python could not read in the locale of "C" are UTF-8 nearly always."""
    if text.isascii() or not any("\udc80" <= character <= "\udcff" for character in text):
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return text


def _shown(character: str) -> str:
    return character if character.isprintable() or character in _BLANKS else escaped(character)


def _plain(character: str) -> str:
    return character if character.isprintable() or character in _HARMLESS else escaped(character)


def _shortened(text: str, longest: int) -> str:
    """At most so many bytes, from the start and from the end."""
    whole = text.encode("utf-8", "surrogatepass") if len(text) * 4 > longest else b""
    if len(whole) <= longest:
        return text
    half = (longest - 80) // 2
    head, tail = (part.decode("utf-8", "ignore") for part in (whole[:half], whole[-half:]))
    return f"{head}\n… {len(whole) - 2 * half:,} bytes left out …\n{tail}"
