"""Text that somebody else wrote, made fit to be kept in any database and shown on any terminal.

What no database holds (NUL, halves of surrogate pairs), what a terminal obeys (ESC, CR, BEL) and what deceives the eye
(bidirectional controls) is escaped as JSON does: `\\n`, `\\u001b`. So a JSON line stays one, and people can read it.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from io import TextIOWrapper
from typing import TextIO

LONGEST = 2_000
"""Characters that are kept of one text of others."""

ESCAPING = "sexton-escaping"
"""Name of the handler of encoding errors that escapes what an encoding cannot hold."""

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_HARMLESS = "\u200c\u200d\u00ad\u00a0\u3000"
"""Not called printable by Python, but needed by scripts, emoji and names: joiners, soft hyphen, wide blanks."""


def one_line(text: str, longest: int = LONGEST) -> str:
    """The text on one line without anything that is obeyed or cannot be kept; at most `longest` characters."""
    cut = _decoded(str.__str__(text)[: longest + 1])  # before escaping: it may be huge
    plain = cut if cut.isprintable() else "".join(map(_plain, cut))
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def lines(text: str, longest: int) -> str:
    """The same for several lines. Of a long text, head and tail are kept. longest: bytes as UTF-8."""
    kept = "\n".join(one_line(line, longest) for line in _shortened(text, longest).split("\n"))
    return _shortened(kept, longest)


def printed(text: str) -> str:
    """What may go to a terminal: line feeds and tabs stay, all else that it would obey is escaped."""
    if text.isprintable():
        return text
    return "".join(character if character in "\n\t" else _plain(character) for character in text)


def encodable(text: str, encoding: str) -> str:
    """The text, with an escape for each character that this encoding lacks."""
    register()
    return text.encode(encoding, ESCAPING).decode(encoding)


def escaped(character: str) -> str:
    """One character as JSON escapes it."""
    units = character.encode("utf-16-be", "surrogatepass")
    pairs = (units[place : place + 2].hex() for place in range(0, len(units), 2))
    return _SHORT.get(character) or "".join(f"\\u{pair}" for pair in pairs)


@contextmanager
def escape_on(*streams: TextIO | None) -> Iterator[None]:
    """Inside the block these streams escape what their encoding lacks, as JSON does, instead of failing."""
    register()
    known = [(stream, stream.errors) for stream in streams if isinstance(stream, TextIOWrapper) and not stream.closed]
    for stream, _ in known:
        stream.reconfigure(errors=ESCAPING)
    try:
        yield
    finally:
        for stream, errors in known:
            with suppress(OSError, ValueError):  # its reader went away
                stream.reconfigure(errors=errors)


@cache
def register() -> None:
    """Make `ESCAPING` known to Python's encoders."""
    codecs.register_error(ESCAPING, _escape)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(escaped, error.object[error.start : error.end])), error.end


def _decoded(text: str) -> str:
    """Bytes of an argument that Python could not read in the locale of "C" are UTF-8 nearly always."""
    if not any("\udc80" <= character <= "\udcff" for character in text):
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return text


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
